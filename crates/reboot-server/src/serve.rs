//! The listener: connections in, each within its limits; a graceful end.

use crate::audit::{Audit, NoAudit};
use crate::connection::Connection;
use crate::desk::Desk;
use crate::doors::Doors;
use crate::limits::Rates;
use crate::origin::Names;
use crate::peer::Peer;
use crate::router::router_behind;
use crate::tls::Acceptor;
use axum::Router;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// A pause after a failed accept (no file descriptors left, for one), so as not to spin.
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
        let rates = Arc::new(Rates::default());
        loop {
            let Ok(permit) = room.clone().acquire_owned().await else {
                return;
            };
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                Some(_) = connections.join_next() => continue,
            };
            let Ok((stream, address)) = accepted else {
                sleep(ACCEPT_PAUSE).await;
                continue;
            };
            let (peer, link) = Peer::of(stream, address, limits.patience);
            let connection = Connection {
                peer,
                desk: desk.clone(),
                rates: rates.clone(),
                router: router.clone(),
                certificate: None,
                patience: limits.patience,
                ending: ending.subscribe(),
                space: Arc::default(),
            };
            let tls = self.tls.clone();
            connections.spawn(async move {
                connection.open(link, tls).await;
                drop(permit);
            });
        }
    }
}
