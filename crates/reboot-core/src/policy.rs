//! Being written.

use crate::id::NodeName;

/// A peer.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Peer {
    /// Its name.
    pub node: NodeName,
    /// How it counts.
    pub standing: Standing,
}

/// How a peer counts.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Standing {
    /// Healthy.
    Healthy,
    /// Unhealthy.
    Unhealthy {
        /// Which run.
        stage: String,
        /// Why.
        reason: String,
    },
    /// No fresh word.
    Stale,
    /// Holds durably, within its deadline.
    Down,
    /// Holds durably, past its deadline.
    Overdue,
}
