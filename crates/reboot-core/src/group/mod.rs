//! The group record: who holds a slot, and in which phase. Every store keeps exactly this
//! record and changes it only through [`apply`].

mod applied;
mod apply;
mod facts;
mod guest;
mod operator;
mod owner;
mod pause;
mod refusal;
mod request;

pub use applied::{Applied, HistoryEntry, Reply, Side};
pub use apply::apply;
pub use facts::{Cooldown, Facts, Identity, Presence};
pub use guest::Guest;
pub use pause::{Pause, fleet_note};
pub use refusal::Refusal;
pub use request::{Action, Claim, Owner, Request, Way};

use crate::boot::BootIdentity;
use crate::id::{Instance, MachineId, NodeName, RequestId, SessionId};
use crate::mutation::Mutation;
use crate::undo::Undo;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The record format this code writes.
pub const FORMAT_VERSION: u32 = 1;
/// The most slots a group can have.
pub const MAX_SLOTS: u32 = 1_000;
/// The most nodes of a group that are held back at once: its record stays small.
pub const HELD_BACK_MAX: usize = 100;
/// More claims than a group can ever have seen, and the first whole number that not every reader
/// of JSON tells from the next.
pub const MAX_GENERATION: u64 = 1 << 53;
/// The features a writer must know that this code knows.
pub const KNOWN_FEATURES: [&str; 0] = [];

/// How far a hold has come.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// The slot is taken; nothing is disturbed. The only phase a lease may end.
    Claimed,
    /// The node is being prepared; durable.
    Draining,
    /// Fenced: the reboot command may run at any moment; durable.
    Rebooting,
    /// The machine is back under another boot identity; durable until it is released.
    Returned,
}

/// A node's occupation of a slot.
#[derive(Clone, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
pub struct Hold {
    /// The group's generation when the hold was created: its name for good.
    pub number: u64,
    /// Who holds.
    pub node: NodeName,
    /// The machine that holds.
    #[serde(rename = "machineID")]
    pub machine_id: MachineId,
    /// The agent's run that alone may move the hold.
    pub instance: Instance,
    /// The lease a claim stands on; without meaning once the hold is durable.
    pub session: SessionId,
    /// How far it has come.
    pub phase: Phase,
    /// The boot in which the hold was claimed, or fenced.
    pub boot: BootIdentity,
    /// Whether the fence was passed.
    pub fenced: bool,
    /// The fingerprint of the need.
    pub need: String,
    /// The agent's process, for people.
    pub pid: u32,
    /// Since when, for people (RFC 3339).
    pub acquired_at: String,
    /// The cooldown its node asks for, in seconds; 0 is none.
    pub interval_secs: u64,
    /// What we changed on the node.
    #[serde(default)]
    pub undo: Undo,
    /// The last request that moved the hold: a repeated one changes nothing.
    pub last_request: RequestId,
    /// What a client speaks that has no agent of ours and tells no boot identity: its hold is
    /// fenced from the beginning, and ends on its own word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guest: Option<String>,
    /// Fields of later versions, kept as they are.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// The record that a store keeps for each group.
#[derive(Clone, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// The format of the record.
    pub version: u32,
    /// Features that a writer must know.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub features: BTreeSet<String>,
    /// Grows when a store is restored from a backup.
    pub epoch: u64,
    /// Grows with every claim; hold numbers come from it.
    pub generation: u64,
    /// Slots; 0 pauses the group.
    pub max: u32,
    /// An operator's stop, for this group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause: Option<Pause>,
    /// Nodes that an operator keeps from rebooting.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub held_back: BTreeMap<NodeName, Pause>,
    /// Who holds, oldest first.
    pub holds: Vec<Hold>,
    /// Fields of later versions, kept as they are.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// Why a stored record cannot be used. It is refused, never repaired by guess.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BrokenRecord {
    /// It is no JSON of the expected shape.
    #[error("the group record is broken ({0}): restore a backup, or mend the record by hand")]
    Unreadable(String),
    /// It breaks a rule that every writer keeps.
    #[error("the group record contradicts itself ({0}): restore a backup, or mend it by hand")]
    Contradiction(String),
}

// === impl Phase ===

impl Phase {
    /// Whether no timer ends a hold in this phase.
    pub fn is_durable(self) -> bool {
        self != Self::Claimed
    }

