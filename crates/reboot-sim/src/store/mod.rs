//! An abstract store: leases, timers and the line around the very rules that every store
//! applies. Its time is told to it. What it commits it also judges, from what it knows itself
//! and not from what the rules said.

mod judge;
mod looks;
mod seed;
mod soon;
mod writes;

use judge::Fences;
use reboot_core::group::{Cooldown, Group, HistoryEntry, Identity, Pause};
use reboot_core::id::{GroupName, Instance, NodeName, SessionId};
use reboot_core::line::Line;
use reboot_core::mutation::Mutation;
use reboot_core::order::Order;
use reboot_core::undo::Undo;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};

use crate::violation::Violation;

/// How long a mark for the daily cap lasts, in milliseconds.
const DAY_MS: u64 = 86_400_000;

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Lease {
    identity: Identity,
    ttl_ms: u64,
    ends_ms: u64,
}

/// A group with its line and timers.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
struct Slots {
    group: Option<Group>,
    line: Line,
    cooldown: Option<(Cooldown, u64)>,
    /// A cooldown that a bad design has not written yet, and when it will.
    late_cooldown: Option<(u64, Cooldown)>,
    deadlines: BTreeMap<u64, u64>,
}

#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
struct Known {
    record: Option<reboot_core::fleet::NodeRecord>,
    fresh_until_ms: u64,
    owed: Undo,
    order: Option<Order>,
    marks: Vec<u64>,
    /// The holds this node counted at its last look, under a bad design that counts.
    counted: usize,
}

/// What happened, for stories and judges: no part of the state.
#[derive(Clone, Debug, Default)]
pub struct Log {
    /// What was committed, oldest first.
    pub history: Vec<HistoryEntry>,
    /// Promises that a commit broke.
    pub violations: Vec<Violation>,
    fences: Fences,
    /// The epochs of groups that were deleted.
    lost_epochs: BTreeMap<GroupName, u64>,
}

/// The store.
#[derive(Clone, Debug, Default)]
pub struct Store {
    /// Its time, in milliseconds.
    pub now_ms: u64,
    /// Grows with every change that somebody might wait for.
    pub revision: u64,
    /// The fleet's pause.
    pub pause: Option<Pause>,
    /// What happened so far.
    pub log: Log,
    /// Whether looks leave out healthy nodes that sleep: nobody's policies count them. No part of
    /// the state.
    pub hides_sleepers: bool,
    groups: BTreeMap<GroupName, Slots>,
    nodes: BTreeMap<NodeName, Known>,
    leases: BTreeMap<SessionId, Lease>,
    /// No timer ends before: a bound, and no part of the state.
    soonest_ms: u64,
    /// Counts what a look shows anew without a revision; no part of the state.
    silent_changes: u64,
}

// === impl Store: equality is that of the state ===

impl PartialEq for Store {
    fn eq(&self, other: &Self) -> bool {
        self.now_ms == other.now_ms
            && self.revision == other.revision
            && self.pause == other.pause
            && self.groups == other.groups
            && self.nodes == other.nodes
            && self.leases == other.leases
    }
}

impl Eq for Store {}

impl Hash for Store {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.now_ms.hash(state);
        self.revision.hash(state);
        self.pause.hash(state);
        self.groups.hash(state);
        self.nodes.hash(state);
        self.leases.hash(state);
    }
}

// === impl Store: time ===

impl Store {
    /// Lets time pass; what has ended goes, and waiters hear of it.
    pub fn advance(&mut self, now_ms: u64) {
        let former_ms = std::mem::replace(&mut self.now_ms, now_ms);
        if now_ms < self.soonest_ms {
            return;
        }
        let before = self.leases.len();
        self.leases.retain(|_, lease| lease.ends_ms > now_ms);
        let mut has_ended = self.leases.len() != before;
        for slots in self.groups.values_mut() {
            has_ended |= slots.advance(now_ms);
        }
        for known in self.nodes.values_mut() {
            let marks = known.marks.len();
            known.marks.retain(|ends_ms| *ends_ms > now_ms);
            let is_stale = (former_ms + 1..=now_ms).contains(&known.fresh_until_ms);
            self.silent_changes += u64::from(is_stale || marks != known.marks.len());
        }
        if has_ended {
            self.drop_dead_tickets();
            self.revision += 1;
        }
        self.find_soonest();
    }

    /// When the next lease or timer ends.
    pub fn next_end_ms(&self) -> Option<u64> {
        let leases = self.leases.values().map(|lease| lease.ends_ms);
        let timers = self.groups.values().flat_map(|slots| {
            let cooldown = slots.cooldown.iter().map(|(_, ends_ms)| *ends_ms);
            let late = slots.late_cooldown.iter().map(|(due_ms, _)| *due_ms);
            cooldown
                .chain(late)
                .chain(slots.deadlines.values().copied())
        });
        leases.chain(timers).min()
    }

