//! What a node says is on the page, and is news there.

use super::get;
use super::kit::{House, of_max};
use reboot_core::boot::BootIdentity;
use reboot_core::fleet::{Health, NodeRecord};
use reboot_core::id::{GroupName, Instance, MachineId, NodeName};
use reboot_core::write::Write;
use reboot_store::Store;

fn record() -> NodeRecord {
    NodeRecord {
        node: NodeName::new("node-a").unwrap(),
        machine_id: MachineId::new("machine-a").unwrap(),
        boot: BootIdentity::of_boot("boot"),
        instance: Instance::new("run-a").unwrap(),
        group: GroupName::default(),
        health: Health {
            healthy: true,
            stage: "monitor".to_owned(),
            reason: String::new(),
        },
        reported_at: "2026-03-07T10:00:00Z".to_owned(),
        activity: "idle".to_owned(),
        need: None,
        waiting_for: Vec::new(),
        hold: None,
        extra: serde_json::Map::new(),
    }
}

/// One node, healthy and without a wish.
async fn furnished() -> (House, NodeRecord) {
    let house = House::open(of_max(1)).await;
    let record = record();
    publish(&house, &record).await;
    house.desk.view().fresh().await.unwrap();
    (house, record)
}

/// As a daemon does it, through this server.
async fn publish(house: &House, record: &NodeRecord) {
    let write = Write::Publish {
        record: Box::new(record.clone()),
        stale_after_ms: 3_600_000,
    };
    house.desk.view().write(write).await.unwrap();
}

fn revision(house: &House) -> u64 {
    house.desk.view().newest().unwrap().fleet.revision
}

#[tokio::test]
async fn a_node_that_needs_a_reboot_says_on_the_page_why_it_waits() {
    let (house, mut record) = furnished().await;
    record.need = Some("kernel".to_owned());
    record.waiting_for = vec![
        "outside the maintenance windows".to_owned(),
        "node-b is unhealthy: <disk>".to_owned(),
    ];
    publish(&house, &record).await;
    house.desk.view().fresh().await.unwrap();
    let page = get(&house, "/").await.body;
    let told = "outside the maintenance windows<br>node-b is unhealthy: &#60;disk&#62;";
    assert!(page.contains(told), "{page}");
}

#[tokio::test]
async fn what_a_node_says_draws_the_board_anew_though_no_slot_changed() {
    let (house, record) = furnished().await;
    let changes: [fn(&mut NodeRecord); 4] = [
        |record| record.need = Some("libssl".to_owned()),
        |record| record.activity = "looking".to_owned(),
        |record| record.waiting_for = vec!["a peer is unhealthy".to_owned()],
        |record| record.health.reason = "fine again".to_owned(),
    ];
    for change in changes {
        let board = get(&house, "/board").await.body;
        let seen = board.split("data-revision=\"").nth(1).unwrap();
        let seen = seen.split('"').next().unwrap().to_owned();
        let before = revision(&house);
        let mut record = record.clone();
        change(&mut record);
        let path = format!("/board?seen={seen}");
        let (board, ()) = tokio::join!(get(&house, &path), publish(&house, &record));
        assert_eq!(board.status, 200, "{record:?}");
        assert_eq!(revision(&house), before, "no other node is woken by it");
    }
}

#[tokio::test]
async fn events_tell_of_what_a_node_says() {
    let (house, mut record) = furnished().await;
    let mut line = house.line().await;
    line.send(b"GET /api/v1/events HTTP/1.1\r\nhost: s\r\n\r\n")
        .await;
    line.until("}\n\n").await;
    line.forget();
    record.need = Some("kernel".to_owned());
    publish(&house, &record).await;
    line.until("event: fleet").await;
}
