//! Measures commits of the embedded store beside bare writes and syncs of as many bytes, in a
//! directory given as argument, and prints what it measured as one JSON object.
//!
//! Durations are in nanoseconds, rates in commits per second. `cargo xtask bench` runs it.

mod client;
mod floor;

use client::Client;
use floor::Floor;
use reboot_store::embedded::{EmbeddedStore, Options};
use serde::Serialize;
use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

/// Clients that ask at once.
const MANY: usize = 64;
/// Commits before anything counts.
const WARM_UP: usize = 20;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// What a client does again and again; each action is one commit.
#[derive(Clone, Copy)]
enum Work {
    /// Claims a slot of a group of its own, and gives it back.
    Slot,
    /// Publishes its node's record.
    Word,
}

/// Every commit of one client, each beside the floors measured right after it.
#[derive(Default, Serialize)]
struct Alone {
    commit: Vec<u64>,
    fsync: Vec<u64>,
    fdatasync: Vec<u64>,
    bytes: Vec<u64>,
}

/// What was measured of one kind of work.
#[derive(Serialize)]
struct Measured {
    alone: Alone,
    one_rate: f64,
    many_rate: f64,
}

#[derive(Serialize)]
struct Report {
    clients: usize,
    slot: Measured,
    word: Measured,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().ok_or("first argument: a directory")?;
    let samples: usize = arguments
        .next()
        .ok_or("second argument: how many")?
        .parse()?;
    let span = Duration::from_millis(samples.try_into()?);
    let directory = Path::new(&directory);
    let store = EmbeddedStore::open(&directory.join("fleet.db"), Options::default())?;
    let mut floor = Floor::new(&directory.join("floor"))?;
    let report = Report {
        clients: MANY,
        slot: measure(&store, &mut floor, Work::Slot, samples, span).await?,
        word: measure(&store, &mut floor, Work::Word, samples, span).await?,
    };
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}

async fn measure(
    store: &EmbeddedStore,
    floor: &mut Floor,
    work: Work,
    samples: usize,
    span: Duration,
) -> Outcome<Measured> {
    let mut clients = Vec::new();
    for number in 0..MANY {
        clients.push(Client::open(store, number).await?);
    }
    Ok(Measured {
        alone: alone(store, floor, &mut clients[0], work, samples).await?,
        one_rate: rate(store, &mut clients[..1], work, span).await?,
        many_rate: rate(store, &mut clients, work, span).await?,
    })
}

/// One client's commits, with the bare syncs between them: whatever else the disk does hits
/// them all alike.
async fn alone(
    store: &EmbeddedStore,
    floor: &mut Floor,
    client: &mut Client,
    work: Work,
    samples: usize,
) -> Outcome<Alone> {
    for _ in 0..WARM_UP {
        client.act(store, work).await?;
    }
    let mut alone = Alone::default();
    for number in 0..samples {
        let is_even = number % 2 == 0;
        let before = floor::written_bytes()?;
        let from = Instant::now();
        client.act(store, work).await?;
        alone.commit.push(nanos(from));
        let bytes = floor::written_bytes()? - before;
        alone.bytes.push(bytes);
        // In turn: the first sync after a commit meets more that is left to do.
        for is_full in [is_even, !is_even] {
            let from = Instant::now();
            match is_full {
                true => floor.append(bytes)?.sync_all()?,
                false => floor.append(bytes)?.sync_data()?,
            }
            let kind = if is_full {
                &mut alone.fsync
            } else {
                &mut alone.fdatasync
            };
            kind.push(nanos(from));
        }
    }
    Ok(alone)
}

/// Commits a second of all these clients, each asking again as soon as it is answered.
async fn rate(
    store: &EmbeddedStore,
    clients: &mut [Client],
    work: Work,
    span: Duration,
) -> Outcome<f64> {
    let from = Instant::now();
    let until = from + span;
    let busy = clients
        .iter_mut()
        .map(|client| busy(store, client, work, until));
    let mut busy: Vec<_> = busy.map(Box::pin).collect();
    let mut count = 0_u32;
    // All of them are polled by one task, as the requests to a server would be.
    for done in client::all(&mut busy).await {
        count += done?;
    }
    Ok(f64::from(count) / from.elapsed().as_secs_f64())
}

async fn busy(
    store: &EmbeddedStore,
    client: &mut Client,
    work: Work,
    until: Instant,
) -> Outcome<u32> {
    let mut count = 0;
    while Instant::now() < until {
        client.act(store, work).await?;
        count += 1;
    }
    Ok(count)
}

fn nanos(from: Instant) -> u64 {
    from.elapsed().as_nanos().try_into().unwrap_or(u64::MAX)
}
