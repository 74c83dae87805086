//! From a release to the next node's grant, with a line of a given length behind it, beside the
//! least that could hand anything over: a delete, the watch that hears it, a delete.

use crate::node::{self, Node};
use crate::{Outcome, bare, nanos};
use reboot_lab::Etcd;
use reboot_store::Store;
use serde::Serialize;
use std::time::Instant;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Hand-overs before anything counts.
const WARM_UP: usize = 5;

/// What was measured with a line of one length.
#[derive(Serialize)]
pub(crate) struct Line {
    waiters: usize,
    handover: Vec<u64>,
    hop: Vec<u64>,
    look: Vec<u64>,
    attempts: u64,
    grants: u64,
}

/// A grant: who got it, when.
struct Grant {
    node: Node,
    number: u64,
    at: Instant,
}

pub(crate) async fn measure(etcd: &Etcd, waiters: usize, samples: usize) -> Outcome<Line> {
    let namespace = format!("line-{waiters}");
    let rounds = (samples / 2).clamp(WARM_UP + 1, 200);
    let mut holder = Node::start(node::connect(etcd)?, &namespace, 0).await?;
    let mut number = holder.claim().await?;
    let (granted, mut grants) = mpsc::channel(8);
    let mut line = JoinSet::new();
    let mut nodes = Vec::new();
    for at in 1..=waiters {
        let node = Node::start(node::connect(etcd)?, &namespace, at).await?;
        node.publish().await?;
        nodes.push(node);
    }
    for node in nodes {
        queue(&mut line, node, &granted).await?;
    }
    let mut measured = Line {
        waiters,
        handover: Vec::new(),
        hop: Vec::new(),
        look: looks(&holder, samples.min(50)).await?,
        attempts: 0,
        grants: 0,
    };
    for round in 0..WARM_UP + rounds {
        settle(&holder).await?;
        let hop = hop(etcd, round).await?;
        let from = Instant::now();
        holder.give_back(number).await?;
        let grant: Grant = grants.recv().await.ok_or("somebody gets the slot")?;
        let taken = grant.at.duration_since(from);
        measured.attempts += grant.node.attempts;
        measured.grants += 1;
        if round >= WARM_UP {
            measured.handover.push(u64::try_from(taken.as_nanos())?);
            measured.hop.push(hop);
        }
        let mut former = std::mem::replace(&mut holder, grant.node);
        number = grant.number;
        former.attempts = 0;
        queue(&mut line, former, &granted).await?; // at the end: the line keeps its length
    }
    line.abort_all();
    Ok(measured)
}

/// Lets everybody who was woken look and wait again.
async fn settle(node: &Node) -> Outcome<()> {
    for _ in 0..3 {
        node.store.look().await?;
        tokio::task::yield_now().await;
    }
    Ok(())
}

async fn queue(line: &mut JoinSet<()>, node: Node, granted: &mpsc::Sender<Grant>) -> Outcome<()> {
    node.join().await?;
    let granted = granted.clone();
    line.spawn(async move {
        match wait(node).await {
            Ok(grant) => drop(granted.send(grant).await),
            Err(error) => eprintln!("a waiter gave up: {error}"),
        }
    });
    Ok(())
}

/// Waits for its turn: looks where it stands, and waits. The first of the line is woken by the
/// release, and claims.
async fn wait(mut node: Node) -> Outcome<Grant> {
    loop {
        let seen = node.store.look().await?;
        let entry = seen.groups.values().next().ok_or("a group")?;
        let is_first = node.is_first(entry);
        node.changed(seen.revision).await?;
        if is_first && let Some(number) = node.try_claim().await? {
            let at = Instant::now();
            return Ok(Grant { node, number, at });
        }
    }
}

/// How long whole looks at this fleet take.
async fn looks(node: &Node, samples: usize) -> Outcome<Vec<u64>> {
    let mut looks = Vec::new();
    for _ in 0..samples {
        let from = Instant::now();
        node.store.look().await?;
        looks.push(nanos(from));
    }
    Ok(looks)
}

/// One deletes a key, the other hears of it and deletes its own.
async fn hop(etcd: &Etcd, round: usize) -> Outcome<u64> {
    let (one, two) = (node::connect(etcd)?, node::connect(etcd)?);
    let (first, second) = (format!("hop-{round}-1"), format!("hop-{round}-2"));
    bare::put(&two, &second).await?;
    let revision = bare::put(&one, &first).await?;
    let mut watch = bare::hear(&two, &first, revision + 1).await?;
    let next = tokio::spawn(async move {
        watch.next().await.map_err(|end| format!("{end:?}"))?;
        bare::delete(&two, &second).await?;
        Outcome::Ok(Instant::now())
    });
    let from = Instant::now();
    bare::delete(&one, &first).await?;
    let at = next.await??;
    Ok(u64::try_from(at.duration_since(from).as_nanos())?)
}