    /// The name in records, logs and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Claimed => "claimed",
            Self::Draining => "draining",
            Self::Rebooting => "rebooting",
            Self::Returned => "returned",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

// === impl Hold ===

impl Hold {
    /// Why its node gets neither another hold nor a place in line: the ticket of a holder would
    /// hold up everybody behind it.
    pub fn already_holds(&self) -> Refusal {
        Refusal::AlreadyHolds {
            node: self.node.clone(),
            number: self.number,
            phase: self.phase,
        }
    }
}

// === impl Group ===

impl Group {
    /// A new group. A missing record is not an empty group: `claiming` are the nodes whose own
    /// records say that they hold in it, and any of them forbids a new one.
    pub fn create(max: u32, epoch: u64, claiming: &[NodeName]) -> Result<Self, Refusal> {
        if max > MAX_SLOTS {
            return Err(Refusal::BadMax { max });
        }
        if !claiming.is_empty() {
            return Err(Refusal::GroupLost {
                nodes: claiming.to_vec(),
            });
        }
        Ok(Self {
            version: FORMAT_VERSION,
            features: BTreeSet::new(),
            epoch,
            generation: 0,
            max,
            pause: None,
            held_back: BTreeMap::new(),
            holds: Vec::new(),
            extra: Map::new(),
        })
    }

    /// Reads a stored record; a broken one is an error that says what to do.
    pub fn from_json(text: &str) -> Result<Self, BrokenRecord> {
        let group: Self = serde_json::from_str(text)
            .map_err(|error| BrokenRecord::Unreadable(error.to_string()))?;
        group.check()?;
        Ok(group)
    }

    /// The record as stored. Panics never: every field has a JSON form.
    pub fn to_json(&self) -> String {
        debug_assert_eq!(self.check(), Ok(()));
        serde_json::to_string(self).unwrap_or_default()
    }

    /// What every record that we write keeps; checked on writing and on reading.
    pub fn check(&self) -> Result<(), BrokenRecord> {
        let broken = |what: String| Err(BrokenRecord::Contradiction(what));
        if self.max > MAX_SLOTS {
            return broken(format!(
                "max is {}, at most {MAX_SLOTS} is allowed",
                self.max
            ));
        }
        if self.generation >= MAX_GENERATION {
            return broken(format!("no group was claimed {} times", self.generation));
        }
        if self.holds.len() > MAX_SLOTS as usize {
            let count = self.holds.len();
            return broken(format!(
                "{count} hold, at most {MAX_SLOTS} slots are allowed"
            ));
        }
        let mut nodes = BTreeSet::new();
        let mut last = 0;
        for hold in &self.holds {
            if hold.number > self.generation || hold.number <= last {
                return broken(format!("hold {} is out of order", hold.number));
            }
            if !nodes.insert(&hold.node) {
                return broken(format!("{} holds twice", hold.node));
            }
            last = hold.number;
        }
        Ok(())
    }

    /// The hold of a node, if it has one.
    pub fn hold_of(&self, node: &NodeName) -> Option<&Hold> {
        self.holds.iter().find(|hold| &hold.node == node)
    }

    /// Slots that nobody holds.
    pub fn free(&self) -> usize {
        (self.max as usize).saturating_sub(self.holds.len())
    }

    /// Whether a later state of this record offers those who wait nothing else: only the phases
    /// and the agents of its holds may differ, but not that one is fenced: an interval counts
    /// against the slots of others until then.
    pub fn offers_the_same(&self, later: &Self) -> bool {
        let offer = |group: &Self| {
            let holds = group.holds.iter().map(|hold| (hold.number, hold.fenced));
            (group.epoch, group.max, holds.collect::<Vec<_>>())
        };
        let stops = |group: &Self| (group.pause.clone(), group.held_back.clone());
        offer(self) == offer(later) && stops(self) == stops(later)
    }

    /// The leases that its pauses stand on, that of the group and those of nodes held back.
    pub fn leases_of_pauses(&self) -> impl Iterator<Item = &SessionId> {
        let all = self.pause.iter().chain(self.held_back.values());
        all.filter_map(|stop| stop.session.as_ref())
    }

    /// Before a new epoch ends every lease: the nodes held back on one that is alive stay held
    /// back until somebody lets them go.
    pub fn keep_held_back(&mut self, alive: &BTreeSet<SessionId>) {
        let lasting = self.held_back.values_mut().filter(|it| !it.is_over(alive));
        lasting.for_each(Pause::outlast_its_lease);
    }

    /// Epoch and generation: what an agent must never see fall.
    pub fn mark(&self) -> (u64, u64) {
        (self.epoch, self.generation)
    }

    /// The record as the next writer will see it: without claims whose lease is gone, and
    /// without pauses that are over. Also returns those claims.
    pub fn swept(&self, facts: &Facts) -> (Self, Vec<Hold>) {
        let is_leased = |hold: &Hold| !hold.phase.is_durable() || Mutation::TtlOnTheGrant.is_on();
        let is_dead = |hold: &Hold| is_leased(hold) && !facts.sessions.contains(&hold.session);
        let mut group = self.clone();
        let (dead, holds) = group.holds.into_iter().partition(is_dead);
        group.holds = holds;
        let lasts = |stop: &Pause| !stop.is_over(&facts.sessions);
        group.pause = group.pause.filter(lasts);
        group.held_back.retain(|_, stop| lasts(stop));
        (group, dead)
    }
}
