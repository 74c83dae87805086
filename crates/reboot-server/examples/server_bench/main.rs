//! Measures the server: pairs of requests beside the same server on a bare store, refusals,
//! memory, and very many nodes that wait. Prints what it measured as one JSON object. Durations
//! are in nanoseconds, rates a second.
//!
//! `cargo xtask bench server` runs it. Arguments: the program, a directory, how often each of 64
//! clients asks, how many nodes wait, and for how many hand-overs.

mod floor;
mod herd;
mod load;
mod served;

use load::Load;
use serde::Serialize;
use served::Served;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const CLIENTS: usize = 64;
/// Requests of each client before anything counts.
const WARM_UP: usize = 5;
/// So many threads serve the floor: as many as serve the program on this machine.
const THREADS_MAX: usize = 4;
/// After so long a server that was just started is at rest.
const REST: Duration = Duration::from_secs(3);

#[derive(Serialize)]
struct Report {
    clients: usize,
    pairs: Load,
    floor: Load,
    refusals: Load,
    idle_kb: u64,
    peak_kb: u64,
    herd: herd::Herd,
}

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let program = arguments.next().ok_or("first argument: the program")?;
    let dir: PathBuf = arguments.next().ok_or("second argument: a place")?.into();
    if program == "floor" {
        return stand_still(&dir);
    }
    let mut number = |what: &str| -> Outcome<usize> {
        let word = arguments.next().ok_or(format!("missing: {what}"))?;
        Ok(word.parse()?)
    };
    let (each, waiting, rounds) = (number("requests")?, number("nodes")?, number("hand-overs")?);
    // One thread: the other processors are the server's.
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().build()?;
    let report = runtime.block_on(measure(program.as_ref(), &dir, [each, waiting, rounds]))?;
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}

async fn measure(
    program: &Path,
    dir: &Path,
    [each, waiting, rounds]: [usize; 3],
) -> Outcome<Report> {
    let (pairs, floor, busy_kb) = pairs(program, dir, each).await?;
    let store = format!("{{embedded: {{path: {}}}}}", dir.join("one.db").display());
    let served = Served::start(program, dir, &store, "{default: {max: 1}}").await?;
    rest().await;
    let idle_kb = served.memory_kb("VmRSS:")?;
    load::refusals(&served.address, CLIENTS, WARM_UP).await?;
    let refusals = load::refusals(&served.address, CLIENTS, 10 * each).await?;
    let peak_kb = served.memory_kb("VmHWM:")?.max(busy_kb);
    drop(served);
    Ok(Report {
        clients: CLIENTS,
        pairs,
        floor,
        refusals,
        idle_kb,
        peak_kb,
        herd: herd::measure(program, dir, waiting, rounds).await?,
    })
}

/// The same load on the program and on the floor, in turn; and the program's memory at its peak.
async fn pairs(program: &Path, dir: &Path, each: usize) -> Outcome<(Load, Load, u64)> {
    let store = format!("{{embedded: {{path: {}}}}}", dir.join("many.db").display());
    let groups = format!("{{default: {{max: {CLIENTS}}}}}");
    let served = Served::start(program, dir, &store, &groups).await?;
    let mut floor = Command::new(std::env::current_exe()?);
    floor.arg("floor").arg(dir).stdout(Stdio::piped());
    let mut floor = floor.kill_on_drop(true).spawn()?;
    let said = floor.stdout.take().ok_or("it says where it is")?;
    let address = BufReader::new(said).lines().next_line().await?;
    let address = address.ok_or("the floor ended at once")?;
    for address in [&served.address, &address] {
        load::pairs(address, CLIENTS, WARM_UP).await?;
    }
    let own = load::pairs(&served.address, CLIENTS, each).await?;
    let bare = load::pairs(&address, CLIENTS, each).await?;
    Ok((own, bare, served.memory_kb("VmHWM:")?))
}

/// Serves the floor until it is killed.
fn stand_still(dir: &Path) -> Outcome<()> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let builder = builder
        .worker_threads(threads.min(THREADS_MAX))
        .enable_all();
    let runtime = builder.build()?;
    runtime.block_on(async {
        println!("{}", floor::serve(dir, CLIENTS.try_into()?).await?);
        std::future::pending().await
    })
}

#[allow(clippy::disallowed_methods)] // to measure what idles, somebody has to idle beside it
async fn rest() {
    tokio::time::sleep(REST).await;
}
