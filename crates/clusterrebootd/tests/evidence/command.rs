//! Reboot commands that do not do what they should.

use crate::bench::Bench;
use crate::machine::Machine;
use crate::scripts::{BLOCK, FAIL, NOTHING};
use nix::sys::signal::Signal;
use reboot_core::group::Phase;
use std::time::{Duration, Instant};

/// A machine with this reboot command, running and wanting to reboot.
fn with_command(bench: &Bench, script: &str) -> Machine {
    let mut machine = bench.machine("n1");
    machine.set("reboot_timeout_sec", 2);
    machine.script("reboot", script);
    machine.touch("sentinel");
    machine.start();
    machine
}

/// The command is tried twice, then the node is overdue and keeps its hold.
fn is_tried_twice(bench: &Bench, machine: &Machine) {
    bench.wait("the first try", || machine.calls() == 1);
    let first = Instant::now();
    assert_eq!(bench.phase("n1"), Some(Phase::Rebooting));
    bench.wait("the second try", || machine.calls() == 2);
    assert!(
        first.elapsed() > Duration::from_millis(1500),
        "not before its time"
    );
    bench.wait("overdue", || machine.last_outcome() == "reboot_overdue");
    assert!(first.elapsed() > Duration::from_millis(3500));
    let beats = machine.lines("phases").len();
    bench.wait("its heart beats on", || {
        machine.lines("phases").len() > beats + 1
    });
    assert_eq!(machine.calls(), 2, "never a third time");
    assert_eq!(bench.phase("n1"), Some(Phase::Rebooting));
    assert!(machine.is_alive());
    assert_eq!(machine.events("reboot_overdue").len(), 1);
}

#[test]
fn a_command_that_fails_keeps_the_hold_and_is_tried_once_more() {
    let bench = Bench::new();
    let mut machine = with_command(&bench, FAIL);
    is_tried_twice(&bench, &machine);
    assert!(machine.says("the reboot command ended"));
    assert_eq!(machine.stop(), 1);
    assert_eq!(bench.phase("n1"), Some(Phase::Rebooting));
}

#[test]
fn a_command_that_returns_at_once_is_waited_for_and_the_late_reboot_counts() {
    let bench = Bench::new();
    let mut machine = with_command(&bench, NOTHING);
    is_tried_twice(&bench, &machine);
    machine.power_cycle(&bench, Signal::SIGTERM);
    bench.wait_for_no_hold();
    assert!(machine.has("run/rebooted"));
    assert_eq!(machine.calls(), 2);
}

#[test]
fn a_command_that_takes_minutes_outlives_a_stop_of_the_daemon() {
    let bench = Bench::new();
    let mut machine = bench.machine("n1");
    machine.gate("gate.reboot");
    machine.script("reboot", BLOCK);
    machine.touch("sentinel");
    machine.start();
    bench.wait("the command runs", || machine.calls() == 1);
    bench.wait("its start is known", || machine.says("try 1 in this boot"));
    assert!(machine.is_alive());
    let asked = Instant::now();
    assert_eq!(machine.stop(), 0);
    assert!(asked.elapsed() < Duration::from_secs(8), "in time");
    assert_eq!(bench.phase("n1"), Some(Phase::Rebooting), "the hold stays");
    machine.open_gate("gate.reboot");
    bench.wait("the command goes on to its end", || {
        machine
            .lines("calls")
            .last()
            .is_some_and(|it| it == "ended")
    });
}

#[test]
fn a_command_that_cannot_be_started_gives_the_slot_back() {
    let bench = Bench::new();
    let mut machine = bench.machine("n1");
    machine.set("reboot_command", "[/no/such/program]");
    let undo = "echo undone >> \"$DIR/phases\"";
    machine.script("hooks/pre-reboot.d/10-drain", "exit 0");
    machine.script("hooks/pre-reboot.d/10-drain.undo", undo);
    machine.touch("sentinel");
    machine.start();
    bench.wait("reported", || machine.has_outcome("error"));
    assert!(machine.says("/no/such/program"));
    assert!(machine.lines("phases").contains(&"undone".to_owned()));
    assert_eq!(bench.holds().len(), 0);
    assert_eq!(machine.stop(), 1);
    machine.start();
    bench.wait("it does not count as issued", || {
        machine.events("lock_acquired").len() == 2
    });
}

#[test]
fn the_command_is_expanded_without_a_shell() {
    let bench = Bench::new();
    let mut machine = bench.machine("n1");
    let program = machine.file("reboot").display().to_string();
    let words =
        format!("[{program}, '$RC_NODE_NAME', '${{FROM_OUTSIDE}}-x', '$NOWHERE.', '$RC_PHASE;']");
    machine.set("reboot_command", words);
    machine.variable("FROM_OUTSIDE", "a b");
    machine.touch("sentinel");
    machine.start();
    bench.wait("it goes", || machine.has("down"));
    assert_eq!(machine.lines("calls"), ["n1 a b-x . ;"]);
}
