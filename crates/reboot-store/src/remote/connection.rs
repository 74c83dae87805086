//! Connections to the server: made, kept for the next call, and why one could not be had.

use super::options::Target;
use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::rt::{Read, Write};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{AlertDescription, CertificateError, ClientConfig};
use std::error::Error;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// Connections that are kept while nobody uses them: one that waits for a change, one for the
/// rest, and some more for whoever asks at the same time.
const IDLE_MAX: usize = 4;

const CHECK_LISTENS: &str = "check that `clusterrebootd serve` runs there, and that no firewall \
                             is between";
const CHECK_SCHEME: &str = "check whether the server has TLS, and write http:// or https:// \
                            accordingly";
const CHECK_CLIENT: &str = "check that cert_file and key_file are set, not expired, and signed \
                            by an authority in the server's client_ca_file";

/// What requests go over.
pub(super) type Sender = SendRequest<Full<Bytes>>;

/// A connection, and with which certificates it was made.
pub(super) struct Connection {
    /// The sending end.
    pub(super) sender: Sender,
    tls: Option<Arc<ClientConfig>>,
}

/// Connections that nobody uses at the moment.
#[derive(Default)]
pub(super) struct Idle(Mutex<Vec<Connection>>);

// === impl Idle ===

impl Idle {
    /// Takes one that is still open and was made with these certificates.
    pub(super) fn take(&self, tls: Option<&Arc<ClientConfig>>) -> Option<Connection> {
        let mut idle = self.lock();
        idle.retain(|connection| connection.is_of(tls) && connection.sender.is_ready());
        idle.pop()
    }

