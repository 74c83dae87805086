//! One call: a request out, an answer back, each within its time.

use super::connection::{Connection, Idle, explain};
use super::options::{BadOptions, Options, Target};
use crate::files::FromFiles;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, IF_NONE_MATCH, LOCATION, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use rustls::ClientConfig;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// The largest answer: a look at ten thousand nodes is a few megabytes.
const ANSWER_LIMIT: usize = 64 << 20;
const AGENT: &str = concat!("clusterrebootd/", env!("CARGO_PKG_VERSION"));

/// Why there is no answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Fault {
    /// The request did not leave: nothing of it happened.
    NotSent(String),
    /// It may have arrived.
    Lost(String),
}

/// What is asked.
pub(super) struct Call {
    /// How.
    pub(super) method: Method,
    /// Beneath the server's prefix, with the query.
    pub(super) path: String,
    /// JSON, or nothing.
    pub(super) body: Bytes,
    /// The mark that we have already.
    pub(super) mark: Option<String>,
    /// Whether asking twice does no harm.
    pub(super) is_safe: bool,
    /// How long it may take.
    pub(super) limit: Duration,
}

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    /// How it went.
    pub(super) status: StatusCode,
    /// Where we are sent instead.
    pub(super) location: Option<String>,
    /// The text.
    pub(super) body: Bytes,
}

/// The way to one server.
pub(super) struct Caller {
    pub(super) target: Target,
    certificates: Option<FromFiles<ClientConfig>>,
    token: Option<FromFiles<HeaderValue>>,
    connect_timeout: Duration,
    idle: Idle,
}

// === impl Caller ===

impl Caller {
    pub(super) fn new(options: &Options) -> Result<Self, BadOptions> {
        let target = options.check()?;
        let tls = options.tls.clone().unwrap_or_default();
        let token = options.token_file.clone();
        Ok(Self {
            certificates: target.tls.then(|| tls.client(b"http/1.1")),
            token: token.map(|file| FromFiles::new(vec![file.clone()], move || token_in(&file))),
            connect_timeout: options.connect_timeout,
            idle: Idle::default(),
            target,
        })
    }

    /// Sends a request and waits for its answer.
    pub(super) async fn call(&self, call: &Call) -> Result<Answer, Fault> {
        let deadline = Instant::now() + call.limit;
        let first = self.try_once(call, deadline).await;
        match first {
            // A kept connection may have died of old age.
            Err(Fault::Lost(_)) if call.is_safe && Instant::now() < deadline => {
                self.try_once(call, deadline).await
            }
            answered => answered,
        }
    }

    async fn try_once(&self, call: &Call, deadline: Instant) -> Result<Answer, Fault> {
        let mut request = self.request(call).map_err(Fault::NotSent)?;
        let tls = self.certificates().map_err(Fault::NotSent)?;
        while let Some(connection) = self.idle.take(tls.as_ref()) {
            match self.send(connection, request, call, deadline).await {
                Ok(answered) => return answered,
                Err(unsent) => request = unsent,
            }
        }
        let left = deadline.saturating_duration_since(Instant::now());
        let limit = left.min(self.connect_timeout);
        let connection = Connection::open(&self.target, tls, limit).await;
        let connection = connection.map_err(Fault::NotSent)?;
        let sent = self.send(connection, request, call, deadline).await;
        sent.unwrap_or_else(|_| Err(Fault::NotSent("it hung up at once".to_owned())))
    }

    /// The inner result is final; the outer error is the request, which did not leave.
    async fn send(
        &self,
        mut connection: Connection,
        request: Request<Full<Bytes>>,
        call: &Call,
        deadline: Instant,
    ) -> Result<Result<Answer, Fault>, Request<Full<Bytes>>> {
        let secs = call.limit.as_secs_f64();
        let late = || Fault::Lost(format!("no answer within {secs} s"));
        let answered = timeout_at(deadline, connection.sender.try_send_request(request)).await;
        let response = match answered {
            Err(_) => return Ok(Err(late())),
            Ok(Err(mut error)) => {
                return match error.take_message() {
                    Some(request) => Err(request),
                    None => Ok(Err(Fault::Lost(explain(error.error())))),
                };
            }
            Ok(Ok(response)) => response,
        };
        let (head, body) = response.into_parts();
        let body = Limited::new(body, ANSWER_LIMIT).collect();
        let body = match timeout_at(deadline, body).await {
            Err(_) => return Ok(Err(late())),
            Ok(Err(error)) => return Ok(Err(Fault::Lost(explain(error.as_ref())))),
            Ok(Ok(body)) => body.to_bytes(),
        };
        self.idle.keep(connection);
        Ok(Ok(Answer::new(head.status, &head.headers, body)))
    }

    fn request(&self, call: &Call) -> Result<Request<Full<Bytes>>, String> {
        let path = format!("{}{}", self.target.prefix, call.path);
        let mut request = Request::builder().method(&call.method).uri(path);
        request = request.header(HOST, &self.target.authority);
        request = request.header(USER_AGENT, AGENT);
        if !call.body.is_empty() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        if let Some(mark) = &call.mark {
            request = request.header(IF_NONE_MATCH, format!("\"{mark}\""));
        }
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, &*token.current()?);
        }
        let request = request.body(Full::new(call.body.clone()));
        request.map_err(|error| format!("the request cannot be made: {error}"))
    }

    /// What we have is not taken: perhaps there is something newer.
    pub(super) fn look_again(&self) {
        if let Some(token) = &self.token {
            let _ = token.look_again(); // the next call tells what is wrong with it
        }
    }

    fn certificates(&self) -> Result<Option<Arc<ClientConfig>>, String> {
        let certificates = self.certificates.as_ref();
        certificates.map(FromFiles::current).transpose()
    }
}

// === impl Answer ===

impl Answer {
    fn new(status: StatusCode, headers: &HeaderMap, body: Bytes) -> Self {
        let location = headers.get(LOCATION).and_then(|it| it.to_str().ok());
        Self {
            status,
            location: location.map(str::to_owned),
            body,
        }
    }
}

/// The header that shows who we are.
fn token_in(file: &Path) -> Result<HeaderValue, String> {
    let name = file.display();
    let text = fs::read_to_string(file).map_err(|error| {
        format!("cannot read the token from {name}: {error}; check the path and who may read it")
    })?;
    let token = text.trim();
    if token.is_empty() {
        return Err(format!(
            "the token file {name} is empty: write the token into it"
        ));
    }
    let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
        .map_err(|_| format!("{name} holds no token: one word of printable characters"))?;
    value.set_sensitive(true);
    Ok(value)
}
