//! Whatever the rules and the dashboard ask for is told: by a real server and a real daemon that
//! have had something to do.

use crate::program::{Client, Place, Program};
use crate::queries::{Asked, asked, expressions, grouped_by};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};

/// Labels that Prometheus adds.
const ADDED: [&str; 2] = ["job", "instance"];

/// A daemon that is on its way to a dry reboot.
struct Daemon {
    child: Child,
    log: BufReader<ChildStderr>,
    address: String,
}

// === impl Daemon ===

impl Daemon {
    /// On this server, in this directory, in a group of its own.
    fn start(dir: &Path, server: &str) -> Self {
        let at = |file: &str| dir.join(file).display().to_string();
        fs::write(dir.join("health"), "#!/bin/sh\nexit 0\n").unwrap();
        fs::set_permissions(dir.join("health"), Permissions::from_mode(0o755)).unwrap();
        fs::write(dir.join("sentinel"), "").unwrap();
        let lines = [
            "node_name: n1".to_owned(),
            "group: daemons".to_owned(),
            format!(
                "reboot_required_detectors: [{{name: s, type: file, path: {}}}]",
                at("sentinel")
            ),
            format!("health_script: {}", at("health")),
            format!("store: {{server: {{url: 'http://{server}'}}}}"),
            format!("state_dir: {}", at("state")),
            format!("run_dir: {}", at("run")),
            format!("hooks_dir: {}", at("hooks")),
            format!("kill_switch_file: {}", at("disable")),
            "min_reboot_interval_sec: 60".to_owned(),
            "metrics: {enabled: true, listen: '127.0.0.1:0'}".to_owned(),
            "dry_run: true".to_owned(),
        ];
        let config = dir.join("config.yaml");
        fs::write(&config, lines.join("\n")).unwrap();
        let mut child = Command::new(assert_cmd::cargo::cargo_bin("clusterrebootd"))
            .args(["run", "--config", config.to_str().unwrap()])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let mut daemon = Self {
            child,
            log,
            address: String::new(),
        };
        let listens = daemon.told(|line| line["event"] == "metrics_listening");
        daemon.address = listens["fields"]["address"].as_str().unwrap().to_owned();
        daemon
    }

    /// The next line of the log that is so.
    fn told(&mut self, is_so: impl Fn(&Value) -> bool) -> Value {
        let mut all = String::new();
        loop {
            let start = all.len();
            let count = self.log.read_line(&mut all).unwrap();
            assert!(count > 0, "the log ends:\n{all}");
            let line: Value = serde_json::from_str(&all[start..]).expect(&all);
            if is_so(&line) {
                return line;
            }
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn scrape(address: &str) -> String {
    ask(address, "GET /metrics", "", "")
}

fn ask(address: &str, request: &str, head: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    let text = format!(
        "{request} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{head}\
         content-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(text.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Every metric that has a value, and its labels.
fn told(text: &str, told: &mut Asked) {
    let values = text.lines().filter(|line| !line.starts_with('#'));
    for line in values {
        let Some((name, _)) = line.split_once(['{', ' ']) else {
            continue;
        };
        let labels = told.entry(name.to_owned()).or_default();
        let Some((_, rest)) = line.split_once('{') else {
            continue;
        };
        let pairs = rest.split("\",").filter_map(|pair| pair.split_once("=\""));
        labels.extend(pairs.map(|(label, _)| label.trim().to_owned()));
    }
}

/// A client that holds, one that is refused, one that waits.
fn keep_busy(program: &Program) -> Client {
    let mut client = program.client();
    assert_eq!(client.fleetlock("/v1/pre-reboot", "holder"), Some(200));
    let mut waiting = program.client();
    waiting.begin("/v1/pre-reboot", "waits", 0);
    let waits = "clusterrebootd_server_waiting{group=\"default\"} 1";
    while !scrape(&program.address).contains(waits) {
        std::thread::yield_now();
    }
    let form = "content-type: application/x-www-form-urlencoded\r\n";
    let wish = "hostname=other&wait=false";
    let refused = ask(&program.address, "POST /api/v1/lock", form, wish);
    assert!(refused.starts_with("HTTP/1.1 409"), "{refused}");
    waiting
}

#[test]
fn a_server_tells_its_own_memory_and_files_too() {
    let place = Place::new("");
    let program = place.start_quietly();
    let text = scrape(&program.address);
    for line in [
        "# TYPE process_cpu_seconds_total counter",
        "# TYPE process_resident_memory_bytes gauge",
        "# TYPE process_open_fds gauge",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert!(!text.contains("# EOF"), "{text}");
}

#[test]
fn all_that_is_asked_for_is_told() {
    let place = Place::new("groups: {default: {wait_sec: 600}, daemons: {}}\n");
    let program = place.start_quietly();
    let _waiting = keep_busy(&program);
    let dir = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::start(dir.path(), &program.address);
    daemon.told(|line| line["fields"]["status"] == "ready");
    let mut known = Asked::new();
    told(&scrape(&program.address), &mut known);
    told(&scrape(&daemon.address), &mut known);
    let labels: BTreeSet<&String> = known.values().flatten().collect();
    let mut all = Asked::new();
    for expression in expressions() {
        asked(&expression, &mut all);
        for label in grouped_by(&expression) {
            let is_known = labels.contains(&label) || ADDED.contains(&label.as_str());
            assert!(is_known, "nothing has {label}: {expression}");
        }
    }
    assert!(all.len() > 25, "{all:?}");
    for (name, labels) in all {
        let has = known
            .get(&name)
            .unwrap_or_else(|| panic!("nobody tells {name}"));
        for label in labels.iter().filter(|it| !ADDED.contains(&it.as_str())) {
            assert!(has.contains(label), "{name} has no {label}: {has:?}");
        }
    }
}
