//! Bad weather at the store: the daemon lives on, says what is wrong, and recovers.

use crate::bench::Bench;
use crate::machine::Machine;
use nix::sys::signal::Signal;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Something mounted at a directory, for as long as this lives.
struct Mount(PathBuf);

// === impl Mount ===

impl Mount {
    fn new(at: &Path, args: &[&str]) -> Self {
        let output = Command::new("mount").args(args).arg(at).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let needed = "this test mounts a file system: run it as root, with CAP_SYS_ADMIN";
        assert!(output.status.success(), "{needed}: {said}");
        Self(at.to_owned())
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status(); // nobody is left to tell
    }
}

/// A machine at rest, with its store at this path.
fn resting(bench: &Bench, store: &Path) -> Machine {
    let mut machine = bench.machine("n1");
    machine.set(
        "store",
        format!("{{embedded: {{path: {}}}}}", store.display()),
    );
    machine.set("metrics", "{enabled: true, listen: '127.0.0.1:0'}");
    machine.start();
    bench.wait("at rest", || machine.has_outcome("no_action"));
    machine
}

/// Fills a file system to its last byte.
fn fill(path: &Path) {
    let mut file = File::create(path).unwrap();
    for size in [4096, 1] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
}

#[test]
fn a_full_disk_is_outlived() {
    let bench = Bench::new();
    let disk = bench.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let _mount = Mount::new(&disk, &["-t", "tmpfs", "-o", "size=2m", "tmpfs"]);
    let mut machine = resting(&bench, &disk.join("fleet.db"));
    let filler = disk.join("filler");
    fill(&filler);
    machine.touch("sentinel");
    // Some writes still fit into what the store has; sooner or later one does not.
    bench.wait("it says so", || machine.says("full"));
    assert!(machine.is_alive());
    fs::remove_file(&filler).unwrap();
    bench.wait("it goes", || machine.has("down"));
    assert_eq!(machine.calls(), 1);
    machine.kill();
}

#[test]
fn a_read_only_disk_is_told_by_name() {
    let bench = Bench::new();
    let disk = bench.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let store = disk.join("fleet.db");
    let mut machine = resting(&bench, &store);
    machine.stop();
    machine.touch("sentinel");
    {
        let from = disk.display().to_string();
        let _bind = Mount::new(&disk, &["--bind", &from]);
        let _read_only = Mount::new(&disk, &["-o", "remount,bind,ro"]);
        let ran = machine.run(&["status", "-o", "json"]);
        assert_eq!(ran.code, 4, "{} {}", ran.stdout, ran.stderr);
        let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!(report["outcome"], "lock_unavailable");
        let message = report["message"].as_str().unwrap();
        assert!(message.contains("out of reach"), "{message}");
        assert!(message.contains(store.to_str().unwrap()), "{message}");
        assert_eq!(report["detectors"][0]["result"], "reboot-required");
        let ran = machine.run(&["run"]);
        assert_eq!(ran.code, 1, "{}", ran.stderr);
        assert!(
            ran.stderr.contains(store.to_str().unwrap()),
            "{}",
            ran.stderr
        );
    }
    let ran = machine.run(&["status"]);
    assert_eq!(ran.code, 0, "{} {}", ran.stdout, ran.stderr);
}

#[test]
fn a_store_that_vanishes_is_outlived() {
    let bench = Bench::new();
    let disk = bench.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let mut machine = resting(&bench, &disk.join("fleet.db"));
    let away = bench.path().join("away");
    fs::rename(&disk, &away).unwrap();
    machine.touch("sentinel");
    bench.wait("it tries again and again", || {
        machine.passes("lock_unavailable") >= 4
    });
    assert!(machine.is_alive() && machine.calls() == 0);
    let said = ["no_action", "lock_unavailable"];
    assert_eq!(machine.outcomes(), said, "said once");
    fs::rename(&away, &disk).unwrap();
    bench.wait("it goes", || machine.has("down"));
    assert_eq!((machine.calls(), machine.stop()), (1, 0));
}

#[test]
fn a_journal_that_cannot_be_written_keeps_the_command_from_being_issued() {
    let bench = Bench::new();
    let mut machine = bench.machine("n1");
    machine.set("state_dir", machine.file("small").display());
    fs::create_dir(machine.file("small")).unwrap();
    let small = machine.file("small");
    let _mount = Mount::new(&small, &["-t", "tmpfs", "-o", "size=64k", "tmpfs"]);
    machine.start();
    bench.wait("at rest", || machine.has_outcome("no_action"));
    let filler = small.join("filler");
    fill(&filler);
    machine.touch("sentinel");
    bench.wait("given back", || machine.has_outcome("error"));
    bench.wait_for_no_hold();
    assert_eq!(machine.calls(), 0);
    assert!(machine.says("write the journal"));
    machine.kill();
}

