//! What an agent's shell must know of its machine.

use reboot_host::detector::DetectorSpec;
use reboot_host::logind::Logind;
use reboot_host::script::HealthScript;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How the machine is rebooted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Method {
    /// By this command, already expanded.
    Command(Vec<String>),
    /// By systemd-logind.
    Logind,
    /// User space only, by systemd.
    Soft,
}

/// The machine, as configured.
#[derive(Clone, Debug)]
pub struct Node {
    /// What tells that a reboot is needed.
    pub detectors: Vec<DetectorSpec>,
    /// The script that allows a reboot.
    pub health_script: Arc<HealthScript>,
    /// The static environment of scripts and hooks.
    pub environment: Vec<(String, String)>,
    /// While it exists, no reboot.
    pub kill_switch_file: PathBuf,
    /// Holds `pre-reboot.d` and `post-reboot.d`.
    pub hooks_dir: PathBuf,
    /// How long a hook may take.
    pub hook_timeout: Duration,
    /// How to reboot.
    pub method: Method,
    /// The way to logind and systemd.
    pub bus: Arc<Logind>,
    /// Holds the journal.
    pub state_dir: PathBuf,
    /// Gets the marker of a finished reboot.
    pub run_dir: PathBuf,
}

// === impl Method ===

impl Method {
    /// Whether the command says, in systemctl's words, that nobody is heard who asks to wait.
    pub(crate) fn overrides_inhibitors(&self) -> bool {
        let says_so = |word: &String| {
            matches!(
                word.as_str(),
                "--ignore-inhibitors" | "--check-inhibitors=no"
            )
        };
        matches!(self, Self::Command(words) if words.iter().any(says_so))
    }
}

// === impl Node ===

impl Node {
    /// The files whose coming and going the agent wants to know at once.
    pub fn watched_paths(&self) -> Vec<PathBuf> {
        let detectors = self.detectors.iter().filter_map(DetectorSpec::path);
        let mut paths: Vec<PathBuf> = detectors.map(PathBuf::from).collect();
        paths.push(self.kill_switch_file.clone());
        paths
    }
}
