//! A very small HTTP/1.1 server for scrapers: any path shows the metrics.
//!
//! Everything is bounded: the length of a request, the time it may take, and how many there are at
//! once. One request a connection.

use super::{Exposition, Metrics};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// The longest request, in bytes.
const REQUEST_BYTES_MAX: usize = 8 * 1024;
/// How long a scraper may take to send its request, and again to read the reply.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many scrapers are served at once; more wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 64;
/// A pause after a failed accept (no file descriptors left, for one), so as not to spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A bound listener.
#[derive(Debug)]
pub struct Listener {
    listener: TcpListener,
    address: SocketAddr,
}

/// What scrapers are shown, by what they can read.
pub trait Shown: Fn(Exposition) -> (&'static str, String) + Clone + Send + Sync + 'static {}

impl<T: Fn(Exposition) -> (&'static str, String) + Clone + Send + Sync + 'static> Shown for T {}

#[derive(Debug, Eq, PartialEq)]
enum Request {
    Metrics {
        exposition: Exposition,
        is_head: bool,
    },
    Refused {
        status: &'static str,
    },
}

// === impl Listener ===

impl Listener {
    /// Binds to `host:port`; without a host, to every address of the machine.
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
        Ok(Self { listener, address })
    }

    /// Where it is bound: what `RC_METRICS_ENDPOINT` says.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves scrapers until it is dropped; replies under way end with it.
    pub async fn serve(self, metrics: Metrics) {
        let shown = move |exposition: Exposition| {
            let text = metrics.render(exposition);
            (exposition.content_type(), text)
        };
        self.serve_shown(shown).await;
    }

    /// The same of any text: its content type, and itself.
    pub async fn serve_shown(self, shown: impl Shown) {
        let mut connections = JoinSet::new();
        loop {
            while connections.len() >= CONNECTIONS_MAX {
                connections.join_next().await;
            }
            tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        connections.spawn(answer(stream, shown.clone()));
                    }
                    Err(_) => sleep(ACCEPT_PAUSE).await,
                },
                Some(_) = connections.join_next() => {}
            }
        }
    }
}

/// A scraper that goes away is its own affair.
async fn answer(mut stream: TcpStream, shown: impl Shown) {
    let request = match timeout(PATIENCE, read_request(&mut stream)).await {
        Ok(Ok(Some(request))) => request,
        Ok(Ok(None) | Err(_)) => return,
        Err(_) => Request::Refused {
            status: "408 Request Timeout",
        },
    };
    let reply = reply(&request, &shown);
    let _ = timeout(PATIENCE, send(&mut stream, reply.as_bytes())).await;
}

async fn send(stream: &mut TcpStream, reply: &[u8]) -> io::Result<()> {
    stream.write_all(reply).await?;
    stream.shutdown().await
}

/// `None` when the connection was closed before a whole request came.
async fn read_request(stream: &mut TcpStream) -> io::Result<Option<Request>> {
    let mut head = Vec::with_capacity(1024);
    let mut chunk = [0; 1024];
    loop {
        let count = stream.read(&mut chunk).await?;
        head.extend_from_slice(&chunk[..count]);
        if let Some(end) = head.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            return Ok(Some(understand(&head[..end])));
        }
        if count == 0 {
            return Ok(None);
        }
        if head.len() > REQUEST_BYTES_MAX {
            let status = "431 Request Header Fields Too Large";
            return Ok(Some(Request::Refused { status }));
        }
    }
}

fn understand(head: &[u8]) -> Request {
    let Ok(head) = std::str::from_utf8(head) else {
        return Request::Refused {
            status: "400 Bad Request",
        };
    };
    let mut lines = head.split("\r\n");
    let words: Vec<&str> = lines.next().unwrap_or_default().split(' ').collect();
    let [method, _path, version] = words[..] else {
        return Request::Refused {
            status: "400 Bad Request",
        };
    };
    if !version.starts_with("HTTP/1.") {
        return Request::Refused {
            status: "400 Bad Request",
        };
    }
    if !matches!(method, "GET" | "HEAD") {
        return Request::Refused {
            status: "405 Method Not Allowed",
        };
    }
    let headers = lines.filter_map(|line| line.split_once(':'));
    let accepts = headers.filter(|(name, _)| name.eq_ignore_ascii_case("accept"));
    let accept: String = accepts
        .map(|(_, value)| value)
        .collect::<Vec<_>>()
        .join(",");
    Request::Metrics {
        exposition: Exposition::for_accept(&accept),
        is_head: method == "HEAD",
    }
}

fn reply(request: &Request, shown: &impl Shown) -> String {
    match request {
        Request::Metrics {
            exposition,
            is_head,
        } => {
            let (content_type, body) = shown(*exposition);
            let head = head("200 OK", content_type, body.len());
            if *is_head { head } else { head + &body }
        }
        Request::Refused { status } => {
            let body = format!("{status}\n");
            head(status, "text/plain; charset=utf-8", body.len()) + &body
        }
    }
}

fn head(status: &str, content_type: &str, length: usize) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\
         Allow: GET, HEAD\r\nConnection: close\r\n\r\n"
    )
}
