//! Hooks before and after the reboot, and what is undone.

use crate::bench::Bench;
use crate::machine::Machine;
use nix::sys::signal::Signal;
use reboot_core::group::Phase;

/// A hook that leaves its name and phase in the order of things, then runs `more`.
fn hook(machine: &Machine, place: &str, more: &str) {
    let name = place.rsplit('/').next().unwrap();
    let body = format!("echo \"{name} $RC_PHASE\" >> \"$DIR/phases\"\n{more}");
    machine.script(&format!("hooks/{place}"), &body);
}

/// What ran, without the heartbeats between.
fn order(machine: &Machine) -> Vec<String> {
    let mut lines = machine.lines("phases");
    lines.retain(|it| it != "heartbeat" && it != "monitor");
    lines
}

#[test]
fn hooks_run_in_order_and_what_they_did_is_undone_after_the_return() {
    let bench = Bench::new();
    let mut machine = bench.machine("n1");
    hook(&machine, "pre-reboot.d/20-second", "");
    hook(&machine, "pre-reboot.d/10-first", "");
    hook(&machine, "pre-reboot.d/10-first.undo", "");
    hook(&machine, "pre-reboot.d/20-second.undo", "");
    hook(&machine, "post-reboot.d/10-check", "");
    machine.touch("sentinel");
    machine.start();
    bench.wait("it goes", || machine.has("down"));
    let before = [
        "pre-lock",
        "post-lock",
        "10-first pre-reboot",
        "20-second pre-reboot",
    ];
    assert_eq!(order(&machine), before);
    machine.power_cycle(&bench, Signal::SIGTERM);
    bench.wait_for_no_hold();
    let after = [
        "10-check post-reboot",
        "post-reboot",
        "20-second.undo undo",
        "10-first.undo undo",
    ];
    assert_eq!(order(&machine)[before.len()..], after);
    let marker = std::fs::read_to_string(machine.file("run/rebooted")).unwrap();
    let marker: serde_json::Value = serde_json::from_str(&marker).unwrap();
    assert_eq!(marker["hold"], 1, "{marker}");
}

#[test]
fn a_failing_hook_aborts_and_undoes_what_ran() {
    let bench = Bench::new();
    let mut machine = bench.machine("n1");
    hook(&machine, "pre-reboot.d/10-first", "");
    hook(&machine, "pre-reboot.d/10-first.undo", "");
    hook(&machine, "pre-reboot.d/20-second", "echo no way; exit 7");
    hook(&machine, "pre-reboot.d/20-second.undo", "");
    hook(&machine, "pre-reboot.d/30-third", "");
    machine.touch("sentinel");
    machine.start();
    bench.wait("aborted", || machine.has_outcome("hook_failed"));
    let expected = [
        "pre-lock",
        "post-lock",
        "10-first pre-reboot",
        "20-second pre-reboot",
        "20-second.undo undo",
        "10-first.undo undo",
    ];
    assert_eq!(order(&machine), expected);
    assert!(machine.says("20-second") && machine.says("no way"));
    assert_eq!((machine.calls(), bench.holds().len()), (0, 0));
    assert_eq!(machine.stop(), 3);
}

#[test]
fn a_check_that_fails_after_the_return_stops_the_roll_until_it_passes() {
    let bench = Bench::new();
    let mut machine = bench.machine("n1");
    machine.set("check_interval_sec", 1);
    machine.touch("sentinel");
    machine.start();
    bench.wait("it goes", || machine.has("down"));
    machine.touch("sick.post-reboot");
    machine.power_cycle(&bench, Signal::SIGTERM);
    bench.wait("the check fails", || machine.has_outcome("health_blocked"));
    let mut other = bench.machine("n2");
    other.touch("sentinel");
    other.start();
    bench.wait("the other waits", || !other.outcomes().is_empty());
    let tries = machine.lines("phases").len();
    bench.wait("it is tried again", || {
        let phases = machine.lines("phases");
        phases[tries..]
            .iter()
            .filter(|it| *it == "post-reboot")
            .count()
            >= 2
    });
    assert_eq!(bench.phase("n1"), Some(Phase::Returned), "the hold is kept");
    assert_eq!(other.calls(), 0);
    assert!(!machine.has("run/rebooted"));
    machine.remove("sick.post-reboot");
    bench.wait("the roll goes on", || other.has("down"));
    assert!(machine.has("run/rebooted"));
}

#[test]
fn a_failing_post_reboot_hook_keeps_the_hold() {
    let bench = Bench::new();
    let mut machine = bench.machine("n1");
    machine.set("check_interval_sec", 1);
    hook(
        &machine,
        "post-reboot.d/10-check",
        "[ ! -e \"$DIR/broken\" ]",
    );
    machine.touch("broken");
    machine.touch("sentinel");
    machine.start();
    bench.wait("it goes", || machine.has("down"));
    machine.power_cycle(&bench, Signal::SIGTERM);
    bench.wait("the hook fails", || machine.has_outcome("hook_failed"));
    assert_eq!(bench.phase("n1"), Some(Phase::Returned));
    machine.remove("broken");
    bench.wait_for_no_hold();
}

#[test]
fn a_soak_keeps_the_slot_until_the_node_was_well_for_so_long() {
    let bench = Bench::new();
    let mut machine = bench.machine("n1");
    machine.set("post_reboot_soak_sec", 2).touch("sentinel");
    machine.start();
    bench.wait("it goes", || machine.has("down"));
    machine.power_cycle(&bench, Signal::SIGTERM);
    let back = std::time::Instant::now();
    bench.wait_for_no_hold();
    assert!(back.elapsed() >= std::time::Duration::from_secs(2));
    let beats = machine.lines("phases");
    assert!(beats.iter().any(|it| it == "heartbeat"), "it was looked at");
}
