//! The demo, as a newcomer runs it: with real processes, from its first line to its exit code.

#![allow(clippy::unwrap_used, missing_docs)] // a test fails best where it fails

use assert_cmd::Command;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

const PROGRAM: &str = env!("CARGO_BIN_EXE_clusterrebootd");
const PATIENCE: Duration = Duration::from_secs(120);
const PLACE: &str = "everything is below ";

/// Runs the demo to its end; returns its exit code and what it printed.
fn demo(args: &[&str]) -> (i32, String) {
    let mut command = Command::new(PROGRAM);
    let output = command
        .arg("demo")
        .args(args)
        .timeout(PATIENCE)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    (output.status.code().unwrap(), text)
}

/// The demo's directory, as it said.
fn place(text: &str) -> PathBuf {
    let line = text.lines().find(|line| line.contains(PLACE)).unwrap();
    line.split_once(PLACE).unwrap().1.into()
}

/// Processes whose command line names something below a directory.
fn processes_below(dir: &Path) -> Vec<(i32, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap() {
        let entry = entry.unwrap();
        let Ok(pid) = entry.file_name().to_str().unwrap_or_default().parse() else {
            continue;
        };
        // It may have ended since.
        let words = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let words = String::from_utf8_lossy(&words).replace('\0', " ");
        if words.contains(dir.to_str().unwrap()) {
            found.push((pid, words));
        }
    }
    found
}

fn assert_nothing_left(dir: &Path) {
    assert_eq!(processes_below(dir), []);
    assert!(!dir.exists(), "{}", dir.display());
}

/// The demo while it runs.
struct Running {
    child: Child,
    lines: BufReader<std::process::ChildStdout>,
    text: String,
}

impl Running {
    fn start(args: &[&str]) -> Self {
        let mut command = std::process::Command::new(PROGRAM);
        command
            .arg("demo")
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        let text = String::new();
        Self { child, lines, text }
    }

    /// Reads until a line holds these words.
    fn read_to(&mut self, words: &str) {
        let mut line = String::new();
        while !line.contains(words) {
            line.clear();
            assert_ne!(self.lines.read_line(&mut line).unwrap(), 0, "{}", self.text);
            self.text += &line;
        }
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
    }

    /// Reads the rest; returns the exit code.
    fn end(&mut self) -> i32 {
        self.lines.read_to_string(&mut self.text).unwrap();
        self.child.wait().unwrap().code().unwrap()
    }
}

#[test]
fn three_machines_roll_one_by_one_and_nothing_is_left_behind() {
    let (code, text) = demo(&["--nodes", "3", "--seconds", "1"]);
    assert_eq!(code, 0, "{text}");
    assert!(
        text.contains("3 of 3 machines rebooted and came back"),
        "{text}"
    );
    assert!(text.contains("at most 1 down at once, 1 allowed"), "{text}");
    assert!(
        text.contains("most of 2)") && !text.contains("BROKEN"),
        "{text}"
    );
    assert_nothing_left(&place(&text));
}

/// The demo's page, as a browser without scripts asks for it.
fn page(address: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

#[test]
fn the_fleet_has_a_page_while_it_lasts() {
    let mut demo = Running::start(&["--nodes", "3"]);
    demo.read_to("down  ");
    let (_, rest) = demo.text.split_once("its page is http://").unwrap();
    let address = rest.split('/').next().unwrap().to_owned();
    assert!(address.starts_with("127.0.0.1:"), "{address}");
    let text = page(&address).unwrap();
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    for name in ["node-1", "node-2", "node-3"] {
        assert!(text.contains(name), "{name}: {text}");
    }
    demo.signal(Signal::SIGINT);
    assert_eq!(demo.end(), 1, "{}", demo.text);
    assert!(page(&address).is_err());
    assert_nothing_left(&place(&demo.text));
}

#[test]
fn four_machines_with_two_slots_roll_two_by_two() {
    let (code, text) = demo(&["--nodes", "4", "--slots", "2", "--seconds", "2"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("at most 2 down at once, 2 allowed"), "{text}");
}

#[test]
fn a_machine_that_does_not_come_back_stops_the_roll_until_an_operator_mends_it() {
    let (code, text) = demo(&["--nodes", "3", "--seconds", "1", "--fail", "node-2"]);
    assert_eq!(code, 0, "{text}");
    let at = |words: &str| {
        text.find(words)
            .unwrap_or_else(|| panic!("{words}\n{text}"))
    };
    let story = [
        at("node-2    goes down"),
        at("node-2 is overdue"),
        at("$ clusterrebootd lock unlock node-2 --reason"),
        at("broken: hold 1 of node-2"),
        at("$ clusterrebootd fleet forget node-2"),
        at("node-1    goes down").min(at("node-3    goes down")),
        at("2 of 3 machines rebooted and came back"),
        at("node-2 did not come back, as told"),
    ];
    assert!(story.is_sorted(), "{story:?}\n{text}");
    assert!(
        text.contains("node-2 is overdue from its reboot"),
        "who waits says why\n{text}"
    );
    assert_nothing_left(&place(&text));
}

#[test]
fn a_daemon_that_dies_fails_the_demo_which_says_so() {
    let mut demo = Running::start(&["--nodes", "2", "--keep"]);
    demo.read_to("every machine needs a reboot");
    let dir = place(&demo.text);
    let config = dir.join("node-1/config.yaml");
    let (pid, _) = processes_below(&config).remove(0);
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    let code = demo.end();
    let text = &demo.text;
    assert_eq!(code, 1, "{text}");
    assert!(text.ends_with("\nnot every invariant held\n"), "{text}");
    assert!(text.contains("BROKEN  the roll came to its end"), "{text}");
    assert!(
        text.contains("the daemon of node-1 ended by itself (signal: 9"),
        "{text}"
    );
    assert!(text.contains("node-2 went down 0 times"), "{text}");
    assert_eq!(processes_below(&dir), []);
    assert!(dir.join("node-1/log").exists(), "kept, as asked");
    fs::remove_dir_all(dir).unwrap();
}

#[test]
fn a_demo_that_is_interrupted_ends_its_daemons() {
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let mut demo = Running::start(&["--nodes", "3"]);
        demo.read_to("down  ");
        demo.signal(signal);
        assert_eq!(demo.end(), 1, "{}", demo.text);
        assert_nothing_left(&place(&demo.text));
    }
}

#[test]
fn a_demo_that_is_killed_leaves_nothing_behind_either() {
    let mut demo = Running::start(&["--nodes", "3"]);
    demo.read_to("down  ");
    demo.signal(Signal::SIGKILL);
    // Its guard has stdout too: this reads until both are gone.
    demo.lines.read_to_string(&mut demo.text).unwrap();
    assert!(demo.child.wait().unwrap().code().is_none());
    assert_nothing_left(&place(&demo.text));
}

#[test]
fn only_a_machine_of_the_demo_can_fail() {
    let mut command = Command::new(PROGRAM);
    let output = command.args(["demo", "--fail", "node-6"]).output().unwrap();
    assert_eq!(output.status.code(), Some(64));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(
        error.contains("node-6") && error.contains("node-1 to node-5"),
        "{error}"
    );
}
