//! Somebody else's FleetLock server before a store of the node's own.
//!
//! The node keeps its holds by all our rules in a local store; the slot of the fleet is the
//! server's. It is taken before a claim is committed, taken again before the fence (the protocol
//! answers a holder with a success, and somebody may have freed it meanwhile), and given back
//! after the local hold has ended. What the protocol cannot carry is not there: no line, no
//! wake-up, no health of other nodes, no proof that the server still knows of us while we are
//! down.
//!
//! The node's daemon alone uses this. Whoever looks or operates beside it opens the local store as
//! it is: a steady-state of theirs could overtake the daemon's own requests.
//!
//! A slot that we may have and do not need is given back with the next heartbeat: after a crash
//! between the two commits, or a lost answer. Until that has succeeded the heartbeat fails, so
//! that an operator learns of it.

mod lock;
#[cfg(test)]
mod tests;

pub use crate::remote::{BadOptions, Options};

use crate::{Interest, Store};
use async_trait::async_trait;
use lock::{Given, Lock};
use reboot_core::fleet::Fleet;
use reboot_core::group::{Action, HistoryEntry};
use reboot_core::id::{GroupName, NodeName};
use reboot_core::write::{Trouble, Write, Written};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Mutex;

/// Who we are to the server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Client {
    /// The node, as the local store knows it.
    pub node: NodeName,
    /// The id that the server is told.
    pub id: String,
    /// The server's group.
    pub group: String,
}

/// A local store whose node wants the slot of a FleetLock server, too.
pub struct FleetLockStore {
    local: Arc<dyn Store>,
    lock: Lock,
    node: NodeName,
    /// Whether the server may count us as a holder. After a start, nobody knows.
    may_hold: AtomicBool,
    /// Taking and giving back exclude each other.
    turn: Mutex<()>,
}

/// What a write means for the server's slot.
enum Step {
    /// We want it, or want to be sure of it.
    Takes,
    /// Our hold may have ended.
    Ends,
    /// A sign of life: the moment to put right what is left.
    Beats,
    /// Nothing.
    Other,
}

// === impl FleetLockStore ===

impl FleetLockStore {
    /// This local store, behind the server at this URL. Nothing is asked yet.
    ///
    /// # Errors
    /// When the options make no sense.
    pub fn new(
        local: Arc<dyn Store>,
        options: &Options,
        client: &Client,
    ) -> Result<Self, BadOptions> {
        Ok(Self {
            local,
            lock: Lock::new(options, client)?,
            node: client.node.clone(),
            may_hold: AtomicBool::new(true),
            turn: Mutex::default(),
        })
    }

    async fn take_and(&self, write: Write) -> Result<Written, Trouble> {
        let _turn = self.turn.lock().await;
        self.may_hold.store(true, Ordering::Relaxed);
        self.lock.take().await?;
        self.local.write(write).await
    }

    /// Gives the server's slot back when no hold of ours needs it.
    async fn settle(&self) -> Result<(), Trouble> {
        if !self.may_hold.load(Ordering::Relaxed) {
            return Ok(());
        }
        let _turn = self.turn.lock().await;
        let fleet = self.local.look().await?;
        if fleet.holds_of(&self.node).next().is_some() {
            return Ok(());
        }
        if self.lock.give().await? == Given::Back {
            self.may_hold.store(false, Ordering::Relaxed);
        }
        Ok(())
    }
}

// === impl Step ===

impl Step {
    fn of(write: &Write, node: &NodeName) -> Self {
        match write {
            Write::Publish { record, .. } if record.node == *node => Self::Beats,
            Write::Ask { request, .. } => match &request.action {
                Action::Claim(claim) if claim.identity.node == *node => Self::Takes,
                Action::Fence { owner, .. } if owner.node == *node => Self::Takes,
                Action::Release { .. } => Self::Ends,
                _ => Self::Other,
            },
            _ => Self::Other,
        }
    }
}

#[async_trait]
impl Store for FleetLockStore {
    fn describe(&self) -> String {
        format!(
            "FleetLock server {}, with {}",
            self.lock,
            self.local.describe()
        )
    }

    async fn write(&self, write: Write) -> Result<Written, Trouble> {
        match Step::of(&write, &self.node) {
            Step::Takes => self.take_and(write).await,
            Step::Ends => {
                let written = self.local.write(write).await?;
                let _ = self.settle().await; // the next heartbeat tries again, and tells
                Ok(written)
            }
            Step::Beats => {
                let written = self.local.write(write).await?;
                self.settle().await?;
                Ok(written)
            }
            Step::Other => self.local.write(write).await,
        }
    }

    async fn look(&self) -> Result<Fleet, Trouble> {
        self.local.look().await
    }

    async fn changed(&self, interest: &Interest, seen: u64) -> Result<(), Trouble> {
        self.local.changed(interest, seen).await
    }

    async fn history(&self, group: &GroupName, limit: usize) -> Result<Vec<HistoryEntry>, Trouble> {
        self.local.history(group, limit).await
    }
}
