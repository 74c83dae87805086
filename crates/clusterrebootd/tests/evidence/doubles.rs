//! Two daemons started for one node.

use crate::bench::Bench;
use crate::machine::Machine;
use nix::sys::signal::Signal;
use std::time::Duration;

/// A second start while the daemon of this machine is there, in whatever state.
fn is_refused(machine: &Machine) {
    let ran = machine.run(&["run"]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    let lock = machine.file("state/agent.lock").display().to_string();
    let holder = format!("process {}", machine.pid());
    for part in [
        &*lock,
        "another agent runs on this node",
        &holder,
        "stop it",
    ] {
        assert!(ran.stderr.contains(part), "{part}: {}", ran.stderr);
    }
    assert!(machine.is_alive());
}

#[test]
fn the_second_is_refused_and_the_first_goes_on() {
    let bench = Bench::new();
    let mut machine = bench.machine("n1");
    machine.start();
    bench.wait("at rest", || machine.has_outcome("no_action"));
    is_refused(&machine);
    machine.touch("sentinel");
    bench.wait("the first goes", || machine.has("down"));
    is_refused(&machine);
    machine.power_cycle(&bench, Signal::SIGTERM);
    bench.wait_for_no_hold();
    assert_eq!((machine.calls(), machine.stop()), (1, 0));
}

#[test]
fn the_second_is_refused_while_the_first_stands_still_past_its_lease() {
    let bench = Bench::new();
    let mut machine = bench.machine("n1");
    machine.hasty().gate("gate.post-lock");
    machine.touch("sentinel");
    machine.start();
    bench.wait("it has claimed", || machine.has("gated"));
    machine.freeze();
    is_refused(&machine);
    bench.wait_for_no_hold(); // the lease has ended
    is_refused(&machine);
    machine.signal(Signal::SIGCONT);
    machine.open_gate("gate.post-lock");
    bench.wait("it goes with a claim of its own", || machine.has("down"));
    assert_eq!(machine.calls(), 1);
}

/// The lock is in the state directory: with two of them only the store is left to keep order.
#[test]
fn with_state_directories_of_their_own_the_node_still_reboots_once() {
    let bench = Bench::new();
    let mut machine = bench.machine("n1");
    let mut double = bench.machine("n2");
    double.set("node_name", "n1");
    for (key, file) in [
        ("boot_id_file", "boot_id"),
        ("machine_id_file", "machine-id"),
    ] {
        double.set(key, machine.file(file).display());
    }
    machine.touch("sentinel");
    double.touch("sentinel");
    machine.start();
    double.start();
    let calls = |machine: &Machine, double: &Machine| machine.calls() + double.calls();
    bench.wait("one goes", || calls(&machine, &double) == 1);
    let two_passes = Duration::from_secs(3);
    bench.never_within(two_passes, "the other goes too", || {
        calls(&machine, &double) > 1
    });
    assert_eq!(bench.holds().len(), 1, "{}", bench.logs());
}
