//! What others' programs say of the packages, of what lies beside them, and of the workflows.

use std::path::Path;
use std::process::Command;

use super::root::finished;
use crate::package::tools;

const WORKFLOWS: [&str; 2] = ["ci.yaml", "release.yaml"];

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

/// Holds the workflows against their schema.
///
/// # Errors
/// Everything that is not as it has it.
pub(super) fn workflows(root: &Path, tools: &Path) -> anyhow::Result<()> {
    let program = "bin/check-jsonschema";
    let home = tools::CHECK_JSONSCHEMA.installed(tools, program)?;
    let mut check = Command::new(home.join(program));
    check.args(["--builtin-schema", "vendor.github-workflows"]);
    check.args(WORKFLOWS.map(|name| root.join(".github/workflows").join(name)));
    finished(&mut check, "see whether the package index can be reached").map(drop)
}

/// Lets the script for everybody look at everything that was made.
///
/// # Errors
/// What it says.
pub(super) fn sums(root: &Path, packages: &Path) -> anyhow::Result<()> {
    let mut script = Command::new("sh");
    script
        .arg(root.join("packaging/scripts/verify_artifacts.sh"))
        .arg(packages);
    finished(&mut script, "apt-get install coreutils").map(drop)
}