    /// The time of day of the store's machine is set forward. By the rules nothing follows.
    pub fn set_clock_forward(&mut self, by_ms: u64) {
        if !Mutation::WallClockTtl.is_on() {
            return;
        }
        self.soonest_ms = 0;
        for lease in self.leases.values_mut() {
            lease.ends_ms = lease.ends_ms.saturating_sub(by_ms);
        }
        for slots in self.groups.values_mut() {
            if let Some((_, ends_ms)) = &mut slots.cooldown {
                *ends_ms = ends_ms.saturating_sub(by_ms);
            }
            for ends_ms in slots.deadlines.values_mut() {
                *ends_ms = ends_ms.saturating_sub(by_ms);
            }
        }
    }

    /// Every lease and timer in full again, as a restarted store arms them.
    pub fn arm_anew(&mut self) {
        let now_ms = self.now_ms;
        self.soonest_ms = 0;
        self.silent_changes += 1;
        for lease in self.leases.values_mut() {
            lease.ends_ms = now_ms + lease.ttl_ms;
        }
        for slots in self.groups.values_mut() {
            if let Some((cooldown, ends_ms)) = &mut slots.cooldown {
                *ends_ms = now_ms + cooldown.duration_secs * 1000;
            }
        }
    }

    /// Ends a lease by time.
    pub fn expire(&mut self, session: &SessionId) {
        self.leases.remove(session);
        self.drop_dead_tickets();
        self.revision += 1;
    }

    /// Ends a deadline by time.
    pub fn pass_deadline(&mut self, group: &GroupName, number: u64) {
        if let Some(slots) = self.groups.get_mut(group) {
            slots.deadlines.remove(&number);
            self.revision += 1;
        }
    }

    /// A backup put back: a new epoch, paused until an operator says who is down.
    pub fn restore(&mut self, backup: &Self, pause: Pause) {
        let mut epochs = std::mem::take(&mut self.log.lost_epochs);
        for (name, epoch) in self.epochs() {
            let newest = epochs.entry(name).or_default();
            *newest = epoch.max(*newest);
        }
        let (now_ms, revision) = (self.now_ms, self.revision);
        let mut log = std::mem::take(&mut self.log);
        log.fences.clear(); // the backup's cooldowns count from here on
        *self = Self {
            now_ms,
            revision: revision + 1,
            log,
            leases: BTreeMap::new(),
            ..backup.clone()
        };
        self.nodes.values_mut().for_each(|known| known.order = None);
        let alive = backup.alive();
        for (name, slots) in &mut self.groups {
            slots.line = Line::default();
            if let Some(group) = &mut slots.group {
                let newest = epochs.get(name).copied().unwrap_or(group.epoch);
                group.epoch = newest.max(group.epoch) + 1;
                group.holds.retain(|hold| hold.phase.is_durable());
                group.keep_held_back(&alive);
                group.pause = Some(pause.clone());
            }
        }
        self.arm_anew();
    }

    fn epochs(&self) -> BTreeMap<GroupName, u64> {
        let epoch = |slots: &Slots| slots.group.as_ref().map(|group| group.epoch);
        let groups = self.groups.iter();
        groups
            .filter_map(|(name, slots)| Some((name.clone(), epoch(slots)?)))
            .collect()
    }

    fn alive(&self) -> BTreeSet<SessionId> {
        self.leases.keys().cloned().collect()
    }

    fn drop_dead_tickets(&mut self) {
        let alive = self.alive();
        for slots in self.groups.values_mut() {
            slots.line.sweep(&alive);
        }
    }

    /// The sessions of a run that are alive.
    pub fn sessions_of(&self, instance: &Instance) -> Vec<SessionId> {
        let is_it = |lease: &Lease| &lease.identity.instance == instance;
        let leases = self.leases.iter().filter(|(_, lease)| is_it(lease));
        leases.map(|(session, _)| session.clone()).collect()
    }

    /// Who lives under a name, as the store knows it.
    pub fn identities_of(&self, node: &NodeName) -> Vec<&Identity> {
        let identities = self.leases.values().map(|lease| &lease.identity);
        identities.filter(|it| &it.node == node).collect()
    }
}

// === impl Slots ===

impl Slots {
    /// Ends what has ended; whether anything has.
    fn advance(&mut self, now_ms: u64) -> bool {
        let is_due = |late: &mut (u64, Cooldown)| late.0 <= now_ms;
        if let Some((_, cooldown)) = self.late_cooldown.take_if(is_due) {
            let ends_ms = now_ms + cooldown.duration_secs * 1000;
            self.cooldown = Some((cooldown, ends_ms));
        }
        let ended = self.cooldown.take_if(|(_, ends_ms)| *ends_ms <= now_ms);
        let before = self.deadlines.len();
        self.deadlines.retain(|_, ends_ms| *ends_ms > now_ms);
        ended.is_some() || self.deadlines.len() != before
    }
}
