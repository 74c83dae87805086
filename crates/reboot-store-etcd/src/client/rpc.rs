//! One connection to one member, and the calls that go over it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::uri::PathAndQuery;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper::rt::{Read, Write};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tonic::body::Body;
use tonic::client::Grpc;
use tonic::metadata::{Ascii, MetadataMap, MetadataValue};
use tonic::{Status, Streaming};
use tonic_prost::ProstCodec;
use tower_service::Service;

/// How long a connection with open calls may be silent before the member is asked for a sign of
/// life. etcd hangs up on those who ask more often than every 5 s, or without an open call.
const PING_INTERVAL: Duration = Duration::from_secs(10);
/// How long that sign of life may take.
const PING_TIMEOUT: Duration = Duration::from_secs(5);
/// What a member may send on one stream before we have read it.
const WINDOW: u32 = 1 << 20;
/// What a member may send altogether before we have read it.
const CONNECTION_WINDOW: u32 = 2 << 20;
/// The largest answer: a look at ten thousand nodes is a few megabytes.
const ANSWER_LIMIT: usize = 64 << 20;

/// One of etcd's calls, named by what it is sent.
pub(super) trait Call: prost::Message + Clone + 'static {
    /// Where gRPC finds it.
    const PATH: &'static str;
    /// What comes back.
    type Answer: prost::Message + Default + 'static;
}

/// What goes with a call besides its message.
#[derive(Clone, Debug, Default)]
pub(super) struct Extras {
    /// Refuse at once where the member sees no leader, and end a stream where it lost it.
    pub(super) needs_leader: bool,
    /// Who asks.
    pub(super) token: Option<MetadataValue<Ascii>>,
}

/// A connection. Clones share it; it closes when the last is gone and its calls are through.
#[derive(Clone)]
pub(super) struct Wire {
    grpc: Grpc<Sender>,
    sender: SendRequest<Body>,
}

/// The sending end, as tonic wants it.
#[derive(Clone)]
struct Sender(SendRequest<Body>);

/// The connection failed a call.
#[derive(Debug)]
pub(super) struct Broken {
    /// Whether the call may have reached the member.
    pub(super) sent: bool,
    cause: hyper::Error,
}

// === impl Wire ===

impl Wire {
    /// Speaks HTTP/2 over a stream. A task drives it until it is closed.
    pub(super) async fn start<S>(stream: S, origin: http::Uri) -> Result<Self, hyper::Error>
    where
        S: Read + Write + Unpin + Send + 'static,
    {
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_TIMEOUT)
            .keep_alive_while_idle(false)
            .handshake(stream)
            .await?;
        // Whoever has a call open learns how it ended; nobody else needs to.
        tokio::spawn(async move { drop(connection.await) });
        let grpc = Grpc::with_origin(Sender(sender.clone()), origin);
        Ok(Self {
            grpc: grpc.max_decoding_message_size(ANSWER_LIMIT),
            sender,
        })
    }

    /// Whether it can take no more calls.
    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Sends one message, waits for one answer.
    pub(super) async fn unary<M: Call>(
        &self,
        message: M,
        extras: Extras,
    ) -> Result<M::Answer, Status> {
        let mut grpc = self.grpc.clone();
        grpc.ready().await.map_err(Broken::into_status)?;
        let codec = ProstCodec::<M, M::Answer>::default();
        let request = extras.attach(message);
        let answer = grpc.unary(request, path::<M>(), codec).await?;
        Ok(answer.into_inner())
    }

    /// Sends messages as `messages` brings them, and answers as they come.
    pub(super) async fn stream<M, S>(
        &self,
        messages: S,
        extras: Extras,
    ) -> Result<Streaming<M::Answer>, Status>
    where
        M: Call,
        S: tokio_stream::Stream<Item = M> + Send + 'static,
    {
        let mut grpc = self.grpc.clone();
        grpc.ready().await.map_err(Broken::into_status)?;
        let codec = ProstCodec::<M, M::Answer>::default();
        let request = extras.attach(messages);
        let answers = grpc.streaming(request, path::<M>(), codec).await?;
        Ok(answers.into_inner())
    }
}

fn path<M: Call>() -> PathAndQuery {
    PathAndQuery::from_static(M::PATH)
}

// === impl Extras ===

impl Extras {
    fn attach<T>(self, message: T) -> tonic::Request<T> {
        let mut metadata = MetadataMap::new();
        if self.needs_leader {
            metadata.insert("hasleader", MetadataValue::from_static("true"));
        }
        if let Some(token) = self.token {
            metadata.insert("token", token);
        }
        tonic::Request::from_parts(metadata, http::Extensions::new(), message)
    }
}

// === impl Sender ===

impl Service<Request<Body>> for Sender {
    type Response = Response<Incoming>;
    type Error = Broken;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Broken>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        let unsent = |cause| Broken { sent: false, cause };
        self.0.poll_ready(context).map_err(unsent)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let answer = self.0.try_send_request(request);
        Box::pin(async move {
            answer.await.map_err(|mut error| {
                // What we get back never left.
                let returned = error.take_message().is_some();
                let cause = error.into_error();
                Broken {
                    sent: !returned && !was_refused(&cause),
                    cause,
                }
            })
        })
    }
}

/// Whether the member says that it did not look at the call (RFC 9113, section 8.7).
fn was_refused(error: &hyper::Error) -> bool {
    let source = std::error::Error::source(error);
    let http2 = source.and_then(|source| source.downcast_ref::<h2::Error>());
    http2.is_some_and(|error| error.reason() == Some(h2::Reason::REFUSED_STREAM))
}

// === impl Broken ===

impl Broken {
    fn into_status(self) -> Status {
        Status::from_error(Box::new(self))
    }

    /// The connection's failure behind a status; nothing where the member itself answered.
    pub(super) fn behind(status: &Status) -> Option<&Self> {
        std::error::Error::source(status)?.downcast_ref()
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the connection broke: {}", self.cause)
    }
}

impl std::error::Error for Broken {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.cause)
    }
}
