//! What a machine is doing and why it waits, from its power and from the store.

use super::machine::Machine;
use reboot_core::fleet::{Fleet, GroupEntry};
use reboot_core::group::Phase;
use reboot_core::id::NodeName;

/// How a row is to be read at a glance.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Mood {
    Calm,
    Waiting,
    Busy,
    Done,
    Bad,
}

/// A machine's row.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) state: String,
    /// Why it waits, or how long it will take; changes all the time.
    pub(super) detail: String,
    pub(super) mood: Mood,
}

/// The row of a machine.
pub(super) fn row(machine: &Machine, fleet: &Fleet) -> Row {
    let (state, detail, mood) = describe(machine, fleet);
    Row {
        name: machine.name().to_owned(),
        state,
        detail,
        mood,
    }
}

fn describe(machine: &Machine, fleet: &Fleet) -> (String, String, Mood) {
    let Ok(node) = NodeName::new(machine.name()) else {
        return plain("", Mood::Calm);
    };
    let held = fleet
        .groups
        .values()
        .find_map(|entry| Some((entry, entry.group.hold_of(&node)?)));
    if machine.is_dead() {
        return match held {
            Some((entry, hold)) if entry.is_overdue(hold) => {
                let detail = "keeps its slot: nobody can know whether it is gone for good";
                ("overdue".to_owned(), detail.to_owned(), Mood::Bad)
            }
            Some(_) => (
                "down".to_owned(),
                "does not come back".to_owned(),
                Mood::Bad,
            ),
            None => (
                "gone".to_owned(),
                "an operator broke its hold".to_owned(),
                Mood::Bad,
            ),
        };
    }
    if let Some(left) = machine.time_left() {
        let detail = format!("back in {:.1} s", left.as_secs_f64());
        return ("down".to_owned(), detail, Mood::Busy);
    }
    if let Some((_, hold)) = held {
        return plain(phase_word(hold.phase, machine.reboots() > 0), Mood::Busy);
    }
    if machine.reboots() > 0 {
        return plain("rebooted", Mood::Done);
    }
    waiting(&node, fleet).unwrap_or_else(|| plain("up", Mood::Calm))
}

fn plain(state: &str, mood: Mood) -> (String, String, Mood) {
    (state.to_owned(), String::new(), mood)
}

fn phase_word(phase: Phase, is_back: bool) -> &'static str {
    match (phase, is_back) {
        (Phase::Claimed, _) => "has a slot",
        (Phase::Draining, _) => "draining",
        (Phase::Rebooting, false) => "going down",
        (Phase::Rebooting, true) => "back in a new boot",
        (Phase::Returned, _) => "being checked",
    }
}

fn waiting(node: &NodeName, fleet: &Fleet) -> Option<(String, String, Mood)> {
    let entry = fleet
        .groups
        .values()
        .find(|entry| entry.line.ahead_of(node).is_some())?;
    let state = match entry.line.ahead_of(node)? {
        0 => "first in line".to_owned(),
        ahead => format!("in line, {ahead} ahead"),
    };
    Some((state, why(node, fleet, entry), Mood::Waiting))
}

/// What keeps it: who holds now, or what it says itself.
fn why(node: &NodeName, fleet: &Fleet, entry: &GroupEntry) -> String {
    let holders = entry
        .group
        .holds
        .iter()
        .map(|hold| format!("{} ({})", hold.node, hold.phase));
    let holders: Vec<String> = holders.collect();
    let said = fleet
        .nodes
        .get(node)
        .and_then(|entry| entry.record.waiting_for.first());
    match holders.is_empty() {
        false => format!("waits for {}", holders.join(", ")),
        true => said.cloned().unwrap_or_default(),
    }
}
