//! A space of its own for programs of containers: no container, no port, no mount and no file that
//! they leave is the machine's.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, ensure};

use super::root::{as_root, finished};

/// What furnishes it, and holds it open.
const FURNISH: &str = include_str!("space.sh");

/// Everything in it ends with this value.
pub(super) struct Space {
    holder: Child,
    /// The number of its first process.
    number: String,
    /// Where its programs work, and what they say.
    folder: PathBuf,
}

// === impl Space ===

impl Space {
    /// Opens one whose programs work in this folder, and find a registry of this name in it.
    ///
    /// # Errors
    /// When it cannot be had, with what was said.
    pub(super) fn open(folder: &Path, registry: &str) -> anyhow::Result<Self> {
        let log = folder.join("space.log");
        let mut unshare = as_root("unshare");
        unshare
            .args(["--mount", "--net", "--cgroup", "--pid", "--fork"])
            .args(["--kill-child", "sh", "-euc", FURNISH, "space"])
            .arg(folder)
            .arg(registry)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&log)?);
        let mut holder = unshare.spawn().context("cannot run unshare")?;
        let mut number = String::new();
        let said = holder.stdout.take().context("unshare says nothing")?;
        BufReader::new(said).read_line(&mut number)?;
        let number = number.trim().to_owned();
        let folder = folder.to_owned();
        let space = Self {
            holder,
            number,
            folder,
        };
        let why = || fs::read_to_string(&log).unwrap_or_default();
        ensure!(!space.number.is_empty(), "no space of its own: {}", why());
        Ok(space)
    }

    /// What a line of a shell prints on its way to a good end.
    ///
    /// # Errors
    /// When it fails, with its last words.
    pub(super) fn run(&self, line: &str) -> anyhow::Result<String> {
        let said = finished(&mut self.command(line), "apt-get install util-linux");
        said.with_context(|| format!("`{line}` failed"))
    }

    /// Starts a line of a shell; the file below its folder gets what it says.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(super) fn start(&self, line: &str, log: &str) -> anyhow::Result<Child> {
        let log = File::create(self.folder.join(log))?;
        let mut command = self.command(line);
        command.stdin(Stdio::null()).stdout(log.try_clone()?);
        let started = command.stderr(log).spawn();
        started.with_context(|| format!("cannot run `{line}`"))
    }

    fn command(&self, line: &str) -> Command {
        let mut command = as_root("nsenter");
        command
            .args(["--target", &self.number, "--wd"])
            .args(["--mount", "--net", "--cgroup", "--pid"])
            .args(["/usr/bin/env", "--ignore-environment", "HOME=/mnt"])
            .args(["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8"])
            .args(["sh", "-euc", line]);
        command
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        drop(self.holder.stdin.take()); // its end is the space's
        let _ = self.holder.wait(); // it may have ended
    }
}
