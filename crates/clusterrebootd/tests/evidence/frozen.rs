//! Daemons that stand still past their lease, like a virtual machine that is moved, and go on as
//! if nothing had been.

use crate::bench::{Bench, read_ledger};
use crate::machine::Machine;
use crate::scripts::NOTHING;
use nix::sys::signal::Signal;
use reboot_core::group::Phase;
use std::time::Duration;

/// Two lifetimes of the lease of a hasty machine.
const TWO_LEASES: Duration = Duration::from_secs(2 * 2);

/// A hook that leaves a change, and its undo.
fn with_hook(machine: &Machine, more: &str) {
    let hook = format!("touch \"$DIR/changed\"\n{more}");
    machine.script("hooks/pre-reboot.d/10-drain", &hook);
    machine.script("hooks/pre-reboot.d/10-drain.undo", "rm -f \"$DIR/changed\"");
}

/// Another machine that wants the slot.
fn rival(bench: &Bench) -> Machine {
    let mut other = bench.machine("n2");
    other.touch("sentinel");
    other.start();
    other
}

/// Both have rebooted once, one after the other.
fn one_after_the_other(bench: &Bench) {
    let (most, counts) = read_ledger(&bench.lines("ledger"));
    let once = ["n1", "n2"].map(|name| (name.to_owned(), 1));
    assert_eq!((most, counts), (1, once.to_vec()), "{}", bench.logs());
}

/// A machine that stands still at a point. Amid a commit of something else nobody could use the
/// store: then it is tried again.
fn stopped_at(point: &str, prepare: impl Fn(&mut Machine)) -> (Bench, Machine) {
    for _ in 0..20 {
        let bench = Bench::new();
        let mut machine = bench.machine("n1");
        machine.hasty().touch("sentinel");
        prepare(&mut machine);
        machine.plan(Some(&format!("stop={point}")));
        machine.start();
        bench.wait(point, || {
            machine.lines("points").iter().any(|it| it == point)
        });
        machine.wait_until_stopped();
        machine.forget_plan();
        if !machine.is_committing() {
            return (bench, machine);
        }
    }
    panic!("{point}: always amid a commit");
}

/// Frozen at a point at which it holds no more than a claim, it loses it and does no harm.
fn loses_its_claim_at(point: &str) {
    // What publishes or waits just then would often have the store to itself.
    let (bench, frozen) = stopped_at(point, |it| {
        it.set("reboot_delay_sec", 1)
            .set("health_publish_interval_sec", 30);
    });
    assert_eq!(bench.phase("n1"), Some(Phase::Claimed));
    let mut other = rival(&bench);
    bench.wait("the other goes", || other.has("down"));
    frozen.signal(Signal::SIGCONT);
    bench.wait("it waits", || frozen.last_outcome() == "lock_unavailable");
    assert_eq!(frozen.calls(), 0, "{point}: {}", bench.logs());
    other.power_cycle(&bench, Signal::SIGTERM);
    bench.wait("it goes", || frozen.has("down"));
    one_after_the_other(&bench);
}

#[test]
fn frozen_between_its_claim_and_the_answer_it_finds_the_claim_gone() {
    loses_its_claim_at("claim:after#1");
}

#[test]
fn frozen_right_before_its_fence_it_is_refused() {
    loses_its_claim_at("fence:before#1");
}

#[test]
fn frozen_while_draining_it_keeps_its_hold_and_goes_on() {
    let bench = Bench::new();
    let mut frozen = bench.machine("n1");
    frozen.hasty().gate("gate.hook");
    with_hook(
        &frozen,
        "echo $$ >> \"$DIR/pids\"; touch \"$DIR/hooked\"; read -r _ < \"$DIR/gate.hook\"; exit 0",
    );
    frozen.touch("sentinel");
    frozen.start();
    bench.wait("the hook runs", || frozen.has("hooked"));
    frozen.freeze();
    let mut other = rival(&bench);
    bench.never_within(TWO_LEASES, "the other goes", || other.has("down"));
    assert_eq!(bench.phase("n1"), Some(Phase::Draining));
    frozen.signal(Signal::SIGCONT);
    frozen.open_gate("gate.hook");
    bench.wait("it goes", || frozen.has("down"));
    frozen.power_cycle(&bench, Signal::SIGTERM);
    bench.wait("the other goes", || other.has("down"));
    assert!(!frozen.has("changed"), "undone before the release");
    other.power_cycle(&bench, Signal::SIGTERM);
    bench.wait_for_no_hold();
    one_after_the_other(&bench);
}

#[test]
fn frozen_after_its_fence_until_the_gates_are_old_it_undoes_and_gives_the_slot_back() {
    let (bench, frozen) = stopped_at("fence:after#1", |it| with_hook(it, ""));
    let other = rival(&bench);
    let verdicts_live = Duration::from_secs(10);
    bench.never_within(verdicts_live, "the other goes", || other.has("down"));
    assert_eq!(bench.phase("n1"), Some(Phase::Rebooting));
    assert!(frozen.has("changed"));
    frozen.signal(Signal::SIGCONT);
    bench.wait("the other goes", || other.has("down"));
    assert_eq!(frozen.calls(), 0, "{}", bench.logs());
    assert!(!frozen.has("changed"), "undone before the release");
    assert!(frozen.says("the verdicts grew older"), "{}", bench.logs());
}

#[test]
fn frozen_after_its_command_it_keeps_the_slot_and_issues_no_other() {
    let bench = Bench::new();
    let mut frozen = bench.machine("n1");
    frozen.hasty().script("reboot", NOTHING);
    frozen.touch("sentinel");
    frozen.start();
    bench.wait("issued", || frozen.says("try 1 in this boot"));
    frozen.freeze();
    let other = rival(&bench);
    bench.never_within(TWO_LEASES, "the other goes", || other.has("down"));
    frozen.signal(Signal::SIGCONT);
    bench.wait("it knows", || frozen.says("opening a new one"));
    bench.never_within(TWO_LEASES, "it goes on", || {
        other.has("down") || frozen.calls() > 1
    });
    assert_eq!(bench.phase("n1"), Some(Phase::Rebooting));
    frozen.power_cycle(&bench, Signal::SIGTERM);
    bench.wait("the other goes", || other.has("down"));
}
