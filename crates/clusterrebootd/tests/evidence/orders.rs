//! What operators order of a node, as its daemon lives it. The machines look for a need of their
//! own once an hour, so nothing here happens by a timer.

use crate::bench::Bench;
use crate::machine::Machine;
use nix::sys::signal::Signal;
use reboot_core::fleet::Fleet;

/// A machine that needs nothing and has said so.
fn idle(bench: &Bench, name: &str) -> Machine {
    let mut machine = bench.machine(name);
    machine.start();
    bench.wait("at rest", || machine.has_outcome("no_action"));
    let is_known = |fleet: &Fleet| fleet.nodes.keys().any(|node| node.as_str() == name);
    bench.wait_in_store("it has reported", is_known);
    machine
}

fn said(machine: &Machine, args: &[&str]) -> String {
    let ran = machine.run(args);
    assert_eq!(ran.code, 0, "{args:?}: {} {}", ran.stdout, ran.stderr);
    ran.stdout
}

fn order(machine: &Machine, node: &str) -> String {
    said(
        machine,
        &["fleet", "reboot", node, "--reason", "a new disk"],
    )
}

#[test]
fn an_idle_machine_that_is_ordered_to_reboots_once() {
    let bench = Bench::new();
    let mut machine = idle(&bench, "n1");
    let other = idle(&bench, "n2");
    let text = order(&machine, "n1");
    assert!(text.contains("ordered a reboot of n1"), "{text}");
    bench.wait("it goes", || machine.has("down"));
    assert!(machine.says("a new disk"), "the log tells why");
    machine.power_cycle(&bench, Signal::SIGTERM);
    bench.wait("the order is over", || {
        !machine.events("order_done").is_empty()
    });
    bench.wait_for_no_hold();
    assert!(bench.look().orders.is_empty());
    machine.kill();
    machine.forget_log();
    machine.start();
    bench.wait("it needs nothing", || machine.has_outcome("no_action"));
    assert_eq!((machine.calls(), other.calls()), (1, 0));
    assert!(other.events("reboot_ordered").is_empty());
    let history = said(&machine, &["history"]);
    let at = |event: &str| {
        let place = history.find(event);
        place.unwrap_or_else(|| panic!("{event} in {history}"))
    };
    assert!(at("fence") < at("order-done"), "{history}");
}

#[test]
fn an_order_waits_for_a_closed_gate_and_is_taken_back() {
    let bench = Bench::new();
    let mut machine = idle(&bench, "n1");
    machine.stop();
    machine.touch("kill-switch");
    machine.forget_log();
    machine.start();
    bench.wait("it says so", || machine.has_outcome("kill_switch_active"));
    order(&machine, "n1");
    bench.wait("it hears", || !machine.events("reboot_ordered").is_empty());
    let list = said(&machine, &["fleet", "list"]);
    assert!(list.contains("n1 is to reboot: ordered by "), "{list}");
    let status = machine.run(&["status"]).stdout;
    assert!(status.contains("a reboot is ordered by "), "{status}");
    let text = said(&machine, &["fleet", "reboot", "n1", "--cancel"]);
    assert!(text.contains("n1 is no longer to reboot"), "{text}");
    bench.wait("it hears of that too", || {
        !machine.events("order_cancelled").is_empty()
    });
    machine.remove("kill-switch");
    machine.stop();
    machine.forget_log();
    machine.start();
    bench.wait("it needs nothing", || machine.has_outcome("no_action"));
    assert_eq!(machine.calls(), 0);
}

#[test]
fn a_reboot_by_hand_fulfils_the_order_of_a_machine_that_was_off() {
    let bench = Bench::new();
    let mut machine = idle(&bench, "n1");
    machine.go_down(Signal::SIGKILL);
    order(&machine, "n1");
    machine.come_back(&bench);
    bench.wait("the order is over", || {
        !machine.events("order_done").is_empty()
    });
    bench.wait("it needs nothing", || machine.has_outcome("no_action"));
    assert_eq!(machine.calls(), 0);
    assert!(bench.look().orders.is_empty());
}

#[test]
fn who_never_reported_cannot_be_asked() {
    let bench = Bench::new();
    let machine = idle(&bench, "n1");
    let ran = machine.run(&["fleet", "reboot", "n7", "--reason", "x"]);
    assert_eq!(ran.code, 1, "{} {}", ran.stdout, ran.stderr);
    assert!(
        ran.stderr.contains("node n7 is not known"),
        "{}",
        ran.stderr
    );
    let text = said(&machine, &["fleet", "reboot", "n1", "--cancel"]);
    assert_eq!(text, "nothing was ordered of n1\n");
}
