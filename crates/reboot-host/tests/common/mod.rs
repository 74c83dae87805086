//! What the tests share: scripts, and a witness that sees processes live and die.

// Each test program uses a part of it.
#![allow(dead_code)]

use std::future::Future;
use std::io::{PipeWriter, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::unix::pipe;

/// Longer than anything here takes; only a failing test waits for it.
pub(crate) const FAR: Duration = Duration::from_secs(30);

/// Awaits what must come; panics where it does not.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(FAR, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited {FAR:?} in vain for: {what}"),
    }
}

/// Writes an executable file. Another process does it: were the file open for writing here while
/// some other test starts a program, running the file would fail as busy.
pub(crate) fn script(path: &Path, text: &str) -> PathBuf {
    let mut shell = Command::new("sh");
    shell.args(["-c", "cat > \"$1\" && chmod 755 \"$1\"", "sh"]);
    let mut shell = shell.arg(path).stdin(Stdio::piped()).spawn().unwrap();
    let mut input = shell.stdin.take().unwrap();
    input.write_all(text.as_bytes()).unwrap();
    drop(input);
    assert!(shell.wait().unwrap().success(), "cannot write {path:?}");
    path.to_owned()
}

/// A command line that runs a piece of shell.
pub(crate) fn shell(text: &str) -> Vec<String> {
    vec!["sh".to_owned(), "-c".to_owned(), text.to_owned()]
}

/// A pipe that processes open by its path: what they write comes here, and when the last of them
/// is dead, it ends.
pub(crate) struct Witness {
    reader: BufReader<pipe::Receiver>,
    writer: Option<PipeWriter>,
}

// === impl Witness ===

impl Witness {
    pub(crate) fn new() -> Self {
        let (reader, writer) = std::io::pipe().unwrap();
        let reader = pipe::Receiver::from_owned_fd(reader.into()).unwrap();
        Self {
            reader: BufReader::new(reader),
            writer: Some(writer),
        }
    }

    /// Where a process finds it, as long as nobody has asked for its end.
    pub(crate) fn path(&self) -> String {
        let writer = self.writer.as_ref().unwrap();
        format!("/proc/{}/fd/{}", std::process::id(), writer.as_raw_fd())
    }

    /// The next line that somebody writes.
    pub(crate) async fn line(&mut self) -> String {
        let mut line = String::new();
        soon("a line", self.reader.read_line(&mut line))
            .await
            .unwrap();
        line.trim_end().to_owned()
    }

    /// Waits until nobody who opened it is alive; what they wrote meanwhile is returned.
    pub(crate) async fn gone(&mut self) -> String {
        self.writer = None;
        let mut rest = String::new();
        let read = self.reader.read_to_string(&mut rest);
        soon("the end of all processes", read).await.unwrap();
        rest
    }
}
