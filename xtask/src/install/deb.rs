//! What dpkg does with the .deb: installed, upgraded, removed, purged.

use anyhow::{Context, ensure};

use super::Packages;
use super::contract::{Comes, Contract};
use super::life::{self, CONFIG, OWN_HOOK, RUNTIME, SERVER, STATE};
use super::root::Root;
use super::snapshot::Snapshot;

/// A system in which the packages are tried.
pub(super) struct Trial<'a> {
    pub(super) root: &'a Root,
    pub(super) contract: &'a Contract,
    pub(super) packages: &'a Packages,
    pub(super) has_systemd: bool,
}

// === impl Trial ===

impl Trial<'_> {
    /// Everything, in the order of a machine's life.
    ///
    /// # Errors
    /// The first step that goes wrong, and how.
    pub(super) fn run(&self) -> anyhow::Result<()> {
        let before = Snapshot::take(self.root)?;
        self.install(&before).context("installation")?;
        self.upgrade().context("upgrade")?;
        self.remove(&before).context("removal")?;
        self.purge(&before).context("purge")?;
        self.purge_at_once(&before).context("installed and purged")
    }

    fn install(&self, before: &Snapshot) -> anyhow::Result<()> {
        self.dpkg(&["--install", &self.root.bring(&self.packages.old)?])?;
        let added = self.added(before)?;
        self.contract.check(&added, self.comes())?;
        self.root.run(&["dpkg", "--verify", "clusterrebootd"])?;
        let audit = self.root.run(&["dpkg", "--audit"])?;
        ensure!(audit.is_empty(), "dpkg --audit says: {audit}");
        life::programs_answer(self.root)?;
        if self.has_systemd {
            life::units_load(self.root)?;
        }
        Ok(())
    }

    fn upgrade(&self) -> anyhow::Result<()> {
        life::use_it(self.root, self.has_systemd)?;
        self.dpkg(&[
            "--force-confold",
            "--install",
            &self.root.bring(&self.packages.new)?,
        ])?;
        life::is_upgraded(self.root, &format!("{CONFIG}.dpkg-dist"), self.has_systemd)
    }

    fn remove(&self, before: &Snapshot) -> anyhow::Result<()> {
        self.dpkg(&["--remove", "clusterrebootd"])?;
        let left = self.added(before)?;
        life::only_these_are_left(&left, &[CONFIG, SERVER, STATE, OWN_HOOK], &[RUNTIME])?;
        life::is_the_operator_s(self.root, CONFIG)
    }

    /// Only what the operator has put there by hand outlives it.
    fn purge(&self, before: &Snapshot) -> anyhow::Result<()> {
        self.dpkg(&["--purge", "clusterrebootd"])?;
        life::only_these_are_left(&self.added(before)?, &[OWN_HOOK], &[])?;
        self.root.run(&["rm", "-r", "/etc/clusterrebootd"])?;
        Ok(())
    }

    fn purge_at_once(&self, before: &Snapshot) -> anyhow::Result<()> {
        self.dpkg(&["--install", &self.root.bring(&self.packages.new)?])?;
        self.contract.check(&self.added(before)?, self.comes())?;
        self.dpkg(&["--purge", "clusterrebootd"])?;
        let left = self.added(before)?;
        ensure!(
            left == Snapshot::default(),
            "still there: {}",
            left.paths().join(", ")
        );
        Ok(())
    }

    /// What was added, but for the packages that we brought along ourselves.
    fn added(&self, before: &Snapshot) -> anyhow::Result<Snapshot> {
        let mut added = Snapshot::take(self.root)?.since(before);
        added.0.retain(|path, _| !path.ends_with(".deb"));
        Ok(added)
    }

    fn comes(&self) -> &'static [Comes] {
        match self.has_systemd {
            true => &[Comes::All, Comes::Deb, Comes::Tmpfiles],
            false => &[Comes::All, Comes::Deb],
        }
    }

    fn dpkg(&self, arguments: &[&str]) -> anyhow::Result<String> {
        self.root.run(&[&["dpkg"], arguments].concat())
    }
}
