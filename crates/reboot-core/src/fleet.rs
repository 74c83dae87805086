//! The fleet as a store shows it in one consistent look: what agents judge peers by and what
//! `status` prints.

use crate::boot::BootIdentity;
use crate::group::{Cooldown, Facts, Group, Hold, Pause, Phase, Presence, Refusal};
use crate::id::{GroupName, Instance, MachineId, NodeName, SessionId};
use crate::line::Line;
use crate::order::Order;
use crate::policy::{Peer, Standing};
use crate::undo::Undo;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// A node's last word on its health.
#[derive(Clone, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
pub struct Health {
    /// Whether it may count as healthy.
    pub healthy: bool,
    /// Which run of the script said so (`RC_PHASE`).
    pub stage: String,
    /// Why it is not healthy; empty when it is.
    #[serde(default)]
    pub reason: String,
}

/// What a node says of itself. Durable; its freshness stands on a lease.
#[derive(Clone, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
pub struct NodeRecord {
    /// Its name.
    pub node: NodeName,
    /// Its machine.
    #[serde(rename = "machineID")]
    pub machine_id: MachineId,
    /// Its boot.
    pub boot: BootIdentity,
    /// The agent's run.
    pub instance: Instance,
    /// The group it belongs to.
    pub group: GroupName,
    /// Its health.
    #[serde(flatten)]
    pub health: Health,
    /// When it said so, for people (RFC 3339).
    pub reported_at: String,
    /// What it is doing.
    pub activity: String,
    /// Why it wants a reboot, when it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub need: Option<String>,
    /// Every reason that keeps it from it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting_for: Vec<String>,
    /// The number of the hold it says it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<u64>,
    /// Fields of later versions, kept as they are.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// A node as the store knows it.
#[derive(Clone, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
pub struct NodeEntry {
    /// Its own words.
    pub record: NodeRecord,
    /// Whether the record's lease is alive.
    pub is_fresh: bool,
    /// Reboots whose marks have not ended.
    pub marks: u32,
}

/// A group as the store knows it.
#[derive(Clone, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
pub struct GroupEntry {
    /// The record, without claims whose lease is gone.
    pub group: Group,
    /// Who waits.
    pub line: Line,
    /// The cooldown, while it runs.
    pub cooldown: Option<Cooldown>,
    /// Durable holds whose deadline has not passed.
    pub within_deadline: BTreeSet<u64>,
    /// Who else takes a slot, by other programs' rules.
    pub foreign: Vec<NodeName>,
}

/// The whole fleet in one look.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq, Serialize, Deserialize)]
pub struct Fleet {
    /// Grows with every change that somebody might wait for; renewals are none.
    pub revision: u64,
    /// Its groups.
    pub groups: BTreeMap<GroupName, GroupEntry>,
    /// Its nodes.
    pub nodes: BTreeMap<NodeName, NodeEntry>,
    /// What broken holds left to be undone, by node; known even of a node without a record.
    pub owed: BTreeMap<NodeName, Undo>,
    /// What operators ordered, by node, until the node clears it.
    #[serde(default)]
    pub orders: BTreeMap<NodeName, Order>,
    /// Agents that are alive.
    pub presences: Vec<Presence>,
    /// The fleet's pause.
    pub pause: Option<Pause>,
}

// === impl NodeRecord ===

impl NodeRecord {
    /// The run that stands in the record of a node with the original program, which tells none.
    pub const ORIGINAL: &str = "original";

    /// Whether the node runs the original program.
    pub fn is_original(&self) -> bool {
        self.instance.as_str() == Self::ORIGINAL
    }
}

// === impl GroupEntry ===

impl GroupEntry {
    /// Slots that nobody takes.
    pub fn free(&self) -> usize {
        self.group.free().saturating_sub(self.foreign.len())
    }

    /// Whether a hold is durable and past its deadline.
    pub fn is_overdue(&self, hold: &Hold) -> bool {
        hold.phase.is_durable() && !self.within_deadline.contains(&hold.number)
    }
}

// === impl Fleet ===

impl Fleet {
    /// Every hold of a node, with its group.
    pub fn holds_of<'a>(
        &'a self,
        node: &'a NodeName,
    ) -> impl Iterator<Item = (&'a GroupName, &'a Hold)> {
        self.groups
            .iter()
            .filter_map(move |(name, entry)| Some((name, entry.group.hold_of(node)?)))
    }

    /// A group that nobody has made yet, as its first claim would make it, with so many slots.
    ///
    /// # Errors
    /// When no claim could make it: nodes say that they hold in it, or `max` is too large.
    pub fn unmade(&self, name: &GroupName, max: u32) -> Result<GroupEntry, Refusal> {
        let records = self.nodes.values().map(|entry| &entry.record);
        let claiming = records.filter(|record| record.group == *name && record.hold.is_some());
        let claiming: Vec<NodeName> = claiming.map(|record| record.node.clone()).collect();
        Ok(GroupEntry {
            group: Group::create(max, 0, &claiming)?,
            line: Line::default(),
            cooldown: None,
            within_deadline: BTreeSet::new(),
            foreign: Vec::new(),
        })
    }

