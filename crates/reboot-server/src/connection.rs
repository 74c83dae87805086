//! One connection: its requests one after the other, each within its limits.

use crate::desk::Desk;
use crate::doors::CertificateName;
use crate::health;
use crate::kind::Refused;
use crate::limits::Rates;
use crate::parking::{Parked, Parking, Rewound, Space};
use crate::peer::{Link, Peer};
use crate::refusal;
use crate::tls::Acceptor;
use axum::Router;
use axum::response::Response;
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
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tower_service::Service;

/// The largest head of a request, in bytes.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// One connection.
pub(crate) struct Connection {
    pub(crate) peer: Peer,
    pub(crate) desk: Arc<Desk>,
    pub(crate) rates: Arc<Rates>,
    pub(crate) router: Router,
    /// Whose certificate was shown.
    pub(crate) certificate: Option<CertificateName>,
    pub(crate) patience: Duration,
    pub(crate) ending: watch::Receiver<bool>,
    /// Where a request that waits for long leaves its answer.
    pub(crate) space: Arc<Space>,
}

/// What happens to a connection.
enum Event {
    Over,
    /// Its request waits.
    Parked,
    /// The server ends: this request is the last.
    Ending,
}

// === impl Connection ===

impl Connection {
    /// Shakes hands where that is due. A client that goes away is its own affair.
    pub(crate) async fn open(self, link: Link, tls: Option<Arc<Acceptor>>) {
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
    async fn serve<S: AsyncRead + AsyncWrite + Unpin>(mut self, stream: S) {
        let mut next = Some((Rewound::new(stream, &self.space), None));
        while let Some((stream, answer)) = next {
            let Some(parked) = self.serve_until_parked(stream, answer).await else {
                return;
            };
            let answered = parked.answered().await;
            next = answered.map(|(stream, answer)| (stream, Some(answer)));
        }
    }

    /// Serves until a request waits for long, or to the end. The first request has its answer
    /// already where one is given.
    async fn serve_until_parked<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        stream: Rewound<S>,
        first: Option<Response>,
    ) -> Option<Parked<S>> {
        let mut ending = self.ending.clone();
        let mut is_ending = *ending.borrow();
        let space = self.space.clone();
        let first = Mutex::new(first);
        let first = || first.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.patience)
            .max_buf_size(HEAD_BYTES_MAX)
            .keep_alive(!is_ending)
            .serve_connection(
                TokioIo::new(stream),
                service_fn(|request| self.answer(request, first())),
            );
        loop {
            let event = tokio::select! {
                biased; // an answer that is there goes out first
                _ = &mut connection => Event::Over,
                () = space.is_taken() => Event::Parked,
                _ = ending.wait_for(|ending| *ending), if !is_ending => Event::Ending,
            };
            match event {
                Event::Over => return None,
                Event::Parked => {
                    // Answers before it go out first.
                    while space.is_sending() {
                        tokio::select! {
                            biased;
                            _ = &mut connection => return None,
                            () = space.has_sent() => {}
                        }
                    }
                    let parts = connection.into_parts();
                    return space.park(parts.io.into_inner(), &parts.read_buf);
                }
                Event::Ending => {
                    is_ending = true;
                    Pin::new(&mut connection).graceful_shutdown();
                }
            }
        }
    }

    /// The answer to a request, where it has none yet, as every answer of ours is.
    fn answer(
        &self,
        mut request: Request<Incoming>,
        given: Option<Response>,
    ) -> impl Future<Output = Result<Response, Infallible>> + use<> {
        self.space.begin(&request);
        let (mut router, desk) = (self.router.clone(), self.desk.clone());
        let counted = match given.is_some() {
            true => Ok(()), // it was counted when it came
            false => self.count(request.uri().path()),
        };
        let extensions = request.extensions_mut();
        extensions.insert(self.peer.clone());
        extensions.insert(Parking::in_space(&self.space));
        if let Some(certificate) = &self.certificate {
            extensions.insert(certificate.clone());
        }
        async move {
            let mut answer = match (given, counted) {
                (Some(given), _) => given,
                (None, Ok(())) => router.call(request).await?,
                (None, Err(refused)) => refusal::answer(request.uri().path(), refused),
            };
            guard(answer.headers_mut());
            desk.figures().answered(answer.status());
            Ok(answer)
        }
    }

    fn count(&self, path: &str) -> Result<(), Refused> {
        let settings = self.desk.settings();
        if health::is_asked(settings.base_path.as_str(), path) {
            return Ok(());
        }
        let rate = settings.limits.requests_per_second;
        self.rates.count(self.peer.address.ip(), rate)
    }
}

/// What every answer tells a browser, unless it tells it otherwise: that it is no page, and to
/// keep nothing.
fn guard(headers: &mut HeaderMap) {
    let policy = "default-src 'none'; frame-ancestors 'none'";
    for (name, value) in [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "same-origin"), // with none, a browser hides from us that a form is ours
        (CONTENT_SECURITY_POLICY, policy),
        (CACHE_CONTROL, "no-store"),
    ] {
        let value = HeaderValue::from_static(value);
        headers.entry(name).or_insert(value);
    }
}
