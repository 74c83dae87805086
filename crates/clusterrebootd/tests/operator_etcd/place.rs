//! Where the fleet of a site is kept: a namespace of one real etcd, which all tests share.

use reboot_lab::{Etcd, LabOptions};
use reboot_store::Store;
use reboot_store_etcd::client::{Client, Options};
use reboot_store_etcd::{EtcdStore, Layout};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, Mutex, Weak};
use tokio::runtime::{Builder, Runtime};

/// Drives the laboratory.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(1).enable_all().build().unwrap()
});

/// A store, as a configuration names it and as the test itself sees it.
pub(crate) struct Place {
    namespace: String,
    etcd: Arc<Etcd>,
}

// === impl Place ===

impl Place {
    /// An empty one.
    pub(crate) fn new(_: &Path) -> Self {
        static USED: AtomicU32 = AtomicU32::new(0);
        Self {
            namespace: format!("fleet-{}", USED.fetch_add(1, Ordering::Relaxed)),
            etcd: shared(),
        }
    }

    /// The value of the key `store`.
    pub(crate) fn setting(&self) -> String {
        let endpoints = self.etcd.endpoints().join(", ");
        let namespace = &self.namespace;
        format!("{{etcd: {{endpoints: [{endpoints}], namespace: {namespace}}}}}")
    }

    /// A store of the test's own; called within a runtime.
    pub(crate) fn open(&self) -> Arc<dyn Store> {
        let client = Client::new(Options::new(self.etcd.endpoints())).unwrap();
        let layout = Layout::Native {
            namespace: self.namespace.clone(),
            lock_key: "/cluster/clusterrebootd/lock".to_owned(),
        };
        Arc::new(EtcdStore::new(client, &layout))
    }
}

/// One member, for as long as some test uses it.
fn shared() -> Arc<Etcd> {
    static SHARED: Mutex<Weak<Etcd>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap();
    if let Some(etcd) = shared.upgrade() {
        return etcd;
    }
    let etcd = RUNTIME.block_on(Etcd::single(&LabOptions::default()));
    let etcd = Arc::new(etcd.unwrap());
    *shared = Arc::downgrade(&etcd);
    etcd
}
