//! The units, by systemd's own tools; and that the server needs nothing that its unit takes away.

use crate::program::Client;
use crate::tool::{good, run, shipped};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

const UNITS: [&str; 2] = ["clusterrebootd.service", "clusterrebootd-server.service"];

fn unit(name: &str) -> String {
    fs::read_to_string(shipped(&format!("systemd/{name}"))).unwrap()
}

fn analyze(args: &[&str]) -> String {
    good("systemd-analyze", "systemd", args)
}

/// The unit as a file in this directory, for the program that was just built.
fn with_our_program(dir: &Path, name: &str) -> String {
    let program = assert_cmd::cargo::cargo_bin("clusterrebootd");
    let text = unit(name).replace("/usr/local/bin/clusterrebootd", program.to_str().unwrap());
    let file = dir.join(name);
    fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn systemd_takes_the_units_without_a_word() {
    let dir = tempfile::tempdir().unwrap();
    for name in UNITS {
        let file = with_our_program(dir.path(), name);
        let said = analyze(&["verify", "--man=no", &file]);
        assert_eq!(said, "", "{name}");
    }
    let user = shipped("systemd/clusterrebootd-server.conf");
    let user = user.to_str().unwrap();
    let said = good("systemd-sysusers", "systemd", &["--dry-run", user]);
    assert!(!said.contains("ignoring"), "{said}");
}

/// A check of the boot waits for what is wanted at boot, and the daemon for the check.
#[test]
fn a_machine_that_checks_its_boot_starts_the_daemon_afterwards() {
    let dir = tempfile::tempdir().unwrap();
    with_our_program(dir.path(), UNITS[0]);
    let check = "systemd-boot-check-no-failures.service";
    let enabled = [
        ("multi-user.target.wants", UNITS[0]),
        ("boot-complete.target.requires", check),
    ];
    for (target, unit) in enabled {
        fs::create_dir(dir.path().join(target)).unwrap();
        symlink(format!("../{unit}"), dir.path().join(target).join(unit)).unwrap();
    }
    let mut verify = Command::new("systemd-analyze");
    let path = format!("{}:", dir.path().display()); // and where they are always
    verify.env("SYSTEMD_UNIT_PATH", path);
    let output = verify
        .args(["verify", "--man=no", "default.target"])
        .output();
    let said = String::from_utf8(output.unwrap().stderr).unwrap();
    let of_ours = said.lines().filter(|line| line.contains("clusterrebootd"));
    assert_eq!(Vec::from_iter(of_ours), Vec::<&str>::new(), "{said}");
}

#[test]
fn little_is_left_to_whoever_takes_over_the_server() {
    let dir = tempfile::tempdir().unwrap();
    let file = with_our_program(dir.path(), "clusterrebootd-server.service");
    let args = ["security", "--offline=yes", "--threshold=11", &file];
    let output = run("systemd-analyze", "systemd", &args);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "exposure above 1.1: {said}");
}

/// systemd's named sets of system calls.
fn sets() -> BTreeMap<String, Vec<String>> {
    let text = analyze(&["syscall-filter", "--no-pager"]);
    let mut sets = BTreeMap::new();
    let mut name = String::new();
    for line in text.lines() {
        match line.trim() {
            "" => {}
            title if !line.starts_with(' ') => title.clone_into(&mut name),
            entry if entry.starts_with('#') => {}
            entry => sets
                .entry(name.clone())
                .or_insert_with(Vec::new)
                .push(entry.to_owned()),
        }
    }
    sets
}

fn members(sets: &BTreeMap<String, Vec<String>>, name: &str) -> BTreeSet<String> {
    match sets.get(name) {
        Some(entries) => entries
            .iter()
            .flat_map(|entry| members(sets, entry))
            .collect(),
        None => [name.to_owned()].into(),
    }
}

/// What the unit lets the server call.
fn allowed() -> BTreeSet<String> {
    let sets = sets();
    let mut allowed = members(&sets, "@default");
    let unit = unit("clusterrebootd-server.service");
    for line in unit.lines() {
        let Some(names) = line.strip_prefix("SystemCallFilter=") else {
            continue;
        };
        let listed = |names: &str| -> BTreeSet<String> {
            let names = names.split_whitespace();
            names.flat_map(|name| members(&sets, name)).collect()
        };
        match names.strip_prefix('~') {
            Some(names) => allowed = &allowed - &listed(names),
            None => allowed.extend(listed(names)),
        }
    }
    allowed
}

/// A whole life of a server; answers what it called.
fn called(dir: &Path) -> BTreeSet<String> {
    let (config, trace) = (dir.join("server.yaml"), dir.join("trace"));
    let store = dir.join("fleet.db").display().to_string();
    let text = format!("listen: 127.0.0.1:0\nstore: {{embedded: {{path: {store}}}}}\n");
    fs::write(&config, text).unwrap();
    let mut strace = Command::new("strace")
        .args(["-f", "-qq", "-o", trace.to_str().unwrap()])
        .arg(assert_cmd::cargo::cargo_bin("clusterrebootd"))
        .args(["serve", "--config", config.to_str().unwrap()])
        .stderr(Stdio::piped())
        .spawn()
        .expect("run `apt-get install strace`");
    let mut log = BufReader::new(strace.stderr.take().unwrap()).lines();
    let mut told = |event: &str| -> Value {
        let lines = log.by_ref().map(|line| line.unwrap());
        let mut lines = lines.filter_map(|line| serde_json::from_str::<Value>(&line).ok());
        lines.find(|line| line["event"] == event).expect(event)
    };
    let started = told("server_started");
    let mut client = Client::of(started["fields"]["address"].as_str().unwrap()).unwrap();
    assert_eq!(client.fleetlock("/v1/pre-reboot", "a"), Some(200));
    assert_eq!(client.get("/metrics").unwrap().0, 200);
    assert_eq!(client.get("/").unwrap().0, 200);
    assert_eq!(client.fleetlock("/v1/steady-state", "a"), Some(200));
    let strace_id = strace.id();
    let children = format!("/proc/{strace_id}/task/{strace_id}/children");
    let child = fs::read_to_string(children).unwrap();
    let child = Pid::from_raw(child.trim().parse().unwrap());
    kill(child, Signal::SIGHUP).unwrap();
    told("config_reloaded");
    kill(child, Signal::SIGTERM).unwrap();
    told("daemon_stopping");
    assert!(strace.wait().unwrap().success());
    let trace = fs::read_to_string(trace).unwrap();
    let calls = trace.lines().filter_map(|line| {
        let (_, call) = line.split_once(' ')?;
        let (name, _) = call.trim_start().split_once('(')?;
        name.chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '_')
            .then(|| name.to_owned())
    });
    calls.collect()
}

#[test]
fn the_server_calls_nothing_that_its_unit_forbids() {
    let dir = tempfile::tempdir().unwrap();
    let (called, allowed) = (called(dir.path()), allowed());
    assert!(called.contains("fdatasync") || called.contains("fsync"));
    assert!(called.contains("accept4"), "{called:?}");
    let mut forbidden = &called - &allowed;
    if nix::unistd::geteuid().is_root() {
        forbidden.remove("fchown"); // as the superuser SQLite gives its files to their owner
    }
    assert_eq!(forbidden, BTreeSet::new());
}
