//! One running process group: its leader, its output, its end.

use super::output::Output;
use super::{Exit, Finished, GRACE, Invocation, LINGER};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::any::Any;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout_at};

/// How much is read at once.
const READ_BYTES: usize = 4096;

/// How often a group is asked whether somebody is left, once nothing else would tell.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How long a killed leader is waited for: one that is stuck in the kernel must not hold us up.
const KILLED_WAIT: Duration = Duration::from_secs(1);

/// A process group that we started. Dropped before its end, it is ended with grace in the
/// background.
pub(super) struct Group(Option<Running>);

/// The same without grace: dropped before its end, it is killed at once.
struct Running {
    id: Pid,
    leader: Child,
    /// `None` once the leader's end is known.
    status: Option<ExitStatus>,
    /// `None` once everybody has closed the output.
    pipe: Option<pipe::Receiver>,
    output: Output,
    is_over: bool,
    /// Dropped with the group, so never before its end.
    _held: Box<dyn Any + Send>,
}

// === impl Group ===

impl Group {
    /// Starts the program; the error says why it could not, and what to check.
    pub(super) fn start(
        invocation: Invocation<'_>,
        held: Box<dyn Any + Send>,
    ) -> Result<Self, String> {
        let Some(program) = invocation.argv.first() else {
            return Err("the command is empty: name a program".to_owned());
        };
        Running::spawn(invocation, program, held)
            .map(|running| Self(Some(running)))
            .map_err(|error| not_started(program, &error))
    }

    /// Waits until the leader ends and its output is read, or ends the group at the timeout.
    pub(super) async fn finish(mut self, timeout: Option<Duration>) -> Finished {
        let running = self.0.as_mut().expect("taken only below and on drop");
        let exit = match timeout {
            None => Some(running.follow().await),
            Some(limit) => tokio::time::timeout(limit, running.follow()).await.ok(),
        };
        match exit {
            Some(_) => running.linger(LINGER).await,
            None => running.end().await,
        }
        let exit = exit.map_or(Exit::TimedOut, Exit::of);
        let mut running = self.0.take().expect("taken only here and on drop");
        Finished::of(exit, std::mem::take(&mut running.output))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let Some(mut running) = self.0.take() else {
            return;
        };
        running.signal(Signal::SIGTERM);
        // Without a runtime there is nobody to wait: dropping `running` kills the group.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move { running.end().await });
        }
    }
}

// === impl Running ===

impl Running {
    fn spawn(
        invocation: Invocation<'_>,
        program: &str,
        held: Box<dyn Any + Send>,
    ) -> io::Result<Self> {
        let (reader, writer) = io::pipe()?;
        let mut command = Command::new(program);
        command
            .args(&invocation.argv[1..])
            .envs(invocation.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(writer.try_clone()?)
            .stderr(writer)
            .process_group(0);
        let pipe = pipe::Receiver::from_owned_fd(reader.into())?;
        let leader = command.spawn()?;
        let id = leader.id().and_then(|id| i32::try_from(id).ok());
        let id = Pid::from_raw(id.ok_or_else(|| io::Error::other("it has no process id"))?);
        Ok(Self {
            id,
            leader,
            status: None,
            pipe: Some(pipe),
            output: Output::default(),
            is_over: false,
            _held: held,
        })
    }

    /// Reads until the leader ends.
    async fn follow(&mut self) -> ExitStatus {
        loop {
            if let Some(status) = self.status {
                return status;
            }
            self.next().await;
        }
    }

    /// The next thing that happens: output, its end, or the leader's end.
    ///
    /// A group that prints without a pause keeps this ready, but tokio's task budget makes it
    /// wait now and then, so that a deadline around it is always seen.
    async fn next(&mut self) {
        let Self {
            leader,
            status,
            pipe,
            output,
            ..
        } = self;
        tokio::select! {
            exit = leader.wait(), if status.is_none() => *status = Some(known(exit)),
            is_open = read(pipe, output), if pipe.is_some() => if !is_open { *pipe = None },
            () = std::future::pending(), if status.is_some() && pipe.is_none() => {}
        }
    }

    /// After the leader's end: reads what is left, and kills who keeps the output open.
    async fn linger(&mut self, limit: Duration) {
        let deadline = Instant::now() + limit;
        while self.pipe.is_some() {
            if timeout_at(deadline, self.next()).await.is_err() {
                self.signal(Signal::SIGKILL);
                break;
            }
        }
        self.is_over = true;
    }

    /// SIGTERM to all, SIGKILL to whoever is left after [`GRACE`].
    async fn end(&mut self) {
        let deadline = Instant::now() + GRACE;
        self.signal(Signal::SIGTERM);
        while !self.is_gone() && Instant::now() < deadline {
            let look = deadline.min(Instant::now() + LOOK_EVERY);
            while timeout_at(look, self.next()).await.is_ok() {}
        }
        if !self.is_gone() {
            self.signal(Signal::SIGKILL);
        }
        // An error means that the kernel holds the leader: tokio reaps it when it lets go.
        let _ = tokio::time::timeout(KILLED_WAIT, self.follow()).await;
        self.linger(LOOK_EVERY).await;
    }

    /// Dead members count until their parent has taken note: where process 1 is slow to do so,
    /// the whole grace may pass.
    fn is_gone(&self) -> bool {
        self.status.is_some() && killpg(self.id, None).is_err()
    }

    /// Nobody left to signal is what we want, so no error is of interest.
    fn signal(&self, signal: Signal) {
        let _ = killpg(self.id, signal);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.is_over {
            self.signal(Signal::SIGKILL);
        }
    }
}

/// Reads once; `false` when everybody has closed the output.
async fn read(pipe: &mut Option<pipe::Receiver>, output: &mut Output) -> bool {
    let Some(pipe) = pipe else {
        return false;
    };
    let mut buffer = [0; READ_BYTES];
    match pipe.read(&mut buffer).await {
        Ok(0) | Err(_) => false,
        Ok(count) => {
            output.push(&buffer[..count]);
            true
        }
    }
}

/// The leader's end cannot be asked for only if somebody else took it: then it did not succeed
/// as far as we know.
fn known(exit: io::Result<ExitStatus>) -> ExitStatus {
    exit.unwrap_or_else(|_| ExitStatus::from_raw(255 << 8))
}

/// Why a program could not be started, and what to check.
pub(crate) fn not_started(program: &str, error: &io::Error) -> String {
    let advice = match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => {
            "check that it exists and is executable"
        }
        _ if error.raw_os_error() == Some(nix::libc::ENOEXEC) => {
            "check that it is a program for this machine, or starts with #!"
        }
        _ => "check that the system can start more processes",
    };
    format!("{program}: {error}: {advice}")
}
