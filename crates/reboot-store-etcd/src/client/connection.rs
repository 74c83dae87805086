//! From an endpoint to a connection on which something has said that it is etcd.

use std::error::Error;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{AlertDescription, CertificateError};
use tokio::io::AsyncBufRead;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tonic::{Code, Status};

use super::endpoint::Endpoint;
use super::obstacle::{Obstacle, plain};
use super::pb;
use super::rpc::{Broken, Extras, Wire};

const CHECK_ETCD: &str = "check that this is etcd's client port (2379 unless changed), not its \
                          peer port or another program's";
const CHECK_SCHEME: &str = "check whether etcd wants https:// there, and that this is its client \
                            port (2379 unless changed)";
const CHECK_TLS: &str = "write http:// if etcd is not encrypted there, or check the port and etcd's \
                         log";
const CHECK_AUTHORITY: &str = "check that ca_file holds the authority that signed etcd's \
                               certificate";
const CHECK_CLIENT: &str = "check that cert_file and key_file are set, not expired, and signed by \
                            an authority in etcd's --trusted-ca-file";

/// How long to wait for a server's first words after the TLS handshake. etcd's come at once; from
/// others, that wait for ours, nothing is lost but this time.
const FIRST_WORDS: Duration = Duration::from_millis(300);

/// A connection to one member.
pub(super) struct Connection {
    /// Where it leads.
    pub(super) endpoint: Arc<Endpoint>,
    /// The place of that in the list.
    pub(super) index: usize,
    /// What calls go over.
    pub(super) wire: Wire,
    /// The certificates it was made with.
    pub(super) tls: Option<Arc<rustls::ClientConfig>>,
}

// === impl Connection ===

impl Connection {
    /// Connects, and asks for a sign of life: a stopped process still accepts connections.
    pub(super) async fn open(
        endpoint: &Arc<Endpoint>,
        index: usize,
        tls: Option<Arc<rustls::ClientConfig>>,
        limit: Duration,
    ) -> Result<Self, Obstacle> {
        let opened = timeout(limit, Self::open_within(endpoint, index, tls, limit)).await;
        opened.unwrap_or_else(|_| Err(Obstacle::silent(endpoint, limit)))
    }

    async fn open_within(
        endpoint: &Arc<Endpoint>,
        index: usize,
        tls: Option<Arc<rustls::ClientConfig>>,
        limit: Duration,
    ) -> Result<Self, Obstacle> {
        let stream = dial(endpoint, limit).await?;
        let wire = match &tls {
            None => start(TokioIo::new(stream), endpoint).await?,
            Some(config) => {
                let stream = shake_hands(stream, endpoint, config.clone()).await?;
                start(TokioIo::new(stream), endpoint).await?
            }
        };
        match wire.unary(pb::StatusRequest {}, Extras::default()).await {
            Err(status) if !is_etcd(&status) => return Err(explain_first_call(endpoint, &status)),
            _ => {}
        }
        Ok(Self {
            endpoint: endpoint.clone(),
            index,
            wire,
            tls,
        })
    }
}

