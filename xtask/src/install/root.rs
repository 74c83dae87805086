//! Fresh Debian systems in folders, and what is done inside of them.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, bail, ensure};

/// A Debian system that packages are tried in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct System {
    /// Debian's name of the release.
    pub(super) suite: &'static str,
    /// Whether systemd's programs are installed, as on a machine; a container mostly lacks them.
    pub(super) has_systemd: bool,
}

/// A system that was unpacked just now, in a folder that goes with this value.
pub(super) struct Root {
    folder: tempfile::TempDir,
}

// === impl System ===

impl System {
    /// What it is called in messages and in the cache.
    pub(super) fn name(self) -> String {
        match self.has_systemd {
            true => self.suite.to_owned(),
            false => format!("{}-without-systemd", self.suite),
        }
    }

    /// Makes its archive in `cache`, unless it is there.
    ///
    /// # Errors
    /// When mmdebstrap is missing or fails, with its last words.
    pub(super) fn prepare(self, cache: &Path) -> anyhow::Result<PathBuf> {
        let archive = cache.join(format!("{}.tar", self.name()));
        if archive.is_file() {
            return Ok(archive);
        }
        fs::create_dir_all(cache)?;
        // Half an archive never has the name of a whole one.
        let unfinished = cache.join(format!("{}.unfinished.tar", self.name()));
        let mut debstrap = as_root("mmdebstrap");
        debstrap.arg("--variant=minbase");
        if self.has_systemd {
            debstrap.arg("--include=systemd");
        }
        debstrap.arg(self.suite).arg(&unfinished).args(mirror()?);
        finished(&mut debstrap, "apt-get install mmdebstrap")
            .with_context(|| format!("cannot make a Debian system of {}", self.name()))?;
        fs::rename(&unfinished, &archive)?;
        Ok(archive)
    }
}

/// Debian's mirror as this machine's apt has it; mmdebstrap knows one for every other machine.
fn mirror() -> anyhow::Result<Option<String>> {
    let mut apt = Command::new("apt-get");
    apt.args(["indextargets", "--format", "$(REPO_URI)"]).args([
        "Created-By: Packages",
        "Origin: Debian",
        "Label: Debian",
    ]);
    let found = finished(&mut apt, "run this on Debian or its kin")?;
    Ok(found.lines().next().map(str::to_owned))
}

// === impl Root ===

impl Root {
    /// Unpacks an archive below `folder`.
    ///
    /// # Errors
    /// When tar fails.
    pub(super) fn unpack(archive: &Path, folder: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(folder)?;
        let folder = tempfile::Builder::new()
            .prefix("root-")
            .tempdir_in(folder)
            .context("cannot make a folder")?;
        let mut tar = as_root("tar");
        tar.args(["--extract", "--numeric-owner", "--same-permissions"])
            .arg("--directory")
            .arg(folder.path())
            .arg("--file")
            .arg(archive);
        finished(&mut tar, "apt-get install tar")?;
        Ok(Self { folder })
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// What a program says that runs inside, with processes and mounts of its own.
    ///
    /// # Errors
    /// When it fails, with what it said.
    pub(super) fn run(&self, line: &[&str]) -> anyhow::Result<String> {
        accept(self.enter(line).output(), line)
    }

    /// Whether a program that runs inside ends well.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(super) fn succeeds(&self, line: &[&str]) -> anyhow::Result<bool> {
        let output = self.enter(line).output();
        Ok(output
            .with_context(|| format!("cannot run {line:?}"))?
            .status
            .success())
    }

    /// Adds text to a file of the system, which may be new.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn append(&self, path: &str, text: &str) -> anyhow::Result<()> {
        let line = ["tee", "--append", path];
        let mut child = self
            .enter(&line)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot run tee")?;
        let mut input = child.stdin.take().context("tee takes no input")?;
        input.write_all(text.as_bytes())?;
        drop(input);
        accept(child.wait_with_output(), &line).map(|_| ())
    }

    /// Copies a file of this machine to the top of the system; gives its name there.
    ///
    /// # Errors
    /// When it cannot be copied.
    pub(super) fn bring(&self, file: &Path) -> anyhow::Result<String> {
        let name = file.file_name().context("a file without a name")?;
        finished(
            as_root("cp").arg(file).arg(self.path().join(name)),
            "apt-get install coreutils",
        )?;
        Ok(format!("/{}", name.display()))
    }

    fn enter(&self, line: &[&str]) -> Command {
        let mut command = as_root("unshare");
        command
            .args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"])
            .arg("--root")
            .arg(self.path())
            .args(["--wd", "/", "/usr/bin/env", "--ignore-environment"])
            .args(["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8"])
            .arg("DEBIAN_FRONTEND=noninteractive")
            .args(line)
            .stdin(Stdio::null());
        command
    }
}

impl Drop for Root {
    /// Its files belong to root, so a `TempDir` of somebody else cannot delete them by itself.
    fn drop(&mut self) {
        let mut remove = as_root("find");
        remove.arg(self.path()).args(["-mindepth", "1", "-delete"]);
        if let Err(error) = finished(&mut remove, "delete it by hand") {
            eprintln!("{}: {error:#}", self.path().display());
        }
    }
}

/// A program that runs as root, through sudo for anybody else.
pub(super) fn as_root(program: &str) -> Command {
    let id = Command::new("id").arg("-u").output();
    let is_root = id.is_ok_and(|id| id.stdout.trim_ascii() == b"0");
    if is_root {
        return Command::new(program);
    }
    let mut command = Command::new("sudo");
    command.args(["--non-interactive", program]);
    command
}

/// What a program of this machine prints on its way to a good end.
///
/// # Errors
/// When it is missing, with the remedy, or fails, with its last words.
pub(super) fn finished(command: &mut Command, remedy: &str) -> anyhow::Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output();
    let output = output.with_context(|| format!("cannot run {name}: {remedy}"))?;
    let error = last_words(&output);
    ensure!(output.status.success(), "{name} failed: {error}");
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn accept(output: std::io::Result<Output>, line: &[&str]) -> anyhow::Result<String> {
    let line = line.join(" ");
    let output = output.with_context(|| format!("cannot run `{line}`"))?;
    if !output.status.success() {
        bail!("`{line}` failed: {}", last_words(&output));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The end of what a program said, of both its streams.
fn last_words(output: &Output) -> String {
    const LINES: usize = 20;
    let said = [&output.stdout[..], &output.stderr[..]].concat();
    let said = String::from_utf8_lossy(&said);
    let lines: Vec<&str> = said.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}
