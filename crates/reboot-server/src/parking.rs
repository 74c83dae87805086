//! Requests that wait for long. What serves a connection has buffers of many kilobytes, and whoever
//! only waits needs none of them: its answer is taken out of the connection, and while it is not
//! there yet nothing is kept but the socket and what the answer itself needs. Then the connection
//! is served on, from that answer.

use axum::extract::FromRequestParts;
use axum::response::Response;
use http::header::CONNECTION;
use http::request::Parts;
use http::{Request, Version};
use std::convert::Infallible;
use std::fmt;
use std::future::{Future, pending};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::sync::Notify;

/// An answer that may take its time.
type Answer = Pin<Box<dyn Future<Output = Response> + Send>>;

/// Where the handlers of a connection leave answers that take long; without a connection of ours
/// they wait themselves.
#[derive(Clone, Default)]
pub(crate) struct Parking(Option<Arc<Space>>);

/// Of one connection: it serves one request at a time.
#[derive(Default)]
pub(crate) struct Space {
    taken: Mutex<Taken>,
    news: Notify,
    /// Whether something was written that may not be sent yet.
    is_sending: AtomicBool,
    sent: Notify,
}

#[derive(Default)]
struct Taken {
    manner: Manner,
    answer: Option<Answer>,
}

/// What of a request decides how its answer is sent.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Manner {
    is_http_1_0: bool,
    is_last: bool,
}

/// A connection whose request waits.
pub(crate) struct Parked<S> {
    stream: S,
    space: Arc<Space>,
    /// What the client has sent besides.
    rest: Vec<u8>,
    manner: Manner,
    answer: Answer,
}

/// A connection from whose beginning something was read already.
pub(crate) struct Rewound<S> {
    first: Vec<u8>,
    stream: S,
    space: Arc<Space>,
}

// === impl Parking ===

impl Parking {
    /// In this place.
    pub(crate) fn in_space(space: &Arc<Space>) -> Self {
        Self(Some(space.clone()))
    }

    /// The answer, unless it is not there when it is said to take long: then the connection has
    /// it, and this never ends. The request must have been read to its end.
    pub(crate) async fn answer(
        self,
        answer: impl Future<Output = Response> + Send + 'static,
        takes_long: impl Future<Output = ()>,
    ) -> Response {
        let Some(space) = self.0 else {
            return answer.await;
        };
        let mut answer: Answer = Box::pin(answer);
        tokio::select! {
            biased;
            answer = answer.as_mut() => return answer,
            () = takes_long => {}
        }
        space.taken().answer = Some(answer);
        space.news.notify_one();
        pending().await
    }
}

impl fmt::Debug for Parking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Parking").field(&self.0.is_some()).finish()
    }
}

impl<S: Sync> FromRequestParts<S> for Parking {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().cloned().unwrap_or_default())
    }
}

// === impl Space ===

impl Space {
    /// A request begins.
    pub(crate) fn begin<B>(&self, request: &Request<B>) {
        self.taken().manner = Manner::of(request);
    }

    /// Comes when an answer was left here.
    pub(crate) async fn is_taken(&self) {
        self.news.notified().await;
    }

    /// Takes a connection out of service. `None` when nothing was left here.
    pub(crate) fn park<S>(&self, stream: Rewound<S>, read: &[u8]) -> Option<Parked<S>> {
        let mut taken = self.taken();
        let Rewound {
            first,
            stream,
            space,
        } = stream;
        Some(Parked {
            stream,
            space,
            // Copied: it is mostly empty, and would keep the buffer that it was read into.
            rest: [read, &first].concat(),
            manner: taken.manner,
            answer: taken.answer.take()?,
        })
    }

    /// Whether answers are on their way to a client that does not read them.
    pub(crate) fn is_sending(&self) -> bool {
        self.is_sending.load(Ordering::Relaxed)
    }

    /// Comes when one of them went out.
    pub(crate) async fn has_sent(&self) {
        self.sent.notified().await;
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Manner ===

impl Manner {
    fn of<B>(request: &Request<B>) -> Self {
        let said = request.headers().get_all(CONNECTION).iter();
        let mut words = said.flat_map(|it| it.as_bytes().split(|byte| *byte == b','));
        let mut says = |word: &[u8]| words.any(|it| it.trim_ascii().eq_ignore_ascii_case(word));
        let is_http_1_0 = request.version() == Version::HTTP_10;
        Self {
            is_http_1_0,
            is_last: match is_http_1_0 {
                true => !says(b"keep-alive"),
                false => says(b"close"),
            },
        }
    }

    /// A request that is answered as the one was that waited.
    fn request(self) -> String {
        let minor = u8::from(!self.is_http_1_0);
        let connection = match self.is_last {
            true => "close",
            false => "keep-alive",
        };
        format!("POST / HTTP/1.{minor}\r\nhost: parked\r\nconnection: {connection}\r\n\r\n")
    }
}

// === impl Parked ===

impl<S: AsyncRead + Unpin> Parked<S> {
    /// The answer, and the connection to serve it on. `None` when the client has gone.
    pub(crate) async fn answered(mut self) -> Option<(Rewound<S>, Response)> {
        let mut byte = [0];
        let answer = loop {
            // What it sends meanwhile can wait; one byte shows that it is there.
            let is_silent = self.rest.is_empty();
            tokio::select! {
                answer = self.answer.as_mut() => break answer,
                read = self.stream.read(&mut byte), if is_silent => match read {
                    Ok(0) | Err(_) => return None,
                    Ok(_) => self.rest.extend(byte),
                },
            }
        };
        let mut first = self.manner.request().into_bytes();
        first.append(&mut self.rest);
        let rewound = Rewound {
            first,
            stream: self.stream,
            space: self.space,
        };
        Some((rewound, answer))
    }
}

// === impl Rewound ===

impl<S> Rewound<S> {
    /// One of which nothing was read.
    pub(crate) fn new(stream: S, space: &Arc<Space>) -> Self {
        Self {
            first: Vec::new(),
            stream,
            space: space.clone(),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Rewound<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.first.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buffer);
        }
        let count = self.first.len().min(buffer.remaining());
        buffer.put_slice(&self.first[..count]);
        self.first.drain(..count);
        if self.first.is_empty() {
            self.first = Vec::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Rewound<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.space.is_sending.store(true, Ordering::Relaxed);
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.space.is_sending.store(true, Ordering::Relaxed);
        Pin::new(&mut self.stream).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        if flushed.is_ready() && self.space.is_sending.swap(false, Ordering::Relaxed) {
            self.space.sent.notify_one();
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
