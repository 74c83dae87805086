//! The coordination server's page of the demo's fleet, for this machine alone, while it runs.

use anyhow::Result;
use reboot_server::Server;
use reboot_server::desk::Desk;
use reboot_server::news::Silence;
use reboot_server::settings::{Limits, ServerSettings};
use reboot_server::view::View;
use reboot_store::embedded::{EmbeddedStore, Options};
use std::collections::BTreeMap;
use std::future::pending;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use tokio::task::JoinHandle;

/// The page. It is gone with this value.
pub(super) struct Page {
    address: SocketAddr,
    serving: JoinHandle<()>,
}

// === impl Page ===

impl Page {
    /// Serves the fleet in this store on a free port.
    ///
    /// # Errors
    /// When there is no port, or no store.
    pub(super) async fn open(store: &Path) -> Result<Self> {
        let server = Server::bind("127.0.0.1:0").await?;
        let address = server.address();
        let store = EmbeddedStore::open(store, Options::default())?;
        let view = Arc::new(View::open(Arc::new(store)).await);
        let desk = Desk::new(view, as_they_are(), Arc::new(Silence));
        let serving = tokio::spawn(server.serve(Arc::new(desk), pending()));
        Ok(Self { address, serving })
    }

    /// Where it is.
    pub(super) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// The groups are the daemons': this server owns none.
fn as_they_are() -> ServerSettings {
    ServerSettings {
        base_path: Default::default(),
        groups: BTreeMap::new(),
        node_names: Default::default(),
        open_groups: None,
        limits: Limits::default(),
    }
}
