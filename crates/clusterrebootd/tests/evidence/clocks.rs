//! Clocks that are wrong, and clocks that jump: nothing is decided by the time of day but whether
//! a window is open. A library between the daemon and the kernel bends its clock (faketime).

use crate::bench::Bench;
use crate::fleets::roll_all;
use crate::machine::Machine;
use jiff::Timestamp;
use nix::sys::signal::Signal;
use reboot_core::fleet::NodeEntry;
use reboot_core::group::Phase;
use reboot_core::policy::Standing;
use std::fs;

/// The package faketime; the loader knows the folder of its machine's kind.
const LIBRARY: &str = "/usr/$LIB/faketime/libfaketime.so.1";

/// Lets the daemon's clock go by a file, read at every look at it.
fn bend(machine: &mut Machine, offset: &str) {
    turn(machine, offset);
    let file = machine.file("clock");
    machine.variable("LD_PRELOAD", LIBRARY);
    machine.variable("FAKETIME_TIMESTAMP_FILE", file.display());
    machine.variable("FAKETIME_NO_CACHE", 1);
    machine.variable("FAKETIME_DONT_FAKE_MONOTONIC", 1);
}

fn turn(machine: &Machine, offset: &str) {
    let (file, new) = (machine.file("clock"), machine.file("clock.new"));
    fs::write(&new, offset).unwrap();
    fs::rename(new, file).unwrap(); // never read half written
}

/// By how many days each node's own word in the store is off.
fn days_off(bench: &Bench) -> Vec<i64> {
    let days = |entry: &NodeEntry| {
        let told: Timestamp = entry.record.reported_at.parse().unwrap();
        let off = told.duration_since(Timestamp::now()).as_secs_f64();
        (off / 86_400.0).round() as i64
    };
    bench.look().nodes.values().map(days).collect()
}

#[test]
fn a_fleet_whose_clocks_are_two_days_apart_goes_down_one_by_one() {
    let bench = Bench::new();
    let mut machines = bench.machines(3);
    for (machine, offset) in machines.iter_mut().zip(["-1d", "+0", "+1d"]) {
        machine.hasty().set("min_reboot_interval_sec", 1);
        bend(machine, offset);
    }
    assert_eq!(roll_all(&bench, &mut machines, 1, Signal::SIGKILL), 1);
    assert_eq!(days_off(&bench), [-1, 0, 1], "the clocks were wrong");
}

#[test]
fn a_clock_that_jumps_under_a_hold_neither_ends_nor_ages_it() {
    let bench = Bench::new();
    let mut machines = bench.machines(2);
    for machine in &mut machines {
        machine.set("reboot_timeout_sec", 600);
        machine.touch("sentinel");
        bend(machine, "+0");
        machine.start();
    }
    let is_down = |machine: &Machine| machine.has("down");
    bench.wait("one goes down", || machines.iter().any(is_down));
    for (offset, days) in [("+30d", 30), ("-30d", -30)] {
        machines.iter().for_each(|it| turn(it, offset));
        bench.wait("both report by the new clock", || {
            days_off(&bench) == [days; 2]
        });
        let holds = bench.holds();
        assert_eq!(
            (holds.len(), holds[0].phase),
            (1, Phase::Rebooting),
            "{}",
            bench.logs()
        );
        assert_eq!(machines.iter().filter(|it| is_down(it)).count(), 1);
        let standing = bench.look().standing(&holds[0].node);
        assert_eq!(
            standing,
            Standing::Down,
            "not overdue: no minute has passed"
        );
    }
    machines.iter().for_each(|it| turn(it, "+0"));
    machines.sort_by_key(|it| !is_down(it));
    for machine in &mut machines {
        bench.wait("it goes down in its turn", || machine.has("down"));
        machine.power_cycle(&bench, Signal::SIGTERM);
    }
    bench.wait_for_no_hold();
}
