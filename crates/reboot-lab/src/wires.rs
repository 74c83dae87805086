//! The network between members, which can be parted in one direction or both.
//!
//! Each member takes the others at a front, which knows who calls by a header that etcd sends.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, SocketAddr};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// By which a member says who it is, when it calls another.
const CALLER: &str = "x-server-from:";

/// Which ways are parted.
#[derive(Clone, Debug, Default)]
struct Ways {
    /// The members' numbers, as etcd writes them.
    ids: Vec<String>,
    /// From whom to whom nothing gets through.
    parted: BTreeSet<(usize, usize)>,
}

/// The fronts of all members. They end when it is dropped.
pub(crate) struct Wires {
    ways: watch::Sender<Ways>,
    tasks: Vec<JoinHandle<()>>,
}

/// One connection: who called, and whom.
#[derive(Clone)]
struct Line {
    caller: String,
    called: usize,
    ways: watch::Receiver<Ways>,
}

// === impl Wires ===

impl Wires {
    pub(crate) fn new() -> Self {
        Self {
            ways: watch::channel(Ways::default()).0,
            tasks: Vec::new(),
        }
    }

    /// A front for the next member, who listens at `target`.
    pub(crate) fn front(&mut self, address: IpAddr, target: SocketAddr) -> io::Result<SocketAddr> {
        let listener = std::net::TcpListener::bind((address, 0))?;
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let front = listener.local_addr()?;
        let (called, ways) = (self.tasks.len(), self.ways.subscribe());
        let task = tokio::spawn(listen(listener, target, called, ways));
        self.tasks.push(task);
        Ok(front)
    }

    /// Whose number is whose: nothing can be parted before.
    pub(crate) fn know(&self, ids: Vec<String>) {
        self.ways.send_modify(|ways| ways.ids = ids);
    }

    /// What one member sends does not reach another, until it is healed.
    pub(crate) fn part(&self, from: usize, to: usize) {
        self.ways.send_modify(|ways| {
            ways.parted.insert((from, to));
        });
    }

    /// Everything is well again; what was held arrives.
    pub(crate) fn heal(&self) {
        self.ways.send_modify(|ways| ways.parted.clear());
    }
}

impl Drop for Wires {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

async fn listen(
    listener: TcpListener,
    target: SocketAddr,
    called: usize,
    ways: watch::Receiver<Ways>,
) {
    // The connections end with this task: nobody else holds the set.
    let mut connections = JoinSet::new();
    while let Ok((caller, _)) = listener.accept().await {
        connections.spawn(carry(caller, target, called, ways.clone()));
        while connections.try_join_next().is_some() {}
    }
}

/// Carries one connection until either side ends it.
async fn carry(
    mut caller: TcpStream,
    target: SocketAddr,
    called: usize,
    ways: watch::Receiver<Ways>,
) -> io::Result<()> {
    let mut first = vec![0; 16 * 1024];
    let length = caller.read(&mut first).await?;
    first.truncate(length);
    let line = Line {
        caller: name_of(&first),
        called,
        ways,
    };
    line.clone().wait(true).await?;
    let mut member = TcpStream::connect(target).await?;
    caller.set_nodelay(true)?;
    member.set_nodelay(true)?;
    member.write_all(&first).await?;
    let (from_caller, to_caller) = caller.into_split();
    let (from_member, to_member) = member.into_split();
    let calls = pump(from_caller, to_member, line.clone(), true);
    let answers = pump(from_member, to_caller, line, false);
    tokio::try_join!(calls, answers).map(|_| ())
}

async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut line: Line,
    is_call: bool,
) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let length = from.read(&mut buffer).await?;
        line.wait(is_call).await?;
        if length == 0 {
            return to.shutdown().await;
        }
        to.write_all(&buffer[..length]).await?;
    }
}

/// Who calls, by the head of the first request; nothing where it does not say.
fn name_of(request: &[u8]) -> String {
    let text = String::from_utf8_lossy(request).to_ascii_lowercase();
    let mut headers = text.lines().filter_map(|line| line.strip_prefix(CALLER));
    headers.next().unwrap_or_default().trim().to_owned()
}

// === impl Line ===

impl Line {
    /// Waits until what is on its way may go on.
    async fn wait(&mut self, is_call: bool) -> io::Result<()> {
        let (caller, called) = (&self.caller, self.called);
        let is_open = |ways: &Ways| {
            let caller = ways.ids.iter().position(|id| id == caller);
            caller.is_none_or(|caller| {
                let way = match is_call {
                    true => (caller, called),
                    false => (called, caller),
                };
                !ways.parted.contains(&way)
            })
        };
        let open = self.ways.wait_for(is_open).await;
        open.map(|_| ()).map_err(io::Error::other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_is_known_by_its_header() {
        let request = b"GET /raft/stream HTTP/1.1\r\nHost: a\r\nX-Server-From: 8E9e\r\n\r\n";
        assert_eq!(name_of(request), "8e9e");
        assert_eq!(name_of(b"GET /version HTTP/1.1\r\nHost: a\r\n\r\n"), "");
    }
}
