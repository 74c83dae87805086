//! How nodes count for one another: each as it is, and as a threshold takes it.

// A test fails best where it fails, and its functions need no documentation.
#![allow(clippy::unwrap_used, missing_docs)]

use reboot_core::boot::BootIdentity;
use reboot_core::fleet::{Fleet, GroupEntry, Health, NodeEntry, NodeRecord};
use reboot_core::group::{Group, Hold, Phase};
use reboot_core::id::{GroupName, Instance, MachineId, NodeName, RequestId, SessionId};
use reboot_core::line::Line;
use reboot_core::policy::Standing;
use reboot_core::undo::Undo;
use std::collections::BTreeSet;

fn node(name: &str) -> NodeName {
    NodeName::new(name).unwrap()
}

fn entry(name: &str, healthy: bool) -> NodeEntry {
    NodeEntry {
        record: NodeRecord {
            node: node(name),
            machine_id: MachineId::new(name).unwrap(),
            boot: BootIdentity::of_boot("boot"),
            instance: Instance::new(name).unwrap(),
            group: GroupName::default(),
            health: Health {
                healthy,
                stage: "monitor".to_owned(),
                reason: "disk full".to_owned(),
            },
            reported_at: String::new(),
            activity: "idle".to_owned(),
            need: None,
            waiting_for: Vec::new(),
            hold: None,
            extra: serde_json::Map::new(),
        },
        is_fresh: true,
        marks: 0,
    }
}

fn hold(number: u64, name: &str, phase: Phase) -> Hold {
    Hold {
        number,
        node: node(name),
        machine_id: MachineId::new(name).unwrap(),
        instance: Instance::new(name).unwrap(),
        session: SessionId::new(name).unwrap(),
        phase,
        boot: BootIdentity::of_boot("boot"),
        fenced: phase > Phase::Draining,
        need: String::new(),
        pid: 1,
        acquired_at: String::new(),
        interval_secs: 0,
        undo: Undo::default(),
        last_request: RequestId::new("last").unwrap(),
        guest: None,
        extra: serde_json::Map::new(),
    }
}

/// Three healthy nodes, and who holds in which phase, in the order of their claims.
fn fleet(holds: &[(&str, Phase)]) -> Fleet {
    let mut fleet = Fleet::default();
    for name in ["a", "b", "c"] {
        fleet.nodes.insert(node(name), entry(name, true));
    }
    let mut group = Group::create(3, 1, &[]).unwrap();
    for (number, (name, phase)) in (1..).zip(holds) {
        group.holds.push(hold(number, name, *phase));
    }
    let entry = GroupEntry {
        within_deadline: group.holds.iter().map(|hold| hold.number).collect(),
        group,
        line: Line::default(),
        cooldown: None,
        foreign: Vec::new(),
    };
    fleet.groups.insert(GroupName::default(), entry);
    fleet
}

/// How `other` counts for `me`.
fn counts(fleet: &Fleet, me: &str, other: &str) -> Standing {
    let peers = fleet.peers_to_judge(&node(me));
    let it = peers.into_iter().find(|peer| peer.node == node(other));
    it.unwrap().standing
}

#[test]
fn of_two_holders_the_later_one_gives_way() {
    use Phase::{Claimed, Draining};
    for phases in [
        [Claimed, Claimed],
        [Claimed, Draining],
        [Draining, Claimed],
        [Draining, Draining],
    ] {
        let fleet = fleet(&[("b", phases[0]), ("a", phases[1])]);
        assert_eq!(counts(&fleet, "a", "b"), Standing::Down, "{phases:?}");
        assert_eq!(counts(&fleet, "b", "a"), Standing::Healthy, "{phases:?}");
        assert_eq!(counts(&fleet, "c", "a"), Standing::Down, "{phases:?}");
        assert_eq!(counts(&fleet, "c", "b"), Standing::Down, "{phases:?}");
    }
}

#[test]
fn who_has_fenced_is_down_for_everybody() {
    for phase in [Phase::Rebooting, Phase::Returned] {
        let fleet = fleet(&[("b", Phase::Draining), ("a", phase)]);
        assert_eq!(counts(&fleet, "b", "a"), Standing::Down);
    }
}

#[test]
fn a_drained_node_need_not_be_well_but_a_claim_excuses_nothing() {
    let mut fleet = fleet(&[("b", Phase::Draining), ("a", Phase::Draining)]);
    fleet.nodes.insert(node("a"), entry("a", false));
    assert_eq!(counts(&fleet, "b", "a"), Standing::Down);
    let holds = &mut fleet
        .groups
        .get_mut(&GroupName::default())
        .unwrap()
        .group
        .holds;
    holds[1].phase = Phase::Claimed;
    assert!(counts(&fleet, "b", "a").blocks());
}

#[test]
fn past_its_deadline_a_holder_blocks_whoever_claimed_first() {
    let mut fleet = fleet(&[("b", Phase::Draining), ("a", Phase::Draining)]);
    let group = fleet.groups.get_mut(&GroupName::default()).unwrap();
    group.within_deadline = BTreeSet::new();
    assert_eq!(counts(&fleet, "b", "a"), Standing::Overdue);
    assert_eq!(counts(&fleet, "a", "b"), Standing::Overdue);
}

#[test]
fn as_it_is_a_claim_changes_nothing() {
    let fleet = fleet(&[("b", Phase::Claimed), ("a", Phase::Draining)]);
    let of_c = fleet.peers_of(&node("c"));
    let standings = Vec::from_iter(of_c.iter().map(|peer| &peer.standing));
    assert_eq!(standings, [&Standing::Down, &Standing::Healthy]);
}

#[test]
fn a_group_that_nobody_made_is_shown_as_its_first_claim_would_make_it() {
    let mut fleet = Fleet::default();
    let entry_of = |fleet: &Fleet| fleet.unmade(&GroupName::default(), 2);
    let unmade = entry_of(&fleet).unwrap();
    assert_eq!((unmade.group.max, unmade.free()), (2, 2));
    let mut holder = entry("a", true);
    holder.record.hold = Some(1);
    fleet.nodes.insert(node("a"), holder);
    let lost = entry_of(&fleet).unwrap_err();
    assert_eq!(lost.kind(), "group_lost");
}
