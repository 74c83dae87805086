//! An operator who asks a node to reboot, or takes that back.

use crate::clock::time_of_day;
use crate::desk::Desk;
use crate::operator::{BadWish, Operator};
use jiff::Timestamp;
use reboot_core::fleet::Fleet;
use reboot_core::id::NodeName;
use reboot_core::order::{Order, OrderEnd};
use reboot_core::reason::reason;
use reboot_core::write::{Trouble, Write};
use std::collections::BTreeSet;
use std::sync::Arc;

// === impl Operator ===

impl Operator {
    /// Orders a reboot, in place of any former order. What a client calls itself stands for its
    /// node.
    pub(crate) async fn order(
        &self,
        desk: &Desk,
        node: &NodeName,
        why: String,
        not_before: Option<String>,
    ) -> Result<(), BadWish> {
        let node = desk.settings().node_meant(node);
        let reason = reason(&why)?;
        let not_before = match not_before {
            Some(text) => Some(text.parse::<Timestamp>().map_err(|_| BadWish::Time(text))?),
            None => None,
        };
        let (boot, group) = seen(desk).await?.orderable(&node)?;
        let order = Order {
            by: self.by(),
            reason,
            at: time_of_day(),
            not_before,
            boot,
            extra: Default::default(),
        };
        self.commit(desk, Write::Order { node, group, order })
            .await?;
        Ok(())
    }

    /// Takes back what was ordered of it, under whatever name.
    pub(crate) async fn cancel_order(&self, desk: &Desk, node: &NodeName) -> Result<(), BadWish> {
        let fleet = seen(desk).await?;
        for node in BTreeSet::from([&desk.settings().node_meant(node), node]) {
            let Some(order) = fleet.orders.get(node) else {
                continue;
            };
            let entry = fleet.nodes.get(node);
            let group = entry.map(|entry| entry.record.group.clone());
            let write = Write::EndOrder {
                node: node.clone(),
                group: group.unwrap_or_default(),
                order: order.clone(),
                end: OrderEnd::Cancelled { by: self.by() },
                at: time_of_day(),
            };
            self.commit(desk, write).await?;
            if let Some(newer) = seen(desk).await?.orders.get(node) {
                return Err(BadWish::AskedAnew(node.clone(), newer.by.clone()));
            }
        }
        Ok(())
    }
}

async fn seen(desk: &Desk) -> Result<Arc<Fleet>, Trouble> {
    let sight = desk.view().fresh().await;
    let sight = sight.map_err(|late| Trouble::Unavailable(late.value))?;
    Ok(sight.fleet)
}
