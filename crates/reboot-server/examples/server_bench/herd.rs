//! Very many nodes that wait for one slot.

use crate::Outcome;
use crate::load::{GIVE, Line, TAKE, nanos, request};
use crate::served::Served;
use serde::Serialize;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Longer than the measurement.
const GROUPS: &str = "{default: {max: 1, wait_sec: 1700}}";
/// Between two looks whether all wait.
const LOOK: Duration = Duration::from_millis(200);

/// What was measured.
#[derive(Serialize)]
pub(crate) struct Herd {
    waiting: usize,
    resident_kb: u64,
    /// From the holder's word to the next one's grant, in nanoseconds.
    handover: Vec<u64>,
}

/// A node that has the slot.
struct Granted {
    id: usize,
    line: Line,
    at: Instant,
}

pub(crate) async fn measure(
    program: &Path,
    dir: &Path,
    waiting: usize,
    rounds: usize,
) -> Outcome<Herd> {
    let store = format!("{{embedded: {{path: {}}}}}", dir.join("herd.db").display());
    let served = Served::start(program, dir, &store, GROUPS).await?;
    let (sender, mut grants) = mpsc::channel(16);
    for id in 0..=waiting {
        let line = Line::open(&served.address).await?;
        tokio::spawn(wait(id, line, sender.clone()));
    }
    let mut holder: Granted = grants.recv().await.ok_or("nobody was granted a slot")?;
    until_all_wait(&served.address, waiting).await?;
    let resident_kb = served.memory_kb("VmRSS:")?;
    let mut handover = Vec::new();
    for _ in 0..rounds.min(waiting) {
        let give = request(GIVE, &format!("node-{}", holder.id));
        let from = Instant::now();
        let mut line = holder.line;
        let given = line.ask(&give).await?;
        holder = grants.recv().await.ok_or("nobody was next")?;
        if given != 200 {
            return Err(format!("a slot was given back with {given}").into());
        }
        handover.push(nanos(from).saturating_sub(nanos(holder.at)));
    }
    Ok(Herd {
        waiting,
        resident_kb,
        handover,
    })
}

async fn wait(id: usize, mut line: Line, grants: mpsc::Sender<Granted>) {
    let take = request(TAKE, &format!("node-{id}"));
    if let Ok(200) = line.ask(&take).await {
        let at = Instant::now();
        // Whoever measured may have gone.
        let _ = grants.send(Granted { id, line, at }).await;
    }
}

/// Asks the server's metrics until so many wait.
#[allow(clippy::disallowed_methods)] // while others come, somebody has to wait for them
async fn until_all_wait(address: &str, waiting: usize) -> Outcome<()> {
    let gauge = format!("clusterrebootd_server_waiting{{group=\"default\"}} {waiting}\n");
    let mut line = Line::open(address).await?;
    while !line.get("/metrics").await?.contains(&gauge) {
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}
