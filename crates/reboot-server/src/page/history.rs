//! A group's history as a timeline: what happened, to whom, newest first.

use super::words::When;
use jiff::Timestamp;
use reboot_core::group::HistoryEntry;

/// One line of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Deed {
    pub(super) when: When,
    /// In words: `took a slot`.
    pub(super) what: String,
    /// Empty when it is about no node.
    pub(super) node: String,
    pub(super) detail: String,
    /// How it is marked: `good`, `bad`, `plain`.
    pub(super) mark: &'static str,
}

/// The newest lines first.
pub(super) fn deeds(lines: &[HistoryEntry], now: Timestamp) -> Vec<Deed> {
    lines.iter().rev().map(|line| deed(line, now)).collect()
}

fn deed(line: &HistoryEntry, now: Timestamp) -> Deed {
    let (what, mark) = words(&line.event);
    Deed {
        when: When::of(&line.at, now),
        what: what.to_owned(),
        node: line
            .node
            .as_ref()
            .map_or(String::new(), ToString::to_string),
        detail: line.detail.clone(),
        mark,
    }
}

fn words(event: &str) -> (&str, &'static str) {
    match event {
        "claim" => ("took a slot", "plain"),
        "drain" => ("is being drained", "plain"),
        "fence" => ("may reboot now", "plain"),
        "admit" => ("took a slot and may reboot now", "plain"),
        "adopt" => ("is there again", "plain"),
        "return" => ("is back under a new boot", "good"),
        "release" => ("gave its slot back", "good"),
        "expire" => ("lost its claim", "bad"),
        "break" => ("was unlocked by hand", "bad"),
        "set-max" => ("the number of slots changed", "plain"),
        "pause" | "pause-fleet" => ("paused", "bad"),
        "resume" | "resume-fleet" => ("resumed", "good"),
        "hold-back" => ("is held back", "bad"),
        "let-go" => ("is held back no longer", "good"),
        "order" => ("is asked to reboot", "plain"),
        "cancel-order" => ("is no longer asked to reboot", "plain"),
        "order-done" => ("has rebooted as it was asked", "good"),
        "restore" => ("the store was restored", "bad"),
        other => (other, "plain"),
    }
}
