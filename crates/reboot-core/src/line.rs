//! The line: who waits for a slot, in the order of arrival. It serves liveness only; that no
//! more than `max` nodes hold is decided by the group record alone.

use crate::id::{Instance, NodeName, SessionId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A place in the line. It goes when its session ends.
#[derive(Clone, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
pub struct Ticket {
    /// Grows with every ticket of a group; the lowest is the head.
    pub number: u64,
    /// Who waits.
    pub node: NodeName,
    /// The agent's run that waits.
    pub instance: Instance,
    /// The lease the ticket stands on.
    pub session: SessionId,
    /// Since when, for people (RFC 3339).
    pub since: String,
}

/// The tickets of one group, lowest number first.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Line(Vec<Ticket>);

// === impl Line ===

impl Line {
    /// A line of these tickets, put in order.
    pub fn of(mut tickets: Vec<Ticket>) -> Self {
        tickets.sort_by_key(|ticket| ticket.number);
        Self(tickets)
    }

    /// The tickets, head first.
    pub fn tickets(&self) -> &[Ticket] {
        &self.0
    }

    /// Adds a node at the end; a node that waits already keeps its place under its new
    /// session. Returns the ticket's number.
    pub fn join(&mut self, mut ticket: Ticket) -> u64 {
        if let Some(waiting) = self
            .0
            .iter_mut()
            .find(|waiting| waiting.node == ticket.node)
        {
            ticket.number = waiting.number;
            *waiting = ticket;
            return waiting.number;
        }
        ticket.number = ticket
            .number
            .max(self.0.last().map_or(1, |last| last.number + 1));
        self.0.push(ticket);
        self.0.last().map_or(0, |last| last.number)
    }

    /// Takes a node out of the line; nothing happens when it does not wait.
    pub fn leave(&mut self, node: &NodeName) {
        self.0.retain(|ticket| &ticket.node != node);
    }

    /// Drops the tickets whose session has ended.
    pub fn sweep(&mut self, alive: &BTreeSet<SessionId>) {
        self.0.retain(|ticket| alive.contains(&ticket.session));
    }

    /// How many wait before this node; `None` when it does not wait.
    pub fn ahead_of(&self, node: &NodeName) -> Option<usize> {
        self.0.iter().position(|ticket| &ticket.node == node)
    }

    /// Whether this node should try for one of `free` slots: it is among the first `free`
    /// waiters, or it does not wait and the line is shorter than that.
    pub fn may_try(&self, node: &NodeName, free: usize) -> bool {
        self.ahead_of(node).unwrap_or(self.0.len()) < free
    }

    /// How many others than this node wait.
    pub fn others_than(&self, node: &NodeName) -> usize {
        self.0.iter().filter(|ticket| &ticket.node != node).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticket(node: &str) -> Ticket {
        Ticket {
            number: 0,
            node: NodeName::new(node).unwrap(),
            instance: Instance::new(node).unwrap(),
            session: SessionId::new(node).unwrap(),
            since: String::new(),
        }
    }

    fn node(name: &str) -> NodeName {
        NodeName::new(name).unwrap()
    }

    #[test]
    fn first_come_first_served() {
        let mut line = Line::default();
        assert_eq!(line.join(ticket("a")), 1);
        assert_eq!(line.join(ticket("b")), 2);
        assert_eq!(line.join(ticket("a")), 1, "a node keeps its place");
        assert_eq!(line.ahead_of(&node("b")), Some(1));
        assert!(line.may_try(&node("a"), 1) && !line.may_try(&node("b"), 1));
        assert!(line.may_try(&node("b"), 2) && !line.may_try(&node("c"), 2));
        line.leave(&node("a"));
        assert!(line.may_try(&node("b"), 1));
        assert_eq!(line.join(ticket("a")), 3, "who left queues anew");
    }

    #[test]
    fn a_dead_waiters_ticket_goes_with_its_session() {
        let mut line = Line::default();
        line.join(ticket("a"));
        line.join(ticket("b"));
        line.sweep(&BTreeSet::from([SessionId::new("b").unwrap()]));
        assert_eq!(line.ahead_of(&node("a")), None);
        assert_eq!(line.ahead_of(&node("b")), Some(0));
    }
}
