//! The store over HTTP does what every store must do: the embedded one behind a real socket.

use crate::kit::{Place, Served};
use async_trait::async_trait;
use reboot_core::boot::BootIdentity;
use reboot_core::group::Identity;
use reboot_core::id::{GroupName, Instance, MachineId, NodeName, SessionId};
use reboot_core::write::Write;
use reboot_store::conformance::Harness;
use reboot_store::embedded::Options;
use reboot_store::remote::RemoteStore;
use reboot_store::{Interest, Store, conformance_tests};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// The shortest lease, in milliseconds.
const LEASE_MS: u64 = 1000;

struct OverTheWire {
    place: Place,
    _server: Served,
    store: Arc<RemoteStore>,
}

#[async_trait]
impl Harness for OverTheWire {
    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    fn lease_ms(&self) -> u64 {
        LEASE_MS
    }

    fn marks_ttl_ms(&self) -> u64 {
        LEASE_MS
    }

    /// Waits for the end of a lease that is opened now, in the store itself: by then all older ones
    /// of its length have ended too.
    async fn advance(&self, ms: u64) {
        static LAST: AtomicU32 = AtomicU32::new(0);
        let number = LAST.fetch_add(1, Ordering::Relaxed);
        let session = SessionId::new(format!("probe-{number}")).unwrap();
        let probe = Write::OpenSession {
            session: session.clone(),
            identity: Identity {
                node: NodeName::new("probe").unwrap(),
                machine_id: MachineId::new("probe").unwrap(),
                boot: BootIdentity::of_boot("probe"),
                instance: Instance::new("probe").unwrap(),
            },
            ttl_ms: ms,
        };
        let store = &self.place.store;
        store.write(probe).await.unwrap();
        loop {
            let fleet = store.look().await.unwrap();
            if fleet.presences.iter().all(|it| it.session != session) {
                return;
            }
            let changed = store.changed(&Interest::Everything, fleet.revision);
            changed.await.unwrap();
        }
    }

    async fn put_record(&self, group: &GroupName, record: &str) {
        let path = self.place.directory.path().join("fleet.db");
        let conn = rusqlite::Connection::open(path).unwrap();
        let sql = "UPDATE groups SET record = ?2 WHERE name = ?1";
        assert_eq!(conn.execute(sql, [group.as_str(), record]).unwrap(), 1);
    }
}

async fn over_the_wire() -> OverTheWire {
    let place = Place::new(Options {
        marks_ttl_ms: LEASE_MS,
    });
    let server = Served::start(place.store.clone()).await;
    let store = Arc::new(server.client());
    OverTheWire {
        place,
        _server: server,
        store,
    }
}

conformance_tests!(super::over_the_wire);
