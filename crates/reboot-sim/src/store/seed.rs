//! A store that begins with what another one showed in a look.

use super::{DAY_MS, Known, Lease, Slots, Store};
use reboot_core::fleet::{Fleet, GroupEntry, NodeEntry};
use reboot_core::id::{GroupName, NodeName};

/// Later than anything that is played, in milliseconds: what ends then is not under way.
const FAR_MS: u64 = u64::MAX / 8;

// === impl Store ===

impl Store {
    /// The store as a look shows it, but for sessions and what stands on them: claims and places
    /// in line. What a look does not tell is taken at its longest: fresh records stay fresh,
    /// deadlines that have not passed do not pass, a day's marks last a day.
    pub fn of(fleet: &Fleet) -> Self {
        let mut store = Self {
            revision: fleet.revision,
            pause: fleet.pause.clone(),
            ..Self::default()
        };
        for (name, entry) in &fleet.groups {
            store.groups.insert(name.clone(), Slots::of(entry));
        }
        for (name, entry) in &fleet.nodes {
            store.nodes.insert(name.clone(), Known::of(entry));
        }
        for (name, owed) in &fleet.owed {
            let known = store.nodes.entry(name.clone()).or_default();
            known.owed = owed.clone();
        }
        store
    }

    /// How long a node's record stays fresh without being renewed.
    pub fn freshen(&mut self, node: &NodeName, fresh_until_ms: u64) {
        if let Some(known) = self.nodes.get_mut(node) {
            known.fresh_until_ms = fresh_until_ms;
        }
        self.note_end(fresh_until_ms);
    }

    /// Whether a look leaves out a node: it sleeps and is well.
    pub(super) fn hides(&self, known: &Known) -> bool {
        let health = known.record.as_ref().map(|record| &record.health);
        let is_well = health.is_some_and(|health| health.healthy);
        self.hides_sleepers && is_well && known.fresh_until_ms >= FAR_MS
    }

    /// Whether a look leaves out a session: its node sleeps.
    pub(super) fn hides_lease(&self, lease: &Lease) -> bool {
        self.hides_sleepers && lease.ends_ms >= FAR_MS
    }

    /// When the first of a node's marks for the daily cap ends.
    pub fn mark_ends_ms(&self, node: &NodeName) -> Option<u64> {
        self.nodes.get(node)?.marks.iter().copied().min()
    }

    /// Whether a group's cooldown runs while this node, in its line, could have a slot.
    pub fn is_cooling_for(&self, group: &GroupName, node: &NodeName) -> bool {
        let slots = self.groups.get(group).filter(|it| it.cooldown.is_some());
        let free = slots.and_then(|it| Some(it.group.as_ref()?.free()));
        let ahead = slots.and_then(|it| it.line.ahead_of(node));
        free.zip(ahead).is_some_and(|(free, ahead)| ahead < free)
    }

    /// Whether a node waits in this group's line.
    pub fn is_in_line(&self, node: &NodeName, group: &GroupName) -> bool {
        let slots = self.groups.get(group);
        slots.is_some_and(|it| it.line.ahead_of(node).is_some())
    }

    /// So many of each line as slots are free.
    pub fn heads(&self) -> impl Iterator<Item = &NodeName> {
        self.groups.values().flat_map(|slots| {
            let free = slots.group.as_ref().map_or(usize::MAX, |it| it.free());
            let tickets = slots.line.tickets().iter().take(free);
            tickets.map(|ticket| &ticket.node)
        })
    }
}

// === impl Slots ===

impl Slots {
    fn of(entry: &GroupEntry) -> Self {
        let mut group = entry.group.clone();
        group.holds.retain(|hold| hold.phase.is_durable());
        let cooldown = entry.cooldown.clone();
        let deadlines = entry.within_deadline.iter();
        Self {
            group: Some(group),
            cooldown: cooldown.map(|it| (it.clone(), it.remaining_ms)),
            deadlines: deadlines.map(|number| (*number, FAR_MS)).collect(),
            ..Self::default()
        }
    }
}

// === impl Known ===

impl Known {
    fn of(entry: &NodeEntry) -> Self {
        Self {
            record: Some(entry.record.clone()),
            fresh_until_ms: if entry.is_fresh { FAR_MS } else { 0 },
            marks: (0..entry.marks).map(|_| DAY_MS).collect(),
            ..Self::default()
        }
    }
}
