//! The reboot itself, by command: it cannot be taken back, so it is not tied to our life.

mod expand;

pub use expand::expand;

use crate::process::{Exit, Finished, Invocation, not_started, run};
use process_wrap::std::{ChildWrapper, CommandWrap, ProcessSession};
use std::io;
use std::process::{Command, Stdio};
use std::time::Duration;
use tokio::sync::oneshot;

/// How often the command is asked whether it has ended.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How long a message to the users may take.
const WALL_TIMEOUT: Duration = Duration::from_secs(5);

/// Whether a reboot command was issued. What has started counts as issued, however it ends.
#[derive(Debug)]
pub enum Issued {
    /// It runs, in a session of its own, whatever becomes of us.
    Started {
        /// Its process.
        pid: u32,
        /// How it ends, if we live to see it. Dropping this does not touch it.
        exit: oneshot::Receiver<Exit>,
    },
    /// It certainly never ran; the text says why and what to check.
    NotStarted(String),
}

/// Starts the reboot command and does not wait for it. It leads a session of its own, so that no
/// signal to our group reaches it, and writes to our own outputs: a pipe to us would kill it if
/// we went first.
///
/// # Panics
/// Outside a tokio runtime.
pub async fn issue(argv: &[String]) -> Issued {
    let Some(program) = argv.first() else {
        return Issued::NotStarted("the reboot command is empty: name a program".to_owned());
    };
    match spawn(program, &argv[1..]) {
        Err(error) => Issued::NotStarted(not_started(program, &error)),
        Ok(child) => Issued::Started {
            pid: child.id(),
            exit: follow(child),
        },
    }
}

/// Tells everybody who is logged in, through the `wall` program; waits 5 s at most. Whether it
/// worked is for the log only.
pub async fn wall(message: &str) -> Finished {
    wall_by("wall", message).await
}

async fn wall_by(program: &str, message: &str) -> Finished {
    // A message that is the name of a file would be taken for one: no file ends in a new line.
    let argv = [program.to_owned(), "--".to_owned(), format!("{message}\n")];
    run(Invocation {
        argv: &argv,
        env: &[],
        timeout: Some(WALL_TIMEOUT),
    })
    .await
}

/// Not by tokio: its error may also mean that a program runs and cannot be watched.
fn spawn(program: &str, arguments: &[String]) -> io::Result<Box<dyn ChildWrapper>> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    let child = CommandWrap::from(command).wrap(ProcessSession).spawn()?;
    // The wrapper would also wait for whatever the command leaves behind; its own end is enough.
    Ok(child.into_inner())
}

/// Asks now and then: it takes nothing that could be refused once the command runs.
fn follow(mut child: Box<dyn ChildWrapper>) -> oneshot::Receiver<Exit> {
    let (sender, exit) = oneshot::channel();
    tokio::spawn(async move {
        loop {
            match child.try_wait() {
                // Nobody may care for the answer any more.
                Ok(Some(status)) => return drop(sender.send(Exit::of(status))),
                // It cannot be asked for: the receiver learns that nobody knows.
                Err(_) => return,
                Ok(None) => tokio::time::sleep(LOOK_EVERY).await,
            }
        }
    });
    exit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_message_to_the_users_is_one_argument() {
        let sent = wall_by("printf", "%% - reboot in 5 s; $HOME").await;
        assert_eq!(sent.output, "% - reboot in 5 s; $HOME\n");
    }

    #[tokio::test]
    async fn a_machine_without_wall_is_no_trouble() {
        let sent = wall_by("no-such-program-anywhere", "hello").await;
        assert!(
            sent.reason()
                .starts_with("could not start: no-such-program")
        );
    }
}
