//! A store that can be read and not written: a full disk.

use super::kit::{House, of_max};
use async_trait::async_trait;
use reboot_core::fleet::Fleet;
use reboot_core::group::HistoryEntry;
use reboot_core::id::GroupName;
use reboot_core::write::{Trouble, Write, Written};
use reboot_server::audit::NoAudit;
use reboot_server::desk::Desk;
use reboot_server::doors::Doors;
use reboot_server::news::Silence;
use reboot_server::view::View;
use reboot_store::embedded::{EmbeddedStore, Options};
use reboot_store::{Interest, Store};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A store on a disk that can be full.
struct Disk {
    store: EmbeddedStore,
    is_full: AtomicBool,
}

#[async_trait]
impl Store for Disk {
    fn describe(&self) -> String {
        self.store.describe()
    }

    async fn write(&self, write: Write) -> Result<Written, Trouble> {
        match self.is_full.load(Ordering::SeqCst) {
            true => Err(Trouble::Unavailable("the disk is full".to_owned())),
            false => self.store.write(write).await,
        }
    }

    async fn look(&self) -> Result<Fleet, Trouble> {
        self.store.look().await
    }

    async fn changed(&self, interest: &Interest, seen: u64) -> Result<(), Trouble> {
        self.store.changed(interest, seen).await
    }

    async fn history(&self, group: &GroupName, limit: usize) -> Result<Vec<HistoryEntry>, Trouble> {
        self.store.history(group, limit).await
    }
}

#[tokio::test]
async fn a_failed_write_counts_until_one_is_carried_out() {
    let dir = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(&dir.path().join("fleet.db"), Options::default()).unwrap();
    let disk = Arc::new(Disk {
        store,
        is_full: AtomicBool::new(false),
    });
    let view = Arc::new(View::open(disk.clone()).await);
    let desk = Arc::new(Desk::new(view, of_max(1), Arc::new(Silence)));
    let house = House::with(desk, (disk.clone(), dir), Doors::open(), Arc::new(NoAudit)).await;
    let figures = async || house.get("/metrics").await.body;
    let up = "clusterrebootd_server_store_up 1\n";
    assert_eq!(house.get("/readyz").await.status, 200);
    disk.is_full.store(true, Ordering::SeqCst);
    assert_eq!(house.pre_reboot("a").await.status, 503);
    house.desk.view().fresh().await.unwrap();
    let ready = house.get("/readyz").await;
    assert_eq!(
        (ready.status, ready.body.as_str()),
        (503, "the disk is full\n")
    );
    assert!(
        !figures().await.contains(up),
        "it can be read, and serves nobody"
    );
    assert_eq!(house.get("/healthz").await.status, 200);
    disk.is_full.store(false, Ordering::SeqCst);
    assert_eq!(house.pre_reboot("a").await.status, 200);
    assert_eq!(house.get("/readyz").await.status, 200);
    assert!(figures().await.contains(up));
}
