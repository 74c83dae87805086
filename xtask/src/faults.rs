//! Faults on a real etcd for as long as one likes: the very test that is short in every test run.

use std::path::Path;
use std::process::Command;

use anyhow::Context;

/// By which the test is told how long to be.
const VARIABLE: &str = "CLUSTERREBOOTD_TEST_FAULTS";

/// How long the run is.
#[derive(clap::Args)]
pub(crate) struct Length {
    /// End after so many cycles from a claim to its release, and every fault at least once.
    #[arg(long, default_value_t = 10_000)]
    cycles: u64,
    /// End after so many minutes at the latest, and fail if the cycles are not done.
    #[arg(long, default_value_t = 120)]
    minutes: u64,
    /// Leave up to so many milliseconds between two faults of members.
    #[arg(long, default_value_t = 6_000)]
    calm_ms: u64,
    /// What chance begins with; the order of what happens is the machine's all the same.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only these faults of members, as `leader-stopped,compacted`; all unless said.
    #[arg(long, value_delimiter = ',')]
    faults: Vec<String>,
}

/// Runs it, and tells whether the history is one that the rules allow.
///
/// # Errors
/// When cargo cannot be started.
pub(crate) fn run(root: &Path, length: &Length) -> anyhow::Result<bool> {
    let mut command = Command::new("cargo");
    command.current_dir(root).args([
        "test",
        "--locked",
        "--release",
        "--package",
        "reboot-store-etcd",
        "--test",
        "faults",
        "--",
        "--nocapture",
        "storm",
    ]);
    command.env(VARIABLE, length.words());
    Ok(command.status().context("cannot run cargo")?.success())
}

// === impl Length ===

impl Length {
    fn words(&self) -> String {
        let Self {
            cycles,
            minutes,
            calm_ms,
            seed,
            faults,
        } = self;
        let words = format!("cycles={cycles},minutes={minutes},calm_ms={calm_ms},seed={seed}");
        match faults.is_empty() {
            true => words,
            false => format!("{words},faults={}", faults.join("+")),
        }
    }
}
