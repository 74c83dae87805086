//! Clients without an agent that call themselves otherwise than their node is named.

use super::kit::*;
use reboot_core::group::{Action, Group, Guest, Reply};
use reboot_core::id::MachineId;

fn machine(id: &str) -> Option<MachineId> {
    (!id.is_empty()).then(|| MachineId::new(id).unwrap())
}

/// Of the client `id`, which is the node `name`; no `id` is one that calls itself so.
fn admit(name: &str, id: &str) -> Action {
    Action::Admit(Guest {
        node: node(name),
        id: machine(id),
        protocol: "fleetlock".to_owned(),
        interval_secs: 0,
        max_reboots_per_day: 9,
        deadline_secs: 600,
    })
}

fn steady(name: &str, id: &str) -> Action {
    Action::Steady {
        node: node(name),
        id: machine(id),
    }
}

fn held_by(name: &str, id: &str) -> Group {
    granted(&empty(2), admit(name, id)).group
}

#[test]
fn its_hold_bears_the_name_of_its_node() {
    let group = held_by("web-1", "c0ffee");
    let hold = group.hold_of(&node("web-1")).unwrap();
    assert_eq!(hold.machine_id.as_str(), "c0ffee");
    let plain = held_by("c0ffee", "");
    let hold = plain.hold_of(&node("c0ffee")).unwrap();
    assert_eq!(hold.machine_id.as_str(), "c0ffee");
}

#[test]
fn it_gives_back_whatever_name_it_had_when_it_asked() {
    for (then, now) in [("web-1", "web-1"), ("c0ffee", "web-1"), ("web-1", "c0ffee")] {
        let group = held_by(then, "c0ffee");
        let again = granted(&group, admit(now, "c0ffee"));
        assert!(
            matches!(again.reply, Reply::Held { number: 1, .. }),
            "{now}"
        );
        assert_eq!(again.group, group, "{then} is {now}");
        let after = granted(&group, steady(now, "c0ffee"));
        assert_eq!(after.reply, Reply::Released, "{then} is {now}");
    }
    let plain = held_by("c0ffee", "");
    assert_eq!(
        granted(&plain, steady("web-1", "c0ffee")).reply,
        Reply::Released
    );
}

#[test]
fn another_machine_under_its_name_neither_takes_nor_gives() {
    let group = held_by("web-1", "c0ffee");
    for other in ["bad", ""] {
        let words = ["web-1 holds slot number 1 already"];
        refused(
            &group,
            admit("web-1", other),
            &facts(),
            "already_holds",
            &words,
        );
        let after = granted(&group, steady("web-1", other));
        assert_eq!(
            (after.reply, &after.group),
            (Reply::Done, &group),
            "{other}"
        );
    }
}
