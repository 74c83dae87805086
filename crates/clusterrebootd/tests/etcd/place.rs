//! Where the machines of a bench meet: a namespace of an etcd.

use crate::lab::{self, KeptRunning};
use reboot_lab::Etcd;
use reboot_store::Store;
use reboot_store_etcd::client::{Client, Options, WatchRange};
use reboot_store_etcd::{EtcdStore, Layout};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Everything there is in etcd, as a range.
const ALL: &[u8] = b"\0";

/// A store, as machines are told of it and as the bench itself sees it.
pub(crate) struct Place {
    setting: String,
    /// How the bench itself comes to etcd: it may see everything.
    admin: Options,
    layout: Layout,
    _bell: KeptRunning,
    /// Lives as long as it is used.
    _shared: Option<Arc<Etcd>>,
}

// === impl Place ===

impl Place {
    /// An empty namespace in the three members that all share.
    pub(crate) fn new(dir: &Path) -> Self {
        static USED: AtomicU32 = AtomicU32::new(0);
        let namespace = format!("fleet-{}", USED.fetch_add(1, Ordering::Relaxed));
        let etcd = lab::shared();
        let endpoints = etcd.endpoints();
        let list = endpoints.join(", ");
        let setting = format!("{{etcd: {{endpoints: [{list}], namespace: {namespace}}}}}");
        let mut place = Self::of(dir, &setting, Options::new(endpoints), &namespace);
        place._shared = Some(etcd);
        place
    }

    /// A namespace of some etcd, with the value of the key `store` by which machines find it.
    pub(crate) fn of(dir: &Path, setting: &str, admin: Options, namespace: &str) -> Self {
        Self {
            setting: setting.to_owned(),
            layout: Layout::Native {
                namespace: namespace.to_owned(),
                lock_key: "/cluster/clusterrebootd/lock".to_owned(),
            },
            _bell: lab::keep_running(ring(admin.clone(), dir.join("changed"))),
            admin,
            _shared: None,
        }
    }

    /// The same etcd, with its keys elsewhere.
    pub(crate) fn with(self, layout: Layout) -> Self {
        Self { layout, ..self }
    }

    /// The value of the key `store`.
    pub(crate) fn setting(&self) -> String {
        self.setting.clone()
    }

    /// A store of the bench's own; called within its runtime.
    pub(crate) fn open(&self) -> Arc<dyn Store> {
        let client = Client::new(self.admin.clone()).unwrap();
        Arc::new(EtcdStore::new(client, &self.layout))
    }
}

/// Writes to a file whenever something changes in etcd: the bench waits for files.
async fn ring(admin: Options, file: PathBuf) {
    let client = Client::new(admin).unwrap();
    let everything = WatchRange {
        key: ALL.to_vec(),
        end: Some(ALL.to_vec()),
        from_revision: 0,
        puts: true,
        deletes: true,
        previous: false,
    };
    loop {
        // What goes wrong is over in a moment, or seen by the test itself.
        if let Ok(mut watch) = client.watch(vec![everything.clone()]).await {
            while watch.next().await.is_ok() {
                let _ = fs::write(&file, "something changed"); // the bench may be gone
            }
        }
    }
}
