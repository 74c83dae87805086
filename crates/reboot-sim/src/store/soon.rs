//! What makes big fleets cheap: the store looks through its timers only when one may have ended,
//! and says when a look at it would show something else.

use super::{Known, Lease, Slots, Store};
use reboot_core::group::Action;
use reboot_core::group::{Facts, Group, Pause, Presence, Request};
use reboot_core::id::{GroupName, NodeName, SessionId};

// === impl Store: when something ends ===

impl Store {
    /// Something ends then; nothing ends before the soonest of all.
    pub(super) fn note_end(&mut self, ends_ms: u64) {
        self.soonest_ms = self.soonest_ms.min(ends_ms);
    }

    /// Nothing ends before.
    pub fn soonest_ms(&self) -> u64 {
        self.soonest_ms
    }

    /// Looks for the soonest end among all of them.
    pub(super) fn find_soonest(&mut self) {
        let leases = self.leases.values().map(|lease| lease.ends_ms);
        let groups = self.groups.values().filter_map(Slots::soonest_ms);
        let nodes = self
            .nodes
            .values()
            .filter_map(|it| it.soonest_ms(self.now_ms));
        self.soonest_ms = leases.chain(groups).chain(nodes).min().unwrap_or(u64::MAX);
    }

    /// How often a look began to show something else without the revision having grown.
    pub fn silent_changes(&self) -> u64 {
        self.silent_changes
    }

    /// Puts off the ends of a session and of a node's health record, as renewals would that
    /// nobody plays.
    pub fn put_off(&mut self, session: &SessionId, node: &NodeName, ends_ms: (u64, u64)) {
        if let Some(lease) = self.leases.get_mut(session) {
            lease.ends_ms = ends_ms.0;
        }
        if let Some(known) = self.nodes.get_mut(node) {
            known.fresh_until_ms = ends_ms.1;
        }
        self.silent_changes += u64::from(self.hides_sleepers); // who awakes is seen again
        self.note_end(ends_ms.0.min(ends_ms.1));
    }

    /// Whether a node waits in any line, or a broken hold left something to be undone there.
    pub fn owes_or_waits(&self, node: &NodeName) -> bool {
        let mut lines = self.groups.values().map(|slots| &slots.line);
        lines.any(|line| line.ahead_of(node).is_some()) || !self.owed(node).is_empty()
    }

    /// When a session and a node's health record end, unless they are renewed.
    pub fn ends_ms(&self, session: &SessionId, node: &NodeName) -> Option<(u64, u64)> {
        let lease = self.leases.get(session)?;
        Some((lease.ends_ms, self.nodes.get(node)?.fresh_until_ms))
    }

    /// Every group's name.
    pub fn group_names(&self) -> impl Iterator<Item = &GroupName> {
        self.groups.keys()
    }

    /// A group's record is gone, as if somebody had deleted it.
    pub fn lose_group(&mut self, name: &GroupName) {
        let epoch = self.group(name).map_or(0, |group| group.epoch);
        self.log.lost_epochs.insert(name.clone(), epoch);
        self.groups.remove(name);
        self.log.fences.remove(name);
        self.revision += 1;
    }

    /// The nodes whose own records say that they hold in a group.
    pub(super) fn claiming(&self, name: &GroupName) -> Vec<NodeName> {
        let records = self
            .nodes
            .values()
            .filter_map(|known| known.record.as_ref());
        let claiming = records.filter(|record| record.hold.is_some() && record.group == *name);
        claiming.map(|record| record.node.clone()).collect()
    }
}

// === impl Store: facts without a look at everything ===

impl Store {
    /// The facts that a request of this node meets.
    pub(super) fn facts_of(&self, name: &GroupName, node: &NodeName, request: &Request) -> Facts {
        let slots = self.groups.get(name);
        let group = slots.and_then(|slots| slots.group.as_ref());
        let asked = match &request.action {
            Action::Claim(claim) => Some(&claim.session),
            Action::Adopt { session, .. } => Some(session),
            _ => None,
        };
        Facts {
            sessions: self.alive_among(group, asked),
            presences: self.presences_of(node),
            cooldown: slots.and_then(|slots| slots.cooldown_now(self.now_ms)),
            pause: self.pause_now(),
            marks: self.nodes.get(node).map_or(0, |it| it.marks.len() as u32),
            others_waiting: slots.map_or(0, |slots| slots.line.others_than(node)),
            holds_in: self.holds_elsewhere(name, node),
            foreign: Vec::new(),
        }
    }

    /// Of the sessions that a group's holds stand on, and one more, those that are alive.
    pub(super) fn alive_among(
        &self,
        group: Option<&Group>,
        more: Option<&SessionId>,
    ) -> std::collections::BTreeSet<SessionId> {
        let holds = group.into_iter().flat_map(|group| &group.holds);
        let pause = group.and_then(|group| group.pause.as_ref()?.session.as_ref());
        let named = holds.map(|hold| &hold.session).chain(pause).chain(more);
        let alive = named.filter(|session| self.leases.contains_key(session));
        alive.cloned().collect()
    }

    /// The fleet's pause, while it lasts.
    pub(super) fn pause_now(&self) -> Option<Pause> {
        let pause = self.pause.as_ref()?;
        let session = pause.session.as_ref();
        let lasts = session.is_none_or(|session| self.leases.contains_key(session));
        lasts.then(|| pause.clone())
    }

    fn presences_of(&self, node: &NodeName) -> Vec<Presence> {
        let is_it = |lease: &Lease| &lease.identity.node == node;
        let leases = self.leases.iter().filter(|(_, lease)| is_it(lease));
        leases
            .map(|(session, lease)| lease.presence(session, self.now_ms))
            .collect()
    }

    fn holds_elsewhere(&self, name: &GroupName, node: &NodeName) -> Option<GroupName> {
        let holds = |slots: &Slots| {
            let group = slots.group.as_ref();
            group.is_some_and(|group| {
                let facts = Facts {
                    sessions: self.alive_among(Some(group), None),
                    ..Facts::default()
                };
                group.swept(&facts).0.hold_of(node).is_some()
            })
        };
        let mut others = self.groups.iter().filter(|(other, _)| *other != name);
        others
            .find(|(_, slots)| holds(slots))
            .map(|(name, _)| name.clone())
    }
}

// === impl Lease ===

impl Lease {
    pub(super) fn presence(&self, session: &SessionId, now_ms: u64) -> Presence {
        Presence {
            identity: self.identity.clone(),
            session: session.clone(),
            remaining_ms: self.ends_ms - now_ms,
        }
    }
}

// === impl Slots ===

impl Slots {
    fn soonest_ms(&self) -> Option<u64> {
        let cooldown = self.cooldown.iter().map(|(_, ends_ms)| *ends_ms);
        let late = self.late_cooldown.iter().map(|(due_ms, _)| *due_ms);
        let deadlines = self.deadlines.values().copied();
        cooldown.chain(late).chain(deadlines).min()
    }
}

// === impl Known ===

impl Known {
    fn soonest_ms(&self, now_ms: u64) -> Option<u64> {
        let fresh_ms = Some(self.fresh_until_ms).filter(|it| *it > now_ms);
        self.marks.iter().copied().chain(fresh_ms).min()
    }
}
