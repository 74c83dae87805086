//! What is ordered of nodes, and the lines that it leaves in their groups' history.

use crate::ask::{broken, usual_reading};
use crate::commit::{Batch, to_json};
use crate::keys::Range;
use crate::look::View;
use crate::reading::Snapshot;
use crate::store::{EtcdStore, trouble};
use reboot_core::group::HistoryEntry;
use reboot_core::id::{GroupName, NodeName};
use reboot_core::order::Order;
use reboot_core::write::{Trouble, Written};

/// How often a race with the group's own commits is tried again.
const TRIES_MAX: usize = 20;

// === impl EtcdStore ===

impl EtcdStore {
    /// Puts an order in place of any former one.
    pub(crate) async fn order(
        &self,
        node: &NodeName,
        group: &GroupName,
        order: &Order,
    ) -> Result<Written, Trouble> {
        let _turn = self.turns.lane(group).turn().await;
        for _ in 0..TRIES_MAX {
            let snapshot = self.read_order(node).await?;
            let mut batch = self.noted(&snapshot, group, &order.note(node))?;
            batch.put(self.keys.order(node), to_json(order)?, 0);
            if batch.commit(&self.client).await? {
                return Ok(Written::Done);
            }
        }
        Err(self.outrun(group))
    }

    /// Takes an order away, if it is still this one.
    pub(crate) async fn end_order(
        &self,
        node: &NodeName,
        group: &GroupName,
        order: &Order,
        note: &HistoryEntry,
    ) -> Result<Written, Trouble> {
        let _turn = self.turns.lane(group).turn().await;
        for _ in 0..TRIES_MAX {
            let snapshot = self.read_order(node).await?;
            let view = View {
                keys: &self.keys,
                snapshot: &snapshot,
            };
            if view.order(node).map_err(broken)?.as_ref() != Some(order) {
                return Ok(Written::Done);
            }
            let mut batch = self.noted(&snapshot, group, note)?;
            let key = self.keys.order(node);
            batch
                .compares
                .push(snapshot.unchanged(&Range::one(key.clone())));
            batch.delete(key);
            if batch.commit(&self.client).await? {
                return Ok(Written::Done);
            }
        }
        Err(self.outrun(group))
    }

    async fn read_order(&self, node: &NodeName) -> Result<Snapshot, Trouble> {
        let reading = usual_reading(&self.keys, None).with(Range::one(self.keys.order(node)));
        reading.read(&self.client).await.map_err(trouble)
    }

    /// The line of history, where the group is there and can be written.
    fn noted(
        &self,
        snapshot: &Snapshot,
        group: &GroupName,
        note: &HistoryEntry,
    ) -> Result<Batch, Trouble> {
        let view = View {
            keys: &self.keys,
            snapshot,
        };
        let mut batch = Batch::default();
        let Some(stored) = view.record(group).map_err(broken)? else {
            return Ok(batch);
        };
        if batch.put_note(&view, group, stored, note)? {
            let keys = [self.keys.record(group), self.keys.copy(group)].into_iter();
            let records = keys.chain(self.keys.semaphore(group)).map(Range::one);
            let unchanged = records.map(|range| snapshot.unchanged(&range));
            batch.compares.extend(unchanged);
        }
        Ok(batch)
    }

    fn outrun(&self, group: &GroupName) -> Trouble {
        Trouble::Unavailable(format!(
            "group {group} changes faster than etcd answers: try again"
        ))
    }
}
