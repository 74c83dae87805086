//! What asks on a terminal, asked on one.

use crate::site::{MACHINE, Node, Site};
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
    fn of(site: &Site, arguments: &[&str]) -> Self {
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

#[test]
fn nothing_is_broken_without_a_yes() {
    let site = Site::with_hold();
    for answer in ["", "n", "yess"] {
        let asking = Asking::of(&site, &["lock", "unlock", "node-a"]);
        assert!(
            asking.asked.contains("hold 1 of node-a"),
            "{}",
            asking.asked
        );
        let (exit, stdout, stderr) = asking.answer(answer);
        assert_eq!((exit, stdout.as_str()), (1, ""));
        assert!(stderr.contains("nothing was changed"), "{stderr}");
    }
    assert!(site.good(&["lock", "status"]).contains(MACHINE));
}

#[test]
fn a_yes_breaks_restores_and_forgets() {
    let site = Site::with_hold();
    let copy = site.file("copy.db").to_str().unwrap().to_owned();
    site.good(&["store", "backup", &copy]);
    for arguments in [
        &["lock", "unlock", MACHINE][..],
        &["store", "restore", &copy],
        &["lock", "unlock", "node-a"],
    ] {
        let (exit, _, stderr) = Asking::of(&site, arguments).answer("y");
        assert_eq!(exit, 0, "{arguments:?}: {stderr}");
    }
    site.write(vec![Node::new("node-z", "z").report(0, true)]);
    let (exit, stdout, _) = Asking::of(&site, &["fleet", "forget", "node-z"]).answer("yes");
    assert_eq!((exit, stdout.as_str()), (0, "forgot node-z\n"));
}

#[test]
fn a_hold_that_is_claimed_while_an_operator_thinks_is_not_broken() {
    let site = Site::with_hold();
    let asking = Asking::of(&site, &["lock", "unlock", "node-a"]);
    site.good(&["lock", "unlock", "node-a", "--yes"]);
    let node = Node::new("node-a", MACHINE);
    site.write(vec![node.claim("2026-03-07T11:00:00Z")]);
    let (exit, _, stderr) = asking.answer("y");
    assert_eq!(exit, 1);
    assert!(stderr.contains("no hold has the number 1"), "{stderr}");
    let status = site.json(&["lock", "status", "-o", "json"]);
    assert_eq!(status["groups"][0]["holds"][0]["number"], 2);
}
