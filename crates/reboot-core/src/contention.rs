//! Why a slot is not to be had, in words: who holds, since when, and who goes first.

use crate::fleet::GroupEntry;
use crate::group::Hold;
use crate::id::NodeName;
use jiff::{Timestamp, Unit};

/// So many are named; of the others only the number is told.
const NAMED_MAX: usize = 5;

/// Who stands between a node and a slot; `open_to` is how many of the line may try.
pub(crate) fn words(entry: &GroupEntry, me: &NodeName, open_to: usize) -> String {
    let mut reasons = Vec::new();
    if entry.free() == 0 {
        let holders = entry.group.holds.iter().map(holder);
        let foreign = entry.foreign.iter().map(foreign_holder);
        let all: Vec<String> = holders.chain(foreign).collect();
        if !all.is_empty() {
            reasons.push(format!("every slot is taken by {}", listed(&all)));
        }
    } else if open_to == 0 {
        let unfenced = entry.group.holds.iter().filter(|hold| !hold.fenced);
        let unfenced: Vec<String> = unfenced.map(holder).collect();
        reasons.push(format!(
            "a cooldown is configured, so nodes go one after the other, and first goes {}",
            listed(&unfenced)
        ));
    }
    let place = entry.line.ahead_of(me);
    let ahead = &entry.line.tickets()[..place.unwrap_or(entry.line.tickets().len())];
    let ahead: Vec<String> = ahead.iter().map(|it| it.node.to_string()).collect();
    if !ahead.is_empty() {
        reasons.push(format!("ahead in line: {}", listed(&ahead)));
    }
    reasons.join("; ")
}

fn holder(hold: &Hold) -> String {
    let at: Result<Timestamp, _> = hold.acquired_at.parse();
    let at = at.and_then(|at| at.round(Unit::Second));
    let since = at.map_or(hold.acquired_at.clone(), |at| at.to_string());
    format!("{} ({}, holds since {since})", hold.node, hold.phase)
}

fn foreign_holder(name: &NodeName) -> String {
    format!("{name} (by another program)")
}

fn listed(names: &[String]) -> String {
    let named = names[..names.len().min(NAMED_MAX)].join(", ");
    match names.len().saturating_sub(NAMED_MAX) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}
