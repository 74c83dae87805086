//! Measures the store on a real etcd beside bare transactions and bare watches on the same
//! member, and prints what it measured as one JSON object. Durations are in nanoseconds.
//!
//! `cargo xtask bench etcd` runs it. Arguments: the daemon's program, how many samples, for how
//! many seconds a daemon is watched, then the sizes of lines. Or: `served`, the program, how many
//! samples; then it measures a server of ours on etcd (`cargo xtask bench server`).

mod bare;
mod handover;
#[allow(dead_code)] // the server's own bench uses all of it
#[path = "../../../reboot-server/examples/server_bench/load.rs"]
mod load;
mod node;
mod replica;
mod roll;
#[allow(dead_code)] // as above
#[path = "../../../reboot-server/examples/server_bench/served.rs"]
mod served;
mod waiting;

use bare::Swap;
use node::Node;
use reboot_core::group::{Phase, Way};
use reboot_core::id::GroupName;
use reboot_lab::{Etcd, LabOptions};
use reboot_store::Store;
use serde::Serialize;
use std::error::Error;
use std::time::Instant;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

#[derive(Serialize)]
struct Report {
    claim: Vec<u64>,
    swap: Vec<u64>,
    /// Writes of the record in a whole cycle, with nothing to drain and with hooks.
    writes: [i64; 2],
    lines: Vec<handover::Line>,
    roll: roll::Roll,
    waiting: waiting::Waiting,
}

/// Commits before anything counts.
const WARM_UP: usize = 20;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let program = arguments.next().ok_or("first argument: the daemon")?;
    if program == "served" {
        let program = arguments.next().ok_or("second argument: the program")?;
        let samples = arguments.next().ok_or("third argument: samples")?;
        let report = replica::measure(program.as_ref(), samples.parse()?).await?;
        println!("{}", serde_json::to_string(&report)?);
        return Ok(());
    }
    let samples: usize = arguments
        .next()
        .ok_or("second argument: samples")?
        .parse()?;
    let seconds: u64 = arguments.next().ok_or("third argument: seconds")?.parse()?;
    let sizes: Vec<usize> = arguments.map(|it| it.parse()).collect::<Result<_, _>>()?;
    let etcd = Etcd::single(&LabOptions::default()).await?;
    let (claim, swap) = claims(&etcd, samples).await?;
    let writes = [writes(&etcd, false).await?, writes(&etcd, true).await?];
    let mut lines = Vec::new();
    for size in &sizes {
        lines.push(handover::measure(&etcd, *size, samples).await?);
    }
    let waiting = waiting::measure(program.as_ref(), seconds).await?;
    let report = Report {
        waiting,
        claim,
        swap,
        writes,
        lines,
        roll: roll::measure(&etcd, sizes.last().copied().unwrap_or(10)).await?,
    };
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}

fn nanos(from: Instant) -> u64 {
    u64::try_from(from.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// Claims in an empty line, each beside a bare compare-and-swap.
async fn claims(etcd: &Etcd, samples: usize) -> Outcome<(Vec<u64>, Vec<u64>)> {
    let client = node::connect(etcd)?;
    let mut swap = Swap::new(client.clone(), "bare");
    let mut node = Node::start(client, "claims", 0).await?;
    node.publish().await?;
    let (mut claims, mut swaps) = (Vec::new(), Vec::new());
    for sample in 0..WARM_UP + samples {
        node.store.look().await?; // as the daemon does before it asks
        let from = Instant::now();
        let number = node.claim().await?;
        let claimed = nanos(from);
        node.give_back(number).await?;
        let from = Instant::now();
        swap.swap().await?;
        let swapped = nanos(from);
        if sample >= WARM_UP {
            claims.push(claimed);
            swaps.push(swapped);
        }
    }
    Ok((claims, swaps))
}

/// How often the record is written from claim to release.
async fn writes(etcd: &Etcd, has_hooks: bool) -> Outcome<i64> {
    let namespace = format!("writes-{has_hooks}");
    let mut node = Node::start(node::connect(etcd)?, &namespace, 0).await?;
    let number = node.claim().await?;
    node.give_back(number).await?;
    let key = node.store.keys().record(&GroupName::default());
    let before = version(etcd, &key).await?;
    let number = node.claim().await?;
    let expects = match has_hooks {
        true => {
            node.drain(number).await?;
            Phase::Draining
        }
        false => Phase::Claimed,
    };
    node.fence(number, expects).await?;
    node.reboot(number).await?;
    node.release(number, Phase::Returned, Way::Returned).await?;
    Ok(version(etcd, &key).await? - before)
}

async fn version(etcd: &Etcd, key: &str) -> Outcome<i64> {
    let found = etcd.etcdctl(&["get", key, "-w", "json"]).await?;
    let found: serde_json::Value = serde_json::from_str(&found)?;
    Ok(found["kvs"][0]["version"].as_i64().ok_or("a version")?)
}
