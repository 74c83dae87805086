//! Why a request is refused by the rules.

use crate::group::Phase;
use crate::id::{GroupName, MachineId, NodeName};
use serde::{Deserialize, Serialize};

/// A refusal by the rules. The agent answers it with abort and undo, never with force.
#[derive(Clone, Debug, Eq, Hash, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Refusal {
    /// Every slot is taken.
    #[error("every slot is taken by {} (max is {max})", list(holders))]
    Full {
        /// The group's slots.
        max: u32,
        /// Who holds.
        holders: Vec<NodeName>,
    },
    /// A lock that stands before the group is not ours.
    #[error("{by} gives no slot: {reason}")]
    LockedOut {
        /// Who keeps that lock.
        by: String,
        /// Its words.
        reason: String,
    },
    /// The group or the fleet is paused, or `max` is 0.
    #[error("paused: {reason}")]
    Paused {
        /// Who and why.
        reason: String,
    },
    /// An operator keeps this node from rebooting.
    #[error("{node} is held back: {reason}")]
    HeldBack {
        /// Which.
        node: NodeName,
        /// Who and why.
        reason: String,
    },
    /// A diagnostic pass does not overtake.
    #[error("others wait in line ({waiting}): a diagnostic pass does not overtake them")]
    OthersWait {
        /// How many.
        waiting: usize,
    },
    /// The node has a hold already.
    #[error("{node} holds slot number {number} already, in phase {phase}")]
    AlreadyHolds {
        /// Who.
        node: NodeName,
        /// Which hold.
        number: u64,
        /// How far it is.
        phase: Phase,
    },
    /// The node holds in another group.
    #[error("{node} holds a slot of group {group} already: settle that hold first")]
    HoldsElsewhere {
        /// Who.
        node: NodeName,
        /// Where.
        group: GroupName,
    },
    /// The machine holds under another name, and the store tells holders apart by their machine.
    #[error(
        "machine {machine_id} holds slot number {number} already, as {node}: give every machine an \
         id of its own, or free that slot once its holder is gone"
    )]
    MachineHolds {
        /// The machine.
        machine_id: MachineId,
        /// The name it holds under.
        node: NodeName,
        /// Which hold.
        number: u64,
    },
    /// While a cooldown is configured, one after another: the other has not fenced yet.
    #[error("{node} holds and has not started its cooldown yet: wait for it")]
    UnfencedHolder {
        /// Who.
        node: NodeName,
    },
    /// A cooldown runs.
    #[error(
        "a cooldown of {duration_secs} s started by {node} runs, {} s are left",
        left_ms.div_ceil(1000)
    )]
    CooldownRunning {
        /// Who started it.
        node: NodeName,
        /// How long it is, in seconds.
        duration_secs: u64,
        /// How much is left, in milliseconds.
        left_ms: u64,
    },
    /// The node rebooted too often today.
    #[error("{node} was rebooted {marks} times in the last day, {max} are allowed")]
    DailyCap {
        /// Who.
        node: NodeName,
        /// How often.
        marks: u32,
        /// The node's cap.
        max: u32,
    },
    /// The session the claim should stand on has ended.
    #[error("the agent's session has ended: open a new one")]
    SessionEnded,
    /// The hold is not there (any more).
    #[error("hold {number} of {node} is gone")]
    HoldGone {
        /// Whose.
        node: NodeName,
        /// Its number.
        number: u64,
    },
    /// Another run of the agent owns the hold.
    #[error("hold {number} belongs to another run of the agent on {node}")]
    NotOwner {
        /// Whose.
        node: NodeName,
        /// Its number.
        number: u64,
    },
    /// Another machine bears the node's name.
    #[error("hold {number} belongs to another machine named {node}: break it once that is off")]
    OtherMachine {
        /// Whose.
        node: NodeName,
        /// Its number.
        number: u64,
    },
    /// The hold is in another phase.
    #[error("hold {number} is {phase}: this step is not possible from there")]
    WrongPhase {
        /// Which hold.
        number: u64,
        /// Its phase.
        phase: Phase,
    },
    /// Agents of different boots or machines live under one name.
    #[error(
        "two live agents of different boots or machines are named {node}: stop one, or rename it"
    )]
    IdentityConflict {
        /// The name.
        node: NodeName,
    },
    /// The machine has not been rebooted since.
    #[error("{node} is still in the boot it was fenced in")]
    SameBoot {
        /// Who.
        node: NodeName,
    },
    /// The machine has been rebooted since.
    #[error("{node} is not in the boot the hold belongs to")]
    OtherBoot {
        /// Who.
        node: NodeName,
    },
    /// The former run, or the former boot, still has a live session.
    #[error("the former agent of {node} is still alive in the store: wait until its lease ends")]
    FormerAlive {
        /// Who.
        node: NodeName,
    },
    /// Something that we changed is not put right.
    #[error("{} on {node} is not undone: a hold ends only after that", left.join(", "))]
    NotUndone {
        /// Who.
        node: NodeName,
        /// What is left.
        left: Vec<String>,
    },
    /// Too many slots.
    #[error("max {max} is too large: at most 1000 slots are allowed")]
    BadMax {
        /// What was asked.
        max: u32,
    },
    /// As many nodes are held back as a record has room for.
    #[error("100 nodes of the group are held back already: let one go, or pause the group")]
    TooManyHeldBack,
    /// No hold bears this number.
    #[error("no hold has the number {number}: see who holds, and break by that number")]
    NothingToBreak {
        /// What was asked.
        number: u64,
    },
    /// The record wants a feature that this code does not know.
    #[error("the group record needs the feature {feature:?}: update this program")]
    UnknownFeature {
        /// Its name.
        feature: String,
    },
    /// There is no such group, and the request does not make one.
    #[error("there is no group {group}: the first claim of one of its nodes makes it")]
    NoGroup {
        /// Its name.
        group: GroupName,
    },
    /// The record is gone though nodes say that they hold in it.
    #[error(
        "the group record is missing though {} say that they hold in it: restore the store, or \
         forget those nodes",
        list(nodes)
    )]
    GroupLost {
        /// Who says so.
        nodes: Vec<NodeName>,
    },
}

