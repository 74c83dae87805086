//! What will happen, soonest first. Among things of one moment a drawn number decides.

use super::Happening;
use reboot_core::agent::Timer;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// What comes due.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Due {
    /// Something in a machine's own list, by its number.
    Pending(u64),
    /// A timer of this run of an agent.
    Timer(Timer, u32),
    /// The end of a wait for the store, in this run of an agent.
    Audit(u32),
    /// The end of a sleep, in this run of an agent.
    Dawn(u32),
}

/// One thing to come.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Coming {
    pub(super) at_ms: u64,
    tie: u64,
    pub(super) machine: usize,
    pub(super) due: Due,
}

/// The agenda of a world.
#[derive(Clone, Debug, Default)]
pub(super) struct Agenda(BinaryHeap<Reverse<Coming>>);

/// Something on its way to a machine, or under way on it.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) number: u64,
    pub(super) run: u32,
    pub(super) what: Happening,
}

// === impl Agenda ===

impl Agenda {
    pub(super) fn add(&mut self, at_ms: u64, tie: u64, machine: usize, due: Due) {
        let coming = Coming {
            at_ms,
            tie,
            machine,
            due,
        };
        self.0.push(Reverse(coming));
    }

    /// When the next thing comes due.
    pub(super) fn next_ms(&self) -> Option<u64> {
        self.0.peek().map(|coming| coming.0.at_ms)
    }

    pub(super) fn pop(&mut self) -> Option<Coming> {
        self.0.pop().map(|coming| coming.0)
    }
}
