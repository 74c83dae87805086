//! What the others' state means for a node that wants to reboot.

use crate::bench::Bench;
use crate::machine::Machine;
use reboot_core::id::NodeName;
use reboot_core::policy::Standing;
use reboot_core::write::Write;

/// A machine that runs and does not want to reboot, known to be well.
fn calm(bench: &Bench, name: &str) -> Machine {
    let mut machine = bench.machine(name);
    machine.start();
    let node = machine.name.clone();
    bench.wait_in_store("it is known to be well", |fleet| {
        Bench::standing(fleet, &node) == Standing::Healthy
    });
    machine
}

#[test]
fn an_unhealthy_peer_blocks_and_the_block_lifts_by_itself() {
    let bench = Bench::new();
    let other = calm(&bench, "n2");
    other.touch("sick");
    bench.wait_in_store("it is known to be ill", |fleet| {
        matches!(Bench::standing(fleet, "n2"), Standing::Unhealthy { .. })
    });
    let mut machine = bench.machine("n1");
    machine.touch("sentinel");
    machine.start();
    bench.wait("blocked", || machine.has_outcome("health_blocked"));
    assert!(machine.says("n2"));
    assert!(machine.events("lock_attempt").is_empty());
    other.remove("sick");
    bench.wait("it goes by itself", || machine.has("down"));
}

#[test]
fn a_stale_peer_blocks_until_it_is_forgotten() {
    let bench = Bench::new();
    let mut other = bench.machine("n2");
    other.start();
    bench.wait_in_store("it is known", |fleet| {
        Bench::standing(fleet, "n2") == Standing::Healthy
    });
    other.kill();
    let last_word = bench.look().nodes.into_values().next().unwrap().record;
    bench.write(Write::Publish {
        record: Box::new(last_word),
        stale_after_ms: 1, // its lease, cut short
    });
    bench.wait_in_store("its word is old", |fleet| {
        Bench::standing(fleet, "n2") == Standing::Stale
    });
    let mut machine = bench.machine("n1");
    machine.touch("sentinel");
    machine.start();
    bench.wait("blocked", || machine.has_outcome("health_blocked"));
    assert!(machine.says("n2"));
    assert_eq!(machine.calls(), 0);
    let node = NodeName::new("n2").unwrap();
    bench.write(Write::Forget { node });
    bench.wait("it goes by itself", || machine.has("down"));
}

#[test]
fn a_peer_that_falls_ill_before_the_claim_stands_gives_the_slot_back() {
    let bench = Bench::new();
    let other = calm(&bench, "n2");
    let mut machine = bench.machine("n1");
    machine.gate("gate.pre-lock");
    machine.touch("sentinel");
    machine.start();
    bench.wait("the script runs", || machine.has("gated"));
    other.touch("sick");
    bench.wait_in_store("it is known to be ill", |fleet| {
        matches!(Bench::standing(fleet, "n2"), Standing::Unhealthy { .. })
    });
    machine.open_gate("gate.pre-lock");
    bench.wait("given back", || machine.has_outcome("health_blocked"));
    assert_eq!(machine.events("lock_acquired").len(), 1);
    assert_eq!((machine.calls(), bench.holds().len()), (0, 0));
    other.remove("sick");
    bench.wait("it goes by itself", || machine.has("down"));
}

#[test]
fn a_clone_of_a_node_keeps_both_from_acting_until_it_is_gone() {
    let bench = Bench::new();
    let mut machine = bench.machine("n1");
    let mut clone = bench.machine("n2");
    clone.set("node_name", "n1").start();
    bench.wait("the clone runs", || clone.has_outcome("no_action"));
    machine.set("check_interval_sec", 1).touch("sentinel");
    machine.start();
    bench.wait("conflict", || machine.has_outcome("identity_conflict"));
    clone.touch("sentinel");
    bench.wait("for both", || clone.has_outcome("identity_conflict"));
    assert_eq!(
        (machine.calls(), clone.calls(), bench.holds().len()),
        (0, 0, 0)
    );
    assert_eq!(clone.stop(), 1);
    bench.wait("the other goes on", || machine.has("down"));
}

#[test]
fn the_last_ordinary_node_does_not_leave_the_fallback_alone() {
    let bench = Bench::new();
    let _fallback = calm(&bench, "f1");
    let mut machine = bench.machine("n1");
    let policies = "{forbid_if_only_fallback_left: true, fallback_nodes: [f1]}";
    machine.set("cluster_policies", policies).touch("sentinel");
    machine.start();
    bench.wait("blocked", || machine.has_outcome("health_blocked"));
    assert!(machine.says("fallback"));
    assert!(machine.events("lock_attempt").is_empty());
    let _ordinary = calm(&bench, "n2");
    bench.wait("with another it goes by itself", || machine.has("down"));
}

#[test]
fn too_few_healthy_nodes_block() {
    let bench = Bench::new();
    let mut machine = bench.machine("n1");
    machine.set("cluster_policies", "{min_healthy_absolute: 2}");
    machine.touch("sentinel");
    machine.start();
    bench.wait("blocked", || machine.has_outcome("health_blocked"));
    assert!(machine.events("lock_attempt").is_empty());
    let _other = calm(&bench, "n2");
    bench.wait("with another it goes by itself", || machine.has("down"));
}

#[test]
fn a_healthy_fraction_counts_known_nodes() {
    let bench = Bench::new();
    let ill = calm(&bench, "n2");
    let mut machine = bench.machine("n1");
    machine.set("cluster_policies", "{min_healthy_fraction: 0.9}");
    ill.touch("sick");
    bench.wait_in_store("it is known to be ill", |fleet| {
        matches!(Bench::standing(fleet, "n2"), Standing::Unhealthy { .. })
    });
    machine.touch("sentinel");
    machine.start();
    bench.wait("blocked", || machine.has_outcome("health_blocked"));
    let blocked = machine.events("run_outcome");
    let reasons = blocked[0]["fields"]["blockers"].as_array().unwrap().len();
    assert_eq!(reasons, 2, "the ill peer and the fraction: {blocked:?}");
}
