//! A pretended machine: its power, and the real daemon that runs on it.

use super::site::{POWER, SENTINEL};
use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::process::{Child, Command};

/// How long a daemon may take to stop; a real machine would not wait either.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// Whether the machine has power.
enum Power {
    On(Child),
    Off { until: Instant },
    Dead,
}

/// A machine.
pub(super) struct Machine {
    name: String,
    home: PathBuf,
    binary: PathBuf,
    down_for: Duration,
    dies: bool,
    power: Power,
    reboots: u32,
}

// === impl Machine ===

impl Machine {
    /// Starts the daemon of a furnished machine. One that `dies` does not come back from its
    /// first reboot.
    pub(super) fn power_on(
        name: &str,
        home: PathBuf,
        binary: &Path,
        down_for: Duration,
        dies: bool,
    ) -> Result<Self> {
        let power = Power::On(start(&home, binary)?);
        let (name, binary) = (name.to_owned(), binary.to_owned());
        Ok(Self {
            name,
            home,
            binary,
            down_for,
            dies,
            power,
            reboots: 0,
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn down_for(&self) -> Duration {
        self.down_for
    }

    pub(super) fn reboots(&self) -> u32 {
        self.reboots
    }

    pub(super) fn is_down(&self) -> bool {
        !matches!(self.power, Power::On(_))
    }

    pub(super) fn is_dead(&self) -> bool {
        matches!(self.power, Power::Dead)
    }

    /// Whether it did all it will do.
    pub(super) fn is_finished(&self) -> bool {
        self.is_dead() || (self.reboots > 0 && !self.is_down())
    }

    /// How long it stays down, while it is.
    pub(super) fn time_left(&self) -> Option<Duration> {
        match self.power {
            Power::Off { until } => Some(until.saturating_duration_since(Instant::now())),
            Power::On(_) | Power::Dead => None,
        }
    }

    /// Does what the power button says, and what the time says.
    pub(super) async fn look_after(&mut self) -> Result<()> {
        let is_pressed = fs::remove_file(self.home.join(POWER)).is_ok();
        match &mut self.power {
            Power::On(_) if is_pressed => self.go_down().await,
            Power::On(daemon) => {
                if let Some(status) = daemon.try_wait()? {
                    anyhow::bail!("the daemon of {} ended by itself: {status}", self.name);
                }
            }
            Power::Off { until } if *until <= Instant::now() => self.come_back()?,
            Power::Off { .. } | Power::Dead => {}
        }
        Ok(())
    }

    async fn go_down(&mut self) {
        self.reboots += 1;
        let until = Instant::now() + self.down_for;
        let next = if self.dies {
            Power::Dead
        } else {
            Power::Off { until }
        };
        if let Power::On(mut daemon) = std::mem::replace(&mut self.power, next) {
            match self.dies {
                true => drop(daemon.kill().await), // a power loss: no farewell
                false => stop(&mut daemon).await,
            }
        }
    }

    fn come_back(&mut self) -> Result<()> {
        // What a boot does: another boot id, and an empty /run.
        fs::write(
            self.home.join("boot_id"),
            format!("{}-boot-{}\n", self.name, self.reboots),
        )?;
        fs::remove_file(self.home.join(SENTINEL)).context("the sentinel went away by itself")?;
        self.power = Power::On(start(&self.home, &self.binary)?);
        Ok(())
    }

    /// Ends the daemon, whatever it is doing.
    pub(super) async fn power_off_for_good(&mut self) {
        if let Power::On(daemon) = &mut self.power {
            stop(daemon).await;
        }
    }
}

fn start(home: &Path, binary: &Path) -> Result<Child> {
    let log = File::options()
        .create(true)
        .append(true)
        .open(home.join("daemon.log"))?;
    Command::new(binary)
        .args(["run", "--log-format", "json", "--config"])
        .arg(home.join("config.yaml"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("{} cannot be started", binary.display()))
}

/// As systemd stops it at a shutdown: asked first, then made to.
async fn stop(daemon: &mut Child) {
    if let Some(pid) = daemon.id().and_then(|pid| i32::try_from(pid).ok()) {
        // It may have ended this very moment.
        let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
    }
    if tokio::time::timeout(STOP_LIMIT, daemon.wait())
        .await
        .is_err()
    {
        drop(daemon.kill().await);
    }
}
