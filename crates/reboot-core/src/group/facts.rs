//! What a store knows and hands to the rules. Never a time of day: a lease is alive or not, a
//! timer runs or not.

use crate::boot::BootIdentity;
use crate::group::Pause;
use crate::id::{GroupName, Instance, MachineId, NodeName, SessionId};
use crate::mutation::Mutation;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Who an agent is.
#[derive(Clone, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// The node's name.
    pub node: NodeName,
    /// The machine behind the name.
    pub machine_id: MachineId,
    /// Its present boot.
    pub boot: BootIdentity,
    /// This run of the agent.
    pub instance: Instance,
}

/// An agent whose session is alive.
#[derive(Clone, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
pub struct Presence {
    /// Who it is.
    pub identity: Identity,
    /// Its lease.
    pub session: SessionId,
    /// How long the lease lasts if it is not renewed, in milliseconds.
    pub remaining_ms: u64,
}

/// A cooldown that runs.
#[derive(Clone, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
pub struct Cooldown {
    /// Whose fence started it.
    pub node: NodeName,
    /// How long it lasts from then, in seconds.
    pub duration_secs: u64,
    /// How much is left, in milliseconds.
    pub remaining_ms: u64,
    /// When it started, for people (RFC 3339).
    pub started_at: String,
}

/// What the store knows at the moment of a commit, as far as the rules ask.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Facts {
    /// Sessions that are alive, at least those the record names.
    pub sessions: BTreeSet<SessionId>,
    /// Agents that are alive under the name of the requesting node.
    pub presences: Vec<Presence>,
    /// The group's cooldown, while it runs.
    pub cooldown: Option<Cooldown>,
    /// The fleet's pause.
    pub pause: Option<Pause>,
    /// Reboots of the requesting node whose marks have not ended.
    pub marks: u32,
    /// How many others wait in the group's line.
    pub others_waiting: usize,
    /// Another group in which the requesting node holds.
    pub holds_in: Option<GroupName>,
    /// Who else takes a slot: holders by other programs' rules, which the record does not list.
    pub foreign: Vec<NodeName>,
}

// === impl Facts ===

impl Facts {
    /// Whether agents of different boots or machines live under one name.
    pub fn identity_conflict(&self) -> bool {
        if Mutation::CloneMayAct.is_on() {
            return false;
        }
        self.presences.iter().enumerate().any(|(at, one)| {
            self.presences[at + 1..].iter().any(|other| {
                one.identity.machine_id != other.identity.machine_id
                    || one.identity.boot.differs_from(&other.identity.boot)
            })
        })
    }

    /// Whether an agent of this run is alive.
    pub fn is_present(&self, instance: &Instance) -> bool {
        if Mutation::CloneMayAct.is_on() {
            return false;
        }
        self.presences
            .iter()
            .any(|presence| &presence.identity.instance == instance)
    }

    /// Whether an agent of this very boot, or of one that cannot be told from it, is alive.
    pub fn is_boot_present(&self, boot: &BootIdentity) -> bool {
        if Mutation::CloneMayAct.is_on() || Mutation::BootIgnored.is_on() {
            return false;
        }
        self.presences
            .iter()
            .any(|presence| !presence.identity.boot.differs_from(boot))
    }
}
