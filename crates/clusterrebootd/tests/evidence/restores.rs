//! A store that was put back: what the daemon says, and what brings it back to work.

use crate::bench::Bench;
use nix::sys::signal::Signal;

#[test]
fn a_backup_older_than_the_group_stops_its_nodes_until_the_group_is_made_again() {
    let bench = Bench::new();
    let mut machine = bench.machine("n1");
    machine.start();
    bench.wait("at rest", || machine.has_outcome("no_action"));
    let copy = bench.path().join("old.db").display().to_string();
    let ran = machine.run(&["store", "backup", &copy]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    machine.touch("sentinel");
    bench.wait("it goes down", || machine.has("down"));
    machine.power_cycle(&bench, Signal::SIGTERM);
    bench.wait_for_no_hold();
    bench.wait("at rest again", || machine.last_outcome() == "no_action");
    machine.stop();
    let ran = machine.run(&["store", "restore", &copy, "--yes"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    machine.forget_log();
    machine.start();
    machine.touch("sentinel");
    let remedy = "`clusterrebootd lock set-max 1 --group default`";
    bench.wait("it says what to do", || machine.says(remedy));
    bench.wait("it waits", || machine.has_outcome("lock_unavailable"));
    assert!(!machine.has("down"));
    let ran = machine.run(&["lock", "set-max", "1"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    bench.wait("it goes on", || machine.has("down"));
}
