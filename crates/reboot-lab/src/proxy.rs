//! A bad network in front of a member: cut, silent in one direction or both, slow.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// What the network does at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Weather {
    /// Nothing gets through: connections end, new ones end at once.
    cut: bool,
    /// What clients send stays in the network.
    holds_requests: bool,
    /// What the member sends stays in the network.
    holds_replies: bool,
    /// How long everything takes, each way.
    delay: Duration,
}

/// A bad network in front of a member. It ends when it is dropped.
pub struct Proxy {
    address: SocketAddr,
    weather: watch::Sender<Weather>,
    traffic: Arc<Traffic>,
    task: JoinHandle<()>,
}

/// What went through.
#[derive(Default)]
struct Traffic {
    connections: AtomicU64,
    requests: AtomicU64,
    replies: AtomicU64,
}

/// Which way.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Request,
    Reply,
}

// === impl Proxy ===

impl Proxy {
    /// A network that passes everything on to `target`, until told otherwise.
    ///
    /// # Errors
    /// When it cannot listen.
    pub async fn start(target: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (weather, seen) = watch::channel(Weather::default());
        let traffic = Arc::new(Traffic::default());
        let task = tokio::spawn(listen(listener, target, seen, traffic.clone()));
        Ok(Self {
            address,
            weather,
            traffic,
            task,
        })
    }

    /// Where clients find it.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends all connections, and new ones at once, until it is healed.
    pub fn cut(&self) {
        self.weather.send_modify(|weather| weather.cut = true);
    }

    /// Lets nothing through in either direction; connections stay open and hear nothing. What is
    /// under way arrives when it is healed.
    pub fn silence(&self) {
        self.weather.send_modify(|weather| {
            weather.holds_requests = true;
            weather.holds_replies = true;
        });
    }

    /// Requests do not arrive, replies do.
    pub fn hold_requests(&self) {
        self.weather
            .send_modify(|weather| weather.holds_requests = true);
    }

    /// Requests arrive, replies do not.
    pub fn cut_replies(&self) {
        self.weather
            .send_modify(|weather| weather.holds_replies = true);
    }

    /// Everything takes this long, each way.
    pub fn delay(&self, delay: Duration) {
        self.weather.send_modify(|weather| weather.delay = delay);
    }

    /// Everything is well again; what was held arrives.
    pub fn heal(&self) {
        self.weather.send_replace(Weather::default());
    }

    /// How many connections were made so far.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.traffic.connections.load(Ordering::Relaxed)
    }

    /// How many bytes the member was sent so far.
    #[must_use]
    pub fn request_bytes(&self) -> u64 {
        self.traffic.requests.load(Ordering::Relaxed)
    }

    /// How many bytes clients were sent so far.
    #[must_use]
    pub fn reply_bytes(&self) -> u64 {
        self.traffic.replies.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn listen(
    listener: TcpListener,
    target: SocketAddr,
    weather: watch::Receiver<Weather>,
    traffic: Arc<Traffic>,
) {
    // The connections end with this task: nobody else holds the set.
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        traffic.connections.fetch_add(1, Ordering::Relaxed);
        connections.spawn(carry(client, target, weather.clone(), traffic.clone()));
        while connections.try_join_next().is_some() {}
    }
}

/// Carries one connection until either side ends it, or the network does.
async fn carry(
    client: TcpStream,
    target: SocketAddr,
    weather: watch::Receiver<Weather>,
    traffic: Arc<Traffic>,
) -> io::Result<()> {
    let mut cut = weather.clone();
    let carried = async {
        let member = TcpStream::connect(target).await?;
        client.set_nodelay(true)?;
        member.set_nodelay(true)?;
        let (from_client, to_client) = client.into_split();
        let (from_member, to_member) = member.into_split();
        let requests = pump(
            from_client,
            to_member,
            weather.clone(),
            &traffic,
            Way::Request,
        );
        let replies = pump(
            from_member,
            to_client,
            weather.clone(),
            &traffic,
            Way::Reply,
        );
        tokio::try_join!(requests, replies).map(|_| ())
    };
    tokio::select! {
        biased;
        _ = cut.wait_for(|weather| weather.cut) => Ok(()),
        carried = carried => carried,
    }
}

async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut weather: watch::Receiver<Weather>,
    traffic: &Traffic,
    way: Way,
) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let length = from.read(&mut buffer).await?;
        let now = weather.wait_for(|weather| !weather.holds(way)).await;
        let delay = now.map_err(io::Error::other)?.delay;
        if !delay.is_zero() {
            sleep(delay).await;
        }
        if length == 0 {
            return to.shutdown().await;
        }
        traffic
            .counter(way)
            .fetch_add(length as u64, Ordering::Relaxed);
        to.write_all(&buffer[..length]).await?;
    }
}

// === impl Weather ===

impl Weather {
    fn holds(&self, way: Way) -> bool {
        match way {
            Way::Request => self.holds_requests,
            Way::Reply => self.holds_replies,
        }
    }
}

// === impl Traffic ===

impl Traffic {
    fn counter(&self, way: Way) -> &AtomicU64 {
        match way {
            Way::Request => &self.requests,
            Way::Reply => &self.replies,
        }
    }
}
