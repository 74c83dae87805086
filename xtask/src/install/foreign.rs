//! The packages of the other architecture, as far as this machine can try them: its package
//! managers install them, and an emulator runs their program.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

use super::alone::Alone;
use super::contract::{Comes, Contract};
use super::root::{Root, as_root, finished};
use super::snapshot::Snapshot;
use crate::package::target::Arch;

/// dpkg puts every file where it belongs, and takes all of it away again.
///
/// # Errors
/// The first step that goes wrong, and how.
pub(super) fn deb(
    root: &Root,
    contract: &Contract,
    package: &Path,
    arch: Arch,
) -> anyhow::Result<()> {
    let before = Snapshot::take(root)?;
    let arch = arch.to_string();
    let name = format!("clusterrebootd:{arch}");
    root.run(&["dpkg", "--add-architecture", &arch])?;
    // Its C library would be a whole other system.
    let package = root.bring(package)?;
    root.run(&["dpkg", "--force-depends", "--install", &package])?;
    let said = root.run(&[
        "dpkg-query",
        "--show",
        "--showformat=${Architecture}",
        &name,
    ])?;
    ensure!(said == arch, "it says that it is for {said}");
    let mut added = Snapshot::take(root)?.since(&before);
    added.0.retain(|path, _| !path.ends_with(".deb"));
    contract.check(&added, &[Comes::All, Comes::Deb, Comes::Tmpfiles])?;
    root.run(&["dpkg", "--purge", &name])?;
    let mut left = Snapshot::take(root)?.since(&before);
    left.0.retain(|path, _| !path.ends_with(".deb"));
    let left = left.paths().join(", ");
    ensure!(left.is_empty(), "still there: {left}");
    Ok(())
}

/// The program of the package runs with the C library of that architecture.
///
/// # Errors
/// The first step that goes wrong, and how.
pub(super) fn program(
    package: &Path,
    arch: Arch,
    version: &str,
    folder: &Path,
) -> anyhow::Result<()> {
    let root = tempfile::tempdir_in(folder)?;
    let mut unpack = Command::new("dpkg-deb");
    unpack.arg("--extract").arg(package).arg(root.path());
    finished(&mut unpack, "apt-get install dpkg")?;
    let mut libraries = Command::new("cp");
    libraries.args(["--recursive", "--no-dereference"]);
    libraries
        .arg(libraries_of(arch))
        .arg(root.path().join("lib"));
    finished(&mut libraries, "apt-get install coreutils")?;
    let tried = Alone::new(root.path(), "/usr/bin/clusterrebootd", arch)?;
    let tried = tried.try_out(version, &["serve"]);
    clear(root.path())?;
    tried
}

/// Where Debian's packages for cross-compilers have the C library of another architecture.
fn libraries_of(arch: Arch) -> PathBuf {
    format!("/usr/{}-linux-gnu/lib", arch.machine()).into()
}

/// A static program in a folder with nothing else.
///
/// # Errors
/// The first step that goes wrong, and how.
pub(super) fn fixed(
    archive: &Path,
    arch: Arch,
    version: &str,
    folder: &Path,
) -> anyhow::Result<()> {
    let root = tempfile::tempdir_in(folder)?;
    let mut unpack = Command::new("tar");
    unpack.arg("--extract").arg("--file").arg(archive);
    unpack.arg("--directory").arg(root.path());
    unpack.args(["--strip-components=1", "--wildcards", "*/clusterrebootd"]);
    finished(&mut unpack, "apt-get install tar")?;
    let alone = Alone::new(root.path(), "/clusterrebootd", arch)?;
    let tried = alone.try_out(version, &["serve"]);
    let tried = tried.and_then(|()| alone.knows_time_zones());
    clear(root.path())?;
    tried
}

/// Deletes what root has made there, which others could not.
///
/// # Errors
/// When it cannot be deleted.
pub(super) fn clear(folder: &Path) -> anyhow::Result<()> {
    let mut find = as_root("find");
    find.arg(folder)
        .args(["-xdev", "-mindepth", "1", "-delete"]);
    let cleared = finished(&mut find, "delete it by hand");
    cleared.map(drop).context("cannot clear what was tried")
}
