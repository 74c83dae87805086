//! What this process saw last. A request is first tried on that: the commit compares all of it.
//! Where something has changed nothing is lost but a transaction, whose answer is how it stands
//! now.

use crate::ask::usual_reading;
use crate::client::Event;
use crate::keys::{Keys, Range};
use crate::reading::{Committed, Reading, Snapshot};
use reboot_core::id::NodeName;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What was seen last of what requests need.
pub(crate) struct Memory(Mutex<Seen>);

enum Seen {
    /// For the node whose session was opened last.
    OfOne {
        node: Option<NodeName>,
        snapshot: Option<Snapshot>,
    },
    /// For every node.
    OfAll {
        snapshot: Option<Snapshot>,
        /// Counts what was noted.
        step: u64,
    },
}

// === impl Memory ===

impl Memory {
    /// Of an agent: its own node's.
    pub(crate) fn of_one() -> Self {
        let (node, snapshot) = (None, None);
        Self(Mutex::new(Seen::OfOne { node, snapshot }))
    }

    /// Of a server: that of all nodes.
    pub(crate) fn of_all() -> Self {
        let (snapshot, step) = (None, 0);
        Self(Mutex::new(Seen::OfAll { snapshot, step }))
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This process is this node's agent.
    pub(crate) fn is_of(&self, own: &NodeName) {
        if let Seen::OfOne { node, snapshot } = &mut *self.seen()
            && node.as_ref() != Some(own)
        {
            *node = Some(own.clone());
            *snapshot = None;
        }
    }

    /// Whether it is of every node.
    pub(crate) fn is_of_all(&self) -> bool {
        matches!(&*self.seen(), Seen::OfAll { .. })
    }

    /// What was seen last of what usual requests of these nodes need. Of one node it is taken
    /// out: the request brings a newer one.
    pub(crate) fn recall(&self, keys: &Keys, wanted: &[&NodeName]) -> Option<Snapshot> {
        match &mut *self.seen() {
            Seen::OfOne { node, snapshot } => {
                snapshot.take_if(|_| wanted.iter().all(|it| node.as_ref() == Some(*it)))
            }
            Seen::OfAll { snapshot, .. } => {
                let reading = usual_reading(keys, wanted.iter().copied());
                snapshot.as_ref().map(|it| it.part(&reading))
            }
        }
    }

    /// Notes what usual requests of these nodes saw.
    pub(crate) fn note(&self, keys: &Keys, of: &[&NodeName], newer: &Snapshot) {
        let reading = usual_reading(keys, of.iter().copied());
        self.take_in(of, newer, |known, step| known.renew(&reading, newer, step));
    }

    /// Notes what a commit made of what usual requests of these nodes had seen.
    pub(crate) fn note_commit(
        &self,
        keys: &Keys,
        of: &[&NodeName],
        seen: Snapshot,
        commit: &Committed,
    ) {
        let reading = usual_reading(keys, of.iter().copied());
        let newer = &seen.committed(commit, &reading);
        let renew = |known: &mut Snapshot, step| known.renew_by(commit, &reading, newer, step);
        self.take_in(of, newer, renew);
    }

    /// One node's memory is replaced; that of all is renewed, in a step of its own.
    fn take_in(&self, of: &[&NodeName], newer: &Snapshot, renew: impl FnOnce(&mut Snapshot, u64)) {
        match &mut *self.seen() {
            Seen::OfOne { node, snapshot } => {
                if of.iter().all(|it| node.as_ref() == Some(*it)) {
                    *snapshot = Some(newer.clone());
                }
            }
            Seen::OfAll { snapshot, step } => {
                *step += 1;
                if let Some(known) = snapshot {
                    renew(known, *step);
                }
            }
        }
    }

    /// A look begins.
    pub(crate) fn begin_look(&self) -> u64 {
        match &*self.seen() {
            Seen::OfAll { step, .. } => *step,
            Seen::OfOne { .. } => 0,
        }
    }

    /// Notes what the next requests need of a look at the whole fleet that began at this step.
    pub(crate) fn note_look(&self, keys: &Keys, mut look: Snapshot, begun: u64) {
        match &mut *self.seen() {
            Seen::OfOne { node: None, .. } => {}
            Seen::OfOne { node, snapshot } => {
                look.keep(&usual_reading(keys, node.as_ref()));
                *snapshot = Some(look);
            }
            Seen::OfAll { snapshot, .. } => {
                look.keep(&reading_of_all(keys));
                if let Some(former) = snapshot {
                    look.keep_newer_of(former, begun);
                }
                *snapshot = Some(look);
            }
        }
    }

    /// Notes what a watch tells.
    pub(crate) fn follow(&self, keys: &Keys, events: &[Event]) {
        let mut seen = self.seen();
        let (usual, snapshot) = match &mut *seen {
            Seen::OfOne {
                node,
                snapshot: Some(snapshot),
            } => (usual_reading(keys, node.as_ref()), snapshot),
            Seen::OfAll {
                snapshot: Some(snapshot),
                ..
            } => (reading_of_all(keys), snapshot),
            Seen::OfOne { .. } | Seen::OfAll { .. } => return,
        };
        let is_usual =
            |event: &&Event| str::from_utf8(&event.kv.key).is_ok_and(|key| usual.covers(key));
        let told = events.iter().filter(is_usual);
        told.for_each(|event| snapshot.follow(event));
    }
}

/// What the usual requests of all nodes read.
fn reading_of_all(keys: &Keys) -> Reading {
    usual_reading(keys, [])
        .with(Range::under(keys.all_sessions()))
        .with_keys(Range::under(keys.all_marks()))
}
