//! What nodes say of themselves, and what they owe.

use crate::ask::broken;
use crate::client::{Fault, Granted, Op, Txn};
use crate::commit::to_json;
use crate::keys::Range;
use crate::lease;
use crate::look::View;
use crate::reading::Reading;
use crate::store::{EtcdStore, trouble};
use reboot_core::fleet::NodeRecord;
use reboot_core::id::NodeName;
use reboot_core::undo::Undo;
use reboot_core::write::{Trouble, Written};

/// How often a lease that ends just now, or a race lost, is tried again.
const TRIES_MAX: usize = 5;

fn put(key: String, value: String, lease: i64) -> Op {
    Op::Put {
        key: key.into_bytes(),
        value: value.into_bytes(),
        lease,
    }
}

fn delete(range: Range) -> Op {
    Op::Delete {
        key: range.from.into_bytes(),
        end: range.end.map(String::into_bytes),
    }
}

// === impl EtcdStore ===

impl EtcdStore {
    /// The node's health, for good; its record, for as long as it is fresh.
    pub(crate) async fn publish(
        &self,
        record: &NodeRecord,
        stale_after_ms: u64,
    ) -> Result<Written, Trouble> {
        let (node, text) = (&record.node, to_json(record)?);
        let secs = lease::secs(stale_after_ms);
        let lease = lease::of_freshness(&self.keys.nodes(), node, secs);
        for _ in 0..TRIES_MAX {
            let left = self.client.keep_alive(lease).await.map_err(trouble)?;
            if left <= 0
                && let Granted::Exists = self.client.grant(lease, secs).await.map_err(trouble)?
            {
                continue;
            }
            let txn = Txn {
                then: vec![
                    put(self.keys.health(node), text.clone(), 0),
                    put(self.keys.node(node), text.clone(), lease),
                ],
                ..Txn::default()
            };
            match self.client.txn(txn).await {
                Err(Fault::LeaseGone) => {}
                answer => return answer.map(|_| Written::Done).map_err(trouble),
            }
        }
        Err(Trouble::Unavailable(format!(
            "the lease of node {node}'s record ends as soon as it is made: etcd is very slow"
        )))
    }

    pub(crate) async fn forget(&self, node: &NodeName) -> Result<Written, Trouble> {
        let txn = Txn {
            then: vec![
                delete(Range::one(self.keys.health(node))),
                delete(Range::one(self.keys.node(node))),
                delete(Range::one(self.keys.owed(node))),
                delete(Range::one(self.keys.order(node))),
                delete(Range::under(self.keys.marks(node))),
            ],
            ..Txn::default()
        };
        self.client.txn(txn).await.map_err(trouble)?;
        Ok(Written::Done)
    }

    pub(crate) async fn undone(&self, node: &NodeName, undone: &Undo) -> Result<Written, Trouble> {
        let key = self.keys.owed(node);
        let reading = Reading::default().with(Range::one(&key));
        for _ in 0..TRIES_MAX {
            let snapshot = reading.read(&self.client).await.map_err(trouble)?;
            let view = View {
                keys: &self.keys,
                snapshot: &snapshot,
            };
            let owed = view.owed(node).map_err(broken)?;
            let left = owed.left_after(undone);
            if left == owed {
                return Ok(Written::Done);
            }
            let op = match left.is_empty() {
                true => delete(Range::one(&key)),
                false => put(key.clone(), to_json(&left)?, 0),
            };
            let txn = Txn {
                compares: vec![snapshot.unchanged(&Range::one(&key))],
                then: vec![op],
                otherwise: Vec::new(),
            };
            if self.client.txn(txn).await.map_err(trouble)?.succeeded {
                return Ok(Written::Done);
            }
        }
        Err(Trouble::Unavailable(format!(
            "{key} changes faster than etcd answers"
        )))
    }
}
