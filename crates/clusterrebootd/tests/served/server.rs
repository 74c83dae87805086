//! A server on an embedded store, which can be killed and restarted in its place.

use reboot_core::id::GroupName;
use reboot_server::Server;
use reboot_server::desk::Desk;
use reboot_server::news::{News, Observer};
use reboot_server::settings::{GroupRules, ServerSettings};
use reboot_server::view::View;
use reboot_store::embedded::{EmbeddedStore, Options};
use std::future::pending;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

/// How long the end may take of what is under way.
const PATIENCE: Duration = Duration::from_secs(10);

/// A server that lives until it is killed.
pub(crate) struct Served {
    file: PathBuf,
    /// Where it listens, from its first start on.
    pub(crate) address: SocketAddr,
    runtime: Option<Runtime>,
}

/// Nobody listens.
struct Silent;

impl Observer for Silent {
    fn told(&self, _: &News<'_>) {}
}

// === impl Served ===

impl Served {
    /// A server on the store in this file.
    pub(crate) fn start(file: &Path) -> Self {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut served = Self {
            file: file.to_owned(),
            address: any,
            runtime: None,
        };
        served.restart();
        served
    }

    /// Starts it again, where it was.
    pub(crate) fn restart(&mut self) {
        let mut builder = Builder::new_multi_thread();
        let runtime = builder.worker_threads(2).enable_all().build().unwrap();
        let store = EmbeddedStore::open(&self.file, Options::default()).unwrap();
        let listen = self.address.to_string();
        let (server, desk) = runtime.block_on(async {
            let server = Server::bind(&listen).await.unwrap();
            let view = Arc::new(View::open(Arc::new(store)).await);
            let rules = GroupRules::of_max(1);
            let settings = ServerSettings::of_group(GroupName::default(), rules);
            (server, Desk::new(view, settings, Arc::new(Silent)))
        });
        self.address = server.address();
        runtime.spawn(server.serve(Arc::new(desk), pending()));
        self.runtime = Some(runtime);
    }

    /// Ends it at once: every connection is cut, whatever is under way.
    pub(crate) fn kill(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(PATIENCE);
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.kill();
    }
}
