//! A registry of images on the loopback interface, for as long as a trial takes.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

use super::alone::pause;
use super::root::finished;

/// How long it may take to start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Docker's own, as Debian has it; ended with this value.
pub(super) struct Registry {
    process: Child,
    pub(super) address: SocketAddr,
}

// === impl Registry ===

impl Registry {
    /// Starts it, with what it keeps in this folder. `tools` is where its program is kept.
    ///
    /// # Errors
    /// When it cannot be had or does not start, with what it says.
    pub(super) fn start(tools: &Path, folder: &Path) -> anyhow::Result<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let (config, log) = (folder.join("registry.yaml"), folder.join("registry.log"));
        let images = folder.join("images");
        let text = format!(
            "version: 0.1\nhttp: {{addr: {address}}}\n\
             storage: {{filesystem: {{rootdirectory: {}}}}}\n",
            images.display()
        );
        fs::write(&config, text)?;
        let mut command = Command::new(program(tools)?);
        command.arg("serve").arg(&config).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(File::create(&log)?);
        let process = command.spawn().context("cannot start the registry")?;
        let mut registry = Self { process, address };
        registry
            .wait()
            .with_context(|| fs::read_to_string(log).unwrap_or_default())?;
        Ok(registry)
    }

    fn wait(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(self.address).is_err() {
            if let Some(status) = self.process.try_wait()? {
                bail!("the registry has ended with {status}");
            }
            ensure!(Instant::now() < deadline, "the registry does not listen");
            pause(LOOK_EVERY);
        }
        Ok(())
    }
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

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill(); // it may have ended
        let _ = self.process.wait();
    }
}
