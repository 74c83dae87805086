//! A node that an operator keeps from rebooting.

use super::kit::*;
use reboot_core::group::{Action, Group, Guest, HELD_BACK_MAX, Pause, Phase, Side, Way, apply};
use reboot_core::id::MachineId;
use std::collections::BTreeSet;

fn stop() -> Pause {
    Pause {
        by: by(),
        reason: "its disk is on trial".to_owned(),
        until: Some("2026-12-24T06:00:00Z".to_owned()),
        session: None,
    }
}

fn hold_back(name: &str, stop: Pause) -> Action {
    Action::HoldBack {
        node: node(name),
        stop,
    }
}

fn let_go(name: &str) -> Action {
    Action::LetGo {
        node: node(name),
        by: by(),
    }
}

fn lines(sides: &[Side]) -> Vec<String> {
    let line = |side: &Side| match side {
        Side::History(line) => {
            let node = line.node.as_ref().map_or("nobody", |node| node.as_str());
            Some(format!("{} {node}: {}", line.event, line.detail))
        }
        _ => None,
    };
    sides.iter().filter_map(line).collect()
}

#[test]
fn it_gets_no_slot_and_others_do() {
    let group = granted(&empty(2), hold_back("a", stop())).group;
    let words = ["ann holds a back until 2026-12-24T06:00:00Z: its disk is on trial"];
    refused(&group, claim_of("a"), &facts(), "held_back", &words);
    assert!(
        granted(&group, claim_of("b"))
            .group
            .hold_of(&node("b"))
            .is_some()
    );
    let free = granted(&group, let_go("a")).group;
    assert!(
        granted(&free, claim_of("a"))
            .group
            .hold_of(&node("a"))
            .is_some()
    );
}

#[test]
fn a_guest_is_held_back_by_either_of_its_names() {
    let admit = |id: Option<&str>| {
        Action::Admit(Guest {
            node: node("web-1"),
            id: id.map(|id| MachineId::new(id).unwrap()),
            protocol: "fleetlock".to_owned(),
            interval_secs: 0,
            max_reboots_per_day: 3,
            deadline_secs: 600,
        })
    };
    for name in ["web-1", "978a225b"] {
        let group = granted(&empty(1), hold_back(name, stop())).group;
        let words = [format!("ann holds {name} back")];
        let guest = admit(Some("978a225b"));
        refused(&group, guest, &facts(), "held_back", &[&words[0]]);
    }
    let others = granted(&empty(1), hold_back("978a225b", stop())).group;
    assert_eq!(granted(&others, admit(None)).group.holds.len(), 1);
}

#[test]
fn who_holds_already_is_not_fenced_and_gives_back() {
    let group = granted(&held(1), hold_back("a", stop())).group;
    let fence = fence(Phase::Claimed, "boot");
    refused(&group, fence, &facts(), "held_back", &["its disk"]);
    let back = release(Phase::Claimed, "boot", Way::GivenBack);
    assert_eq!(granted(&group, back).group.holds, []);
}

#[test]
fn who_is_down_comes_back_all_the_same() {
    let group = granted(&rebooting(), hold_back("a", stop())).group;
    let alone = with(|facts| facts.presences = vec![presence("a", "other")]);
    let returned = apply(&group, &request(return_in("other")), &alone);
    let returned = returned.unwrap().group;
    let way = release(Phase::Returned, "other", Way::Returned);
    let left = apply(&returned, &request(way), &alone).unwrap().group;
    assert_eq!(left.holds, []);
    assert!(left.held_back.contains_key(&node("a")));
}

#[test]
fn it_ends_with_its_lease() {
    let stop = Pause {
        session: Some(session("pause")),
        ..stop()
    };
    let group = granted(&empty(1), hold_back("a", stop)).group;
    let alive = with(|facts| {
        facts.sessions.insert(session("pause"));
    });
    refused(&group, claim_of("a"), &alive, "held_back", &["until"]);
    let granted = granted(&group, claim_of("a"));
    assert_eq!(granted.group.held_back.len(), 0);
    let lines = lines(&granted.sides);
    assert_eq!(lines[0], "let-go a: the time was over");
}

#[test]
fn every_change_leaves_a_line_and_none_leaves_none() {
    let held = granted(&empty(1), hold_back("a", stop()));
    assert_eq!(
        lines(&held.sides),
        ["hold-back a: ann: its disk is on trial"]
    );
    let free = granted(&held.group, let_go("a"));
    assert_eq!(lines(&free.sides), ["let-go a: ann"]);
    assert_eq!(lines(&granted(&free.group, let_go("a")).sides), [""; 0]);
    assert_eq!(free.group, empty(1));
}

#[test]
fn a_record_has_room_for_so_many() {
    let mut group = empty(1);
    for number in 0..HELD_BACK_MAX {
        group = granted(&group, hold_back(&format!("n{number}"), stop())).group;
    }
    let one_more = hold_back("other", stop());
    let words = [HELD_BACK_MAX.to_string()];
    let words = [words[0].as_str(), "let one go"];
    refused(&group, one_more, &facts(), "too_many_held_back", &words);
    let again = granted(&group, hold_back("n7", stop())).group;
    assert_eq!(again, group);
}

#[test]
fn the_record_keeps_it() {
    let stop = Pause {
        session: Some(session("pause")),
        ..stop()
    };
    let group = granted(&empty(1), hold_back("a", stop)).group;
    assert_eq!(Group::from_json(&group.to_json()).unwrap(), group);
    let leases: BTreeSet<_> = group.leases_of_pauses().cloned().collect();
    assert_eq!(leases, BTreeSet::from([session("pause")]));
    assert!(!empty(1).to_json().contains("held_back"));
}
