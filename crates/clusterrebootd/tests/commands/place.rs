//! Where the fleet of a site is kept: an embedded store, a file beside the configuration. The same
//! tests run on etcd, where another module takes the place of this one.

use reboot_store::Store;
use reboot_store::embedded::{EmbeddedStore, Options};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A store, as a configuration names it and as the test itself sees it.
pub(crate) struct Place {
    file: PathBuf,
}

// === impl Place ===

impl Place {
    /// An empty one.
    pub(crate) fn new(dir: &Path) -> Self {
        let file = dir.join("fleet.db");
        Self { file }
    }

    /// The value of the key `store`.
    pub(crate) fn setting(&self) -> String {
        format!("{{embedded: {{path: {}}}}}", self.file.display())
    }

    /// A store of the test's own; called within a runtime.
    pub(crate) fn open(&self) -> Arc<dyn Store> {
        Arc::new(EmbeddedStore::open(&self.file, Options::default()).unwrap())
    }
}
