//! The other end of a connection: where it is, and whether it is still there.

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{Shutdown, setsockopt, shutdown, sockopt};
use std::future::Future;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

/// After so many seconds of silence the kernel asks whether a client is still there.
const SILENCE_SECS: u32 = 30;
/// How often it asks, in seconds, and how many times in vain.
const PROBE_SECS: u32 = 10;
const PROBES: u32 = 3;

/// The other end of a connection.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Where it is.
    pub address: SocketAddr,
    stream: Arc<TcpStream>,
}

/// A connection that can be asked whether its other end is there while it is served, and that
/// fails when what is written is not read for too long.
#[derive(Debug)]
pub(crate) struct Link {
    stream: Arc<TcpStream>,
    patience: Duration,
    unread_since: Option<Pin<Box<Sleep>>>,
}

// === impl Peer ===

impl Peer {
    /// The peer of a connection, and the connection.
    pub(crate) fn of(stream: TcpStream, address: SocketAddr, patience: Duration) -> (Self, Link) {
        // A connection without these is served all the same.
        let _ = stream.set_nodelay(true);
        let _ = watch_for_silence(&stream);
        let stream = Arc::new(stream);
        let link = Link {
            stream: stream.clone(),
            patience,
            unread_since: None,
        };
        (Self { address, stream }, link)
    }

    /// Whether it has closed its end, or was cut off: nobody reads an answer any more.
    pub fn is_gone(&self) -> bool {
        // nix does not name this flag; what it sets besides is never asked for.
        let gone = PollFlags::from_bits_retain(nix::libc::POLLRDHUP);
        let mut fds = [PollFd::new(self.stream.as_fd(), gone)];
        // An interrupted call tells nothing.
        matches!(poll(&mut fds, PollTimeout::ZERO), Ok(count) if count > 0)
    }
}

fn watch_for_silence(stream: &TcpStream) -> nix::Result<()> {
    setsockopt(stream, sockopt::KeepAlive, &true)?;
    setsockopt(stream, sockopt::TcpKeepIdle, &SILENCE_SECS)?;
    setsockopt(stream, sockopt::TcpKeepInterval, &PROBE_SECS)?;
    setsockopt(stream, sockopt::TcpKeepCount, &PROBES)
}

// === impl Link ===

impl Link {
    /// What a write came to, or the error that it was left unread for too long.
    fn bounded<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.unread_since = None;
            return written;
        }
        let patience = self.patience;
        let timer = self
            .unread_since
            .get_or_insert_with(|| Box::pin(sleep(patience)));
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    fn try_to_write(
        &self,
        cx: &mut Context<'_>,
        write: impl Fn(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.stream.poll_write_ready(cx))?;
            match write(&self.stream) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
        }
    }
}

impl AsyncRead for Link {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            ready!(self.stream.poll_read_ready(cx))?;
            // Into the buffer as it is: clearing it first would touch pages that most never need.
            match self.stream.try_read_buf(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result.map(|_| ())),
            }
        }
    }
}

impl AsyncWrite for Link {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = this.try_to_write(cx, |stream| stream.try_write(bytes));
        this.bounded(cx, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = this.try_to_write(cx, |stream| stream.try_write_vectored(bytes));
        this.bounded(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(shutdown(self.stream.as_raw_fd(), Shutdown::Write).map_err(io::Error::from))
    }
}
