//! A daemon that dies at the worst moments.

use crate::bench::{Bench, read_ledger};
use crate::machine::Machine;
use crate::scripts::{KILL_DAEMON, NOTHING};
use nix::sys::signal::Signal;
use reboot_core::group::Phase;
use std::time::{Duration, Instant};

/// A machine that has claimed the slot, its script waiting under it.
fn claiming(bench: &Bench, prepare: impl FnOnce(&mut Machine)) -> Machine {
    let mut machine = bench.machine("n1");
    prepare(&mut machine);
    machine.gate("gate.post-lock");
    machine.touch("sentinel");
    machine.start();
    bench.wait("the script runs under the slot", || machine.has("gated"));
    assert_eq!(bench.phase("n1"), Some(Phase::Claimed));
    machine
}

#[test]
fn the_claim_of_a_killed_daemon_is_free_after_its_lease() {
    let bench = Bench::new();
    let mut dying = claiming(&bench, |it| {
        it.set("health_timeout_sec", 2).set("lock_ttl_sec", 3);
    });
    let mut other = bench.machine("n2");
    other.touch("sentinel");
    other.start();
    bench.wait("the other waits", || other.has_outcome("lock_unavailable"));
    dying.kill();
    let died = Instant::now();
    bench.wait("the other goes", || other.has("down"));
    let waited = died.elapsed();
    // The lease was renewed at most a third of its time before.
    let expected = Duration::from_millis(1900)..Duration::from_secs(6);
    assert!(expected.contains(&waited), "{waited:?}\n{}", bench.logs());
    assert_eq!(dying.calls(), 0);
}

#[test]
fn the_claim_of_a_killed_daemon_is_given_back_at_once_when_it_starts_again_in_the_same_boot() {
    let bench = Bench::new();
    let mut machine = claiming(&bench, |it| {
        it.set("lock_ttl_sec", 600);
    });
    let first = bench.holds()[0].number;
    machine.kill();
    machine.remove("gate.post-lock");
    machine.start();
    bench.wait("it goes with a claim of its own", || machine.has("down"));
    assert!(bench.holds()[0].number > first);
    assert_eq!(machine.calls(), 1);
}

#[test]
fn the_claim_of_a_machine_that_lost_its_power_ends_with_its_lease() {
    let bench = Bench::new();
    let mut machine = claiming(&bench, |it| {
        it.set("health_timeout_sec", 2).set("lock_ttl_sec", 3);
    });
    machine.kill();
    machine.remove("gate.post-lock");
    machine.power_cycle(&bench, Signal::SIGKILL);
    bench.wait_for_no_hold();
    bench.wait("it goes on", || machine.last_outcome() == "no_action");
    assert_eq!(machine.calls(), 0, "nothing was disturbed");
}

#[test]
fn a_hold_past_the_fence_is_kept_until_the_machine_is_back() {
    let bench = Bench::new();
    let mut machine = bench.machine("n1");
    machine.hasty().script("reboot", KILL_DAEMON);
    machine.touch("sentinel");
    machine.start();
    bench.wait("it goes", || machine.exit_code().is_some());
    let mut other = bench.machine("n2");
    other.touch("sentinel");
    other.start();
    let two_lifetimes = Duration::from_secs(2 * 2);
    bench.never_within(two_lifetimes, "the other goes", || other.has("down"));
    assert_eq!(bench.phase("n1"), Some(Phase::Rebooting));
    machine.power_cycle(&bench, Signal::SIGKILL);
    bench.wait("the other goes", || other.has("down"));
    assert!(machine.has("run/rebooted"));
    assert_eq!(machine.events("reboot_returned").len(), 1);
}

#[test]
fn a_daemon_that_starts_again_in_the_boot_of_its_command_does_not_issue_it_again() {
    let bench = Bench::new();
    let mut machine = bench.machine("n1");
    machine.script("reboot", NOTHING);
    machine.touch("sentinel");
    machine.start();
    bench.wait("issued", || machine.says("try 1 in this boot"));
    for _ in 0..2 {
        machine.kill();
        machine.start();
        let pid = machine.pid();
        bench.wait_in_store("the new run has taken the hold over", |fleet| {
            let record = fleet.nodes.values().next().map(|entry| &entry.record);
            record.is_some_and(|record| record.activity == "rebooting")
                && fleet.groups.values().next().unwrap().group.holds.len() == 1
                && machine.is_alive()
                && machine.pid() == pid
                && machine.says("took over the hold")
        });
        assert_eq!(machine.calls(), 1);
        assert_eq!(bench.phase("n1"), Some(Phase::Rebooting));
        machine.forget_log();
    }
    assert_eq!(machine.stop(), 0, "no pass has ended yet");
    assert_eq!(bench.phase("n1"), Some(Phase::Rebooting));
}

#[test]
fn a_daemon_killed_while_draining_undoes_what_it_did_when_it_starts_again() {
    let bench = Bench::new();
    let mut machine = bench.machine("n1");
    machine.hasty().gate("gate.hook");
    let hook =
        "echo $$ >> \"$DIR/pids\"; echo drained >> \"$DIR/phases\"; read -r _ < \"$DIR/gate.hook\"";
    machine.script("hooks/pre-reboot.d/10-drain", hook);
    let undo = "echo undone >> \"$DIR/phases\"";
    machine.script("hooks/pre-reboot.d/10-drain.undo", undo);
    machine.touch("sentinel");
    machine.start();
    let ran = |machine: &Machine, what: &str| machine.lines("phases").iter().any(|it| it == what);
    bench.wait("the hook runs", || ran(&machine, "drained"));
    machine.kill();
    let two_lifetimes = Duration::from_secs(2 * 2);
    bench.never_within(two_lifetimes, "it is undone", || ran(&machine, "undone"));
    assert_eq!(bench.phase("n1"), Some(Phase::Draining), "kept");
    machine.remove("sentinel");
    machine.remove("hooks/pre-reboot.d/10-drain");
    machine.start();
    bench.wait("undone", || ran(&machine, "undone"));
    bench.wait_for_no_hold();
    assert_eq!(machine.calls(), 0);
}

#[test]
fn a_daemon_held_up_past_its_lease_finds_its_claim_gone_and_does_not_reboot() {
    let bench = Bench::new();
    let mut frozen = bench.machine("n1");
    frozen.set("reboot_delay_sec", 3).touch("sentinel");
    frozen.start();
    bench.wait("every gate is open", || frozen.has_outcome("ready"));
    frozen.freeze();
    assert_eq!(bench.phase("n1"), Some(Phase::Claimed));
    let mut other = bench.machine("n2");
    other.touch("sentinel");
    other.start();
    bench.wait("the other goes", || other.has("down"));
    frozen.signal(Signal::SIGCONT);
    bench.wait("it waits", || frozen.last_outcome() == "lock_unavailable");
    assert_eq!(frozen.calls(), 0, "{}", bench.logs());
    other.power_cycle(&bench, Signal::SIGTERM);
    bench.wait("it goes", || frozen.has("down"));
    let (most, counts) = read_ledger(&bench.lines("ledger"));
    assert_eq!((most, counts.len()), (1, 2));
}
