//! The listener: connections in, each within its limits; a graceful end.

use crate::desk::Desk;
use crate::limits::Rates;
use crate::peer::{Link, Peer};
use crate::router::router;
use axum::Router;
use axum::response::IntoResponse;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tower_service::Service;

/// A pause after a failed accept (no file descriptors left, for one), so as not to spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How long requests under way may take once the server is to end.
const END_PATIENCE: Duration = Duration::from_secs(10);
/// The largest head of a request, in bytes.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// A bound listener.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
}

// === impl Server ===

impl Server {
    /// Binds to `host:port`; port 0 takes any that is free.
    ///
    /// # Errors
    /// Why the address cannot be bound.
    pub async fn bind(listen: &str) -> io::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
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
        let ending = watch::Sender::new(false);
        let mut connections = JoinSet::new();
        let router = router(desk.clone());
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
                patience: limits.patience,
                ending: ending.subscribe(),
            };
            connections.spawn(async move {
                connection.serve(link).await;
                drop(permit);
            });
        }
    }
}

/// One connection.
struct Connection {
    peer: Peer,
    desk: Arc<Desk>,
    rates: Arc<Rates>,
    router: Router,
    patience: Duration,
    ending: watch::Receiver<bool>,
}

// === impl Connection ===

impl Connection {
    /// Serves one request after the other. A client that goes away is its own affair.
    async fn serve(mut self, link: Link) {
        let answer = |mut request: Request<Incoming>| {
            let rate = self.desk.settings().limits.requests_per_second;
            let counted = self.rates.count(self.peer.address.ip(), rate);
            request.extensions_mut().insert(self.peer.clone());
            let mut router = self.router.clone();
            async move {
                match counted {
                    Ok(()) => router.call(request).await,
                    Err(refused) => Ok(refused.into_response()),
                }
            }
        };
        let mut connection = pin!(
            http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(self.patience)
                .max_buf_size(HEAD_BYTES_MAX)
                .serve_connection(TokioIo::new(link), service_fn(answer))
        );
        tokio::select! {
            _ = connection.as_mut() => return,
            _ = self.ending.wait_for(|ending| *ending) => {}
        }
        connection.as_mut().graceful_shutdown();
        let _ = connection.await;
    }
}
