//! Everything that can be asked of a store, as values: the agent emits them, a store or the
//! simulator carries them out by the same rules.

use crate::fleet::NodeRecord;
use crate::group::{Identity, Pause, Refusal, Reply, Request};
use crate::id::{GroupName, Instance, NodeName, SessionId};
use crate::line::Ticket;
use crate::order::{Order, OrderEnd};
use crate::undo::Undo;
use serde::{Deserialize, Serialize};

/// One change of the store, committed as a whole or not at all.
#[derive(Clone, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Write {
    /// Open a lease for a run of an agent; it makes the agent present. Opening one that is
    /// alive renews it.
    OpenSession {
        /// The lease's name.
        session: SessionId,
        /// Who opens it.
        identity: Identity,
        /// How long it lasts without being renewed, in milliseconds.
        ttl_ms: u64,
    },
    /// Renew a lease; refused as [`Refusal::SessionEnded`] when it has ended.
    KeepSession {
        /// Which.
        session: SessionId,
    },
    /// End a lease, and all that stands on it. Harmless when it has ended.
    EndSession {
        /// Which.
        session: SessionId,
    },
    /// End every lease of a run that is proven dead (its local lock was free, in this boot).
    EndInstance {
        /// Which run.
        instance: Instance,
    },
    /// Publish the node's record and renew its freshness.
    Publish {
        /// The record.
        record: Box<NodeRecord>,
        /// For how long it counts as fresh, in milliseconds.
        stale_after_ms: u64,
    },
    /// Forget a node's record, its marks, what it owes and what was ordered of it.
    Forget {
        /// Which node.
        node: NodeName,
    },
    /// What a broken hold left has been undone.
    Undone {
        /// Where.
        node: NodeName,
        /// What.
        undone: Undo,
    },
    /// Order a reboot of a node, in place of any former order; a line in its group's history.
    Order {
        /// Which node.
        node: NodeName,
        /// Its group.
        group: GroupName,
        /// What is ordered.
        order: Order,
    },
    /// End an order, if it is still this one; a line in the group's history.
    EndOrder {
        /// Of which node.
        node: NodeName,
        /// Its group.
        group: GroupName,
        /// Which order.
        order: Order,
        /// How it ends.
        end: OrderEnd,
        /// When, for people (RFC 3339).
        at: String,
    },
    /// Wait in a group's line; answered with the ticket's number. Refused as
    /// [`Refusal::AlreadyHolds`] to a node that holds there.
    Join {
        /// Which group.
        group: GroupName,
        /// The ticket; its number is given by the store.
        ticket: Ticket,
    },
    /// Leave a group's line.
    Leave {
        /// Which group.
        group: GroupName,
        /// Who leaves.
        node: NodeName,
    },
    /// Ask the group: the store reads, applies [`crate::group::apply`] and commits.
    Ask {
        /// Which group.
        group: GroupName,
        /// The slots to create a missing group with; `None` refuses a missing group.
        create_with_max: Option<u32>,
        /// What is asked.
        request: Request,
    },
    /// Pause the fleet, or let it go on; a line in every group's history.
    PauseFleet {
        /// The pause; `None` ends it.
        pause: Option<Pause>,
        /// Who.
        by: String,
        /// When, for people (RFC 3339).
        at: String,
    },
}

/// What a committed write answers.
#[derive(Clone, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Written {
    /// Committed.
    Done,
    /// The number of the ticket.
    Ticket(u64),
    /// The group's answer.
    Granted(Reply),
}

/// Why a write or a look has no answer.
#[derive(Clone, Debug, Eq, Hash, PartialEq, thiserror::Error)]
pub enum Trouble {
    /// Refused by the rules; nothing was changed.
    #[error("{0}")]
    Refused(Refusal),
    /// The store cannot be used now; nothing was changed.
    #[error("{0}")]
    Unavailable(String),
    /// The answer is lost: the write may have been committed, or may be yet.
    #[error("{0}")]
    Unknown(String),
    /// What the store holds cannot be read; nothing was changed.
    #[error("{0}")]
    Broken(String),
}

// === impl Write ===

impl Write {
    /// Opens the lease that a stop with an end stands on, and that nobody renews.
    pub fn open_timer(session: SessionId, ttl_ms: u64) -> Self {
        Self::OpenSession {
            session,
            identity: Pause::keeper_identity(),
            ttl_ms,
        }
    }

    /// Pauses the fleet, or lets it go on with `None`; `at` is RFC 3339.
    pub fn pause_fleet(pause: Option<Pause>, by: impl Into<String>, at: impl Into<String>) -> Self {
        Self::PauseFleet {
            pause,
            by: by.into(),
            at: at.into(),
        }
    }
}

// === impl Trouble ===

impl Trouble {
    /// The name in logs and metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.kind(),
            Self::Unavailable(_) => "unavailable",
            Self::Unknown(_) => "unknown",
            Self::Broken(_) => "broken",
        }
    }
}
