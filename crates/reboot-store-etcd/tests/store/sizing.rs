//! How much fits into etcd: as many holders as a group can have, in one request; and what a fleet
//! writes in a day.

use crate::bench::Bench;
use reboot_core::fleet::{Health, NodeRecord};
use reboot_core::group::{Group, Hold, Pause, Phase, Way};
use reboot_core::id::{GroupName, Instance, MachineId, NodeName, RequestId, SessionId};
use reboot_core::undo::Undo;
use reboot_core::write::{Trouble, Write};
use reboot_lab::{Etcd, LabOptions};
use reboot_store::Store;
use reboot_store_etcd::client::{Client, Options};
use std::sync::Arc;
use tokio::task::JoinSet;

/// What one request to etcd may have, unless its members are told otherwise.
const REQUEST_MAX: usize = 1_572_864;
/// What gRPC takes at all then.
const GRPC_MAX: usize = REQUEST_MAX + 512 * 1024;
/// How long tokens are.
const TOKEN: &str = "59b76c4ff86f4987a0e859441107eb17";

/// A hold as long as a daemon's own, after so many hooks.
fn hold(model: &Hold, number: u64, hooks: usize) -> Hold {
    let boot = r#"{"boot_id":"77fdf254-13af-4d2e-adb9-2c4e8fdf70fc"}"#;
    let undo = (0..hooks).map(|hook| format!("{hook:02}-drain-one-of-its-services"));
    Hold {
        number,
        node: NodeName::new(format!("node-{number:04}.rack-12.example.net")).unwrap(),
        machine_id: MachineId::new(format!("{number:032x}")).unwrap(),
        instance: Instance::new(TOKEN).unwrap(),
        session: SessionId::new(format!("{TOKEN}.1")).unwrap(),
        phase: Phase::Rebooting,
        boot: serde_json::from_str(boot).unwrap(),
        fenced: true,
        need: "kernel=d0db01471fa9e7e2".to_owned(),
        pid: 1_000_000,
        acquired_at: "2026-11-21T14:29:09.821247748Z".to_owned(),
        undo: Undo::of(undo),
        last_request: RequestId::new(format!("{TOKEN}.7")).unwrap(),
        ..model.clone()
    }
}

/// Fills the group up to its last slot, and returns what a hold adds to its record.
async fn fill(bench: &Bench, hooks: usize) -> usize {
    bench.open("last").await;
    let number = bench.claim("last").await.unwrap();
    let group = bench.record().await;
    bench.release("last", number, Way::GivenBack).await;
    let holds = (1..1_000).map(|number| hold(&group.holds[0], number, hooks));
    let full = Group {
        max: 1_000,
        generation: 1_000,
        holds: holds.collect(),
        ..group
    };
    let (keys, default) = (bench.store.keys(), GroupName::default());
    for hold in &full.holds {
        let mut value = serde_json::to_value(hold).unwrap();
        value["startTime"] = 1_795_271_349.into();
        let key = keys.holder(&default, &hold.node);
        bench.put(&key, &value.to_string()).await;
    }
    let text = serde_json::to_string(&full).unwrap();
    bench.put(&keys.record(&default), &text).await;
    text.len() / 999 + r#","startTime":1795271349"#.len() + TOKEN.len() + r#""","#.len()
}

#[tokio::test]
async fn a_thousand_holders_fit_into_one_commit() {
    let bench = Bench::new().await;
    let each = fill(&bench, 0).await;
    bench.claim("last").await.unwrap();
    assert_eq!(bench.record().await.holds.len(), 1_000);
    let record = bench.store.keys().record(&GroupName::default());
    let bytes = bench.get(&record).await.to_string().len();
    assert!(bytes.abs_diff(1_000 * each) < 1_000, "{bytes}, {each} each");
    assert!((480..550).contains(&each), "as documented: {each}");
    assert!(2 * bytes < REQUEST_MAX, "record and copy: {bytes} twice");
}

#[tokio::test]
async fn more_than_etcd_takes_at_once_is_told_and_changes_nothing() {
    let bench = Bench::new().await;
    let each = fill(&bench, 12).await;
    let bytes = 2 * 1_000 * each;
    assert!(REQUEST_MAX < bytes && bytes < GRPC_MAX, "{bytes} bytes");
    let Err(Trouble::Unavailable(why)) = bench.claim("last").await else {
        panic!("more than etcd takes");
    };
    for word in ["request is too large", "--max-request-bytes", "fewer slots"] {
        assert!(why.contains(word), "{why}");
    }
    assert_eq!(bench.record().await.holds.len(), 999);
}