/// Connects to the first address of the host that accepts. One that leads nowhere may not take the
/// time of the others: names often have an address of each version, and one works.
async fn dial(endpoint: &Endpoint, limit: Duration) -> Result<TcpStream, Obstacle> {
    let addresses = lookup_host((endpoint.host.as_str(), endpoint.port)).await;
    let addresses = addresses.map_err(|error| Obstacle::unknown_host(endpoint, &error))?;
    let addresses: Vec<_> = addresses.collect();
    let share = limit / u32::try_from(addresses.len().max(1)).unwrap_or(u32::MAX);
    let mut last = io::Error::new(io::ErrorKind::NotFound, "it has no address");
    for address in addresses {
        match timeout(share, dial_address(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = error,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(Obstacle::not_listening(endpoint, &last))
}

async fn dial_address(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn shake_hands(
    stream: TcpStream,
    endpoint: &Endpoint,
    config: Arc<rustls::ClientConfig>,
) -> Result<tokio_rustls::client::TlsStream<TcpStream>, Obstacle> {
    let name = ServerName::try_from(endpoint.host.clone()).map_err(|_| {
        let check = "write a host name or an address that a certificate can hold";
        Obstacle::new(
            endpoint,
            "no certificate can be made out to this host",
            check,
        )
    })?;
    let shaken = TlsConnector::from(config).connect(name, stream).await;
    let mut stream = shaken.map_err(|error| explain_tls(endpoint, &error))?;
    // A server that looks at our certificate last says what it thinks of it in its first words.
    // Whoever speaks before that may never hear them: an answer to a closed socket wipes them out.
    let spoke = timeout(FIRST_WORDS, poll_fn(|context| speaks(&mut stream, context))).await;
    match spoke {
        Ok(Err(error)) => Err(explain_tls(endpoint, &error)),
        Ok(Ok(())) | Err(_) => Ok(stream),
    }
}

fn speaks<S>(stream: &mut S, context: &mut Context<'_>) -> Poll<io::Result<()>>
where
    S: AsyncBufRead + Unpin,
{
    Pin::new(stream).poll_fill_buf(context).map_ok(|_| ())
}

async fn start<S>(stream: S, endpoint: &Endpoint) -> Result<Wire, Obstacle>
where
    S: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let origin = endpoint.to_string().parse().map_err(|_| {
        Obstacle::new(
            endpoint,
            "it cannot stand in an address",
            "check its spelling",
        )
    })?;
    let started = Wire::start(stream, origin).await;
    started.map_err(|error| explain_broken(endpoint, &error))
}

/// Whether a refusal is etcd's own: that is as good a sign of life as an answer.
fn is_etcd(status: &Status) -> bool {
    status.code() != Code::Unavailable && status.message().starts_with("etcdserver: ")
}

/// Why the first call got no answer, where etcd would have given one to anybody.
fn explain_first_call(endpoint: &Endpoint, status: &Status) -> Obstacle {
    if let Some(broken) = Broken::behind(status) {
        return explain_broken(endpoint, broken);
    }
    if status.code() == Code::Unavailable {
        let check = "check etcd's log there";
        return Obstacle::new(endpoint, status.message(), check);
    }
    let cause = format!("it answers, but not as etcd does ({})", status.message());
    Obstacle::new(endpoint, cause, CHECK_ETCD)
}

/// Why a connection broke that had just been made.
fn explain_broken(endpoint: &Endpoint, error: &(dyn Error + 'static)) -> Obstacle {
    if let Some(io_error) = find::<io::Error>(error)
        && (endpoint.tls || !is_hang_up(io_error))
    {
        return explain_tls(endpoint, io_error);
    }
    if endpoint.tls {
        let cause = "it speaks TLS, then hangs up, or does not speak HTTP/2";
        return Obstacle::new(endpoint, cause, CHECK_ETCD);
    }
    let cause = "it accepts a connection and hangs up, or does not speak HTTP/2";
    Obstacle::new(endpoint, cause, CHECK_SCHEME)
}

fn is_hang_up(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionAborted
    )
}

/// Why TLS failed: in the handshake, or, where the server looks at our certificate only after
/// it, right behind.
fn explain_tls(endpoint: &Endpoint, error: &io::Error) -> Obstacle {
    let inner = error.get_ref().map(|inner| inner as &(dyn Error + 'static));
    let Some(error) = inner.and_then(find::<rustls::Error>) else {
        if let Some(alert) = alert_in(&error.to_string()) {
            return explain_alert(endpoint, alert);
        }
        let cause = match is_hang_up(error) {
            true => "it hung up during the TLS handshake".to_owned(),
            false => plain(error),
        };
        return Obstacle::new(endpoint, cause, CHECK_TLS);
    };
    match error {
        rustls::Error::InvalidCertificate(flaw) => explain_certificate(endpoint, flaw),
        rustls::Error::AlertReceived(alert) => explain_alert(endpoint, *alert),
        rustls::Error::InvalidMessage(_) => {
            Obstacle::new(endpoint, "it does not speak TLS", CHECK_TLS)
        }
        other => Obstacle::new(
            endpoint,
            format!("TLS failed: {other}"),
            "check etcd's log there",
        ),
    }
}

/// What is wrong with the server's certificate.
fn explain_certificate(endpoint: &Endpoint, flaw: &CertificateError) -> Obstacle {
    let host = &endpoint.host;
    let (cause, check) = match flaw {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => (
            "its certificate has expired".to_owned(),
            "renew it on the server, and check this machine's clock",
        ),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => (
            "its certificate is not valid yet".to_owned(),
            "check this machine's clock, and the certificate on the server",
        ),
        CertificateError::UnknownIssuer => (
            "its certificate is signed by an authority that we do not trust".to_owned(),
            CHECK_AUTHORITY,
        ),
        CertificateError::BadSignature => (
            "its certificate is not signed by the authority it names".to_owned(),
            CHECK_AUTHORITY,
        ),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => (
            format!("its certificate is not made out to {host}"),
            "use a name or an address that stands in the certificate, or add this one to it",
        ),
        other => (
            format!("its certificate does not hold: {other}"),
            CHECK_AUTHORITY,
        ),
    };
    Obstacle::new(endpoint, cause, check)
}

/// What the server did not like about us.
fn explain_alert(endpoint: &Endpoint, alert: AlertDescription) -> Obstacle {
    let cause = match alert {
        AlertDescription::CertificateRequired => "it wants a client certificate".to_owned(),
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateUnknown => {
            "it wants a client certificate, or does not accept ours".to_owned()
        }
        AlertDescription::CertificateExpired => "our client certificate has expired".to_owned(),
        AlertDescription::CertificateRevoked => "our client certificate is revoked".to_owned(),
        AlertDescription::UnknownCA => {
            "our client certificate is signed by an authority that it does not trust".to_owned()
        }
        other => {
            let cause = format!("it ended the TLS handshake with {other:?}");
            return Obstacle::new(endpoint, cause, "check etcd's log there");
        }
    };
    Obstacle::new(endpoint, cause, CHECK_CLIENT).denied()
}

/// The alert in a text of rustls: HTTP/2 keeps no more than that of what ends a connection.
fn alert_in(text: &str) -> Option<AlertDescription> {
    let (_, name) = text.rsplit_once("received fatal alert: ")?;
    let known = [
        AlertDescription::CertificateRequired,
        AlertDescription::BadCertificate,
        AlertDescription::UnsupportedCertificate,
        AlertDescription::CertificateUnknown,
        AlertDescription::CertificateExpired,
        AlertDescription::CertificateRevoked,
        AlertDescription::UnknownCA,
        AlertDescription::AccessDenied,
    ];
    known.into_iter().find(|alert| format!("{alert:?}") == name)
}

/// The first error of a kind in a chain of causes, through those that tell theirs in a way of
/// their own.
fn find<'e, E: Error + 'static>(error: &'e (dyn Error + 'static)) -> Option<&'e E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        next = behind(error);
    }
    None
}

fn behind<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e (dyn Error + 'static)> {
    if let Some(wrapping) = error.downcast_ref::<io::Error>() {
        return Some(wrapping.get_ref()?);
    }
    if let Some(http2) = error.downcast_ref::<h2::Error>() {
        return Some(http2.get_io()?);
    }
    error.source()
}
