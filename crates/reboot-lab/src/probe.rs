//! What a member says of itself on its metrics address, where nobody has to log in.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(2);

/// What a member says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Health {
    /// It answers, and its cluster takes requests.
    pub(crate) healthy: bool,
    /// It leads.
    pub(crate) leads: bool,
}

/// Asks; a member that does not answer is neither healthy nor leads.
pub(crate) async fn health(address: SocketAddr) -> Health {
    let (health, metrics) = match (
        get(address, "/health").await,
        get(address, "/metrics").await,
    ) {
        (Ok(health), Ok(metrics)) => (health, metrics),
        _ => return Health::default(),
    };
    Health {
        healthy: health.contains("\"health\":\"true\""),
        leads: metrics.contains("\netcd_server_is_leader 1"),
    }
}

/// Gets a page.
pub(crate) async fn get(address: SocketAddr, path: &str) -> io::Result<String> {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        let request = format!("GET {path} HTTP/1.0\r\nHost: lab\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    };
    let answer = timeout(PATIENCE, exchange).await;
    answer.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}
