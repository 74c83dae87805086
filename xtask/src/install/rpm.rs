//! What rpm does with the .rpm, with a database of its own: installed, upgraded, erased.

use anyhow::{Context, ensure};

use super::Packages;
use super::contract::{Comes, Contract};
use super::life::{self, CONFIG, OWN_HOOK, RUNTIME, STATE};
use super::root::{Root, as_root, finished};
use super::snapshot::Snapshot;
use crate::package::target::Arch;

/// What an installation brings.
const COMES: &[Comes] = &[Comes::All, Comes::Rpm, Comes::Tmpfiles];

/// A system in which the packages are tried.
pub(super) struct Trial<'a> {
    pub(super) root: &'a Root,
    pub(super) contract: &'a Contract,
    pub(super) packages: &'a Packages,
}

// === impl Trial ===

impl Trial<'_> {
    /// Everything, in the order of a machine's life.
    ///
    /// # Errors
    /// The first step that goes wrong, and how.
    pub(super) fn run(&self) -> anyhow::Result<()> {
        self.rpm(&["--initdb"])?;
        let before = Snapshot::take(self.root)?;
        self.install(&before).context("installation")?;
        self.upgrade().context("upgrade")?;
        self.erase(&before).context("removal")
    }

    /// The package of another architecture, which is installed and erased.
    ///
    /// # Errors
    /// The first step that goes wrong, and how.
    pub(super) fn foreign(&self, arch: Arch) -> anyhow::Result<()> {
        self.rpm(&["--initdb"])?;
        let before = Snapshot::take(self.root)?;
        let package = self.packages.new.display().to_string();
        self.rpm(&["--install", "--nodeps", "--ignorearch", &package])?;
        let query = ["--query", "--queryformat=%{ARCH}", "clusterrebootd"];
        let said = self.rpm(&query)?;
        ensure!(said == arch.machine(), "it says that it is for {said}");
        let added = Snapshot::take(self.root)?.since(&before);
        self.contract.check(&added, COMES)?;
        self.rpm(&["--erase", "clusterrebootd"])?;
        let left = Snapshot::take(self.root)?.since(&before);
        let state = "/var/lib/clusterrebootd"; // a removal keeps it
        life::only_these_are_left(&left, &[state], &[RUNTIME])
    }

    fn install(&self, before: &Snapshot) -> anyhow::Result<()> {
        let package = self.packages.old.display().to_string();
        self.rpm(&["--install", "--nodeps", &package])?;
        let added = Snapshot::take(self.root)?.since(before);
        self.contract.check(&added, COMES)?;
        self.rpm(&["--verify", "--nodeps", "clusterrebootd"])?;
        life::programs_answer(self.root)?;
        life::units_load(self.root)
    }

    fn upgrade(&self) -> anyhow::Result<()> {
        life::use_it(self.root, true)?;
        let package = self.packages.new.display().to_string();
        self.rpm(&["--upgrade", "--nodeps", &package])?;
        life::is_upgraded(self.root, &format!("{CONFIG}.rpmnew"), true)
    }

    /// Of the configuration, what was edited stays under another name.
    fn erase(&self, before: &Snapshot) -> anyhow::Result<()> {
        self.rpm(&["--erase", "clusterrebootd"])?;
        let left = Snapshot::take(self.root)?.since(before);
        let saved = format!("{CONFIG}.rpmsave");
        life::only_these_are_left(&left, &[&saved, STATE, OWN_HOOK], &[RUNTIME])?;
        life::is_the_operator_s(self.root, &saved)
    }

    /// This machine's rpm, on the system's own database. It knows nothing of what dpkg put there,
    /// so whoever installs says `--nodeps`.
    fn rpm(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let mut rpm = as_root("unshare");
        let proc = self.root.path().join("proc"); // what its scripts call wants one
        rpm.args(["--mount", "--pid", "--fork", "--kill-child"])
            .arg(format!("--mount-proc={}", proc.display()))
            .args(["rpm", "--root"])
            .arg(self.root.path())
            .args(arguments);
        finished(&mut rpm, "apt-get install rpm")
    }
}
