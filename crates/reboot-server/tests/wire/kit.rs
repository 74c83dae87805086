//! A server of one store, on a port of its own.

use reboot_server::audit::{Audit, NoAudit};
use reboot_server::doors::Doors;
use reboot_server::settings::Limits;
use reboot_server::view::View;
use reboot_server::wire::{self, Nobody, Wire};
use reboot_store::Store;
use reboot_store::embedded::{EmbeddedStore, Options};
use reboot_store::remote::{self, RemoteStore};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// A server; it ends with this.
pub(crate) struct Served {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// The verbs it serves.
    pub(crate) wire: Arc<Wire>,
    /// Turns true when the server is about to end.
    pub(crate) closing: watch::Sender<bool>,
    _tasks: JoinSet<()>,
}

/// A store in a directory of its own.
pub(crate) struct Place {
    /// Where it is.
    pub(crate) directory: TempDir,
    /// What it is.
    pub(crate) store: Arc<EmbeddedStore>,
}

pub(crate) fn limits() -> Limits {
    Limits {
        requests_per_second: 0,
        patience: Duration::from_secs(10),
        ..Limits::default()
    }
}

// === impl Place ===

impl Place {
    pub(crate) fn new(options: Options) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open(&directory.path().join("fleet.db"), options).unwrap();
        Self {
            directory,
            store: Arc::new(store),
        }
    }
}

// === impl Served ===

impl Served {
    /// Serves this store to everybody.
    pub(crate) async fn start(store: Arc<dyn Store>) -> Self {
        Self::start_behind(store, Doors::open(), Arc::new(NoAudit)).await
    }

    /// Serves this store to those who come in by these doors.
    pub(crate) async fn start_behind(
        store: Arc<dyn Store>,
        doors: Doors,
        audit: Arc<dyn Audit>,
    ) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let view = Arc::new(View::open(store).await);
        let closing = watch::Sender::new(false);
        let (limits, is_closing) = (limits(), closing.subscribe());
        let guards = (Arc::new(doors), audit, Arc::new(Nobody) as _);
        let wire = Wire::open_behind(view.clone(), limits, is_closing, guards);
        let routes = wire::routes::<()>(wire.clone());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { view.follow().await });
        tasks.spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self {
            address,
            wire,
            closing,
            _tasks: tasks,
        }
    }

    /// A client of it.
    pub(crate) fn client(&self) -> RemoteStore {
        let options = remote::Options::new(format!("http://{}", self.address));
        RemoteStore::new(&options).unwrap()
    }
}
