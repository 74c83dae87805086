//! What the store shows.

use super::{Known, Lease, Slots, Store};
use reboot_core::fleet::{Fleet, GroupEntry, NodeEntry};
use reboot_core::group::{Cooldown, Facts, Group, Presence};
use reboot_core::id::{GroupName, NodeName, SessionId};
use reboot_core::mutation::Mutation;
use reboot_core::undo::Undo;

// === impl Store ===

impl Store {
    /// The whole fleet.
    pub fn look(&self) -> Fleet {
        Fleet {
            revision: self.revision,
            groups: self
                .groups
                .iter()
                .filter_map(|(name, slots)| Some((name.clone(), self.entry(slots)?)))
                .collect(),
            nodes: self
                .nodes
                .iter()
                .filter_map(|(name, known)| Some((name.clone(), self.node_entry(known)?)))
                .collect(),
            presences: self.presences(),
            pause: self.pause.clone(),
        }
    }

    /// The whole fleet, for a node; a bad design counts the holds it sees here.
    pub fn look_by(&mut self, node: &NodeName) -> Fleet {
        if Mutation::CountManyObjects.is_on() {
            let holds = |slots: &Slots| slots.group.as_ref().map_or(0, |it| it.holds.len());
            let counted = self.groups.values().map(holds).sum();
            self.nodes.entry(node.clone()).or_default().counted = counted;
        }
        self.look()
    }

    fn entry(&self, slots: &Slots) -> Option<GroupEntry> {
        let facts = Facts {
            sessions: self.alive(),
            ..Facts::default()
        };
        Some(GroupEntry {
            group: slots.group.as_ref()?.swept(&facts).0,
            line: slots.line.clone(),
            cooldown: slots.cooldown.as_ref().map(|(cooldown, ends_ms)| Cooldown {
                remaining_ms: ends_ms - self.now_ms,
                ..cooldown.clone()
            }),
            within_deadline: slots.deadlines.keys().copied().collect(),
        })
    }

    fn node_entry(&self, known: &Known) -> Option<NodeEntry> {
        Some(NodeEntry {
            record: known.record.clone()?,
            is_fresh: known.fresh_until_ms > self.now_ms,
            owed: known.owed.clone(),
            marks: known.marks.len() as u32,
        })
    }

    fn presences(&self) -> Vec<Presence> {
        let presence = |(session, lease): (&SessionId, &Lease)| Presence {
            identity: lease.identity.clone(),
            session: session.clone(),
            remaining_ms: lease.ends_ms - self.now_ms,
        };
        self.leases.iter().map(presence).collect()
    }

    /// The record of a group, when there is one.
    pub fn group(&self, name: &GroupName) -> Option<&Group> {
        self.groups.get(name)?.group.as_ref()
    }

    /// Whether a durable hold's deadline has not passed.
    pub fn is_within_deadline(&self, group: &GroupName, number: u64) -> bool {
        let slots = self.groups.get(group);
        slots.is_some_and(|slots| slots.deadlines.contains_key(&number))
    }

    /// What a broken hold left to be undone on a node.
    pub fn owed(&self, node: &NodeName) -> Undo {
        self.nodes
            .get(node)
            .map_or_else(Undo::default, |known| known.owed.clone())
    }
}
