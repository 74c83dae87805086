//! A command on a terminal, which asks before it acts.

use crate::site::Site;
use nix::pty::openpty;
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A command that waits for an answer.
pub(crate) struct Asking {
    child: Child,
    terminal: File,
    pub(crate) asked: String,
}

// === impl Asking ===

impl Asking {
    /// Runs a command on a terminal until it asks.
    pub(crate) fn of(site: &Site, arguments: &[&str]) -> Self {
        Self::program(
            Path::new(env!("CARGO_BIN_EXE_clusterrebootd")),
            site,
            arguments,
        )
    }

    /// The same by another name of the program.
    pub(crate) fn program(program: &Path, site: &Site, arguments: &[&str]) -> Self {
        let pair = openpty(None, None).unwrap();
        let mut child = Command::new(program)
            .args(arguments)
            .arg("--config")
            .arg(site.config())
            .stdin(pair.slave)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (mut asked, mut byte) = (Vec::new(), [0]);
        let stderr = child.stderr.as_mut().unwrap();
        while !asked.ends_with(b"[y/N] ") {
            assert_eq!(stderr.read(&mut byte).unwrap(), 1, "it did not ask");
            asked.push(byte[0]);
        }
        Self {
            child,
            terminal: pair.master.into(),
            asked: String::from_utf8(asked).unwrap(),
        }
    }

    pub(crate) fn answer(mut self, line: &str) -> (i32, String, String) {
        writeln!(self.terminal, "{line}").unwrap();
        let output = self.child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let code = output.status.code().unwrap();
        (code, text(output.stdout), text(output.stderr))
    }
}
