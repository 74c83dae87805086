//! When a fleet would be through with its reboots, by letting it do them: the shipped agents and
//! transitions in virtual time, without faults and with fixed durations. Nothing here decides.

mod calendar;
mod lane;
mod rehearsal;

pub use calendar::{Stretch, closed_between};
pub use lane::{Lane, Span, Wait, What};

use crate::violation::Violation;
use jiff::{SignedDuration, Timestamp};
use reboot_core::agent::Settings;
use reboot_core::fleet::Fleet;
use reboot_core::id::{GroupName, NodeName};
use rehearsal::Rehearsal;
use std::collections::BTreeMap;

/// How long the parts of a reboot take on a node, in milliseconds.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Durations {
    /// From the claim to the fence: looks, health script, hooks; without the configured delay.
    pub drain_ms: u64,
    /// From the fence to the return: the machine goes down, is off, boots, starts its daemon.
    pub down_ms: u64,
    /// From the return to the release: hooks and health script; without the configured soak.
    pub check_ms: u64,
}

/// A node of the fleet in question.
#[derive(Clone, Debug)]
pub struct PlannedNode {
    /// What its agent is told; name and group are in here.
    pub settings: Settings,
    /// How long its reboot takes.
    pub durations: Durations,
    /// Whether it needs a reboot.
    pub needs: bool,
}

/// What is asked.
#[derive(Clone, Debug)]
pub struct Question {
    /// Every node of the fleet, those that need no reboot too. Among nodes that come to the line
    /// together this order counts.
    pub nodes: Vec<PlannedNode>,
    /// What the store shows: groups, holds, lines, cooldowns, pauses, records. Nodes without a
    /// record count as healthy, and groups without one are made.
    pub fleet: Fleet,
    /// When the needs appear.
    pub start: Timestamp,
    /// How far to look ahead, in milliseconds.
    pub horizon_ms: u64,
}

/// How far the answer has come.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Virtual time.
    pub now: Timestamp,
    /// Nodes that are done.
    pub done: usize,
    /// Of so many.
    pub of: usize,
}

/// The answer.
#[derive(Clone, Debug)]
pub struct Plan {
    /// When the needs appear.
    pub start: Timestamp,
    /// When the last node is done; `None` when some never are.
    pub end: Option<Timestamp>,
    /// How far was looked ahead.
    pub horizon: Timestamp,
    /// The slots of each group.
    pub groups: BTreeMap<GroupName, u32>,
    /// Every node that needs a reboot or holds a slot, in the order of the question.
    pub lanes: Vec<Lane>,
    /// In which order nodes go down.
    pub order: Vec<NodeName>,
    /// What was assumed about the store's state.
    pub assumptions: Vec<String>,
}

/// Answers the question. Tells now and then how far it is.
///
/// # Errors
/// A promise was broken on the way: a bug, in the rules or in this simulation of them.
pub fn answer(question: &Question, tell: &mut dyn FnMut(Progress)) -> Result<Plan, Box<Violation>> {
    let mut rehearsal = Rehearsal::of(question);
    rehearsal.play(tell)?;
    Ok(rehearsal.plan())
}

fn later(start: Timestamp, ms: u64) -> Timestamp {
    let ms = SignedDuration::from_millis(i64::try_from(ms).unwrap_or(i64::MAX));
    start.checked_add(ms).unwrap_or(Timestamp::MAX)
}

// === impl Plan ===

impl Plan {
    /// The nodes that are not done within the horizon.
    pub fn never(&self) -> impl Iterator<Item = &Lane> {
        self.lanes.iter().filter(|lane| lane.done.is_none())
    }

    /// How many are done.
    pub fn done(&self) -> usize {
        self.lanes.iter().filter(|it| it.done.is_some()).count()
    }
}
