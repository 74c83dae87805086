//! The program, for this machine or another.
//!
//! A release is linked by zig, whatever it is for: that brings every C library along, and takes no
//! newer function of glibc than it is told to, however new the one of this machine is.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::ensure;

use super::target::{Libc, Target};
use super::{RELEASE_PROFILE, Workshop, elf, tools, traces};

/// The program of this workshop for a target. In a release's no path of the machine is left.
///
/// # Errors
/// Names the program that is missing or failed.
pub(super) fn compile(workshop: &Workshop, target: Target) -> anyhow::Result<PathBuf> {
    let (place, profile) = (&workshop.place, workshop.profile.as_str());
    let is_plain = is_plain(workshop, target)?;
    let mut cargo = match is_plain {
        true => plain(),
        false => linked_by_zig(&workshop.tools, target)?,
    };
    cargo
        .args(["--locked", "--package", "clusterrebootd"])
        .args(["--profile", profile])
        .current_dir(&place.root)
        .env("CARGO_TARGET_DIR", &place.target);
    let flags = flags(workshop, is_plain)?;
    if !flags.is_empty() {
        cargo.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"));
    }
    if profile == RELEASE_PROFILE {
        // What the program says of itself; a developer's would be linked anew at every commit.
        cargo
            .env("CLUSTERREBOOTD_COMMIT", &workshop.release.commit)
            .env("CLUSTERREBOOTD_BUILD_DATE", workshop.release.date()?)
            .env("SOURCE_DATE_EPOCH", &workshop.release.epoch);
    }
    tools::run(&mut cargo, "mend the compiler's errors above")?;
    let folder = match profile {
        "dev" => "debug",
        profile => profile,
    };
    let binary = match is_plain {
        true => place.target.join(folder),
        false => place.target.join(target.triple()).join(folder),
    };
    let binary = binary.join("clusterrebootd");
    ensure!(binary.is_file(), "{} was not built", binary.display());
    Ok(binary)
}

/// Whether this machine's own compiler and linker do.
///
/// # Errors
/// On a machine that no package is made on.
pub(super) fn is_plain(workshop: &Workshop, target: Target) -> anyhow::Result<bool> {
    Ok(workshop.profile != RELEASE_PROFILE && target == Target::own()?)
}

fn plain() -> Command {
    let mut cargo = tools::of_nobody("cargo");
    cargo.arg("build");
    cargo
}

fn linked_by_zig(tools: &Path, target: Target) -> anyhow::Result<Command> {
    target.provide()?;
    let home = tools::zig(tools)?;
    let mut cargo = tools::of_nobody(home.join("bin/cargo-zigbuild"));
    cargo
        .args(["zigbuild", "--target", &target.pinned()])
        .env("PATH", tools::path_with(&home.join("bin"))?)
        .env("CARGO_ZIGBUILD_CACHE_DIR", home.join("cache"))
        .env("ZIG_GLOBAL_CACHE_DIR", home.join("zig-cache"));
    Ok(cargo)
}

/// What a release calls the folders of this machine.
fn renamed(workshop: &Workshop) -> anyhow::Result<[(PathBuf, &'static str); 3]> {
    let place = &workshop.place;
    // The last that fits counts, and the target directory is mostly below the root.
    Ok([
        (place.root.clone(), "/source"),
        (tools::cargo_home()?, "/cargo"),
        (place.target.clone(), "/target"),
    ])
}

/// Makes sure that a program is for its target, and that a release names no file of this machine.
///
/// # Errors
/// What is wrong with it.
pub(super) fn check(workshop: &Workshop, target: Target, binary: &Path) -> anyhow::Result<()> {
    let program = fs::read(binary)?;
    elf::check(&program, target.arch, target.libc == Libc::Musl)?;
    if workshop.profile == RELEASE_PROFILE {
        let folders = renamed(workshop)?.map(|(folder, _)| folder);
        traces::check(&program, &folders)?;
    }
    Ok(())
}

/// What the compiler is told beside what the profile says.
fn flags(workshop: &Workshop, is_plain: bool) -> anyhow::Result<Vec<String>> {
    if workshop.profile == RELEASE_PROFILE {
        let flag =
            |(from, to): (PathBuf, &str)| format!("--remap-path-prefix={}={to}", from.display());
        return Ok(renamed(workshop)?.map(flag).into());
    }
    // Nothing here strips another machine's program afterwards.
    Ok(match is_plain {
        true => Vec::new(),
        false => vec!["-Cstrip=symbols".to_owned()],
    })
}
