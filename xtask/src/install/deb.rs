//! What dpkg does with the .deb: installed, upgraded, removed, purged.

use anyhow::{Context, ensure};

use super::contract::{Comes, Contract};
use super::root::Root;
use super::snapshot::Snapshot;
use super::{EDIT, OWN_HOOK, Packages, STATE, programs_answer, units_load};

const CONFIG: &str = "/etc/clusterrebootd/config.yaml";
const SERVER: &str = "/etc/clusterrebootd/server.yaml";

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
        programs_answer(self.root)?;
        if self.has_systemd {
            units_load(self.root)?;
        }
        Ok(())
    }

    /// What the operator wrote and what the daemon left is still there; what nobody touched is new.
    fn upgrade(&self) -> anyhow::Result<()> {
        self.root.append(CONFIG, EDIT)?;
        self.root.run(&["clusterrebootd", "validate-config"])?;
        self.root.run(&["mkdir", "-p", "/var/lib/clusterrebootd"])?; // where no tmpfiles.d did
        self.root.append(STATE, "left by the daemon\n")?;
        self.root.append(OWN_HOOK, "#!/bin/sh\n")?;
        if self.has_systemd {
            self.root.run(&["systemctl", "enable", "clusterrebootd"])?;
        }
        self.dpkg(&[
            "--force-confold",
            "--install",
            &self.root.bring(&self.packages.new)?,
        ])?;
        let (config, server) = (self.read(CONFIG)?, self.read(SERVER)?);
        ensure!(config.contains(EDIT), "{CONFIG} lost the operator's change");
        ensure!(
            config.contains(super::OLD),
            "{CONFIG} is not the operator's any more"
        );
        ensure!(
            !server.contains(super::OLD),
            "{SERVER} is still the old one"
        );
        let offered = self.read(&format!("{CONFIG}.dpkg-dist"))?;
        ensure!(
            !offered.contains(super::OLD),
            "the new {CONFIG} is not offered"
        );
        self.root.run(&["rm", &format!("{CONFIG}.dpkg-dist")])?;
        self.state_is_there()?;
        if self.has_systemd {
            self.root
                .run(&["systemctl", "is-enabled", "clusterrebootd"])?;
        }
        Ok(())
    }

    fn remove(&self, before: &Snapshot) -> anyhow::Result<()> {
        self.dpkg(&["--remove", "clusterrebootd"])?;
        let left = self.added(before)?;
        let kept = [CONFIG, SERVER, STATE, OWN_HOOK];
        for path in kept {
            ensure!(left.0.contains_key(path), "{path} is gone");
        }
        let is_kept = |path: &&str| kept.iter().any(|it| it.starts_with(*path));
        let is_runtime = |path: &&str| *path == "/run/clusterrebootd";
        let strange = left
            .paths()
            .into_iter()
            .filter(|path| !is_kept(path) && !is_runtime(path));
        let strange: Vec<&str> = strange.collect();
        ensure!(strange.is_empty(), "still there: {}", strange.join(", "));
        let config = self.read(CONFIG)?;
        ensure!(config.contains(EDIT), "{CONFIG} lost the operator's change");
        Ok(())
    }

    /// Only what the operator has put there by hand outlives it.
    fn purge(&self, before: &Snapshot) -> anyhow::Result<()> {
        self.dpkg(&["--purge", "clusterrebootd"])?;
        let left = self.added(before)?;
        let strange = left
            .paths()
            .into_iter()
            .filter(|path| !OWN_HOOK.starts_with(path));
        let strange: Vec<&str> = strange.collect();
        ensure!(strange.is_empty(), "still there: {}", strange.join(", "));
        ensure!(left.0.contains_key(OWN_HOOK), "{OWN_HOOK} is gone");
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

    fn state_is_there(&self) -> anyhow::Result<()> {
        for path in [STATE, OWN_HOOK] {
            self.root
                .run(&["test", "-f", path])
                .with_context(|| format!("{path} is gone"))?;
        }
        Ok(())
    }

    fn read(&self, path: &str) -> anyhow::Result<String> {
        self.root.run(&["cat", path])
    }

    fn dpkg(&self, arguments: &[&str]) -> anyhow::Result<String> {
        self.root.run(&[&["dpkg"], arguments].concat())
    }
}
