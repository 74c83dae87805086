//! What a server tells of what it does: logs, metrics and the audit stand on it.

use crate::client::Client;
use crate::desk::{FileTrouble, WatchedFile, Wish};
use crate::kind::Refused;
use reboot_core::id::{GroupName, NodeName};

/// Something happened.
#[derive(Debug)]
pub enum News<'a> {
    /// A client has a slot.
    Admitted {
        /// What it wished.
        wish: &'a Wish,
        /// The number of its hold.
        number: u64,
    },
    /// A client has none.
    NotAdmitted {
        /// What it wished.
        wish: &'a Wish,
        /// Why.
        refused: &'a Refused,
    },
    /// A client said that it is steady.
    Steady {
        /// In which group.
        group: &'a GroupName,
        /// What it calls itself.
        id: &'a NodeName,
        /// The node it is.
        node: &'a NodeName,
        /// Who asked, and from where.
        client: &'a Client,
        /// Whether a hold was ended by it.
        released: &'a Result<bool, Refused>,
    },
    /// The configuration changed the slots of a group.
    MaxChanged {
        /// Which group.
        group: &'a GroupName,
        /// Before.
        old: u32,
        /// After.
        new: u32,
    },
    /// A file changed and cannot be used: what it held before stays in force.
    FileRefused(&'a FileTrouble),
    /// That file can be used again.
    FileTaken(WatchedFile),
    /// Something that an operator should see to.
    Warning {
        /// In words.
        text: &'a str,
    },
}

/// Is told everything. Must not block.
pub trait Observer: Send + Sync {
    /// Something happened.
    fn told(&self, news: &News<'_>);

    /// What `/metrics` shows beside the server's own, in Prometheus' text format.
    fn figures(&self) -> String {
        String::new()
    }
}

/// Tells nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silence;

// === impl Silence ===

impl Observer for Silence {
    fn told(&self, _: &News<'_>) {}
}