#[test]
fn a_store_that_vanishes_under_the_claim_costs_no_reboot_before_it_is_back() {
    let bench = Bench::new();
    let disk = bench.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let mut machine = resting(&bench, &disk.join("fleet.db"));
    machine.gate("gate.post-lock");
    machine.touch("sentinel");
    bench.wait("it has claimed", || machine.has("gated"));
    let away = bench.path().join("away");
    fs::rename(&disk, &away).unwrap();
    machine.open_gate("gate.post-lock");
    bench.wait("it says so", || machine.says("could not ask the group"));
    assert!(machine.is_alive());
    assert_eq!(machine.calls(), 0, "without the fence there is no reboot");
    fs::rename(&away, &disk).unwrap();
    bench.wait("it goes", || machine.has("down"));
    assert_eq!((machine.calls(), machine.stop()), (1, 0));
}

#[test]
fn a_store_that_was_deleted_is_never_taken_for_an_empty_one() {
    let bench = Bench::new();
    let disk = bench.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let store = disk.join("fleet.db");
    let mut machine = resting(&bench, &store);
    machine.stop();
    fs::remove_file(&store).unwrap();
    machine.touch("sentinel");
    let ran = machine.run(&["run"]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(
        ran.stderr.contains(store.to_str().unwrap()),
        "{}",
        ran.stderr
    );
    assert_eq!(machine.run(&["status"]).code, 4);
    assert_eq!(machine.calls(), 0);
}

#[test]
fn a_daemon_without_its_store_stops_in_time() {
    let bench = Bench::new();
    let disk = bench.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let mut machine = resting(&bench, &disk.join("fleet.db"));
    fs::rename(&disk, bench.path().join("away")).unwrap();
    machine.touch("sentinel");
    bench.wait("it says so", || {
        machine.last_outcome() == "lock_unavailable"
    });
    let asked = Instant::now();
    assert_eq!(machine.stop(), 4);
    assert!(asked.elapsed() < Duration::from_secs(5));
}

/// A machine at rest, with the file of its store in a directory of its own.
fn with_store_file(bench: &Bench) -> (Machine, PathBuf) {
    let disk = bench.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let store = disk.join("fleet.db");
    (resting(bench, &store), store)
}

/// The store was asked more than once, in vain.
fn tries_again(bench: &Bench, machine: &Machine) {
    let in_vain = "could not ask the group: the store ";
    bench.wait("it tries again", || {
        let mut log = machine.log();
        log.retain(|line| line["message"].as_str().unwrap().starts_with(in_vain));
        log.len() > 2
    });
}

#[test]
fn a_store_file_moved_away_under_the_claim_costs_no_reboot_before_it_is_back() {
    let bench = Bench::new();
    let (mut machine, store) = with_store_file(&bench);
    machine.gate("gate.post-lock");
    machine.touch("sentinel");
    bench.wait("it has claimed", || machine.has("gated"));
    let away = bench.path().join("away.db");
    fs::rename(&store, &away).unwrap();
    machine.open_gate("gate.post-lock");
    tries_again(&bench, &machine);
    assert!(machine.is_alive() && !store.exists(), "{}", bench.logs());
    assert_eq!(machine.calls(), 0, "without the fence there is no reboot");
    fs::rename(&away, &store).unwrap();
    bench.wait("it goes", || machine.has("down"));
    assert_eq!((machine.calls(), machine.stop()), (1, 0));
}

#[test]
fn a_store_file_deleted_under_the_claim_is_never_made_anew() {
    let bench = Bench::new();
    let (mut machine, store) = with_store_file(&bench);
    machine.gate("gate.post-lock");
    machine.touch("sentinel");
    bench.wait("it has claimed", || machine.has("gated"));
    fs::remove_file(&store).unwrap();
    machine.open_gate("gate.post-lock");
    tries_again(&bench, &machine);
    assert_eq!((machine.calls(), store.exists()), (0, false));
    let asked = Instant::now();
    machine.stop();
    assert!(asked.elapsed() < Duration::from_secs(5), "in time");
    let ran = machine.run(&["run"]);
    assert_eq!((ran.code, store.exists()), (1, false), "{}", ran.stderr);
    assert!(
        ran.stderr.contains(store.to_str().unwrap()),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_store_file_that_vanishes_after_the_fence_keeps_its_slot_until_it_is_back() {
    let bench = Bench::new();
    let (mut machine, store) = with_store_file(&bench);
    machine.touch("sentinel");
    bench.wait("it goes", || machine.has("down"));
    let away = bench.path().join("away.db");
    fs::rename(&store, &away).unwrap();
    machine.power_cycle(&bench, Signal::SIGKILL);
    bench.wait("it does not start without", || {
        machine.exit_code() == Some(1)
    });
    assert!(!store.exists() && !machine.has("run/rebooted"));
    fs::rename(&away, &store).unwrap();
    machine.forget_log();
    machine.start();
    bench.wait("gives back what it held", || {
        machine.has_outcome("no_action")
    });
    assert_eq!(machine.events("reboot_returned").len(), 1);
    assert!(machine.has("run/rebooted"));
    assert_eq!((machine.calls(), machine.stop()), (1, 0));
}
