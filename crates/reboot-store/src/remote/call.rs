//! One call: a request out, an answer back, each within its time.

use super::connection::{Connection, Idle, check_listens, explain};
use super::options::{BadOptions, Options, Target};
use crate::files::FromFiles;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
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
pub(crate) enum Fault {
    /// The request did not leave: nothing of it happened.
    NotSent(String),
    /// It may have arrived.
    Lost(String),
}

/// What is asked.
pub(crate) struct Call {
    /// How.
    pub(crate) method: Method,
    /// Beneath the server's prefix, with the query.
    pub(crate) path: String,
    /// JSON, or nothing.
    pub(crate) body: Bytes,
    /// The mark that we have already.
    pub(crate) mark: Option<String>,
    /// A header that the protocol asks for.
    pub(crate) header: Option<(&'static str, &'static str)>,
    /// Whether asking twice does no harm.
    pub(crate) is_safe: bool,
    /// How long it may take.
    pub(crate) limit: Duration,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    /// How it went.
    pub(crate) status: StatusCode,
    /// Where we are sent instead.
    pub(crate) location: Option<String>,
    /// The text.
    pub(crate) body: Bytes,
}

/// The way to one server.
pub(crate) struct Caller {
    pub(crate) target: Target,
    certificates: Option<FromFiles<ClientConfig>>,
    token: Option<FromFiles<HeaderValue>>,
    connect_timeout: Duration,
    idle: Idle,
}

// === impl Caller ===

impl Caller {
    pub(crate) fn new(options: &Options) -> Result<Self, BadOptions> {
        let target = options.check()?;
        let tls = options.tls.clone().unwrap_or_default();
        let shown = match (&options.token_file, &options.password) {
            (Some(file), _) => Some((None, file.clone())),
            (None, Some((user, file))) => Some((Some(user.clone()), file.clone())),
            (None, None) => None,
        };
        Ok(Self {
            certificates: target.tls.then(|| tls.client(b"http/1.1")),
            token: shown.map(|(user, file)| {
                FromFiles::new(vec![file.clone()], move || shown_of(user.as_deref(), &file))
            }),
            connect_timeout: options.connect_timeout,
            idle: Idle::default(),
            target,
        })
    }

    /// Sends a request and waits for its answer.
    pub(crate) async fn call(&self, call: &Call) -> Result<Answer, Fault> {
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
        sent.unwrap_or_else(|_| Err(Fault::NotSent(check_listens("it hung up at once"))))
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
        let late = || Fault::Lost(check_listens(&format!("no answer within {secs} s")));
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
        if let Some((name, value)) = call.header {
            request = request.header(name, value);
        }
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, &*token.current()?);
        }
        let request = request.body(Full::new(call.body.clone()));
        request.map_err(|error| format!("the request cannot be made: {error}"))
    }

    /// What we have is not taken: perhaps there is something newer.
    pub(crate) fn look_again(&self) {
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

/// The header that shows who we are: a token, or a user's password.
fn shown_of(user: Option<&str>, file: &Path) -> Result<HeaderValue, String> {
    let name = file.display();
    let text = fs::read_to_string(file).map_err(|error| {
        format!("cannot read the secret from {name}: {error}; check the path and who may read it")
    })?;
    let secret = text.trim();
    if secret.is_empty() {
        return Err(format!("{name} is empty: write the secret into it"));
    }
    let shown = match user {
        None => format!("Bearer {secret}"),
        Some(user) => format!("Basic {}", BASE64.encode(format!("{user}:{secret}"))),
    };
    let mut value = HeaderValue::from_str(&shown)
        .map_err(|_| format!("{name} holds no secret: one word of printable characters"))?;
    value.set_sensitive(true);
    Ok(value)
}
