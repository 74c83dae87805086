//! What a place that keeps a fleet's state must be able to do.

use async_trait::async_trait;
use reboot_core::fleet::Fleet;
use reboot_core::group::HistoryEntry;
use reboot_core::id::{GroupName, NodeName};
use reboot_core::order::Order;
use reboot_core::write::{Trouble, Write, Written};
use serde::{Deserialize, Serialize};

/// What somebody waits for. A store may wake it more often, never less.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Interest {
    /// A slot: what an agent waits for.
    Slot {
        /// The group whose slots it wants.
        group: GroupName,
        /// The node that waits: its predecessor in line, or the holders, are what counts.
        node: NodeName,
    },
    /// Another order than the one that is known: what an agent waits for that waits for nobody.
    /// It stands for itself, whatever was seen: it may be old.
    Order {
        /// The node.
        node: NodeName,
        /// What is ordered of it, as far as it knows.
        known: Option<Order>,
    },
    /// All that a look shows but renewals: what a view of the whole fleet waits for.
    Everything,
}

/// A place that keeps the state of a fleet: a place, not a policy.
///
/// A store decides nothing. It carries out a [`Write`] by the rules of `reboot-core` (read,
/// apply, compare-and-swap; a race lost to somebody else is read and applied again inside),
/// and it tells facts: which leases are alive, which timers run. Every store passes
/// the suite in `crate::conformance` (feature `conformance`).
#[async_trait]
pub trait Store: Send + Sync {
    /// What and where it is, for people: `embedded store /var/lib/clusterrebootd/fleet.db`.
    fn describe(&self) -> String;

    /// Commits one change. When this answers, the change survives a power loss.
    async fn write(&self, write: Write) -> Result<Written, Trouble>;

    /// The whole fleet in one consistent look.
    async fn look(&self) -> Result<Fleet, Trouble>;

    /// Answers when something of interest may have changed after `seen` (a
    /// [`Fleet::revision`]), or a lease or timer of interest ended. Only ever a wake-up:
    /// nothing is decided from it, and spurious ones are fine.
    async fn changed(&self, interest: &Interest, seen: u64) -> Result<(), Trouble>;

    /// The newest lines of a group's history, oldest first, at most `limit`.
    async fn history(&self, group: &GroupName, limit: usize) -> Result<Vec<HistoryEntry>, Trouble>;
}
