//! The demo's directory: what a real machine has one of, each pretended machine has a file of.

use super::plan::Plan;
use anyhow::{Context, Result};
use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The health script: says no while somebody has put a file `sick` beside it.
const HEALTH: &str = r#"[ ! -e "$DIR/sick" ] || { echo "somebody said it is sick"; exit 1; }"#;
/// What a drain hook would do to real work takes a moment, so that one can see it.
const DRAIN: &str = "touch \"$DIR/drained\"\nsleep 0.5";
const UNDO: &str = r#"rm -f "$DIR/drained""#;
/// The machine goes down: the supervisor reads its name at the other end of the pipe.
const REBOOT: &str = r#"echo "$NODE" > "$DIR/../power""#;

/// The temporary directory. It goes with this value unless it shall be kept.
#[derive(Debug)]
pub(super) struct Place {
    root: PathBuf,
    keeps: bool,
}

/// The files of one machine.
#[derive(Clone, Debug)]
pub(super) struct Files {
    dir: PathBuf,
}

// === impl Place ===

impl Place {
    /// Makes the directory and everything in it.
    ///
    /// # Errors
    /// When the file system refuses.
    pub(super) fn make(plan: &Plan) -> Result<Self> {
        let token = uuid::Uuid::new_v4().simple().to_string();
        let root = std::env::temp_dir().join(format!("clusterrebootd-demo-{}", &token[..8]));
        let mut builder = fs::DirBuilder::new();
        let made = builder.mode(0o700).create(&root);
        made.with_context(|| cannot("make", &root))?;
        let keeps = plan.keeps;
        let place = Self { root, keeps };
        nix::unistd::mkfifo(&place.power(), nix::sys::stat::Mode::S_IRWXU)
            .with_context(|| cannot("make", &place.power()))?;
        for name in &plan.names {
            place.files(name).make(name, plan, &place.store())?;
        }
        Ok(place)
    }

    /// The directory.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The pipe into which a reboot command writes who goes down.
    pub(super) fn power(&self) -> PathBuf {
        self.root.join("power")
    }

    /// The store that all share.
    pub(super) fn store(&self) -> PathBuf {
        self.root.join("fleet.db")
    }

    /// The files of a machine.
    pub(super) fn files(&self, name: &str) -> Files {
        let dir = self.root.join(name);
        Files { dir }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.keeps && fs::remove_dir_all(&self.root).is_err() {
            let root = self.root.display();
            crate::console::complain(&format!("demo: {root} cannot be removed: do it by hand"));
        }
    }
}

fn cannot(verb: &str, path: &Path) -> String {
    let path = path.display();
    format!("cannot {verb} {path}: make room, or set TMPDIR to a directory you may write to")
}

// === impl Files ===

impl Files {
    /// The configuration.
    pub(super) fn config(&self) -> PathBuf {
        self.dir.join("config.yaml")
    }

    /// What the daemon says.
    pub(super) fn log(&self) -> PathBuf {
        self.dir.join("log")
    }

    /// Whether the drain hook ran and was not undone.
    pub(super) fn is_drained(&self) -> bool {
        self.dir.join("drained").exists()
    }

    /// Something was installed that needs a reboot.
    pub(super) fn need_reboot(&self) -> Result<()> {
        self.write("reboot-required", "")
    }

    /// What a boot does: the volatile files are gone, and the kernel has a new boot id.
    pub(super) fn boot(&self) -> Result<()> {
        // There is none at the first boot, and at the next when somebody removed it.
        let _ = fs::remove_file(self.dir.join("reboot-required"));
        self.write("boot_id", &format!("{}\n", uuid::Uuid::new_v4()))
    }

    fn make(&self, name: &str, plan: &Plan, store: &Path) -> Result<()> {
        for sub in ["state", "run", "hooks/pre-reboot.d", "hooks/post-reboot.d"] {
            let dir = self.dir.join(sub);
            fs::create_dir_all(&dir).with_context(|| cannot("make", &dir))?;
        }
        let machine_id = uuid::Uuid::new_v4().simple();
        self.write("machine-id", &format!("{machine_id}\n"))?;
        self.write("config.yaml", &self.settings(name, plan, store))?;
        for (script, body) in [
            ("health", HEALTH),
            ("reboot", REBOOT),
            ("hooks/pre-reboot.d/10-drain", DRAIN),
            ("hooks/pre-reboot.d/10-drain.undo", UNDO),
        ] {
            self.write_script(script, name, body)?;
        }
        Ok(())
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.dir.join(name);
        fs::write(&path, text).with_context(|| cannot("write", &path))
    }

    fn write_script(&self, script: &str, node: &str, body: &str) -> Result<()> {
        let dir = self.dir.display();
        self.write(
            script,
            &format!("#!/bin/sh\nDIR='{dir}'\nNODE={node}\n{body}\n"),
        )?;
        let path = self.dir.join(script);
        let mode = fs::Permissions::from_mode(0o700);
        fs::set_permissions(&path, mode).with_context(|| cannot("make executable", &path))
    }

    /// The configuration file: real keys, with short times.
    fn settings(&self, name: &str, plan: &Plan, store: &Path) -> String {
        // A JSON string is a YAML string.
        let quoted = |path: &Path| serde_json::json!(path.to_string_lossy()).to_string();
        let at = |file: &str| quoted(&self.dir.join(file));
        let beat = plan.beat_secs();
        let (health_timeout, lock_ttl, stale_after) = (2 * beat, 3 * beat, 6 * beat);
        let lines = [
            format!("node_name: {name}"),
            format!("max: {}", plan.slots),
            format!("store: {{embedded: {{path: {}}}}}", quoted(store)),
            "reboot_required_detectors:".to_owned(),
            format!(
                "  - {{name: marker, type: file, path: {}}}",
                at("reboot-required")
            ),
            format!("health_script: {}", at("health")),
            format!("health_timeout_sec: {health_timeout}"),
            format!("health_publish_interval_sec: {beat}"),
            format!("health_stale_after_sec: {stale_after}"),
            format!("lock_ttl_sec: {lock_ttl}"),
            format!("check_interval_sec: {beat}"),
            "backoff_min_sec: 1".to_owned(),
            format!("backoff_max_sec: {beat}"),
            format!("reboot_timeout_sec: {}", plan.timeout_secs()),
            format!("reboot_command: [{}]", at("reboot")),
            format!("hooks_dir: {}", at("hooks")),
            "hook_timeout_sec: 10".to_owned(),
            format!("kill_switch_file: {}", at("kill-switch")),
            format!("state_dir: {}", at("state")),
            format!("run_dir: {}", at("run")),
            format!("boot_id_file: {}", at("boot_id")),
            format!("machine_id_file: {}", at("machine-id")),
        ];
        lines.join("\n") + "\n"
    }
}
