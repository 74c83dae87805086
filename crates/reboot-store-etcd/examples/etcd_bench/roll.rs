//! A roll of a whole fleet through one slot, with reboots that take no time: what is left is
//! coordination.

use crate::Outcome;
use crate::node::{self, Node};
use reboot_core::group::{Phase, Way};
use reboot_lab::Etcd;
use reboot_store::Store;
use serde::Serialize;
use std::time::Instant;
use tokio::task::JoinSet;

/// What was measured.
#[derive(Serialize)]
pub(crate) struct Roll {
    nodes: usize,
    seconds: f64,
    attempts: u64,
}

pub(crate) async fn measure(etcd: &Etcd, nodes: usize) -> Outcome<Roll> {
    let mut holder = Node::start(node::connect(etcd)?, "roll", 0).await?;
    let number = holder.claim().await?;
    let mut line = JoinSet::new();
    for at in 1..=nodes {
        let node = Node::start(node::connect(etcd)?, "roll", at).await?;
        node.publish().await?;
        node.join().await?;
        line.spawn(go(node));
    }
    let from = Instant::now();
    holder.give_back(number).await?;
    let mut attempts = 0;
    while let Some(done) = line.join_next().await {
        attempts += done??;
    }
    Ok(Roll {
        nodes,
        seconds: from.elapsed().as_secs_f64(),
        attempts,
    })
}

/// Waits for its turn, reboots, gives the slot back; answers how often it claimed.
async fn go(mut node: Node) -> Outcome<u64> {
    loop {
        let seen = node.store.look().await?;
        let entry = seen.groups.values().next().ok_or("a group")?;
        if !node.may_try(entry) {
            node.changed(seen.revision).await?;
            continue;
        }
        let Some(number) = node.try_claim().await? else {
            continue;
        };
        node.fence(number, Phase::Claimed).await?;
        node.reboot(number).await?;
        node.release(number, Phase::Returned, Way::Returned).await?;
        return Ok(node.attempts);
    }
}
