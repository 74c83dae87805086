//! The machines' files: configuration, scripts, identities, and the store they share.

use crate::cli::DemoArgs;
use anyhow::{Context, Result};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Makes a need appear: the detector of every machine looks at it.
pub(super) const SENTINEL: &str = "reboot-needed";
/// The reboot command leaves it: the machine's power button.
pub(super) const POWER: &str = "power-cut";

/// A temporary directory, gone with this value unless it is kept.
pub(super) struct Site {
    dir: tempfile::TempDir,
    names: Vec<String>,
}

// === impl Site ===

impl Site {
    /// Writes everything.
    pub(super) fn build(args: &DemoArgs) -> Result<Self> {
        let dir = tempfile::Builder::new()
            .prefix("clusterrebootd-demo-")
            .tempdir()?;
        let names = (1..=args.nodes)
            .map(|number| format!("node-{number}"))
            .collect();
        let site = Self { dir, names };
        for name in &site.names {
            site.furnish(name, args)
                .with_context(|| format!("the files of {name}"))?;
        }
        Ok(site)
    }

    pub(super) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    pub(super) fn home(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(super) fn store_path(&self) -> PathBuf {
        self.dir.path().join("fleet.db")
    }

    /// Makes every machine need a reboot.
    pub(super) fn ask_all(&self) -> Result<()> {
        for name in &self.names {
            fs::write(self.home(name).join(SENTINEL), "kernel\n")?;
        }
        Ok(())
    }

    /// Keeps the directory beyond this value.
    pub(super) fn keep(&mut self) -> PathBuf {
        self.dir.disable_cleanup(true);
        self.dir.path().to_owned()
    }

    fn furnish(&self, name: &str, args: &DemoArgs) -> Result<()> {
        let home = self.home(name);
        let hooks = home.join("hooks/pre-reboot.d");
        fs::create_dir_all(&hooks)?;
        fs::write(home.join("boot_id"), format!("{name}-boot-0\n"))?;
        fs::write(home.join("machine-id"), format!("machine-of-{name}\n"))?;
        fs::write(home.join("config.yaml"), self.config(name, &home, args))?;
        let note = |what: &str| format!("echo {what} >> {}/hooks.log", home.display());
        script(&home.join("health.sh"), "exit 0")?;
        script(
            &home.join("reboot.sh"),
            &format!("touch {}/{POWER}", home.display()),
        )?;
        script(
            &hooks.join("10-drain"),
            &format!("{}\nsleep 0.3", note("drain")),
        )?;
        script(&hooks.join("10-drain.undo"), &note("undrain"))
    }

    fn config(&self, name: &str, home: &Path, args: &DemoArgs) -> String {
        let (home, store) = (home.display(), self.store_path().display().to_string());
        let (slots, timeout) = (args.slots, args.seconds + 3);
        format!(
            "node_name: {name}\n\
             max: {slots}\n\
             store: {{embedded: {{path: {store}}}}}\n\
             reboot_required_detectors:\n\
             - {{name: kernel, type: file, path: {home}/{SENTINEL}}}\n\
             health_script: {home}/health.sh\n\
             health_timeout_sec: 1\n\
             health_publish_interval_sec: 1\n\
             health_stale_after_sec: 20\n\
             check_interval_sec: 5\n\
             backoff_min_sec: 1\n\
             backoff_max_sec: 2\n\
             lock_ttl_sec: 3\n\
             reboot_timeout_sec: {timeout}\n\
             reboot_command: [{home}/reboot.sh]\n\
             hooks_dir: {home}/hooks\n\
             kill_switch_file: {home}/disable\n\
             state_dir: {home}/state\n\
             run_dir: {home}/run\n\
             boot_id_file: {home}/boot_id\n\
             machine_id_file: {home}/machine-id\n"
        )
    }
}

fn script(path: &Path, body: &str) -> Result<()> {
    fs::write(path, format!("#!/bin/sh\n{body}\n"))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
    Ok(())
}
