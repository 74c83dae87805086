//! The health script: may this node, or its group, go on?

use crate::process::{Exit, Finished, Invocation, run_holding};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// The script of one node. Its runs never overlap, not even with one that was given up.
#[derive(Clone, Debug)]
pub struct HealthScript {
    argv: [String; 1],
    timeout: Duration,
    turn: Arc<Mutex<()>>,
}

/// One run of the script.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HealthRun {
    /// What it says.
    pub verdict: Verdict,
    /// What came of the program.
    pub finished: Finished,
}

/// What a run of the script says. Everything but a pass blocks.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// Exit code 0.
    Pass,
    /// It ran and said no: any other exit code, or it died by a signal.
    Blocked(String),
    /// It timed out or could not start, so nobody knows; the text says why.
    Error(String),
}

// === impl HealthScript ===

impl HealthScript {
    /// The script at a path; each run is ended after `timeout`.
    pub fn new(path: &Path, timeout: Duration) -> Self {
        Self {
            argv: [path.to_string_lossy().into_owned()],
            timeout,
            turn: Arc::default(),
        }
    }

    /// Waits for its turn, then runs the script with these variables above the daemon's own.
    /// Dropping the future ends the script; the next run waits until it is gone.
    pub async fn run(&self, env: &[(String, String)]) -> HealthRun {
        let turn = Arc::clone(&self.turn).lock_owned().await;
        let invocation = Invocation {
            argv: &self.argv,
            env,
            timeout: Some(self.timeout),
        };
        let finished = run_holding(invocation, turn).await;
        HealthRun {
            verdict: Verdict::of(&finished),
            finished,
        }
    }

    /// Where the script is.
    pub fn path(&self) -> &Path {
        Path::new(&self.argv[0])
    }
}

// === impl Verdict ===

impl Verdict {
    fn of(finished: &Finished) -> Self {
        match finished.exit {
            Exit::Code(0) => Self::Pass,
            Exit::Code(_) | Exit::Signal(_) => Self::Blocked(finished.reason()),
            Exit::TimedOut | Exit::NotStarted(_) => Self::Error(finished.reason()),
        }
    }

    /// The name in metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Blocked(_) => "blocked",
            Self::Error(_) => "error",
        }
    }

    /// Why it blocks; `None` when it does not.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Pass => None,
            Self::Blocked(reason) | Self::Error(reason) => Some(reason),
        }
    }
}
