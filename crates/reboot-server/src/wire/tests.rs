//! Whom a change wakes: the subjects of two looks that differ in one thing.

use super::subject::{Subject, changes, freed_by, subjects_of};
use reboot_core::boot::BootIdentity;
use reboot_core::fleet::{Fleet, GroupEntry, Health, NodeEntry, NodeRecord};
use reboot_core::group::{Action, Cooldown, Group, Identity, Pause, Presence, Reply, Request};
use reboot_core::id::{GroupName, Instance, MachineId, NodeName, RequestId, SessionId};
use reboot_core::line::{Line, Ticket};
use reboot_core::write::{Write, Written};
use reboot_store::Interest;
use std::collections::BTreeSet;

fn node(name: &str) -> NodeName {
    NodeName::new(name).unwrap()
}

fn group() -> GroupName {
    GroupName::default()
}

fn ticket(name: &str, number: u64) -> Ticket {
    Ticket {
        number,
        node: node(name),
        instance: Instance::new(name).unwrap(),
        session: SessionId::new(name).unwrap(),
        since: String::new(),
    }
}

fn entry_of(name: &str, is_healthy: bool) -> NodeEntry {
    let record = NodeRecord {
        node: node(name),
        machine_id: MachineId::new(name).unwrap(),
        boot: BootIdentity::of_boot("boot"),
        instance: Instance::new(name).unwrap(),
        group: group(),
        health: Health {
            healthy: is_healthy,
            stage: "tick".to_owned(),
            reason: String::new(),
        },
        reported_at: String::new(),
        activity: "idle".to_owned(),
        need: None,
        waiting_for: Vec::new(),
        hold: None,
        extra: serde_json::Map::new(),
    };
    NodeEntry {
        record,
        is_fresh: true,
        marks: 0,
    }
}

/// Three wait: a, b, c.
fn fleet() -> Fleet {
    let entry = GroupEntry {
        group: Group::create(1, 1, &[]).unwrap(),
        line: Line::of(vec![ticket("a", 1), ticket("b", 2), ticket("c", 3)]),
        cooldown: None,
        within_deadline: BTreeSet::new(),
        foreign: Vec::new(),
    };
    let mut fleet = Fleet::default();
    fleet.groups.insert(group(), entry);
    fleet.nodes.insert(node("p"), entry_of("p", true));
    fleet
}

fn changed(change: impl FnOnce(&mut Fleet, &mut GroupEntry)) -> BTreeSet<Subject> {
    let (old, mut new) = (fleet(), fleet());
    let mut entry = new.groups.remove(&group()).unwrap();
    change(&mut new, &mut entry);
    new.groups.insert(group(), entry);
    changes(&old, &new)
}

/// Who of the line is woken by a change, as far as it stands where it stood.
fn woken(change: impl FnOnce(&mut Fleet, &mut GroupEntry)) -> String {
    let changed = changed(change);
    let is_woken = |name: &&str| {
        let interest = Interest::Slot {
            group: group(),
            node: node(name),
        };
        let subjects = subjects_of(&interest, &fleet());
        subjects.iter().any(|subject| changed.contains(subject))
    };
    ["a", "b", "c", "d"].into_iter().filter(is_woken).collect()
}

#[test]
fn only_the_first_hears_of_the_group_the_peers_and_the_pause() {
    assert_eq!(woken(|_, entry| entry.group.max = 2), "a");
    assert_eq!(woken(|_, entry| entry.foreign.push(node("old"))), "a");
    let on_time = |_: &mut Fleet, entry: &mut GroupEntry| entry.within_deadline = [1].into();
    assert_eq!(woken(on_time), "a");
    let unwell = |fleet: &mut Fleet, _: &mut _| {
        fleet.nodes.insert(node("p"), entry_of("p", false));
    };
    assert_eq!(woken(unwell), "a");
    let pause = Pause {
        by: "me".to_owned(),
        reason: "because".to_owned(),
        until: None,
        session: None,
    };
    assert_eq!(woken(|fleet, _| fleet.pause = Some(pause)), "a");
}

#[test]
fn a_place_that_is_left_wakes_the_one_behind() {
    let without = |name: &'static str| {
        move |_: &mut Fleet, entry: &mut GroupEntry| entry.line.leave(&node(name))
    };
    assert_eq!(woken(without("b")), "c");
    assert_eq!(
        woken(without("c")),
        "d",
        "who is to join stands behind the last"
    );
    assert_eq!(woken(without("a")), "ab");
}

#[test]
fn a_cooldown_wakes_by_its_beginning_and_end_not_by_running() {
    let cooldown = |remaining_ms| {
        Some(Cooldown {
            node: node("h"),
            duration_secs: 60,
            remaining_ms,
            started_at: "then".to_owned(),
        })
    };
    assert_eq!(woken(|_, entry| entry.cooldown = cooldown(1)), "a");
    let (mut old, mut new) = (fleet(), fleet());
    for (fleet, left_ms) in [(&mut old, 2), (&mut new, 1)] {
        fleet.groups.get_mut(&group()).unwrap().cooldown = cooldown(left_ms);
    }
    assert_eq!(changes(&old, &new), BTreeSet::new());
}

#[test]
fn everybody_hears_of_what_is_its_own() {
    let presence = |name: &str| Presence {
        identity: Identity {
            node: node(name),
            machine_id: MachineId::new(name).unwrap(),
            boot: BootIdentity::of_boot("boot"),
            instance: Instance::new(name).unwrap(),
        },
        session: SessionId::new("another").unwrap(),
        remaining_ms: 1,
    };
    assert_eq!(woken(|fleet, _| fleet.presences.push(presence("c"))), "c");
    let marked = changed(|fleet, _| {
        if let Some(entry) = fleet.nodes.get_mut(&node("p")) {
            entry.marks = 1;
        }
    });
    assert_eq!(marked, BTreeSet::from([Subject::Own(node("p"))]));
}

#[test]
fn what_is_given_up_is_told_before_anybody_looks() {
    let (group, node) = (group(), node("b"));
    let leave = Write::Leave {
        group: group.clone(),
        node: node.clone(),
    };
    let front = Subject::Front(group.clone());
    let ticket = Subject::Ticket(group.clone(), node.clone());
    assert_eq!(freed_by(&leave, &Written::Done), [ticket, front.clone()]);
    let ask = Write::Ask {
        group,
        create_with_max: None,
        request: Request {
            id: RequestId::new("r").unwrap(),
            at: String::new(),
            action: Action::Steady { node, id: None },
        },
    };
    let answered = |reply| freed_by(&ask, &Written::Granted(reply));
    assert_eq!(answered(Reply::Released), [front]);
    assert_eq!(answered(Reply::Done), [], "it held nothing");
}

#[test]
fn reports_that_say_nothing_new_change_nothing() {
    let reported = changed(|fleet, _| {
        if let Some(entry) = fleet.nodes.get_mut(&node("p")) {
            entry.record.reported_at = "later".to_owned();
        }
    });
    assert_eq!(reported, BTreeSet::new());
}