#[tokio::test]
async fn more_than_grpc_takes_at_once_is_told_too() {
    let bench = Bench::new().await;
    let each = fill(&bench, 24).await;
    assert!(GRPC_MAX < 2 * 1_000 * each, "{each} each");
    let Err(Trouble::Unknown(why)) = bench.claim("last").await else {
        panic!("more than gRPC takes");
    };
    for word in ["larger than max", "--max-request-bytes", "fewer slots"] {
        assert!(why.contains(word), "{why}");
    }
}

#[tokio::test]
async fn a_fleet_is_paused_though_a_group_is_too_large_to_be_written() {
    for hooks in [12, 24] {
        let bench = Bench::new().await;
        fill(&bench, hooks).await;
        let pause = Pause {
            by: "ann".to_owned(),
            reason: "everything is down".to_owned(),
            until: None,
            session: None,
        };
        let now = "2026-01-01T00:00:00Z".to_owned();
        let write = Write::pause_fleet(Some(pause.clone()), "ann".to_owned(), now);
        bench.store.write(write).await.unwrap();
        assert_eq!(bench.store.look().await.unwrap().pause, Some(pause));
    }
}

#[tokio::test]
async fn what_a_fleet_writes_in_a_day_is_as_documented() {
    const WORDS: usize = 2_000;
    let etcd = Etcd::single(&LabOptions::default()).await.unwrap();
    let client = Client::new(Options::new(etcd.endpoints())).unwrap();
    let bench = Bench::on(client);
    let record = record(&bench);
    let say = || Write::Publish {
        record: Box::new(record.clone()),
        stale_after_ms: 600_000,
    };
    bench.store.write(say()).await.unwrap();
    let before = bytes_in_use(&etcd).await;
    for _ in 0..WORDS {
        bench.store.write(say()).await.unwrap();
    }
    let each = (bytes_in_use(&etcd).await - before) / WORDS;
    assert!((700..1_500).contains(&each), "a word costs {each} bytes");
    let every_15_s = each * 24 * 60 * 4;
    assert!(
        every_15_s < 9_000_000,
        "a node writes {every_15_s} bytes a day"
    );
}

#[tokio::test]
async fn ten_thousand_nodes_fit_into_one_look() {
    const NODES: usize = 10_000;
    let bench = Arc::new(Bench::new().await);
    let mut writers = JoinSet::new();
    for first in 0..100 {
        let bench = bench.clone();
        writers.spawn(async move {
            for number in (first..NODES).step_by(100) {
                let mut record = record(&bench);
                record.node = NodeName::new(format!("node-{number}.rack-12.example.net")).unwrap();
                let keys = bench.store.keys();
                let text = serde_json::to_string(&record).unwrap();
                bench.put(&keys.health(&record.node), &text).await;
                bench.put(&keys.node(&record.node), &text).await;
            }
        });
    }
    writers.join_all().await;
    let fleet = bench.store.look().await.unwrap();
    assert_eq!(fleet.nodes.len(), NODES);
    assert!(fleet.nodes.values().all(|node| node.is_fresh));
}

/// What a node says of itself.
fn record(bench: &Bench) -> NodeRecord {
    let identity = bench.identity("one");
    NodeRecord {
        node: NodeName::new("node-0417.rack-12.example.net").unwrap(),
        machine_id: MachineId::new(TOKEN).unwrap(),
        boot: identity.boot,
        instance: Instance::new(TOKEN).unwrap(),
        group: GroupName::default(),
        health: Health {
            healthy: true,
            stage: "monitor".to_owned(),
            reason: String::new(),
        },
        reported_at: "2026-11-21T14:29:09.821247748Z".to_owned(),
        activity: "waits in line, behind another".to_owned(),
        need: Some("kernel".to_owned()),
        waiting_for: vec!["every slot is taken by another (max is 1)".to_owned()],
        hold: None,
        extra: serde_json::Map::new(),
    }
}

/// What a member's database takes, without what it could use again.
async fn bytes_in_use(etcd: &Etcd) -> usize {
    let text = etcd
        .etcdctl(&["endpoint", "status", "-w", "json"])
        .await
        .unwrap();
    let status: serde_json::Value = serde_json::from_str(&text).unwrap();
    let bytes = status[0]["Status"]["dbSizeInUse"].as_u64().unwrap();
    usize::try_from(bytes).unwrap()
}
