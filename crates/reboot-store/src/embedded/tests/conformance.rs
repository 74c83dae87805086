//! The embedded store does what every store must do.

use super::harness::Bench;
use crate::conformance::Harness;
use crate::embedded::EmbeddedStore;
use crate::{Store, conformance_tests};
use async_trait::async_trait;
use reboot_core::id::GroupName;
use rusqlite::Connection;
use std::sync::Arc;

struct Embedded {
    bench: Bench,
    store: Arc<EmbeddedStore>,
}

#[async_trait]
impl Harness for Embedded {
    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    fn lease_ms(&self) -> u64 {
        1000
    }

    fn marks_ttl_ms(&self) -> u64 {
        24 * 60 * 60 * 1000
    }

    async fn advance(&self, ms: u64) {
        self.bench.clock.advance(i64::try_from(ms).unwrap());
    }

    async fn put_record(&self, group: &GroupName, record: &str) {
        let conn = Connection::open(self.bench.path()).unwrap();
        let sql = "UPDATE groups SET record = ?2 WHERE name = ?1";
        assert_eq!(conn.execute(sql, [group.as_str(), record]).unwrap(), 1);
    }
}

async fn embedded() -> Embedded {
    let bench = Bench::new();
    let store = Arc::new(bench.open());
    Embedded { bench, store }
}

conformance_tests!(super::embedded);
