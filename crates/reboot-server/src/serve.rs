//! The listener: connections in, each within its limits; a graceful end.

use crate::audit::{Audit, NoAudit};
use crate::desk::Desk;
use crate::doors::{CertificateName, Doors};
use crate::limits::Rates;
use crate::peer::{Link, Peer};
use crate::router::router_behind;
use crate::tls::Acceptor;
use axum::Router;
use axum::response::IntoResponse;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Request};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
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
        let ending = watch::Sender::new(false);
        let mut connections = JoinSet::new();
        let (doors, audit) = (self.doors.clone(), self.audit.clone());
        let router = router_behind(desk.clone(), doors, audit);
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
            };
            let tls = self.tls.clone();
            connections.spawn(async move {
                connection.open(link, tls).await;
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
    /// Whose certificate was shown.
    certificate: Option<CertificateName>,
    patience: Duration,
    ending: watch::Receiver<bool>,
}

// === impl Connection ===

impl Connection {
    /// Shakes hands where that is due. A client that goes away is its own affair.
    async fn open(self, link: Link, tls: Option<Arc<Acceptor>>) {
        let Some(tls) = tls else {
            return self.serve(link).await;
        };
        // Boxed: a connection without it keeps no room for it.
        Box::pin(self.encrypted(link, tls)).await;
    }

    async fn encrypted(self, link: Link, tls: Arc<Acceptor>) {
        if let Ok((stream, certificate)) = tls.accept(link, self.patience).await {
            let encrypted = Self {
                certificate,
                ..self
            };
            encrypted.serve(stream).await;
        }
    }

    /// Serves one request after the other.
    async fn serve(mut self, stream: impl AsyncRead + AsyncWrite + Unpin) {
        let answer = |mut request: Request<Incoming>| {
            let rate = self.desk.settings().limits.requests_per_second;
            let counted = self.rates.count(self.peer.address.ip(), rate);
            request.extensions_mut().insert(self.peer.clone());
            if let Some(certificate) = &self.certificate {
                request.extensions_mut().insert(certificate.clone());
            }
            let (mut router, desk) = (self.router.clone(), self.desk.clone());
            async move {
                let mut answer = match counted {
                    Ok(()) => router.call(request).await?,
                    Err(refused) => refused.into_response(),
                };
                guard(answer.headers_mut());
                desk.figures().answered(answer.status());
                Ok::<_, Infallible>(answer)
            }
        };
        let mut connection = pin!(
            http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(self.patience)
                .max_buf_size(HEAD_BYTES_MAX)
                .serve_connection(TokioIo::new(stream), service_fn(answer))
        );
        tokio::select! {
            _ = connection.as_mut() => return,
            _ = self.ending.wait_for(|ending| *ending) => {}
        }
        connection.as_mut().graceful_shutdown();
        let _ = connection.await;
    }
}

/// What every answer tells a browser, unless it tells it otherwise: that it is no page, and to
/// keep nothing.
fn guard(headers: &mut HeaderMap) {
    let policy = "default-src 'none'; frame-ancestors 'none'";
    for (name, value) in [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CONTENT_SECURITY_POLICY, policy),
        (CACHE_CONTROL, "no-store"),
    ] {
        let value = HeaderValue::from_static(value);
        headers.entry(name).or_insert(value);
    }
}
