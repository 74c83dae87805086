//! Who waits for whom, and for how long, when only etcd stands between the machines.

use crate::bench::{Bench, read_ledger};
use crate::lab;
use crate::machine::Machine;
use crate::scripts::KILL_DAEMON;
use crate::shell::{Shell, documented_after};
use nix::sys::signal::Signal;
use reboot_core::group::Phase;
use reboot_core::policy::Standing;
use serde_json::Value;

const RUNBOOK: &str = "# Runbook: a node does not come back";

/// Who went down, in this order.
fn order(bench: &Bench) -> Vec<String> {
    let lines = bench.lines("ledger");
    let down = lines.iter().filter_map(|line| line.strip_prefix("down "));
    down.map(str::to_owned).collect()
}

#[test]
fn who_came_first_goes_first() {
    let bench = Bench::new();
    let mut machines = bench.machines(4);
    for (place, machine) in machines.iter_mut().enumerate() {
        machine.hasty().touch("sentinel");
        machine.start();
        bench.wait("it holds, or has its place in line", || {
            let fleet = bench.look();
            let mut entries = fleet.groups.values();
            entries.any(|it| it.group.holds.len() + it.line.tickets().len() == place + 1)
        });
    }
    for machine in &mut machines {
        bench.wait("the next one goes", || machine.has("down"));
        machine.power_cycle(&bench, Signal::SIGKILL);
    }
    bench.wait_for_no_hold();
    assert_eq!(order(&bench), ["n1", "n2", "n3", "n4"]);
    assert_eq!(read_ledger(&bench.lines("ledger")).0, 1);
}

/// A machine that went down, and took its daemon with it.
fn lost(bench: &Bench) -> Machine {
    let mut lost = bench.machine("n1");
    lost.hasty().set("reboot_timeout_sec", 1);
    lost.script("reboot", KILL_DAEMON);
    lost.touch("sentinel");
    lost.start();
    bench.wait("it goes", || lost.exit_code().is_some());
    lost
}

#[test]
fn a_machine_that_stays_down_keeps_its_slot_without_any_lease_and_is_overdue() {
    let bench = Bench::new();
    let mut lost = lost(&bench);
    let mut other = bench.machine("n2");
    other.touch("sentinel");
    other.start();
    bench.wait_in_store("its session is over, and so is its time", |fleet| {
        let has_session = fleet
            .presences
            .iter()
            .any(|it| it.identity.node.as_str() == "n1");
        !has_session && Bench::standing(fleet, "n1") == Standing::Overdue
    });
    let ran = other.run(&["lock", "status", "-o", "json"]);
    let status: Value = serde_json::from_str(&ran.stdout).unwrap();
    let hold = &status["groups"][0]["holds"][0];
    assert_eq!(
        (&hold["node"], &hold["overdue"]),
        (&"n1".into(), &true.into()),
        "{status:#}"
    );
    assert_eq!(hold["phase"], "rebooting");
    bench.wait("the other says why it waits", || other.says("n1"));
    let ran = other.run(&["status", "-o", "json"]);
    assert!([3, 4].contains(&ran.code), "{}", ran.stdout);
    assert!(ran.stdout.contains("overdue"), "{}", ran.stdout);
    assert_eq!(other.calls(), 0);
    lost.power_cycle(&bench, Signal::SIGKILL);
    bench.wait("back, it lets the other go", || other.has("down"));
    assert_eq!((lost.calls(), bench.phase("n1")), (1, None));
}

#[test]
fn a_daemon_killed_at_its_reboot_gives_back_in_the_new_boot_and_not_before() {
    let bench = Bench::new();
    let mut machine = bench.machine("n1");
    machine.hasty();
    machine.touch("sentinel");
    machine.start();
    bench.wait("it goes", || machine.has("down"));
    machine.kill();
    machine.forget_log();
    machine.start(); // in the same boot: somebody started it while the machine shuts down
    bench.wait("it finds its hold", || machine.says("took over the hold"));
    assert_eq!(bench.phase("n1"), Some(Phase::Rebooting));
    machine.power_cycle(&bench, Signal::SIGKILL);
    bench.wait_for_no_hold();
    assert_eq!(machine.calls(), 1, "{}", bench.logs());
    bench.wait("it is back", || machine.has("run/rebooted"));
}

#[test]
fn the_runbook_brings_a_fleet_on_whose_node_does_not_come_back() {
    let bench = Bench::new();
    let mut machines = [bench.machine("node-7"), bench.machine("node-8")];
    machines[0].hasty().set("reboot_timeout_sec", 1);
    machines[0].script("reboot", KILL_DAEMON);
    for machine in &mut machines {
        machine.touch("sentinel");
        machine.start();
        bench.wait("it goes, or had its look", || {
            machine.exit_code().is_some() || !machine.outcomes().is_empty()
        });
    }
    let [mut lost, mut other] = machines;
    bench.wait("it goes", || lost.exit_code().is_some());
    bench.wait("it is overdue", || {
        Bench::standing(&bench.look(), "node-7") == Standing::Overdue
    });
    let shell = Shell::at(&lab::shared()).on(&other);
    let step = |number: u32| {
        let words = format!("\n{number}. **");
        shell.good(&documented_after("runbook.md", RUNBOOK, &words))
    };
    let seen = step(1);
    for fact in ["rebooting", "00000001  OVERDUE\n", "fence", "node-8"] {
        assert!(seen.contains(fact), "{fact}: {seen}");
    }
    assert_eq!(other.calls(), 0);
    step(4);
    bench.wait("the other goes on", || other.has("down"));
    other.power_cycle(&bench, Signal::SIGKILL);
    bench.wait_for_no_hold();
    let seen = step(5);
    assert!(seen.starts_with("Available: 1\nMax: 1\n"), "{seen}");
    assert!(!seen.contains("node-7"), "{seen}");
    lost.power_cycle(&bench, Signal::SIGKILL);
    bench.wait("it turns up", || lost.last_outcome() == "no_action");
    assert_eq!((lost.calls(), other.calls()), (1, 1));
}
