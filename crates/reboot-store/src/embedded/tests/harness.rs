//! A store in a directory of its own, with a clock that the test moves.

use crate::Store;
use crate::conformance::Harness;
use crate::embedded::clock::Clock;
use crate::embedded::database::Tuning;
use crate::embedded::{EmbeddedStore, Options};
use async_trait::async_trait;
use reboot_core::id::GroupName;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::sync::watch;

/// A clock that stands until it is moved.
pub(super) struct TestClock {
    boot_id: String,
    now: watch::Sender<i64>,
}

/// A store and the directory it lies in.
pub(super) struct Bench {
    pub(super) directory: TempDir,
    pub(super) clock: Arc<TestClock>,
}

/// Opens a store that goes by a test's clock.
pub(super) fn open_at(path: &Path, clock: &Arc<TestClock>) -> EmbeddedStore {
    let (options, tuning) = (Options::default(), Tuning::default());
    EmbeddedStore::open_with(path, &options, tuning, clock.clone()).unwrap()
}

// === impl TestClock ===

impl TestClock {
    pub(super) fn new(boot_id: &str, now: i64) -> Arc<Self> {
        let boot_id = boot_id.to_owned();
        let (now, _) = watch::channel(now);
        Arc::new(Self { boot_id, now })
    }

    pub(super) fn advance(&self, ms: i64) {
        self.now.send_modify(|now| *now += ms);
    }
}

impl Clock for TestClock {
    fn boot_millis(&self) -> i64 {
        *self.now.borrow()
    }

    fn boot_id(&self) -> &str {
        &self.boot_id
    }

    fn reach(&self, boot_ms: i64) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let mut now = self.now.subscribe();
        Box::pin(async move {
            let _ = now.wait_for(|now| *now >= boot_ms).await;
        })
    }
}

// === impl Bench ===

impl Bench {
    pub(super) fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            clock: TestClock::new("boot-1", 5_000),
        }
    }

    pub(super) fn path(&self) -> PathBuf {
        self.directory.path().join("fleet.db")
    }

    pub(super) fn open(&self) -> EmbeddedStore {
        open_at(&self.path(), &self.clock)
    }
}

/// A store of one process among others: real time, a path that is given.
pub(super) struct Shared(pub(super) Arc<EmbeddedStore>);

// === impl Shared ===

impl Shared {
    pub(super) fn open(path: &Path) -> Self {
        Self(Arc::new(
            EmbeddedStore::open(path, Options::default()).unwrap(),
        ))
    }
}

#[async_trait]
impl Harness for Shared {
    fn store(&self) -> Arc<dyn Store> {
        self.0.clone()
    }

    fn lease_ms(&self) -> u64 {
        1000
    }

    fn marks_ttl_ms(&self) -> u64 {
        Options::default().marks_ttl_ms
    }

    async fn advance(&self, _ms: u64) {
        panic!("real time passes by itself");
    }

    async fn put_record(&self, _group: &GroupName, _record: &str) {
        panic!("nobody writes behind the store's back here");
    }
}
