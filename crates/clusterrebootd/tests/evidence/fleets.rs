//! Fleets that all want to reboot at once.

use crate::bench::{Bench, read_ledger};
use crate::machine::Machine;
use crate::scripts::{FAIL, KILL_DAEMON};
use nix::sys::signal::Signal;
use std::time::Duration;

/// Lets every machine reboot; the bench is their power. Returns the most that were down at once.
fn roll(count: usize, max: usize, how: Signal) -> usize {
    let bench = Bench::new();
    let mut machines = bench.machines(count);
    for machine in &mut machines {
        machine.set("max", max);
        if how == Signal::SIGKILL {
            machine.hasty();
        }
    }
    roll_all(&bench, &mut machines, max, how)
}

/// The same with machines that are there.
pub(crate) fn roll_all(bench: &Bench, machines: &mut [Machine], max: usize, how: Signal) -> usize {
    for machine in machines.iter_mut() {
        machine.touch("sentinel");
    }
    for machine in machines.iter_mut() {
        machine.start();
    }
    let is_done = |machine: &Machine| machine.has("run/rebooted") && !machine.has("down");
    while !machines.iter().all(is_done) {
        bench.wait("somebody goes down, or all are done", || {
            machines.iter().any(|it| it.has("down")) || machines.iter().all(is_done)
        });
        for machine in machines.iter_mut().filter(|it| it.has("down")) {
            machine.power_cycle(bench, how);
        }
    }
    bench.wait_for_no_hold();
    let (most, counts) = read_ledger(&bench.lines("ledger"));
    let once: Vec<_> = machines.iter().map(|it| (it.name.clone(), 1)).collect();
    assert_eq!(counts, once, "each exactly once\n{}", bench.logs());
    assert!(most <= max, "{most} were down at once\n{}", bench.logs());
    for machine in machines {
        assert_eq!(machine.stop(), 0, "{}", machine.name);
    }
    most
}

#[test]
fn three_machines_with_one_slot_go_down_one_by_one() {
    assert_eq!(roll(3, 1, Signal::SIGTERM), 1);
}

#[test]
fn five_machines_with_two_slots_never_have_three_down() {
    assert!(roll(5, 2, Signal::SIGTERM) >= 1);
}

#[test]
fn seven_machines_with_three_slots_never_have_four_down() {
    assert!(roll(7, 3, Signal::SIGTERM) >= 1);
}

#[test]
fn seven_machines_with_one_slot_go_down_one_by_one() {
    assert_eq!(roll(7, 1, Signal::SIGTERM), 1);
}

#[test]
fn machines_that_lose_their_power_without_warning_finish_too() {
    assert_eq!(roll(3, 1, Signal::SIGKILL), 1);
}

/// The scenario that took the original's whole fleet down within two lifetimes of its lock.
fn three_that_never_return(reboot: &str) {
    let bench = Bench::new();
    let mut machines = bench.machines(3);
    for machine in &mut machines {
        machine.hasty().script("reboot", reboot);
        machine.touch("sentinel");
        machine.start();
    }
    let called = |machines: &[Machine]| machines.iter().filter(|it| it.calls() > 0).count();
    bench.wait("the first goes", || called(&machines) > 0);
    let ten_lifetimes = Duration::from_secs(10 * 2);
    bench.never_within(ten_lifetimes, "a second machine goes", || {
        called(&machines) > 1
    });
    let holds = bench.holds();
    assert_eq!(holds.len(), 1);
    let holder = holds[0].node.as_str();
    let first = machines.iter().find(|it| it.calls() > 0).unwrap();
    assert_eq!((first.name.as_str(), first.calls()), (holder, 1));
}

#[test]
fn of_three_whose_command_takes_the_daemon_with_it_one_goes_in_ten_lock_lifetimes() {
    three_that_never_return(KILL_DAEMON);
}

#[test]
fn of_three_whose_command_fails_one_goes_in_ten_lock_lifetimes() {
    three_that_never_return(FAIL);
}
