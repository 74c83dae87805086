//! Detectors: does this node need a reboot?

use crate::error::advice;
use crate::look::{fingerprint, look_aside};
use crate::process::{Exit, Finished, Invocation, run};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::Instant;

/// A detector, as configured.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DetectorSpec {
    /// Its name, unique on the node.
    pub name: String,
    /// What it looks at.
    pub kind: DetectorKind,
}

/// What a detector looks at.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum DetectorKind {
    /// Fires when something is at the path: a file, a directory, a symbolic link even if it
    /// points nowhere. A path that leads nowhere is clear; one that may not be looked at is an
    /// error.
    File {
        /// The path.
        path: PathBuf,
    },
    /// Fires by its exit code.
    Command {
        /// The program and its arguments.
        cmd: Vec<String>,
        /// The exit codes that mean "reboot required"; with none, all but 0 do.
        success_exit_codes: Vec<i32>,
        /// After this long the program's group is ended and the detector has failed.
        timeout: Option<Duration>,
    },
}

/// What a detector says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum DetectorResult {
    /// No reboot is needed.
    Clear,
    /// A reboot is needed.
    RebootRequired,
    /// It cannot tell; the text says why.
    Error(String),
}

/// One evaluation of a detector.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DetectorReport {
    /// Which detector.
    pub name: String,
    /// What it says.
    pub result: DetectorResult,
    /// How long it took.
    pub duration: Duration,
    /// A command's exit code.
    pub exit_code: Option<i32>,
    /// What a command printed, shortened as [`Finished::output`] is.
    pub output: String,
    /// What it saw: the same as long as nothing changes.
    pub fingerprint: String,
}

/// Evaluates a detector once. Dropping the future ends a command's process group.
pub async fn evaluate(spec: &DetectorSpec) -> DetectorReport {
    match &spec.kind {
        DetectorKind::File { path } => evaluate_file(&spec.name, path).await,
        DetectorKind::Command {
            cmd,
            success_exit_codes,
            timeout,
        } => {
            let finished = run(Invocation {
                argv: cmd,
                env: &[],
                timeout: *timeout,
            });
            report_command(&spec.name, success_exit_codes, finished.await)
        }
    }
}

async fn evaluate_file(name: &str, path: &Path) -> DetectorReport {
    let started = Instant::now();
    let seen = look_aside(path.to_owned()).await;
    let (result, fingerprint) = match seen {
        Ok(Some(seen)) => (DetectorResult::RebootRequired, seen.fingerprint()),
        Ok(None) => (DetectorResult::Clear, "absent".to_owned()),
        Err(error) => (cannot_look(path, &error), "error".to_owned()),
    };
    DetectorReport {
        name: name.to_owned(),
        result,
        duration: started.elapsed(),
        exit_code: None,
        output: String::new(),
        fingerprint,
    }
}

fn cannot_look(path: &Path, error: &io::Error) -> DetectorResult {
    let (path, advice) = (path.display(), advice(error));
    DetectorResult::Error(format!("{path}: cannot look: {error}: {advice}"))
}

fn report_command(name: &str, required: &[i32], finished: Finished) -> DetectorReport {
    let saw = format!("{:?} {}", finished.exit, finished.output);
    DetectorReport {
        name: name.to_owned(),
        result: judge(required, &finished),
        duration: finished.duration,
        exit_code: finished.exit_code(),
        fingerprint: fingerprint(saw.as_bytes()),
        output: finished.output,
    }
}

fn judge(required: &[i32], finished: &Finished) -> DetectorResult {
    let Exit::Code(code) = finished.exit else {
        return DetectorResult::Error(finished.reason());
    };
    let is_required = match required {
        [] => code != 0,
        codes => codes.contains(&code),
    };
    match is_required {
        true => DetectorResult::RebootRequired,
        false => DetectorResult::Clear,
    }
}

// === impl DetectorSpec ===

impl DetectorSpec {
    /// The path that a file detector looks at.
    pub fn path(&self) -> Option<&Path> {
        match &self.kind {
            DetectorKind::File { path } => Some(path),
            DetectorKind::Command { .. } => None,
        }
    }
}

// === impl DetectorResult ===

impl DetectorResult {
    /// The name in metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Clear => "clear",
            Self::RebootRequired => "requires",
            Self::Error(_) => "error",
        }
    }
}
