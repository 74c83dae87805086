//! What must be seen at least once: a search that never meets these cannot fail, and so proves
//! nothing.

use super::bounds::Bounds;
use super::state::{Left, State, flag};
use reboot_core::group::{HistoryEntry, Way};
use std::collections::BTreeMap;

/// Counts of what was seen.
#[derive(Clone, Debug, Default)]
pub struct Sometimes {
    /// Entries of the history, by their names.
    pub commits: BTreeMap<String, u64>,
    /// Releases, by their way.
    pub releases: [u64; 3],
    /// Requests that arrived late.
    pub late_arrivals: u64,
    /// States in which every node was done.
    pub all_done: u64,
    /// States in which two nodes were down, or going down, at once.
    pub two_down: u64,
}

// === impl Sometimes ===

impl Sometimes {
    pub(super) fn committed(&mut self, history: &[HistoryEntry]) {
        for entry in history {
            *self.commits.entry(entry.event.clone()).or_default() += 1;
        }
    }

    pub(super) fn released(&mut self, way: Way) {
        self.releases[way as usize] += 1;
    }

    pub(super) fn saw(&mut self, bounds: &Bounds, state: &State) {
        let nodes = &state.entities[..bounds.nodes];
        let is_done = nodes.iter().all(|it| it.is(flag::UP) && !it.is(flag::NEED));
        let downs = nodes.iter().filter(|it| it.is(flag::OURS) || it.issued > 0);
        self.two_down += u64::from(downs.count() > 1);
        self.all_done += u64::from(is_done);
    }

    /// What was never seen, and should have been within these bounds.
    pub fn missing(&self, bounds: &Bounds) -> Vec<String> {
        let (nodes, max, hooks) = (bounds.nodes, bounds.max, bounds.hooks);
        let bounds = Left::of(bounds);
        let mut wanted = vec!["claim", "fence", "return", "release"];
        if hooks {
            wanted.push("drain");
        }
        if bounds.crashes > 0 {
            wanted.push("adopt");
        }
        if bounds.pauses > 0 {
            wanted.push("expire");
        }
        if bounds.breaks > 0 {
            wanted.push("break");
        }
        if bounds.changes > 0 {
            wanted.push("set-max");
        }
        let is_missing = |name: &&str| !self.commits.contains_key(*name);
        let mut missing: Vec<String> = wanted
            .into_iter()
            .filter(is_missing)
            .map(str::to_owned)
            .collect();
        let ways = ["a claim given back", "a return", "a reboot called off"];
        let is_due = [bounds.changes > 0, true, bounds.crashes > 0 && hooks];
        for (way, name) in ways.into_iter().enumerate() {
            if self.releases[way] == 0 && is_due[way] {
                missing.push(name.to_owned());
            }
        }
        for (count, is_due, name) in [
            (self.late_arrivals, bounds.lost > 0, "a late arrival"),
            (self.all_done, true, "a finished roll"),
            (
                self.two_down,
                nodes > 1 && (max > 1 || bounds.changes > 0),
                "two down at once",
            ),
        ] {
            if is_due && count == 0 {
                missing.push(name.to_owned());
            }
        }
        missing
    }
}
