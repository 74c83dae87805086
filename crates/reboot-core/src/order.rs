//! An operator's wish that a node reboots: one more reason to, which passes every gate like any
//! other.
//!
//! An order names the boot that it is to end. Under any other boot it is fulfilled, whatever
//! rebooted the machine: so no order ever causes two reboots, and nobody must commit anything for
//! that.

use crate::boot::BootIdentity;
use crate::fleet::Fleet;
use crate::group::HistoryEntry;
use crate::id::{GroupName, NodeName};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// An operator's wish that a node reboots.
#[derive(Clone, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// Who asked.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When it was asked, for people (RFC 3339).
    pub at: String,
    /// Not before this time of day, by the node's clock; at once without it. It only delays:
    /// nothing that is safe depends on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// The boot the node was in when it was asked, which is to end.
    pub boot: BootIdentity,
    /// Fields of later versions, kept as they are: an order ends by its whole self.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// How an order ends.
#[derive(Clone, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OrderEnd {
    /// Somebody took it back.
    Cancelled {
        /// Who.
        by: String,
    },
    /// The node runs under another boot.
    Fulfilled {
        /// Which.
        boot: BootIdentity,
    },
}

/// Why a node cannot be asked.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum CannotOrder {
    /// Nobody has heard of it.
    #[error(
        "node {0} is not known: only a node whose daemon has reported can be asked; \
         `clusterrebootd fleet list` shows them"
    )]
    Unknown(NodeName),
    /// It has no daemon of ours.
    #[error(
        "{0} is a client that asks for its slot by itself (FleetLock or the lock API), and runs no \
         daemon that could be asked: reboot it there"
    )]
    Guest(NodeName),
    /// It runs a program that reads no orders.
    #[error(
        "node {0} runs the original program, which cannot be asked: update it, or reboot it there"
    )]
    Original(NodeName),
}

// === impl Order ===

impl Order {
    /// Whether a node in this boot has done what was asked.
    pub fn is_fulfilled_in(&self, boot: &BootIdentity) -> bool {
        self.boot.differs_from(boot)
    }

    /// Whether its time has come.
    pub fn is_due(&self, wall: Timestamp) -> bool {
        self.not_before.is_none_or(|start| start <= wall)
    }

    /// After how many milliseconds its time has surely come.
    pub fn wait_ms(&self, wall: Timestamp) -> u64 {
        let left = self.not_before.map_or(0, |start| {
            start.as_millisecond().saturating_sub(wall.as_millisecond())
        });
        u64::try_from(left).unwrap_or(0) + 1 // the rest of a millisecond
    }

    /// Who ordered it, when and why.
    pub fn words(&self) -> String {
        let start = self.not_before;
        let start = start.map_or(String::new(), |start| format!(" for {start}"));
        format!(
            "ordered by {} at {}{start}: {}",
            self.by, self.at, self.reason
        )
    }

    /// The line that the history of its node's group gets.
    pub fn note(&self, node: &NodeName) -> HistoryEntry {
        let start = self.not_before;
        let start = start.map_or(String::new(), |start| format!(" (not before {start})"));
        HistoryEntry {
            at: self.at.clone(),
            event: "order".to_owned(),
            node: Some(node.clone()),
            number: None,
            detail: format!("{}: {}{start}", self.by, self.reason),
        }
    }

    /// The line that the history gets at its end.
    pub fn end_note(&self, node: &NodeName, end: &OrderEnd, at: &str) -> HistoryEntry {
        let detail = match end {
            OrderEnd::Cancelled { by } => by.clone(),
            OrderEnd::Fulfilled { boot } => format!("runs under boot {boot}"),
        };
        HistoryEntry {
            at: at.to_owned(),
            event: end.verb().to_owned(),
            node: Some(node.clone()),
            number: None,
            detail: format!("{detail} ({})", self.words()),
        }
    }
}

// === impl OrderEnd ===

impl OrderEnd {
    /// The name of this end in history and audit.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Cancelled { .. } => "cancel-order",
            Self::Fulfilled { .. } => "order-done",
        }
    }
}

// === impl CannotOrder ===

impl CannotOrder {
    /// The name in logs and answers.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Unknown(_) => "unknown_node",
            Self::Guest(_) => "guest",
            Self::Original(_) => "original",
        }
    }
}

// === impl Fleet: orders ===

impl Fleet {
    /// The boot that an order would end, and in which group the node is.
    ///
    /// # Errors
    /// When the node is none that takes orders.
    pub fn orderable(&self, node: &NodeName) -> Result<(BootIdentity, GroupName), CannotOrder> {
        let is_guest = self.holds_of(node).any(|(_, hold)| hold.guest.is_some());
        match self.nodes.get(node).map(|entry| &entry.record) {
            Some(record) if record.is_original() => Err(CannotOrder::Original(node.clone())),
            Some(record) => Ok((record.boot.clone(), record.group.clone())),
            None if is_guest => Err(CannotOrder::Guest(node.clone())),
            None => Err(CannotOrder::Unknown(node.clone())),
        }
    }
}
