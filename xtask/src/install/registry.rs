//! A registry of images in a space of its own, for as long as a trial takes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

use super::root::finished;
use super::space::Space;

/// What it is told: to listen where its name leads, and to keep images beside that.
const CONFIG: &str = "\
version: 0.1
http: {addr: '127.0.0.1:80'}
storage: {filesystem: {rootdirectory: /mnt/images}}
";
/// Its first answer is waited for; the machine may be busy.
const ANSWERS: &str = "curl --fail --silent --show-error --retry 60 --retry-delay 1 \
                       --retry-connrefused";

const LOG: &str = "registry.log";

/// Starts Docker's own, as Debian has it, and waits until it answers. `tools` is where its program
/// is kept, `folder` where programs of the space work. It ends with the space.
///
/// # Errors
/// When it cannot be had or does not answer.
pub(super) fn start(space: &Space, name: &str, tools: &Path, folder: &Path) -> anyhow::Result<()> {
    fs::copy(program(tools)?, folder.join("docker-registry"))?;
    fs::write(folder.join("registry.yaml"), CONFIG)?;
    space.start("exec ./docker-registry serve registry.yaml", LOG)?;
    let answers = space.run(&format!("{ANSWERS} http://{name}/v2/"));
    let log = || fs::read_to_string(folder.join(LOG)).unwrap_or_default();
    answers.map(drop).with_context(log)
}

/// Debian's program, taken out of its package: an installation would have it serve this machine.
fn program(tools: &Path) -> anyhow::Result<PathBuf> {
    let home = tools.join("docker-registry");
    let program = home.join("usr/bin/docker-registry");
    if program.is_file() {
        return Ok(program);
    }
    println!("=== fetching docker-registry ===");
    let fetched = tempfile::tempdir_in(tools)?;
    let mut fetch = Command::new("apt-get");
    fetch
        .args(["download", "docker-registry"])
        .current_dir(&fetched);
    finished(&mut fetch, "apt-get update")?;
    let mut packages = fs::read_dir(&fetched)?;
    let package = packages.next().context("apt-get fetched nothing")??.path();
    let mut unpack = Command::new("dpkg-deb");
    unpack.arg("--extract").arg(package).arg(&home);
    finished(&mut unpack, "apt-get install dpkg")?;
    ensure!(
        program.is_file(),
        "the package has no {}",
        program.display()
    );
    Ok(program)
}
