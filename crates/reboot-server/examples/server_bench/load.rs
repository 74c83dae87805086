//! Clients that ask as fast as they are answered, each on a connection of its own.

use crate::Outcome;
use serde::Serialize;
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Takes a slot.
pub(crate) const TAKE: &str = "/v1/pre-reboot";
/// Gives it back.
pub(crate) const GIVE: &str = "/v1/steady-state";
const OK: u16 = 200;
const REFUSED: u16 = 423;

/// A connection.
pub(crate) struct Line {
    stream: TcpStream,
    read: Vec<u8>,
}

/// What many clients came to.
#[derive(Default, Serialize)]
pub(crate) struct Load {
    /// What was asked for and done, a second.
    pub(crate) rate: f64,
    /// Answers that were neither a yes nor a no.
    pub(crate) errors: u64,
    /// How long each took, in nanoseconds.
    pub(crate) took: Vec<u64>,
}

/// A request of FleetLock.
pub(crate) fn request(path: &str, id: &str) -> Vec<u8> {
    let body = format!(r#"{{"client_params":{{"id":"{id}","group":"default"}}}}"#);
    let length = body.len();
    let head = format!("POST {path} HTTP/1.1\r\nhost: s\r\nfleet-lock-protocol: true\r\n");
    format!("{head}content-length: {length}\r\n\r\n{body}").into_bytes()
}

pub(crate) fn nanos(from: Instant) -> u64 {
    u64::try_from(from.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// So many clients each take a slot and give it back, so often.
pub(crate) async fn pairs(address: &str, clients: usize, each: usize) -> Outcome<Load> {
    let from = Instant::now();
    let mut tasks = JoinSet::new();
    for client in 0..clients {
        let address = address.to_owned();
        tasks.spawn(async move {
            let id = format!("client-{client}");
            let (take, give) = (request(TAKE, &id), request(GIVE, &id));
            let mut line = Line::open(&address).await?;
            let mut load = Load::default();
            for _ in 0..each {
                let from = Instant::now();
                let taken = line.ask(&take).await?;
                let given = line.ask(&give).await?;
                match (taken, given) {
                    (OK, OK) => load.took.push(nanos(from)),
                    _ => load.errors += 1,
                }
            }
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(load)
        });
    }
    sum(tasks, from).await
}

/// So many clients each ask for a slot that another one has, so often.
pub(crate) async fn refusals(address: &str, clients: usize, each: usize) -> Outcome<Load> {
    let mut holder = Line::open(address).await?;
    if holder.ask(&request(TAKE, "holder")).await? != OK {
        return Err("the holder was refused".into());
    }
    let from = Instant::now();
    let mut tasks = JoinSet::new();
    for client in 0..clients {
        let address = address.to_owned();
        tasks.spawn(async move {
            let take = request(TAKE, &format!("client-{client}"));
            let mut line = Line::open(&address).await?;
            let mut load = Load::default();
            for _ in 0..each {
                let from = Instant::now();
                match line.ask(&take).await? {
                    REFUSED => load.took.push(nanos(from)),
                    _ => load.errors += 1,
                }
            }
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(load)
        });
    }
    let load = sum(tasks, from).await?;
    holder.ask(&request(GIVE, "holder")).await?;
    Ok(load)
}

async fn sum(mut tasks: JoinSet<Outcome<Load>>, from: Instant) -> Outcome<Load> {
    let mut all = Load::default();
    while let Some(load) = tasks.join_next().await {
        let load = load??;
        all.errors += load.errors;
        all.took.extend(load.took);
    }
    let done = u32::try_from(all.took.len())?;
    all.rate = f64::from(done) / from.elapsed().as_secs_f64();
    Ok(all)
}

// === impl Line ===

impl Line {
    pub(crate) async fn open(address: &str) -> Outcome<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let read = Vec::with_capacity(1024);
        Ok(Self { stream, read })
    }

    /// Sends a request and reads the answer; tells its status.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> Outcome<u16> {
        self.stream.write_all(request).await?;
        self.answer().await
    }

    /// What stands at a path, head and all.
    #[allow(dead_code)] // not every user of this file asks for one
    pub(crate) async fn get(&mut self, path: &str) -> Outcome<String> {
        let request = format!("GET {path} HTTP/1.1\r\nhost: s\r\n\r\n");
        self.ask(request.as_bytes()).await?;
        Ok(String::from_utf8_lossy(&self.read).into_owned())
    }

    async fn answer(&mut self) -> Outcome<u16> {
        self.read.clear();
        loop {
            if self.stream.read_buf(&mut self.read).await? == 0 {
                return Err("the server closed the connection".into());
            }
            if let Some(status) = complete(&self.read)? {
                return Ok(status);
            }
        }
    }
}

/// The status of an answer that is there in full.
fn complete(read: &[u8]) -> Outcome<Option<u16>> {
    let Some(end) = read.windows(4).position(|it| it == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = std::str::from_utf8(&read[..end])?;
    let lines = head.lines().filter_map(|line| line.split_once(": "));
    let mut lengths = lines.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length: usize = lengths.next().map_or(Ok(0), |(_, it)| it.parse())?;
    if read.len() < end + 4 + length {
        return Ok(None);
    }
    let status = head.get(9..12).ok_or("no status")?;
    Ok(Some(status.parse()?))
}