fn list(nodes: &[NodeName]) -> String {
    nodes
        .iter()
        .map(NodeName::as_str)
        .collect::<Vec<_>>()
        .join(", ")
}

// === impl Refusal ===

impl Refusal {
    /// The name in logs, metrics and on the wire.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Full { .. } => "full",
            Self::LockedOut { .. } => "locked_out",
            Self::Paused { .. } => "paused",
            Self::HeldBack { .. } => "held_back",
            Self::OthersWait { .. } => "others_wait",
            Self::AlreadyHolds { .. } => "already_holds",
            Self::HoldsElsewhere { .. } => "holds_elsewhere",
            Self::MachineHolds { .. } => "machine_holds",
            Self::UnfencedHolder { .. } => "unfenced_holder",
            Self::CooldownRunning { .. } => "cooldown_running",
            Self::DailyCap { .. } => "daily_cap",
            Self::SessionEnded => "session_ended",
            Self::HoldGone { .. } => "hold_gone",
            Self::NotOwner { .. } => "not_owner",
            Self::OtherMachine { .. } => "other_machine",
            Self::WrongPhase { .. } => "wrong_phase",
            Self::IdentityConflict { .. } => "identity_conflict",
            Self::SameBoot { .. } => "same_boot",
            Self::OtherBoot { .. } => "other_boot",
            Self::FormerAlive { .. } => "former_alive",
            Self::NotUndone { .. } => "not_undone",
            Self::BadMax { .. } => "bad_max",
            Self::TooManyHeldBack => "too_many_held_back",
            Self::NothingToBreak { .. } => "nothing_to_break",
            Self::UnknownFeature { .. } => "unknown_feature",
            Self::NoGroup { .. } => "no_group",
            Self::GroupLost { .. } => "group_lost",
        }
    }
}
