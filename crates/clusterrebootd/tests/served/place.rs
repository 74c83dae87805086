//! Where the machines of a bench meet: a server, on a store beside the bench.

use crate::server::Served;
use reboot_store::Store;
use reboot_store::embedded::{EmbeddedStore, Options};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A store, as machines are told of it and as the bench itself sees it.
pub(crate) struct Place {
    file: PathBuf,
    url: String,
    /// Lives as long as the place, where nobody else has it.
    _served: Option<Served>,
}

// === impl Place ===

impl Place {
    /// A server on an empty store. Whenever that changes, so does something in this directory.
    pub(crate) fn new(dir: &Path) -> Self {
        let file = dir.join("fleet.db");
        let served = Served::start(&file);
        let url = format!("http://{}", served.address);
        let mut place = Self::of(&file, &url);
        place._served = Some(served);
        place
    }

    /// The store in this file, by a server at this URL.
    pub(crate) fn of(file: &Path, url: &str) -> Self {
        Self {
            file: file.to_owned(),
            url: url.to_owned(),
            _served: None,
        }
    }

    /// The value of the key `store`.
    pub(crate) fn setting(&self) -> String {
        format!("{{server: {{url: '{}'}}}}", self.url)
    }

    /// The server's store, opened beside it: the bench sees it whatever the server does.
    pub(crate) fn open(&self) -> Arc<dyn Store> {
        Arc::new(EmbeddedStore::open(&self.file, Options::default()).unwrap())
    }
}
