//! Other people's programs, and the files that we ship for them.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A file below `deploy/`.
pub(crate) fn shipped(file: &str) -> PathBuf {
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy");
    deploy.join(file).canonicalize().expect(file)
}

/// Runs a program of a Debian package.
pub(crate) fn run(program: &str, package: &str, args: &[&str]) -> Output {
    let output = Command::new(program).args(args).output();
    output.unwrap_or_else(|error| {
        panic!("cannot start {program} ({error}): run `apt-get install {package}`")
    })
}

/// What it says, when all is well.
pub(crate) fn good(program: &str, package: &str, args: &[&str]) -> String {
    let output = run(program, package, args);
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(output.status.success(), "{program} {args:?}:\n{said}");
    said
}
