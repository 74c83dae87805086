//! Reboots that count for a day.

use crate::bench::{Bench, request};
use reboot_core::group::{Action, Guest};
use reboot_core::id::NodeName;
use reboot_store_etcd::keys::Range;

fn guest(node: &NodeName) -> Action {
    Action::Admit(Guest {
        node: node.clone(),
        id: None,
        protocol: "fleetlock".to_owned(),
        interval_secs: 0,
        max_reboots_per_day: u32::MAX,
        deadline_secs: 600,
    })
}

/// However often a client reboots, it leaves so many keys as its cap can ask for. Those that a
/// former version left go too, a few with each reboot: a transaction has a limit.
#[tokio::test]
async fn the_oldest_marks_make_room() {
    let bench = Bench::new().await;
    let node = NodeName::new("a").unwrap();
    let marks = bench.store.keys().marks(&node);
    for number in 0..50 {
        bench.put(&format!("{marks}old-{number}"), "").await;
    }
    let mut latest = Vec::new();
    for _ in 0..25 {
        let admit = request(guest(&node));
        latest.push(format!("{marks}{}", admit.id));
        bench.ask(admit).await.unwrap();
        let steady = Action::Steady {
            node: node.clone(),
            id: None,
        };
        bench.ask(request(steady)).await.unwrap();
    }
    latest.drain(..5);
    latest.sort();
    assert_eq!(bench.keys(&Range::under(&*marks)).await, latest);
}
