//! The distributions' own judges of packages: lintian and rpmlint.

use std::path::Path;
use std::process::Command;

use super::root::finished;

/// Lets lintian look at the .deb. What it may not complain about is in the package.
///
/// # Errors
/// Everything it complains about.
pub(super) fn deb(package: &Path) -> anyhow::Result<()> {
    let mut lintian = Command::new("lintian");
    lintian
        .args(["--allow-root", "--fail-on", "error,warning"])
        .arg(package);
    finished(&mut lintian, "apt-get install lintian").map(|_| ())
}

/// Lets rpmlint look at the .rpm.
///
/// # Errors
/// Everything it complains about.
pub(super) fn rpm(root: &Path, package: &Path) -> anyhow::Result<()> {
    let mut rpmlint = Command::new("rpmlint");
    rpmlint
        .args(["--strict", "--config"])
        .arg(root.join("packaging/rpmlint.toml"))
        .arg(package);
    finished(&mut rpmlint, "apt-get install rpmlint").map(|_| ())
}
