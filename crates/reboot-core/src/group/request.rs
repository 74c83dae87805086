//! What can be asked of a group.

use crate::boot::BootIdentity;
use crate::group::{Guest, Identity, Pause, Phase};
use crate::id::{Instance, MachineId, NodeName, RequestId, SessionId};
use crate::undo::Undo;
use serde::{Deserialize, Serialize};

/// A request, with the id that makes repeating it harmless.
#[derive(Clone, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Unique to the request, not to the try.
    pub id: RequestId,
    /// When it was made, for people (RFC 3339).
    pub at: String,
    /// What is asked.
    pub action: Action,
}

/// A node's wish for a slot.
#[derive(Clone, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
pub struct Claim {
    /// Who asks.
    pub identity: Identity,
    /// The lease the claim will stand on.
    pub session: SessionId,
    /// The fingerprint of the need.
    pub need: String,
    /// The agent's process, for people.
    pub pid: u32,
    /// The cooldown this node asks for, in seconds; 0 is none.
    pub interval_secs: u64,
    /// A diagnostic pass: never ahead of anybody who waits.
    pub diagnostic: bool,
}

/// The hold that its owner wants to move.
#[derive(Clone, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
pub struct Owner {
    /// Whose hold.
    pub node: NodeName,
    /// Its number.
    pub number: u64,
    /// The agent's run that owns it.
    pub instance: Instance,
    /// The phase the owner believes it to be in.
    pub expects: Phase,
}

/// Why its own node may end a hold.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// A claim is given back: nothing was disturbed.
    GivenBack,
    /// R1: the machine returned under another boot identity and is well.
    Returned,
    /// R2: same boot, and the reboot command was never issued.
    NeverIssued,
}

/// The transitions of a group.
#[derive(Clone, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Take a slot.
    Claim(Claim),
    /// Make the hold durable before the first disruptive step.
    Drain {
        /// Which hold.
        owner: Owner,
        /// What may be changed on the node from now on.
        undo: Undo,
        /// After how many seconds the hold counts as overdue.
        deadline_secs: u64,
    },
    /// The last step before the command.
    Fence {
        /// Which hold.
        owner: Owner,
        /// The boot that will be ended.
        boot: BootIdentity,
        /// The node's daily cap.
        max_reboots_per_day: u32,
        /// After how many seconds the hold counts as overdue.
        deadline_secs: u64,
    },
    /// The machine is back.
    Return {
        /// Which hold.
        owner: Owner,
        /// The new boot.
        boot: BootIdentity,
        /// After how many seconds the hold counts as overdue.
        deadline_secs: u64,
    },
    /// End the hold.
    Release {
        /// Which hold.
        owner: Owner,
        /// The boot the node is in.
        boot: BootIdentity,
        /// Why it may end.
        way: Way,
        /// What was put right.
        undone: Undo,
    },
    /// A new run of the agent takes over its node's hold.
    Adopt {
        /// The hold as its former owner held it.
        owner: Owner,
        /// The new run.
        identity: Identity,
        /// The new run's lease: a claim stands on it from now on.
        session: SessionId,
        /// The machine is back in another boot, and that is recorded in the same commit as by
        /// [`Action::Return`]: after how many seconds the hold counts as overdue then.
        return_within_secs: Option<u64>,
    },
    /// A slot for a client that tells no boot identity, granted and fenced at once.
    Admit(Guest),
    /// Such a client says that it is back and steady: its hold ends on its word.
    Steady {
        /// Who.
        node: NodeName,
        /// How it calls itself, where that is something else.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<MachineId>,
    },
    /// R3: an operator ends a hold.
    Break {
        /// Its number.
        number: u64,
        /// Who breaks.
        by: String,
        /// Why.
        reason: String,
    },
    /// Change the number of slots.
    SetMax {
        /// The new number; 0 pauses.
        max: u32,
        /// Who.
        by: String,
    },
    /// Stop the group.
    Pause(Pause),
    /// Let the group go on.
    Resume {
        /// Who.
        by: String,
    },
    /// Keep one node of the group from claiming and fencing.
    HoldBack {
        /// Which.
        node: NodeName,
        /// Who, why and until when.
        stop: Pause,
    },
    /// Hold it back no longer. Harmless when it is not held back.
    LetGo {
        /// Which.
        node: NodeName,
        /// Who.
        by: String,
    },
}

// === impl Action ===

impl Action {
    /// The verb, as in logs and history.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Claim(_) => "claim",
            Self::Drain { .. } => "drain",
            Self::Fence { .. } => "fence",
            Self::Return { .. } => "return",
            Self::Release { .. } => "release",
            Self::Adopt { .. } => "adopt",
            Self::Admit(_) => "admit",
            Self::Steady { .. } => "steady",
            Self::Break { .. } => "break",
            Self::SetMax { .. } => "set-max",
            Self::Pause(_) => "pause",
            Self::Resume { .. } => "resume",
            Self::HoldBack { .. } => "hold-back",
            Self::LetGo { .. } => "let-go",
        }
    }

    /// Whether a slot is asked for that its node does not have yet.
    pub fn takes_a_slot(&self) -> bool {
        matches!(self, Self::Claim(_) | Self::Admit(_))
    }

    /// The node that asks, when a node does: the store looks its facts up.
    pub fn node(&self) -> Option<&NodeName> {
        match self {
            Self::Claim(claim) => Some(&claim.identity.node),
            Self::Admit(Guest { node, .. }) | Self::Steady { node, .. } => Some(node),
            Self::Drain { owner, .. }
            | Self::Fence { owner, .. }
            | Self::Return { owner, .. }
            | Self::Release { owner, .. }
            | Self::Adopt { owner, .. } => Some(&owner.node),
            Self::Break { .. }
            | Self::SetMax { .. }
            | Self::Pause(_)
            | Self::Resume { .. }
            | Self::HoldBack { .. }
            | Self::LetGo { .. } => None,
        }
    }
}
