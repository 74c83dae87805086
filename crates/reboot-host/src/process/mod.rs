//! Runs a program to its end, whatever it does.
//!
//! A program runs as the leader of a process group of its own. It cannot fill our memory
//! (its output is kept in part, but read in full), outlast its timeout, or hold us up by leaving
//! children behind that keep its output open. When the future is dropped, the group is ended.
//!
//! What leaves the group (`setsid`) escapes: the service manager's control group catches it
//! when the daemon stops.

mod group;
mod output;

pub(crate) use group::not_started;

use group::Group;
use output::Output;
use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;
use tokio::time::Instant;

/// How long a group that is told to end (SIGTERM) has until it is killed (SIGKILL).
pub const GRACE: Duration = Duration::from_secs(2);

/// How long, after its leader's end, a group may keep the output open before it is killed.
pub const LINGER: Duration = Duration::from_millis(500);

/// A program to run.
#[derive(Clone, Copy, Debug)]
pub struct Invocation<'a> {
    /// The program and its arguments; a program without a slash is looked up in `PATH`.
    pub argv: &'a [String],
    /// Variables above the ones the daemon itself was started with.
    pub env: &'a [(String, String)],
    /// After this long its group is ended; `None` waits for ever.
    pub timeout: Option<Duration>,
}

/// How a program ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Exit {
    /// By itself, with this exit code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// It outlasted its timeout and was ended by us.
    TimedOut,
    /// It never ran; the text says why and what to check.
    NotStarted(String),
}

/// What came of a program.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finished {
    /// How it ended.
    pub exit: Exit,
    /// What it printed to both its outputs, in the order of arrival: the first and the last
    /// 8 KiB, with a line between that says how much is left out.
    pub output: String,
    /// How much of the output is left out, in bytes.
    pub dropped_bytes: u64,
    /// How long it ran.
    pub duration: Duration,
    /// The timeout it had.
    pub timeout: Option<Duration>,
}

/// Runs a program to its end. Dropping the future ends the program's whole group:
/// SIGTERM at once, SIGKILL after [`GRACE`].
pub async fn run(invocation: Invocation<'_>) -> Finished {
    run_holding(invocation, ()).await
}

/// Like [`run`]; `held` is dropped only when the group is gone, even if the future is dropped
/// before that.
pub async fn run_holding(invocation: Invocation<'_>, held: impl Send + 'static) -> Finished {
    let started = Instant::now();
    let mut finished = match Group::start(invocation, Box::new(held)) {
        Err(reason) => Finished::of(Exit::NotStarted(reason), Output::default()),
        Ok(group) => group.finish(invocation.timeout).await,
    };
    finished.duration = started.elapsed();
    finished.timeout = invocation.timeout;
    finished
}

// === impl Finished ===

impl Finished {
    fn of(exit: Exit, output: Output) -> Self {
        Self {
            exit,
            dropped_bytes: output.dropped_bytes(),
            output: output.into_text(),
            duration: Duration::ZERO,
            timeout: None,
        }
    }

    /// Whether it ended by itself with exit code 0.
    pub fn is_success(&self) -> bool {
        self.exit == Exit::Code(0)
    }

    /// The exit code, where it ended by itself.
    pub fn exit_code(&self) -> Option<i32> {
        match self.exit {
            Exit::Code(code) => Some(code),
            Exit::Signal(_) | Exit::TimedOut | Exit::NotStarted(_) => None,
        }
    }

    /// How it ended, for people: `exit code 3`, `timed out after 30 s`.
    pub fn reason(&self) -> String {
        match (&self.exit, self.timeout) {
            (Exit::TimedOut, Some(timeout)) => format!("timed out after {}", Secs(timeout)),
            (exit, _) => exit.to_string(),
        }
    }
}

// === impl Exit ===

impl Exit {
    pub(crate) fn of(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(code), _) => Self::Code(code),
            (None, signal) => Self::Signal(signal.unwrap_or_default()),
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => write!(f, "killed by signal {signal}{}", name_of(*signal)),
            Self::TimedOut => f.write_str("timed out"),
            Self::NotStarted(reason) => write!(f, "could not start: {reason}"),
        }
    }
}

fn name_of(signal: i32) -> String {
    match nix::sys::signal::Signal::try_from(signal) {
        Ok(signal) => format!(" ({signal})"),
        Err(_) => String::new(),
    }
}

/// A duration in seconds, without a fraction where there is none.
struct Secs(Duration);

// === impl Secs ===

impl fmt::Display for Secs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} s", self.0.as_secs_f64())
    }
}