    /// Keeps one for the next call.
    pub(super) fn keep(&self, connection: Connection) {
        let mut idle = self.lock();
        if !connection.sender.is_closed() && idle.len() < IDLE_MAX {
            idle.push(connection);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Connection ===

impl Connection {
    /// Connects. The error is a text for people.
    pub(super) async fn open(
        target: &Target,
        tls: Option<Arc<ClientConfig>>,
        limit: Duration,
    ) -> Result<Self, String> {
        let opened = timeout(limit, Self::open_within(target, tls, limit)).await;
        opened.unwrap_or_else(|_| {
            let secs = limit.as_secs_f64();
            Err(check_listens(&format!("no connection within {secs} s")))
        })
    }

    async fn open_within(
        target: &Target,
        tls: Option<Arc<ClientConfig>>,
        limit: Duration,
    ) -> Result<Self, String> {
        let stream = dial(target, limit).await?;
        let sender = match &tls {
            None => start(TokioIo::new(stream)).await?,
            Some(config) => {
                let name = ServerName::try_from(target.host.clone())
                    .map_err(|_| "no certificate can be made out to this host".to_owned())?;
                let shaken = TlsConnector::from(config.clone()).connect(name, stream);
                let stream = shaken.await.map_err(|error| explain_tls(target, &error))?;
                start(TokioIo::new(stream)).await?
            }
        };
        Ok(Self { sender, tls })
    }

    fn is_of(&self, tls: Option<&Arc<ClientConfig>>) -> bool {
        match (&self.tls, tls) {
            (None, None) => true,
            (Some(mine), Some(current)) => Arc::ptr_eq(mine, current),
            _ => false,
        }
    }
}

/// Connects to the first address of the host that accepts; each gets its share of the time.
async fn dial(target: &Target, limit: Duration) -> Result<TcpStream, String> {
    let found = lookup_host((target.host.as_str(), target.port)).await;
    let addresses: Vec<_> = found
        .map_err(|error| {
            let host = &target.host;
            format!("cannot find the address of {host}: {error}; check its spelling")
        })?
        .collect();
    let share = limit / u32::try_from(addresses.len().max(1)).unwrap_or(u32::MAX);
    let mut last = io::Error::new(io::ErrorKind::NotFound, "it has no address");
    for address in addresses {
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                let _ = stream.set_nodelay(true); // only slower without
                return Ok(stream);
            }
            Ok(Err(error)) => last = error,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(check_listens(&plain(&last)))
}

/// Speaks HTTP/1.1 over a stream. A task drives it until it is closed.
async fn start<S>(stream: S) -> Result<Sender, String>
where
    S: Read + Write + Unpin + Send + 'static,
{
    let started = http1::handshake(stream).await;
    let (sender, connection) = started.map_err(|error| explain(&error))?;
    tokio::spawn(async move {
        let _ = connection.await; // whoever waits for an answer learns of it
    });
    Ok(sender)
}

/// A cause that a server which does not run, or cannot be reached, explains.
pub(super) fn check_listens(cause: &str) -> String {
    format!("{cause}; {CHECK_LISTENS}")
}

/// What a connection died of, with what to check where that is known.
pub(super) fn explain(error: &(dyn Error + 'static)) -> String {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<rustls::Error>() {
            return explain_rustls(error);
        }
        if let Some(error) = error.downcast_ref::<io::Error>() {
            let inner = error.get_ref().and_then(|it| it.downcast_ref());
            return inner.map_or_else(|| check_listens(&plain(error)), explain_rustls);
        }
        if let Some(error) = error.downcast_ref::<hyper::Error>() {
            if error.is_incomplete_message() || error.is_canceled() {
                return check_listens("it hung up");
            }
            if error.is_parse() {
                return format!("it does not speak HTTP; {CHECK_SCHEME}");
            }
        }
        next = error.source();
    }
    error.to_string()
}

fn explain_tls(target: &Target, error: &io::Error) -> String {
    let inner = error.get_ref().and_then(|it| it.downcast_ref());
    match inner {
        Some(rustls::Error::InvalidCertificate(CertificateError::NotValidForName))
        | Some(rustls::Error::InvalidCertificate(CertificateError::NotValidForNameContext {
            ..
        })) => format!(
            "its certificate is not made out to {}; use a name that stands in the certificate",
            target.host
        ),
        Some(error) => explain_rustls(error),
        None => format!("{} during the TLS handshake; {CHECK_SCHEME}", plain(error)),
    }
}

fn explain_rustls(error: &rustls::Error) -> String {
    let (cause, check) = match error {
        rustls::Error::InvalidMessage(_) => ("it does not speak TLS", CHECK_SCHEME),
        rustls::Error::AlertReceived(alert) => (alert_words(*alert), CHECK_CLIENT),
        rustls::Error::InvalidCertificate(flaw) => certificate_words(flaw),
        other => return format!("TLS failed: {other}"),
    };
    format!("{cause}; {check}")
}

fn alert_words(alert: AlertDescription) -> &'static str {
    match alert {
        AlertDescription::CertificateRequired => "it wants a client certificate",
        AlertDescription::CertificateExpired => "our client certificate has expired",
        AlertDescription::UnknownCA => {
            "our client certificate is signed by an authority that it does not trust"
        }
        _ => "it ended the TLS handshake, perhaps for our client certificate",
    }
}

fn certificate_words(flaw: &CertificateError) -> (&'static str, &'static str) {
    match flaw {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => (
            "its certificate has expired",
            "renew it on the server, and check this machine's clock",
        ),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => (
            "its certificate is not valid yet",
            "check this machine's clock, and the certificate on the server",
        ),
        CertificateError::UnknownIssuer => (
            "its certificate is signed by an authority that we do not trust",
            "check that ca_file holds the authority that signed the server's certificate",
        ),
        _ => (
            "its certificate does not hold",
            "check the certificate on the server, and ca_file here",
        ),
    }
}

/// The error's own words in lower case, without its number.
fn plain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => "it hung up".to_owned(),
        io::ErrorKind::UnexpectedEof => "it hung up".to_owned(),
        io::ErrorKind::TimedOut => "no answer to the connection".to_owned(),
        _ => error.to_string(),
    }
}
