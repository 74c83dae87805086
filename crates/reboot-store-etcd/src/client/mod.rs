//! A client of etcd's API, v3: transactions, leases, watches, and nothing else.
//!
//! One connection to one member at a time; the next member when it fails. Every call has a
//! deadline. A write goes out a second time only where it surely did not happen the first time:
//! its outcome is an answer, a [`Fault`] that says so, or [`Fault::Unknown`]. A read that shows
//! less than was seen before is asked of another member.

mod call;
mod connection;
mod endpoint;
mod fault;
mod fresh;
mod journey;
mod judge;
mod lease;
mod login;
mod obstacle;
mod options;
// Made code: its items are public to their parents, and it has none beyond this module.
#[allow(missing_docs, unreachable_pub)]
mod pb;
mod pool;
mod rpc;
mod txn;
mod watch;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use fault::Fault;
use fresh::Newest;
pub use lease::{Granted, LeaseLife};
use login::Login;
pub use options::{BadOptions, Credentials, Options};
use pool::Pool;
pub use reboot_store::tls::Tls;
pub use txn::{Compare, Is, KeyValue, Op, OpResult, Txn, TxnAnswer, prefix_end};
pub use watch::{Event, EventKind, Watch, WatchEnd, WatchRange};

/// A client. Clones share one connection.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    pool: Pool,
    login: Login,
    call_timeout: Duration,
    endpoints: Vec<String>,
    newest: Arc<Newest>,
}

// === impl Client ===

impl Client {
    /// A client that connects when it is first asked for something, from inside a tokio runtime.
    ///
    /// # Errors
    /// When the options make no sense. Whether somebody listens is not looked at.
    pub fn new(options: Options) -> Result<Self, BadOptions> {
        let endpoints = options.check()?;
        let inner = Inner {
            pool: Pool::new(endpoints, options.tls, options.connect_timeout),
            login: Login::new(options.credentials),
            call_timeout: options.call_timeout,
            endpoints: options.endpoints,
            newest: Arc::default(),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Every endpoint as it was given, for people.
    #[must_use]
    pub fn endpoints(&self) -> &[String] {
        &self.inner.endpoints
    }

    /// Where the connection in use leads; nothing while there is none.
    #[must_use]
    pub fn endpoint(&self) -> Option<String> {
        self.inner.pool.endpoint()
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("endpoint", &self.endpoint())
            .finish_non_exhaustive()
    }
}
