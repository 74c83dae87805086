//! The etcd that the tests of this process share, and what drives it.

use reboot_lab::{Etcd, LabOptions};
use std::sync::{Arc, LazyLock, Mutex, Weak};
use tokio::runtime::{Builder, Runtime};

/// Drives the laboratory, while tests wait for machines.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().unwrap()
});

/// Runs something of the laboratory to its end.
pub(crate) fn wait_for<T>(what: impl Future<Output = T>) -> T {
    RUNTIME.block_on(what)
}

/// Runs something of the laboratory for as long as this lives.
pub(crate) fn keep_running(what: impl Future<Output = ()> + Send + 'static) -> KeptRunning {
    KeptRunning(RUNTIME.spawn(what))
}

/// What ends when this is dropped.
pub(crate) struct KeptRunning(tokio::task::JoinHandle<()>);

// === impl KeptRunning ===

impl Drop for KeptRunning {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Three members, for as long as some test uses them.
pub(crate) fn shared() -> Arc<Etcd> {
    static SHARED: Mutex<Weak<Etcd>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap();
    if let Some(etcd) = shared.upgrade() {
        return etcd;
    }
    let etcd = Arc::new(wait_for(Etcd::cluster(3, &LabOptions::default())).unwrap());
    *shared = Arc::downgrade(&etcd);
    etcd
}

/// Members of a test's own.
pub(crate) fn own(members: usize, options: &LabOptions) -> Etcd {
    wait_for(Etcd::cluster(members, options)).unwrap()
}