    /// What a broken hold left to be undone on a node.
    pub fn owed_by(&self, node: &NodeName) -> Undo {
        self.owed.get(node).cloned().unwrap_or_default()
    }

    /// The agents that live under a name.
    pub fn presences_of(&self, node: &NodeName) -> Vec<Presence> {
        let is_it = |presence: &&Presence| &presence.identity.node == node;
        self.presences.iter().filter(is_it).cloned().collect()
    }

    /// The facts that a request of this node in this group would meet.
    pub fn facts(&self, group: &GroupName, node: &NodeName) -> Facts {
        let entry = self.groups.get(group);
        let sessions = |presence: &Presence| presence.session.clone();
        Facts {
            sessions: self
                .presences
                .iter()
                .map(sessions)
                .collect::<BTreeSet<SessionId>>(),
            presences: self.presences_of(node),
            cooldown: entry.and_then(|entry| entry.cooldown.clone()),
            pause: self.pause.clone(),
            marks: self.nodes.get(node).map_or(0, |entry| entry.marks),
            others_waiting: entry.map_or(0, |entry| entry.line.others_than(node)),
            holds_in: self
                .holds_of(node)
                .map(|(name, _)| name)
                .find(|name| *name != group)
                .cloned(),
            foreign: entry.map_or(Vec::new(), |entry| entry.foreign.clone()),
        }
    }

    /// Every node but this one, as each is now.
    pub fn peers_of(&self, me: &NodeName) -> Vec<Peer> {
        self.peers(me, |node| self.standing(node))
    }

    /// Every node but this one, as it counts for this one's going down: a holder that goes first
    /// counts as down already, so that no two go where only one may; one that comes later gives
    /// way and does not, so that no two wait for each other.
    pub fn peers_to_judge(&self, me: &NodeName) -> Vec<Peer> {
        let mine = self.holds_of(me).next();
        self.peers(me, |node| self.standing_beside(mine, node))
    }

    fn peers(&self, me: &NodeName, standing: impl Fn(&NodeName) -> Standing) -> Vec<Peer> {
        let mut names: BTreeSet<&NodeName> = self.nodes.keys().collect();
        names.extend(self.durable_holders());
        let others = names.into_iter().filter(|name| *name != me);
        others
            .map(|name| Peer {
                node: name.clone(),
                standing: standing(name),
            })
            .collect()
    }

    fn durable_holders(&self) -> impl Iterator<Item = &NodeName> {
        let holds = self.groups.values().flat_map(|entry| &entry.group.holds);
        holds
            .filter(|hold| hold.phase.is_durable())
            .map(|hold| &hold.node)
    }

    /// How one node counts for another one that holds this, or nothing.
    fn standing_beside(&self, mine: Option<Place<'_>>, node: &NodeName) -> Standing {
        let standing = self.standing(node);
        let Some(place) = self.holds_of(node).next() else {
            return standing;
        };
        let is_behind = mine.is_some_and(|mine| comes_after(place, mine));
        match (standing, place.1.phase) {
            (Standing::Healthy, Phase::Claimed) if !is_behind => Standing::Down,
            (Standing::Down, Phase::Draining) if is_behind => match self.reported(node) {
                Standing::Healthy => Standing::Healthy,
                _ => Standing::Down, // what is drained need not be well
            },
            (standing, _) => standing,
        }
    }

    /// How one node counts.
    pub fn standing(&self, node: &NodeName) -> Standing {
        let durable = self.groups.values().find_map(|entry| {
            let hold = entry.group.hold_of(node)?;
            let is_durable = hold.phase.is_durable();
            is_durable.then(|| entry.is_overdue(hold))
        });
        match durable {
            Some(true) => Standing::Overdue,
            Some(false) => Standing::Down,
            None => self.reported(node),
        }
    }

    /// How one node counts by its own words.
    fn reported(&self, node: &NodeName) -> Standing {
        let Some(entry) = self.nodes.get(node).filter(|entry| entry.is_fresh) else {
            return Standing::Stale;
        };
        match &entry.record.health {
            Health { healthy: true, .. } => Standing::Healthy,
            Health { stage, reason, .. } => Standing::Unhealthy {
                stage: stage.clone(),
                reason: reason.clone(),
            },
        }
    }
}

/// A hold, in its group.
type Place<'a> = (&'a GroupName, &'a Hold);

/// Whether the first was claimed after the second. Numbers tell within a group; between groups
/// they only make sure that of two exactly one gives way.
fn comes_after(it: Place<'_>, other: Place<'_>) -> bool {
    (it.1.number, it.0) > (other.1.number, other.0)
}
