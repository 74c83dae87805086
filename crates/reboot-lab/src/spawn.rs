//! Children that die with this process, however it dies.

use std::io;
use std::process::{Child, Command};
use std::sync::OnceLock;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

type Job = (Command, SyncSender<io::Result<Child>>);

/// A command that starts `program`; the kernel kills it when the thread is gone that starts it.
pub(crate) fn bound_command(program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--", program]);
    command
}

/// Starts a command from a thread that lives as long as this process: a test's own does not.
pub(crate) fn spawn(command: Command) -> io::Result<Child> {
    static SPAWNER: OnceLock<SyncSender<Job>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(start);
    let gone = || io::Error::other("the thread that starts processes is gone");
    let (answer, result) = sync_channel(1);
    spawner.send((command, answer)).map_err(|_| gone())?;
    result.recv().map_err(|_| gone())?
}

fn start() -> SyncSender<Job> {
    let (sender, jobs) = sync_channel::<Job>(16);
    thread::spawn(move || {
        for (mut command, answer) in jobs {
            // Whoever asked may have given up.
            let _ = answer.send(command.spawn());
        }
    });
    sender
}
