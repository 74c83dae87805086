//! What clients asked and were told, each with when: the one half of the evidence.

use reboot_core::boot::BootIdentity;
use reboot_core::group::{Group, Refusal, Reply, Request};
use reboot_core::id::{GroupName, Instance, NodeName};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// A point in real time, and its place among all others of this run.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Moment {
    /// No two moments have the same.
    pub(crate) tick: u64,
    /// Since the run began, in milliseconds.
    pub(crate) ms: u64,
}

/// How a request ended, as far as its client knows.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
    Granted(Reply),
    Refused(Refusal),
    /// Nothing was changed.
    Unavailable,
    /// It may have been committed, or may be yet.
    Unknown,
}

/// One try of a request. The same request may be tried again.
#[derive(Clone, Debug)]
pub(crate) struct Try {
    pub(crate) group: GroupName,
    pub(crate) request: Request,
    pub(crate) asked: Moment,
    pub(crate) answered: Moment,
    pub(crate) outcome: Outcome,
}

/// A look, and what it showed of each group.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// Who looked.
    pub(crate) node: NodeName,
    pub(crate) asked: Moment,
    pub(crate) answered: Moment,
    pub(crate) revision: i64,
    pub(crate) groups: BTreeMap<GroupName, Group>,
}

/// A reboot command: from now on the machine may go down at any moment.
#[derive(Clone, Debug)]
pub(crate) struct Command {
    pub(crate) at: Moment,
    pub(crate) node: NodeName,
    pub(crate) instance: Instance,
    pub(crate) boot: BootIdentity,
    pub(crate) group: GroupName,
    pub(crate) number: u64,
    /// When the machine was back.
    pub(crate) back: Option<Moment>,
}

/// A leader that was stopped, and went on where it had been.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Nap {
    /// It had not begun before.
    pub(crate) from: Moment,
    /// It was not over before.
    pub(crate) until: Moment,
}

/// All that clients did, and what of the weather explains what they were told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notes {
    pub(crate) tries: Vec<Try>,
    pub(crate) looks: Vec<Seen>,
    pub(crate) commands: Vec<Command>,
    /// Calls that were dropped in the middle, by verb.
    pub(crate) kills: BTreeMap<&'static str, u64>,
    /// Claims that came to their release.
    pub(crate) cycles: u64,
    pub(crate) naps: Vec<Nap>,
}

/// Where all clients of a run write.
pub(crate) struct Journal {
    start: Instant,
    ticks: AtomicU64,
    numbers: AtomicU64,
    notes: Mutex<Notes>,
}

// === impl Journal ===

impl Journal {
    pub(crate) fn new() -> Self {
        Self {
            start: Instant::now(),
            ticks: AtomicU64::new(1),
            numbers: AtomicU64::new(1),
            notes: Mutex::default(),
        }
    }

    pub(crate) fn now(&self) -> Moment {
        let tick = self.ticks.fetch_add(1, Ordering::SeqCst);
        let ms = u64::try_from(self.start.elapsed().as_millis()).unwrap();
        Moment { tick, ms }
    }

    /// A number that is drawn once.
    pub(crate) fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn note(&self, write: impl FnOnce(&mut Notes)) {
        write(&mut self.notes.lock().unwrap());
    }

    pub(crate) fn read<T>(&self, read: impl FnOnce(&Notes) -> T) -> T {
        read(&self.notes.lock().unwrap())
    }
}
