//! The listener: connections in, each within its limits; a graceful end.

use crate::audit::{Audit, NoAudit};
use crate::connection::Connection;
use crate::desk::Desk;
use crate::doors::Doors;
use crate::limits::{Crowd, Guest, Rates};
use crate::origin::Names;
use crate::peer::{Link, Peer};
use crate::router::router_behind;
use crate::tls::Acceptor;
use axum::Router;
use nix::errno::Errno;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// A pause when no connection can be taken (no file descriptors left, for one), so as not to spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How long requests under way may take once the server is to end.
const END_PATIENCE: Duration = Duration::from_secs(10);

/// A bound listener.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    doors: Arc<Doors>,
    audit: Arc<dyn Audit>,
    tls: Option<Arc<Acceptor>>,
}

/// What each connection gets.
struct House<'a> {
    desk: &'a Arc<Desk>,
    router: Router,
    ending: &'a watch::Sender<bool>,
    rates: Arc<Rates>,
    crowd: Arc<Crowd>,
    patience: Duration,
    /// Whether the last try to take a connection failed, and was told.
    is_starved: bool,
}

/// A connection that counts, until it is dropped.
struct Counted {
    desk: Arc<Desk>,
    _guest: Guest,
}

// === impl Server ===

impl Server {
    /// Binds to `host:port`, without a host to every address of the machine; port 0 takes any
    /// that is free.
    ///
    /// # Errors
    /// Why the address cannot be bound.
    pub async fn bind(listen: &str) -> io::Result<Self> {
        let listener = match listen.strip_prefix(':') {
            Some(port) => match TcpListener::bind(format!("[::]:{port}")).await {
                Ok(listener) => listener,
                // A machine without IPv6.
                Err(_) => TcpListener::bind(format!("0.0.0.0:{port}")).await?,
            },
            None => TcpListener::bind(listen).await?,
        };
        let address = listener.local_addr()?;
        Ok(Self {
            listener,
            address,
            doors: Arc::new(Doors::open()),
            audit: Arc::new(NoAudit),
            tls: None,
        })
    }

    /// Serves those alone who come in by these doors, and writes down what they change.
    #[must_use]
    pub fn behind(self, doors: Doors, audit: Arc<dyn Audit>) -> Self {
        Self {
            doors: Arc::new(doors),
            audit,
            ..self
        }
    }

    /// Speaks TLS, and nothing else.
    #[must_use]
    pub fn encrypted(self, tls: Acceptor) -> Self {
        Self {
            tls: Some(Arc::new(tls)),
            ..self
        }
    }

    /// Where it is bound.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop`, then lets requests under way come to their end.
    pub async fn serve(self, desk: Arc<Desk>, stop: impl Future<Output = ()>) {
        let mut tasks = JoinSet::new();
        let (view, waker) = (desk.view().clone(), desk.clone());
        tasks.spawn(async move { view.follow().await });
        tasks.spawn(async move { waker.follow().await });
        let (files, lists, tls) = (desk.clone(), self.doors.clone(), self.tls.clone());
        desk.watch_files(Box::new(move || {
            let of_tls = tls.iter().flat_map(|tls| tls.look_at_files());
            lists.look_at_files().into_iter().chain(of_tls).collect()
        }));
        tasks.spawn(async move { files.follow_files().await });
        let ending = watch::Sender::new(false);
        let mut connections = JoinSet::new();
        let (doors, audit) = (self.doors.clone(), self.audit.clone());
        let names = Names::of(self.address, &doors);
        let router = router_behind(desk.clone(), doors, audit, names);
        let accept = self.accept(&desk, router, &ending, &mut connections);
        tokio::select! {
            () = accept => {}
            () = stop => {}
        }
        drop(self.listener);
        ending.send_replace(true);
        desk.close();
        let all = async { while connections.join_next().await.is_some() {} };
        // Whoever is not served by now sees its connection closed.
        let _ = timeout(END_PATIENCE, all).await;
    }

    async fn accept(
        &self,
        desk: &Arc<Desk>,
        router: Router,
        ending: &watch::Sender<bool>,
        connections: &mut JoinSet<()>,
    ) {
        let limits = desk.settings().limits.clone();
        let room = Arc::new(Semaphore::new(limits.connections));
        let mut house = House {
            desk,
            router,
            ending,
            rates: Arc::default(),
            crowd: Arc::default(),
            patience: limits.patience,
            is_starved: false,
        };
        loop {
            let Ok(permit) = room.clone().acquire_owned().await else {
                return;
            };
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                Some(_) = connections.join_next() => continue,
            };
            let (stream, address) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    house.failed_to_accept(&error).await;
                    continue;
                }
            };
            house.is_starved = false;
            let Some((connection, link, counted)) = house.receive(stream, address) else {
                continue;
            };
            let tls = self.tls.clone();
            connections.spawn(async move {
                connection.open(link, tls).await;
                drop((permit, counted));
            });
        }
    }
}

// === impl House ===

impl House<'_> {
    /// A connection with all it needs; nothing when its address has too many.
    fn receive(
        &self,
        stream: TcpStream,
        address: SocketAddr,
    ) -> Option<(Connection, Link, Counted)> {
        let max = self.desk.settings().limits.connections_per_address;
        let Some(guest) = self.crowd.enter(address.ip(), max) else {
            self.desk.figures().refused_connection();
            return None;
        };
        let counted = Counted::new(self.desk.clone(), guest);
        let (peer, link) = Peer::of(stream, address, self.patience);
        let connection = Connection {
            peer,
            desk: self.desk.clone(),
            rates: self.rates.clone(),
            router: self.router.clone(),
            certificate: None,
            patience: self.patience,
            ending: self.ending.subscribe(),
            space: Arc::default(),
        };
        Some((connection, link, counted))
    }

    /// A client that went away before it was taken is its own affair. Anything else is told, once
    /// until a connection is taken again.
    async fn failed_to_accept(&mut self, error: &io::Error) {
        if is_of_the_client(error) {
            return;
        }
        self.desk.figures().failed_to_accept();
        if !self.is_starved {
            self.is_starved = true;
            self.desk.warn(&format!(
                "no connection can be taken: {error}; clients wait until that is over: raise the \
                 limit of open files (LimitNOFILE= in systemd), or lower limits.connections"
            ));
        }
        sleep(ACCEPT_PAUSE).await;
    }
}

fn is_of_the_client(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw);
    matches!(
        errno,
        Some(Errno::ECONNABORTED | Errno::ECONNRESET | Errno::EINTR)
    )
}

// === impl Counted ===

impl Counted {
    fn new(desk: Arc<Desk>, guest: Guest) -> Self {
        desk.figures().connected();
        Self {
            desk,
            _guest: guest,
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.desk.figures().disconnected();
    }
}
