//! Orders in a store that is older than they are, and in one that is put back.

use super::harness::Shared;
use crate::conformance::kit::{Agent, Fleetful};
use crate::embedded::maintenance::{Why, backup, check, dump, restore};
use reboot_core::order::Order;
use reboot_core::write::Write;
use rusqlite::Connection;

async fn order(agent: &Agent) {
    let write = Write::Order {
        node: agent.identity.node.clone(),
        group: agent.group.clone(),
        order: Order {
            by: "alice".to_owned(),
            reason: "a new disk".to_owned(),
            at: "2026-01-01T00:00:00Z".to_owned(),
            not_before: None,
            boot: agent.identity.boot.clone(),
            extra: Default::default(),
        },
    };
    agent.write(write).await.unwrap();
}

#[tokio::test]
async fn a_store_of_an_earlier_version_is_read_and_takes_orders() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("fleet.db");
    drop(Shared::open(&path));
    let earlier = Connection::open(&path).unwrap();
    earlier.execute_batch("DROP TABLE orders").unwrap();
    drop(earlier);
    assert_eq!(dump(&path).unwrap().get("orders"), None);
    assert!(check(&path).unwrap().is_sound());
    let shared = Shared::open(&path);
    let fleet = Fleetful::new(&shared, 1);
    assert!(fleet.look().await.orders.is_empty());
    let one = fleet.agent("one").await;
    order(&one).await;
    assert_eq!(fleet.look().await.orders.len(), 1);
    let shown = dump(&path).unwrap();
    assert_eq!(shown["orders"][0]["ordered"]["reason"], "a new disk");
}

#[tokio::test]
async fn a_restore_forgets_what_was_ordered() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("fleet.db");
    let copy = directory.path().join("copy.db");
    let shared = Shared::open(&path);
    let fleet = Fleetful::new(&shared, 1);
    let one = fleet.agent("one").await;
    order(&one).await;
    backup(&path, &copy).unwrap();
    drop((one, fleet));
    drop(shared);
    let why = Why {
        by: "operator".to_owned(),
        reason: "the disk died".to_owned(),
        at: "2026-01-02T00:00:00Z".to_owned(),
    };
    restore(&copy, &path, &why).unwrap();
    let shared = Shared::open(&path);
    let look = Fleetful::new(&shared, 1).look().await;
    assert!(
        look.orders.is_empty(),
        "one that was taken back since would come to life again"
    );
}
