//! What comes of a granted request.

use crate::group::{Group, Hold, Phase};
use crate::id::NodeName;
use crate::undo::Undo;
use serde::{Deserialize, Serialize};

/// What a granted request answers.
#[derive(Clone, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// The hold as it stands now.
    Held {
        /// Its number.
        number: u64,
        /// Its phase.
        phase: Phase,
    },
    /// The hold has ended.
    Released,
    /// An operator ended this hold.
    Broken(Box<Hold>),
    /// The number of slots, before and after.
    MaxChanged {
        /// Before.
        old: u32,
        /// After.
        new: u32,
    },
    /// Nothing more to say.
    Done,
}

/// What must be committed together with the record.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Side {
    /// Start the group's cooldown.
    StartCooldown {
        /// Whose fence.
        node: NodeName,
        /// For how long, in seconds.
        secs: u64,
    },
    /// (Re)start the timer after which a durable hold is overdue.
    StartDeadline {
        /// Which hold.
        number: u64,
        /// For how long, in seconds.
        secs: u64,
    },
    /// The hold is gone, and its timer with it.
    EndDeadline {
        /// Which hold.
        number: u64,
    },
    /// Count a reboot of this node for a day.
    MarkReboot {
        /// Who.
        node: NodeName,
        /// So many of its latest marks may stay, this one among them; the oldest go.
        keep: u32,
    },
    /// What a broken hold leaves to be undone moves to the node's own record.
    OweUndo {
        /// Who.
        node: NodeName,
        /// What.
        undo: Undo,
    },
    /// A line for the history.
    History(HistoryEntry),
}

/// A line of a group's history.
#[derive(Clone, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// When, for people (RFC 3339).
    pub at: String,
    /// What happened: the verb of the action, or `expire` for a claim whose lease ended.
    pub event: String,
    /// To whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeName>,
    /// To which hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    /// More, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

/// A granted request: the next record, and all that belongs into the same commit.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Applied {
    /// The next record.
    pub group: Group,
    /// The answer.
    pub reply: Reply,
    /// What else the commit holds.
    pub sides: Vec<Side>,
}

// === impl Applied ===

impl Applied {
    /// Writes a line of history about a node that need not hold.
    pub(super) fn note_of(&mut self, at: &str, event: &str, node: &NodeName, detail: &str) {
        self.sides.push(Side::History(HistoryEntry {
            at: at.to_owned(),
            event: event.to_owned(),
            node: Some(node.clone()),
            number: None,
            detail: detail.to_owned(),
        }));
    }

    /// Writes a line of history.
    pub(super) fn note(&mut self, at: &str, event: &str, hold: Option<&Hold>, detail: &str) {
        self.sides.push(Side::History(HistoryEntry {
            at: at.to_owned(),
            event: event.to_owned(),
            node: hold.map(|hold| hold.node.clone()),
            number: hold.map(|hold| hold.number),
            detail: detail.to_owned(),
        }));
    }
}
