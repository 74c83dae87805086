//! A pretended machine: a daemon of this very program, and a supervisor's hand on its power.

use super::place::Files;
use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

/// How long a daemon may take to end before its machine pulls the plug.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(10);

/// Whether a machine is on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Power {
    /// It runs.
    On,
    /// Its reboot command was issued; the daemon is ending.
    GoingDown,
    /// It is off, until then.
    Off(Instant),
    /// It is off for good.
    Dead,
}

/// A daemon has ended.
#[derive(Debug)]
pub(super) struct Ended {
    /// Whose.
    pub(super) name: String,
    /// How.
    pub(super) how: String,
}

/// A machine.
pub(super) struct Machine {
    pub(super) name: String,
    pub(super) files: Files,
    power: Power,
    /// How often it went down.
    pub(super) reboots: u32,
    /// When its reboot command was issued last.
    pub(super) went_down: Option<Instant>,
    ended: mpsc::Sender<Ended>,
    life: Option<Life>,
}

/// A daemon, from its start to its end. Dropping it kills the daemon.
struct Life {
    signals: mpsc::Sender<Signal>,
    task: JoinHandle<()>,
}

// === impl Machine ===

impl Machine {
    /// A machine that was never on.
    pub(super) fn new(name: &str, files: Files, ended: mpsc::Sender<Ended>) -> Self {
        Self {
            name: name.to_owned(),
            files,
            power: Power::Dead,
            reboots: 0,
            went_down: None,
            ended,
            life: None,
        }
    }

    /// Boots it.
    ///
    /// # Errors
    /// When the daemon cannot be started.
    pub(super) fn start(&mut self, program: &Path) -> Result<()> {
        self.files.boot()?;
        let child = spawn(program, &self.files)?;
        let (signals, wanted) = mpsc::channel(4);
        let life = live(self.name.clone(), child, wanted, self.ended.clone());
        let task = tokio::spawn(life);
        self.life = Some(Life { signals, task });
        self.power = Power::On;
        Ok(())
    }

    /// The reboot command was issued: an orderly shutdown, or none at all.
    pub(super) fn go_down(&mut self, is_orderly: bool) {
        self.reboots += 1;
        self.went_down = Some(Instant::now());
        self.power = Power::GoingDown;
        self.signal(match is_orderly {
            true => Signal::SIGTERM,
            false => Signal::SIGKILL,
        });
    }

    /// Its daemon has ended: it is off, for so long or for good.
    pub(super) fn turn_off(&mut self, back_in: Option<Duration>) {
        self.power = back_in.map_or(Power::Dead, |wait| Power::Off(Instant::now() + wait));
    }

    /// Whether it is on, and if not, why.
    pub(super) fn power(&self) -> Power {
        self.power
    }

    /// Whether it counts as down: from its command to its next start.
    pub(super) fn is_down(&self) -> bool {
        self.power != Power::On
    }

    fn signal(&self, signal: Signal) {
        if let Some(life) = &self.life {
            // A daemon that ended by itself takes none.
            let _ = life.signals.try_send(signal);
        }
    }

    /// Tells the daemon to end, at the end of the demo.
    pub(super) fn begin_end(&self) {
        self.signal(Signal::SIGTERM);
    }

    /// Waits until its daemon is gone, and no longer than a shutdown may take.
    pub(super) async fn end(&mut self) {
        let Some(mut life) = self.life.take() else {
            return;
        };
        if timeout(SHUTDOWN_LIMIT, &mut life.task).await.is_err() {
            let _ = life.signals.try_send(Signal::SIGKILL); // as above
            let _ = (&mut life.task).await; // it can only have ended
        }
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        self.task.abort(); // the child goes with its task
    }
}

fn spawn(program: &Path, files: &Files) -> Result<Child> {
    let path = files.log();
    let log = File::options().create(true).append(true).open(&path);
    let log = log.with_context(|| format!("cannot write {}", path.display()))?;
    Command::new(program)
        .args(["run", "--log-format", "json", "--config"])
        .arg(files.config())
        .env_remove("NOTIFY_SOCKET") // the demo may be a service, its machines are none
        // Who keeps this machine up has nothing to do with its machines.
        .env("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/dev/null")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .process_group(0) // the terminal's Ctrl-C is for the supervisor alone
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("{} cannot be started", program.display()))
}

/// Follows a daemon to its end. It alone waits for the process, so that a signal never meets
/// another one under the same number.
async fn live(
    name: String,
    mut child: Child,
    mut signals: mpsc::Receiver<Signal>,
    ended: mpsc::Sender<Ended>,
) {
    let pid = child.id().and_then(|id| i32::try_from(id).ok());
    let status = loop {
        tokio::select! {
            status = child.wait() => break status,
            Some(signal) = signals.recv() => {
                if let Some(pid) = pid {
                    let _ = kill(Pid::from_raw(pid), signal); // it may have ended just now
                }
            }
        }
    };
    let how = status.map_or_else(|error| error.to_string(), |status| status.to_string());
    // At the end of the demo nobody listens any more.
    let _ = ended.try_send(Ended { name, how });
}
