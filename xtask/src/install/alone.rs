//! A program with nothing around it: it tells its version, serves, and asks itself by name.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use tempfile::NamedTempFile;

use super::root::{as_root, finished};
use crate::package::target::Arch;

/// A folder that a program takes for the whole system.
pub(super) struct Alone {
    pub(super) folder: PathBuf,
    /// The program in it.
    pub(super) program: String,
    /// For another architecture's, what runs it here.
    emulator: Option<PathBuf>,
    /// Who runs it, by the numbers of user and group.
    pub(super) user: (u32, u32),
}

/// How long an emulated program on a busy machine may take to answer.
const PATIENCE: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// A name that only the folder's own /etc/hosts tells of.
const HOST: &str = "coordinator.test";

/// A server that runs; ended with this value.
struct Server {
    process: Child,
    /// What it says.
    log: NamedTempFile,
}

// === impl Alone ===

impl Alone {
    /// A program of this architecture in a folder; run by root.
    pub(super) fn new(folder: &Path, program: &str, arch: Arch) -> anyhow::Result<Self> {
        let is_own = arch == Arch::own()?;
        let emulator = format!("/usr/bin/qemu-{}-static", arch.machine());
        Ok(Self {
            folder: folder.to_owned(),
            program: program.to_owned(),
            emulator: (!is_own).then(|| emulator.into()),
            user: (0, 0),
        })
    }

    /// Goes through it all. `serve` is what makes it a server; the address is added to that.
    ///
    /// # Errors
    /// The first step that goes wrong, and how.
    pub(super) fn try_out(&self, version: &str, serve: &[&str]) -> anyhow::Result<()> {
        self.furnish()?;
        let said = self.run(&["version"])?;
        ensure!(said.contains(version), "`version` says {said}");
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        self.write("etc/hosts", &format!("127.0.0.1 localhost {HOST}\n"))?;
        self.write("operator.yaml", &operator(port))?;
        let mut server = self.serve(serve, port)?;
        self.until_it_answers(&mut server)?;
        let said = self.run(&["lock", "set-max", "2", "--config", "/operator.yaml"])?;
        ensure!(said.contains('2'), "`lock set-max` says {said}");
        server.stop()
    }

    /// It knows the time zones by itself.
    ///
    /// # Errors
    /// When it does not.
    pub(super) fn knows_time_zones(&self) -> anyhow::Result<()> {
        let windows = "windows: {allow: [\"Sat 01:00-05:00\"], timezone: Europe/Berlin}\n";
        self.write("windows.yaml", &format!("{}{windows}", operator(1)))?;
        let said = self.run(&["validate-config", "--config", "/windows.yaml"])?;
        ensure!(said.contains("is valid"), "`validate-config` says {said}");
        Ok(())
    }

    /// What the kernel shows of itself, and what runs another architecture's programs.
    fn furnish(&self) -> anyhow::Result<()> {
        let mut proc = as_root("mkdir");
        proc.arg("--parents").arg(self.folder.join("proc"));
        finished(&mut proc, "apt-get install coreutils")?;
        if let Some(emulator) = &self.emulator {
            let mut copy = as_root("cp");
            copy.arg(emulator).arg(self.folder.join("emulator"));
            finished(&mut copy, "apt-get install qemu-user-static")?;
        }
        Ok(())
    }

    fn serve(&self, serve: &[&str], port: u16) -> anyhow::Result<Server> {
        let mut command = self.command();
        command.args(serve);
        command.args(["--listen", &format!("127.0.0.1:{port}")]);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let log = NamedTempFile::new()?;
        let process = command.stderr(log.reopen()?).spawn();
        let process = process.context("cannot start the server")?;
        Ok(Server { process, log })
    }

    /// Its operators' command finds it by the name that stands in /etc/hosts.
    fn until_it_answers(&self, server: &mut Server) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        let log = server.log.path().to_owned();
        let log = || fs::read_to_string(&log).unwrap_or_default();
        loop {
            let asked = self.run(&["lock", "status", "--config", "/operator.yaml"]);
            let Err(error) = asked else {
                return Ok(());
            };
            if let Some(status) = server.process.try_wait()? {
                bail!("the server has ended with {status}: {}", log());
            }
            if Instant::now() > deadline {
                return Err(error).with_context(|| format!("no answer; its log: {}", log()));
            }
            pause(LOOK_EVERY);
        }
    }

    fn run(&self, arguments: &[&str]) -> anyhow::Result<String> {
        finished(self.command().args(arguments), "apt-get install coreutils")
    }

    fn command(&self) -> Command {
        let mut command = as_root("unshare");
        command
            .args(["--mount", "--mount-proc", "--wd", "/", "--root"])
            .arg(&self.folder)
            .arg(format!("--setgid={}", self.user.1))
            .arg(format!("--setuid={}", self.user.0))
            .args(self.emulator.as_ref().map(|_| "/emulator"))
            .arg(&self.program)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command
    }

    fn write(&self, path: &str, text: &str) -> anyhow::Result<()> {
        write_as_root(&self.folder.join(path), text)
    }
}

fn write_as_root(path: &Path, text: &str) -> anyhow::Result<()> {
    let fresh = NamedTempFile::new()?;
    fs::write(fresh.path(), text)?;
    let mut install = as_root("install");
    install
        .args(["-D", "--mode=0644"])
        .arg(fresh.path())
        .arg(path);
    finished(&mut install, "apt-get install coreutils").map(drop)
}

/// Lets the server get ready.
#[allow(clippy::disallowed_methods)] // there is no event: it answers when it answers
pub(super) fn pause(span: Duration) {
    std::thread::sleep(span);
}

fn operator(port: u16) -> String {
    format!(
        "node_name: operator\n\
         reboot_required_detectors: [{{type: file, path: /nowhere}}]\n\
         health_script: /program\n\
         store: {{server: {{url: \"http://{HOST}:{port}\"}}}}\n"
    )
}

// === impl Server ===

impl Server {
    /// Asks it to end, which it does in good order.
    fn stop(mut self) -> anyhow::Result<()> {
        self.signal()?;
        let status = self.process.wait()?;
        ensure!(status.success(), "the server ended with {status}");
        Ok(())
    }

    fn signal(&self) -> anyhow::Result<()> {
        let mut kill = as_root("kill"); // sudo hands it on
        finished(
            kill.arg(self.process.id().to_string()),
            "apt-get install procps",
        )
        .map(drop)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if matches!(self.process.try_wait(), Ok(None)) && self.signal().is_ok() {
            let _ = self.process.wait(); // it was about to end anyway
        }
    }
}
