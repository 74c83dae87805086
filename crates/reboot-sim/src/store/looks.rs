//! What the store shows.

use super::{Known, Lease, Slots, Store};
use reboot_core::fleet::{Fleet, GroupEntry, NodeEntry};
use reboot_core::group::{Cooldown, Facts, Group, Hold, Presence};
use reboot_core::id::{GroupName, NodeName, SessionId};
use reboot_core::line::Ticket;
use reboot_core::mutation::Mutation;
use reboot_core::order::Order;
use reboot_core::undo::Undo;
use std::collections::BTreeMap;
use std::hash::Hash;

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
                .filter(|(_, known)| !self.hides(known))
                .filter_map(|(name, known)| Some((name.clone(), self.node_entry(known)?)))
                .collect(),
            owed: self.debts(),
            orders: self.orders(),
            presences: self.presences(),
            pause: self.pause_now(),
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
        let group = slots.group.as_ref()?;
        let facts = Facts {
            sessions: self.alive_among(Some(group), None),
            ..Facts::default()
        };
        Some(GroupEntry {
            group: group.swept(&facts).0,
            line: slots.line.clone(),
            cooldown: slots.cooldown_now(self.now_ms),
            within_deadline: slots.deadlines.keys().copied().collect(),
            foreign: Vec::new(),
        })
    }

    fn node_entry(&self, known: &Known) -> Option<NodeEntry> {
        Some(NodeEntry {
            record: known.record.clone()?,
            is_fresh: known.fresh_until_ms > self.now_ms,
            marks: known.marks.len() as u32,
        })
    }

    fn debts(&self) -> BTreeMap<NodeName, Undo> {
        let debts = self
            .nodes
            .iter()
            .filter(|(_, known)| !known.owed.is_empty());
        debts
            .map(|(node, known)| (node.clone(), known.owed.clone()))
            .collect()
    }

    fn orders(&self) -> BTreeMap<NodeName, Order> {
        let orders = self.nodes.iter();
        orders
            .filter_map(|(node, known)| Some((node.clone(), known.order.clone()?)))
            .collect()
    }

    fn presences(&self) -> Vec<Presence> {
        let leases = self.leases.iter();
        leases
            .filter(|(_, lease)| !self.hides_lease(lease))
            .map(|(session, lease)| lease.presence(session, self.now_ms))
            .collect()
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

    /// What is ordered of a node.
    pub fn order(&self, node: &NodeName) -> Option<&Order> {
        self.nodes.get(node)?.order.as_ref()
    }

    /// What a broken hold left to be undone on a node.
    pub fn owed(&self, node: &NodeName) -> Undo {
        self.nodes
            .get(node)
            .map_or_else(Undo::default, |known| known.owed.clone())
    }
}

// === impl Store: what checkers ask ===

impl Store {
    /// The hold of a node, in whichever group.
    pub fn hold_of(&self, node: &NodeName) -> Option<&Hold> {
        let mut groups = self.groups.values().filter_map(|it| it.group.as_ref());
        groups.find_map(|group| group.hold_of(node))
    }

    /// Whether anybody holds anything.
    pub fn has_holds(&self) -> bool {
        let mut groups = self.groups.values().filter_map(|it| it.group.as_ref());
        groups.any(|group| !group.holds.is_empty())
    }

    /// Whether a session is alive.
    pub fn has_session(&self, session: &SessionId) -> bool {
        self.leases.contains_key(session)
    }

    /// Whether a claim or a ticket of a node stands on this session.
    pub fn stands_on(&self, node: &NodeName, session: &SessionId) -> bool {
        let is_claim = |hold: &Hold| !hold.phase.is_durable() && hold.session == *session;
        let claims = self.hold_of(node).is_some_and(is_claim);
        let mut lines = self.groups.values().map(|slots| slots.line.tickets());
        claims || lines.any(|it| it.iter().any(|ticket| ticket.session == *session))
    }

    /// The sessions that live under a name.
    pub fn sessions_under(&self, node: &NodeName) -> Vec<&SessionId> {
        let is_it = |lease: &Lease| &lease.identity.node == node;
        let leases = self.leases.iter().filter(|(_, lease)| is_it(lease));
        leases.map(|(session, _)| session).collect()
    }

    /// Whether no group has given a number yet.
    pub fn is_unnumbered(&self) -> bool {
        let mut groups = self.groups.values().filter_map(|it| it.group.as_ref());
        groups.all(|group| group.generation == 0)
    }

    /// Lets numbers begin anew, where nobody knows one.
    pub fn forget_numbers(&mut self) {
        for slots in self.groups.values_mut() {
            if let Some(group) = &mut slots.group {
                group.generation = 0;
            }
        }
    }

    /// What it knows of no node in particular.
    pub fn shared(&self) -> impl Hash + use<> {
        let group = |slots: &Slots| {
            let group = slots.group.as_ref()?;
            Some((group.max, group.mark(), group.pause.clone()))
        };
        let groups: Vec<_> = self.groups.values().map(group).collect();
        (groups, self.pause.clone())
    }

    /// All it knows of one node, but for its leases.
    pub fn of_node(&self, node: &NodeName) -> impl Hash + use<> {
        let hold = self.hold_of(node).cloned();
        let number = hold.as_ref().map(|hold| hold.number);
        let slots = self.groups.values();
        let deadline = number.is_some_and(|number| {
            self.groups
                .values()
                .any(|it| it.deadlines.contains_key(&number))
        });
        let places: Vec<_> = slots
            .map(|slots| (slots.line.ahead_of(node), ticket_of(slots, node)))
            .collect();
        (hold, deadline, places, self.nodes.get(node).cloned())
    }

    /// The leases of one node.
    pub fn leases_of(&self, node: &NodeName) -> Vec<impl Hash + use<>> {
        let is_it = |(_, lease): &(&SessionId, &Lease)| lease.identity.node == *node;
        let leases = self.leases.iter().filter(is_it);
        leases
            .map(|(session, lease)| (session.clone(), lease.clone()))
            .collect()
    }
}

// === impl Slots ===

impl Slots {
    /// The cooldown, while it runs.
    pub(super) fn cooldown_now(&self, now_ms: u64) -> Option<Cooldown> {
        let (cooldown, ends_ms) = self.cooldown.as_ref()?;
        Some(Cooldown {
            remaining_ms: ends_ms - now_ms,
            ..cooldown.clone()
        })
    }
}

fn ticket_of(slots: &Slots, node: &NodeName) -> Option<Ticket> {
    let tickets = slots.line.tickets().iter();
    let ticket = tickets.into_iter().find(|ticket| ticket.node == *node)?;
    Some(Ticket {
        number: 0,
        ..ticket.clone()
    })
}
