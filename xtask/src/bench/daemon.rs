//! A daemon, and what it says, stamped as it is read.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use serde_json::Value;

use super::Place;

/// How long a daemon may take for anything.
const PATIENCE: Duration = Duration::from_secs(20);
/// Lines that may wait to be read; a daemon says far fewer in a measurement.
const LINES_MAX: usize = 10_000;

/// What a daemon is started with.
pub(crate) struct Plan {
    program: PathBuf,
    dir: PathBuf,
    keys: BTreeMap<&'static str, String>,
}

/// A daemon that runs; it ends with the value.
pub(crate) struct Daemon {
    child: Child,
    dir: PathBuf,
    lines: Receiver<(Instant, String)>,
}

/// An event of a daemon's log.
pub(crate) struct Line {
    /// When it was read.
    pub(crate) at: Instant,
    value: Value,
}

// === impl Plan ===

impl Plan {
    /// A node in a directory of its own: every interval at its default, a health script that does
    /// nothing, one detector, which looks at `DIR/sentinel`.
    pub(crate) fn new(place: &Place, dir: &Path) -> anyhow::Result<Self> {
        let dir = dir.to_owned();
        for sub in ["state", "run", "hooks"] {
            fs::create_dir_all(dir.join(sub))?;
        }
        let name = dir.file_name().context("a directory has a name")?;
        let name = name.to_string_lossy().into_owned();
        fs::write(dir.join("machine-id"), format!("{:0>32}\n", hex(&name)))?;
        let at = |file: &str| dir.join(file).display().to_string();
        let detector = format!("[{{name: sentinel, type: file, path: {}}}]", at("sentinel"));
        let keys = BTreeMap::from([
            ("reboot_required_detectors", detector),
            ("health_script", "/bin/true".to_owned()),
            ("kill_switch_file", at("kill-switch")),
            ("hooks_dir", at("hooks")),
            ("state_dir", at("state")),
            ("run_dir", at("run")),
            ("machine_id_file", at("machine-id")),
            (
                "store",
                format!("{{embedded: {{path: {}}}}}", at("fleet.db")),
            ),
            ("node_name", name),
        ]);
        Ok(Self {
            program: place.program.clone(),
            dir,
            keys,
        })
    }

    /// Sets a key of the configuration.
    pub(crate) fn set(mut self, key: &'static str, value: impl ToString) -> Self {
        self.keys.insert(key, value.to_string());
        self
    }

    /// Never reboots, and does nothing that it is not asked for.
    pub(crate) fn calm(self) -> Self {
        self.set("dry_run", true)
            .set("check_interval_sec", 3600)
            .set("health_publish_interval_sec", 3600)
    }

    /// The command that runs it.
    pub(crate) fn command(&self) -> anyhow::Result<Command> {
        let lines = self.keys.iter();
        let lines = lines.map(|(key, value)| format!("{key}: {value}\n"));
        let config = self.dir.join("config.yaml");
        fs::write(&config, lines.collect::<String>())?;
        let mut command = Command::new(&self.program);
        command.arg("run").arg("--config").arg(config);
        command.args(["--log-format", "json"]).stdin(Stdio::null());
        Ok(command)
    }

    /// Starts it, and waits for the end of its first pass.
    pub(crate) fn start(self) -> anyhow::Result<Daemon> {
        let mut child = self.command()?.stderr(Stdio::piped()).spawn()?;
        let stderr = child.stderr.take().context("stderr is piped")?;
        let (sender, lines) = sync_channel(LINES_MAX);
        std::thread::spawn(move || read(stderr, &sender));
        let daemon = Daemon {
            child,
            dir: self.dir,
            lines,
        };
        daemon.wait("run_outcome", |_| true)?;
        Ok(daemon)
    }
}

fn hex(name: &str) -> String {
    name.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn read(stderr: ChildStderr, sender: &SyncSender<(Instant, String)>) {
    let mut reader = BufReader::new(stderr);
    let mut line = String::new();
    while reader.read_line(&mut line).is_ok_and(|count| count > 0) {
        let at = Instant::now();
        if sender.send((at, std::mem::take(&mut line))).is_err() {
            return; // nobody reads any more
        }
    }
}

// === impl Daemon ===

impl Daemon {
    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for an event, passing over others.
    pub(crate) fn wait(&self, event: &str, fact: impl Fn(&Line) -> bool) -> anyhow::Result<Line> {
        let end = Instant::now() + PATIENCE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left);
            let (at, text) = line.map_err(|_| {
                let dir = self.dir.display();
                anyhow!("the daemon of {dir} did not log {event} in time, or ended")
            })?;
            let Ok(value) = serde_json::from_str(&text) else {
                continue; // a line for people
            };
            let line = Line { at, value };
            if line.value["event"] == event && fact(&line) {
                return Ok(line);
            }
        }
    }

    /// Lets its detector find something that was never there before, all at once; returns when.
    pub(crate) fn need(&self, number: usize) -> anyhow::Result<Instant> {
        let ready = self.dir.join("run/next-sentinel");
        fs::write(&ready, format!("{number}\n"))?;
        let at = Instant::now();
        fs::rename(ready, self.dir.join("sentinel"))?;
        Ok(at)
    }

    /// Takes the need away.
    pub(crate) fn calm_down(&self) -> anyhow::Result<()> {
        Ok(fs::remove_file(self.dir.join("sentinel"))?)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended by itself; that was noticed where it mattered.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

// === impl Line ===

impl Line {
    /// A field of the event.
    pub(crate) fn field(&self, name: &str) -> &Value {
        &self.value["fields"][name]
    }

    /// How long the health script ran, by a `health_check`.
    pub(crate) fn duration(&self) -> anyhow::Result<Duration> {
        let secs = self.field("duration_sec").as_f64();
        let secs = secs.context("a health_check has a duration_sec")?;
        Ok(Duration::try_from_secs_f64(secs)?)
    }
}
