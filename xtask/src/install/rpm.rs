//! What rpm does with the .rpm, with a database of its own: installed, upgraded, erased.

use anyhow::{Context, ensure};

use super::contract::{Comes, Contract};
use super::root::{Root, as_root, finished};
use super::snapshot::Snapshot;
use super::{EDIT, OWN_HOOK, Packages, STATE, programs_answer, units_load};

const CONFIG: &str = "/etc/clusterrebootd/config.yaml";
const SERVER: &str = "/etc/clusterrebootd/server.yaml";

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

    fn install(&self, before: &Snapshot) -> anyhow::Result<()> {
        let package = self.packages.old.display().to_string();
        self.rpm(&["--install", "--nodeps", &package])?;
        let added = Snapshot::take(self.root)?.since(before);
        self.contract
            .check(&added, &[Comes::All, Comes::Rpm, Comes::Tmpfiles])?;
        self.rpm(&["--verify", "--nodeps", "clusterrebootd"])?;
        programs_answer(self.root)?;
        units_load(self.root)
    }

    fn upgrade(&self) -> anyhow::Result<()> {
        self.root.append(CONFIG, EDIT)?;
        self.root.run(&["clusterrebootd", "validate-config"])?;
        self.root.append(STATE, "left by the daemon\n")?;
        self.root.append(OWN_HOOK, "#!/bin/sh\n")?;
        self.root.run(&["systemctl", "enable", "clusterrebootd"])?;
        let package = self.packages.new.display().to_string();
        self.rpm(&["--upgrade", "--nodeps", &package])?;
        let (config, server) = (self.read(CONFIG)?, self.read(SERVER)?);
        ensure!(config.contains(EDIT), "{CONFIG} lost the operator's change");
        ensure!(
            !server.contains(super::OLD),
            "{SERVER} is still the old one"
        );
        let offered = self.read(&format!("{CONFIG}.rpmnew"))?;
        ensure!(
            !offered.contains(super::OLD),
            "the new {CONFIG} is not offered"
        );
        self.root.run(&["rm", &format!("{CONFIG}.rpmnew")])?;
        for path in [STATE, OWN_HOOK] {
            self.root
                .run(&["test", "-f", path])
                .with_context(|| format!("{path} is gone"))?;
        }
        self.root
            .run(&["systemctl", "is-enabled", "clusterrebootd"])?;
        Ok(())
    }

    /// Of the configuration, what was edited stays under another name.
    fn erase(&self, before: &Snapshot) -> anyhow::Result<()> {
        self.rpm(&["--erase", "clusterrebootd"])?;
        let left = Snapshot::take(self.root)?.since(before);
        let saved = format!("{CONFIG}.rpmsave");
        let kept = [saved.as_str(), STATE, OWN_HOOK];
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
        let config = self.read(&saved)?;
        ensure!(config.contains(EDIT), "{saved} lost the operator's change");
        Ok(())
    }

    fn read(&self, path: &str) -> anyhow::Result<String> {
        self.root.run(&["cat", path])
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
