//! The operator of the demo: mends a machine that does not come back, by the real commands.

use super::screen::Screen;
use anyhow::{Result, bail};
use reboot_core::fleet::Fleet;
use reboot_core::id::NodeName;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::process::Command;

/// How long the fleet is left alone with an overdue machine: nobody else may go down.
const WATCH: Duration = Duration::from_secs(4);

/// Watches one machine.
pub(super) struct Mender {
    name: String,
    binary: PathBuf,
    config: PathBuf,
    overdue_since: Option<Instant>,
    is_mended: bool,
}

// === impl Mender ===

impl Mender {
    pub(super) fn new(name: &str, binary: &Path, home: PathBuf) -> Self {
        Self {
            name: name.to_owned(),
            binary: binary.to_owned(),
            config: home.join("config.yaml"),
            overdue_since: None,
            is_mended: false,
        }
    }

    /// The machine whose hold was broken: it no longer counts.
    pub(super) fn broken(&self) -> Option<&str> {
        self.is_mended.then_some(self.name.as_str())
    }

    /// Breaks the hold, once the machine has been overdue for a while.
    pub(super) async fn mend(&mut self, fleet: &Fleet, screen: &mut Screen) -> Result<()> {
        if self.is_mended || !self.is_overdue(fleet) {
            return Ok(());
        }
        match self.overdue_since {
            None => {
                self.overdue_since = Some(Instant::now());
                screen.say(&format!(
                    "{} is overdue: it keeps its slot, and nobody else goes down. \
                     In {} s an operator looks after it.",
                    self.name,
                    WATCH.as_secs()
                ));
                Ok(())
            }
            Some(since) if since.elapsed() < WATCH => Ok(()),
            Some(_) => {
                self.is_mended = true;
                let reason = "the machine is off and stays off";
                self.command(
                    screen,
                    &["lock", "unlock", &self.name, "--yes", "--reason", reason],
                )
                .await?;
                self.command(screen, &["fleet", "forget", &self.name, "--yes"])
                    .await
            }
        }
    }

    fn is_overdue(&self, fleet: &Fleet) -> bool {
        let Ok(node) = NodeName::new(self.name.as_str()) else {
            return false;
        };
        fleet.groups.values().any(|entry| {
            entry
                .group
                .hold_of(&node)
                .is_some_and(|hold| entry.is_overdue(hold))
        })
    }

    async fn command(&self, screen: &mut Screen, words: &[&str]) -> Result<()> {
        let quoted = words.iter().map(|word| match word.contains(' ') {
            true => format!("\"{word}\""),
            false => (*word).to_owned(),
        });
        screen.say(&format!(
            "$ clusterrebootd {}",
            quoted.collect::<Vec<_>>().join(" ")
        ));
        let output = Command::new(&self.binary)
            .args(words)
            .arg("--config")
            .arg(&self.config)
            .output()
            .await?;
        screen.say(String::from_utf8_lossy(&output.stdout).trim_end());
        if !output.status.success() {
            bail!(
                "the command failed: {}",
                String::from_utf8_lossy(&output.stderr).trim_end()
            );
        }
        Ok(())
    }
}
