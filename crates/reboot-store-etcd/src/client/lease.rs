//! Leases: what keys hang on that must go with their writer.

use super::pb;

/// What came of asking for a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Granted {
    /// It is there now.
    New {
        /// How long it lasts without a keep-alive, in seconds: at least what was asked for.
        ttl_secs: i64,
    },
    /// A lease of this id is there already.
    Exists,
}

/// How a lease stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseLife {
    /// How long it lasts without a keep-alive, in seconds.
    pub granted_secs: i64,
    /// How long it lasts still, in seconds.
    pub remaining_secs: i64,
}

// === impl LeaseLife ===

impl LeaseLife {
    /// Nothing for a lease that is gone.
    pub(super) fn decode(answer: &pb::LeaseTimeToLiveResponse) -> Option<Self> {
        (answer.ttl >= 0 && answer.granted_ttl > 0).then_some(Self {
            granted_secs: answer.granted_ttl,
            remaining_secs: answer.ttl,
        })
    }
}
