//! `lock status --watch`: every change is shown as it comes.

use crate::site::{MACHINE, Node, PATIENCE, Site};
use nix::pty::openpty;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};

const BINARY: &str = env!("CARGO_BIN_EXE_clusterrebootd");

/// A command that goes on printing; it ends with the test.
struct Watching {
    child: Child,
    lines: Receiver<String>,
}

// === impl Watching ===

impl Watching {
    fn start(site: &Site, arguments: &[&str]) -> Self {
        let mut child = Command::new(BINARY)
            .args(["lock", "status", "--watch"])
            .args(arguments)
            .arg("--config")
            .arg(site.config())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (said, lines) = sync_channel(1000);
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let _ = said.send(line); // the test may be over
            }
        });
        Self { child, lines }
    }

    fn line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).unwrap()
    }

    fn document(&self) -> Value {
        serde_json::from_str(&self.line()).unwrap()
    }

    fn phases(&self) -> Vec<String> {
        let document = self.document();
        let holds = document["groups"][0]["holds"].as_array().unwrap().iter();
        holds
            .map(|hold| hold["phase"].as_str().unwrap().to_owned())
            .collect()
    }

    fn end(mut self, signal: Signal) -> Option<i32> {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        kill(pid, signal).unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended by itself
        let _ = self.child.wait();
    }
}

#[test]
fn a_document_a_line_for_every_change_and_a_clean_end() {
    let site = Site::new();
    let node = Node::new("node-a", MACHINE);
    site.write(vec![node.live()]);
    let watching = Watching::start(&site, &["-o", "json"]);
    assert!(watching.phases().is_empty());
    site.write(vec![node.claim("2026-03-07T10:00:00Z")]);
    assert_eq!(watching.phases(), ["claimed"]);
    // What changes nothing that is shown is not shown.
    site.write(vec![
        node.report(1_000_000, true),
        node.report(1_000_000, false),
    ]);
    site.write(vec![node.fence("2026-03-07T10:00:01Z", 1)]);
    assert_eq!(watching.phases(), ["rebooting"]);
    site.good(&["lock", "unlock", "node-a", "--yes"]);
    assert!(watching.phases().is_empty());
    site.good(&["lock", "pause", "--reason", "release day"]);
    assert_eq!(watching.document()["pause"]["reason"], "release day");
    assert_eq!(watching.end(Signal::SIGINT), Some(0));
}

#[test]
fn a_hold_that_becomes_overdue_is_shown_though_nobody_writes() {
    let site = Site::new();
    let node = Node::new("node-a", MACHINE);
    site.write(vec![node.live(), node.claim("2026-03-07T10:00:00Z")]);
    site.write(vec![node.fence_within(1, "2026-03-07T10:00:01Z", 1)]);
    let watching = Watching::start(&site, &["-o", "json"]);
    let is_overdue = || watching.document()["groups"][0]["holds"][0]["overdue"] == true;
    // The first document may be late already on a busy machine.
    assert!(is_overdue() || is_overdue());
}

#[test]
fn people_read_one_status_below_the_other() {
    let site = Site::new();
    let node = Node::new("node-a", MACHINE);
    site.write(vec![node.live()]);
    let watching = Watching::start(&site, &[]);
    let lines = |count: usize| -> Vec<String> { (0..count).map(|_| watching.line()).collect() };
    assert_eq!(lines(2), ["Available: 1", "Max: 1"]);
    site.write(vec![node.claim("2026-03-07T10:00:00Z")]);
    let expected = ["", "Available: 0", "Max: 1", "", "MACHINE ID", MACHINE];
    assert_eq!(lines(6), expected);
    assert_eq!(watching.end(Signal::SIGTERM), Some(0));
}

#[test]
fn a_group_that_is_made_meanwhile_is_shown() {
    let site = Site::new();
    let node = Node::new("db-1", "d1").in_group("databases");
    site.write(vec![node.live()]);
    let watching = Watching::start(&site, &["--all-groups", "-o", "json"]);
    assert_eq!(watching.document()["groups"], serde_json::json!([]));
    site.write(vec![node.claim("2026-03-07T10:00:00Z")]);
    assert_eq!(watching.document()["groups"][0]["group"], "databases");
}

#[test]
fn a_reader_that_goes_away_ends_it() {
    let site = Site::new();
    let node = Node::new("node-a", MACHINE);
    site.write(vec![node.live()]);
    let mut command = Command::new(BINARY);
    let config = site.config();
    let config = config.to_str().unwrap();
    command.args([
        "lock", "status", "--watch", "-o", "json", "--config", config,
    ]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut String::new()).unwrap();
    drop(stdout);
    site.write(vec![node.claim("2026-03-07T10:00:00Z")]);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// What a command prints on a terminal.
fn on_a_terminal(site: &Site, arguments: &[&str], (name, no_color): (&str, &str)) -> String {
    let pair = openpty(None, None).unwrap();
    let mut child = Command::new(BINARY)
        .args(arguments)
        .arg("--config")
        .arg(site.config())
        .env("TERM", name)
        .env("NO_COLOR", no_color)
        .stdout(pair.slave)
        .spawn()
        .unwrap();
    let (mut terminal, mut said) = (File::from(pair.master), Vec::new());
    // The end of the other side is an error of its own on a terminal.
    let _ = terminal.read_to_end(&mut said);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    String::from_utf8(said).unwrap().replace("\r\n", "\n")
}

#[test]
fn colours_are_for_terminals_and_for_who_wants_them() {
    let site = Site::new();
    let lost = Node::new("lost", "a");
    site.write(vec![
        lost.live(),
        lost.claim("2026-03-07T10:00:00Z"),
        lost.fence_within(0, "2026-03-07T10:00:01Z", 1),
    ]);
    site.wait_until_overdue();
    for arguments in [&["lock", "status", "-o", "wide"][..], &["fleet", "list"]] {
        let plain = site.good(arguments);
        assert!(!plain.contains('\u{1b}'), "{plain}");
        let seen = on_a_terminal(&site, arguments, ("xterm", ""));
        assert!(seen.contains("\u{1b}[31m"), "{seen}");
        for without in [("xterm", "1"), ("dumb", "")] {
            assert_eq!(
                on_a_terminal(&site, arguments, without),
                plain,
                "{without:?}"
            );
        }
    }
    let old = on_a_terminal(&site, &["lock", "status"], ("xterm", ""));
    assert_eq!(old, "Available: 0\nMax: 1\n\nMACHINE ID\na\n");
}
