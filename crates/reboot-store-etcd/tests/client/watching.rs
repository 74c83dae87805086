//! Watches: what they tell, in which order, and how they end.

use reboot_lab::{Etcd, LabOptions, Proxy};
use reboot_store_etcd::client::{
    Client, Event, EventKind, Fault, Granted, Watch, WatchEnd, WatchRange, prefix_end,
};

use crate::support::{always, client, delete, own_prefix, put, put_on, quiet, until};

fn watch_prefix(prefix: &str) -> WatchRange {
    WatchRange {
        key: prefix.into(),
        end: Some(prefix_end(prefix.as_bytes())),
        from_revision: 0,
        puts: true,
        deletes: true,
        previous: false,
    }
}

/// So many changes, each as "+key" or "-key" with what follows the prefix.
async fn changes(watch: &mut Watch, prefix: &str, count: usize) -> Vec<String> {
    let mut seen = Vec::new();
    while seen.len() < count {
        seen.extend(
            watch
                .next()
                .await
                .unwrap()
                .iter()
                .map(|event| tell(event, prefix)),
        );
    }
    seen
}

fn tell(event: &Event, prefix: &str) -> String {
    let sign = match event.kind {
        EventKind::Put => '+',
        EventKind::Delete => '-',
    };
    let key = String::from_utf8(event.kv.key.clone()).unwrap();
    format!("{sign}{}", key.strip_prefix(prefix).unwrap())
}

#[tokio::test]
async fn a_watch_tells_every_change_in_order_from_a_revision_on() {
    let (client, prefix) = (quiet().await, own_prefix("watch"));
    let key = |name: &str| format!("{prefix}{name}");
    let before = client.txn(always([put(&key("a"), "1")])).await.unwrap();
    client
        .txn(always([put(&key("b"), "1"), put(&key("c"), "1")]))
        .await
        .unwrap();
    let from_then = WatchRange {
        from_revision: before.revision + 1,
        ..watch_prefix(&prefix)
    };
    let mut watch = client.watch(vec![from_then]).await.unwrap();
    let deleted = client.txn(always([delete(&key("b"))])).await.unwrap();
    client.txn(always([put(&key("a"), "2")])).await.unwrap();
    assert_eq!(
        changes(&mut watch, &prefix, 4).await,
        ["+b", "+c", "-b", "+a"]
    );

    client.txn(always([delete(&key("c"))])).await.unwrap();
    let event = watch.next().await.unwrap().remove(0);
    assert_eq!(event.kind, EventKind::Delete);
    assert!(event.kv.mod_revision > deleted.revision);
    assert_eq!((event.kv.value.len(), event.kv.version), (0, 0));
}

#[tokio::test]
async fn several_ranges_share_a_stream_each_with_its_own_filter() {
    let (client, prefix) = (quiet().await, own_prefix("filters"));
    let key = |name: &str| format!("{prefix}{name}");
    let one = |name: &str, puts, deletes| WatchRange {
        key: key(name).into_bytes(),
        end: None,
        puts,
        deletes,
        from_revision: 0,
        previous: false,
    };
    let ranges = vec![one("put", true, false), one("gone", false, true)];
    let mut watch = client.watch(ranges).await.unwrap();
    for name in ["put", "gone", "other"] {
        client.txn(always([put(&key(name), "1")])).await.unwrap();
        client.txn(always([delete(&key(name))])).await.unwrap();
    }
    client.txn(always([put(&key("put"), "2")])).await.unwrap();
    let mut seen = changes(&mut watch, &prefix, 3).await;
    // Between two ranges there is no order.
    seen.sort_unstable();
    assert_eq!(seen, ["+put", "+put", "-gone"]);
}

#[tokio::test]
async fn nothing_is_missed_once_a_watch_is_there() {
    let (client, prefix) = (quiet().await, own_prefix("missed"));
    for round in 0..50 {
        let key = format!("{prefix}{round}");
        let mut watch = client.watch(vec![watch_prefix(&prefix)]).await.unwrap();
        client.txn(always([put(&key, "1")])).await.unwrap();
        assert_eq!(changes(&mut watch, &prefix, 1).await, [format!("+{round}")]);
    }
}

#[tokio::test]
async fn the_end_of_a_lease_is_told_as_a_deletion() {
    let (client, prefix) = (quiet().await, own_prefix("lease-watch"));
    let lease = 0x1ea5_0003;
    assert!(matches!(
        client.grant(lease, 1).await,
        Ok(Granted::New { .. })
    ));
    let key = format!("{prefix}a");
    let mut watch = client.watch(vec![watch_prefix(&prefix)]).await.unwrap();
    client
        .txn(always([put_on(&key, "1", lease)]))
        .await
        .unwrap();
    assert_eq!(changes(&mut watch, &prefix, 2).await, ["+a", "-a"]);
}

#[tokio::test]
async fn a_wait_that_is_given_up_loses_nothing() {
    let (client, prefix) = (quiet().await, own_prefix("given-up"));
    let mut watch = client.watch(vec![watch_prefix(&prefix)]).await.unwrap();
    for number in 0..100 {
        client
            .txn(always([put(&format!("{prefix}{number}"), "1")]))
            .await
            .unwrap();
    }
    let mut seen = Vec::new();
    while seen.len() < 100 {
        tokio::select! {
            biased;
            () = tokio::task::yield_now() => {}
            events = watch.next() => {
                seen.extend(events.unwrap().iter().map(|event| tell(event, &prefix)));
            }
        }
    }
    let expected: Vec<_> = (0..100).map(|number| format!("+{number}")).collect();
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn what_a_key_was_before_is_told_where_asked_for() {
    let (client, prefix) = (quiet().await, own_prefix("previous"));
    let key = format!("{prefix}a");
    let asking = WatchRange {
        previous: true,
        ..watch_prefix(&prefix)
    };
    let mut watch = client.watch(vec![asking]).await.unwrap();
    client.txn(always([put(&key, "1")])).await.unwrap();
    client.txn(always([delete(&key)])).await.unwrap();
    let mut before = Vec::new();
    while before.len() < 2 {
        let events = watch.next().await.unwrap();
        before.extend(
            events
                .into_iter()
                .map(|event| event.previous.map(|kv| kv.value)),
        );
    }
    assert_eq!(before, [None, Some(b"1".to_vec())]);
}

#[tokio::test]
async fn a_watch_of_nothing_is_refused() {
    let client = quiet().await;
    assert!(matches!(
        client.watch(Vec::new()).await,
        Err(Fault::Refused(_))
    ));
    let neither = WatchRange {
        puts: false,
        deletes: false,
        ..watch_prefix("/a")
    };
    assert!(matches!(
        client.watch(vec![neither]).await,
        Err(Fault::Refused(_))
    ));
}

async fn compact(etcd: &Etcd, revision: i64) {
    etcd.etcdctl(&["compaction", &revision.to_string()])
        .await
        .unwrap();
}

#[tokio::test]
async fn a_watch_of_history_that_is_gone_says_from_where_there_is_some() {
    let etcd = Etcd::single(&LabOptions::default()).await.unwrap();
    let client = client(&etcd.endpoints());
    for _ in 0..5 {
        client.txn(always([put("/a", "1")])).await.unwrap();
    }
    let last = client.txn(always([put("/a", "2")])).await.unwrap().revision;
    compact(&etcd, last).await;
    let old = WatchRange {
        from_revision: last - 3,
        ..watch_prefix("/")
    };
    let mut watch = client.watch(vec![old]).await.unwrap();
    assert_eq!(
        watch.next().await,
        Err(WatchEnd::Compacted { revision: last })
    );
}

/// A watcher that lags: its network is silent while etcd goes on and compacts.
#[tokio::test]
async fn a_compaction_while_a_watch_lags_tells_the_changes_or_the_end() {
    let etcd = Etcd::single(&LabOptions::default()).await.unwrap();
    let writer = client(&etcd.endpoints());
    let proxy = Proxy::start(etcd.client_address(0)).await.unwrap();
    let behind: Client = client(&[proxy.address().to_string()]);
    let first = writer.txn(always([put("/a", "0")])).await.unwrap().revision;
    let from_first = WatchRange {
        from_revision: first + 1,
        ..watch_prefix("/")
    };
    let mut watch = behind.watch(vec![from_first]).await.unwrap();
    proxy.silence();
    let mut last = first;
    for number in 0..100 {
        last = writer
            .txn(always([put("/a", &number.to_string())]))
            .await
            .unwrap()
            .revision;
    }
    compact(&etcd, last).await;
    proxy.heal();
    let mut told = first;
    while told < last {
        match watch.next().await {
            Ok(events) => {
                for event in events {
                    assert_eq!(event.kv.mod_revision, told + 1, "a change was left out");
                    told = event.kv.mod_revision;
                }
            }
            Err(end) => {
                assert_eq!(end, WatchEnd::Compacted { revision: last });
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_watch_is_lost_with_its_server_and_made_anew_misses_nothing() {
    let mut etcd = Etcd::single(&LabOptions::default()).await.unwrap();
    let client = client(&etcd.endpoints());
    let looked = client.txn(always([put("/a", "1")])).await.unwrap().revision;
    let mut watch = client.watch(vec![watch_prefix("/")]).await.unwrap();
    etcd.kill(0);
    let Err(WatchEnd::Lost(fault)) = watch.next().await else {
        panic!("the watch outlived its server");
    };
    assert!(fault.to_string().contains(&etcd.endpoints()[0]), "{fault}");
    assert!(matches!(watch.next().await, Err(WatchEnd::Lost(_))));
    etcd.restart(0).unwrap();
    etcd.wait_healthy().await.unwrap();
    client.txn(always([put("/b", "1")])).await.unwrap();
    let from_there = WatchRange {
        from_revision: looked + 1,
        ..watch_prefix("/")
    };
    let mut watch = client.watch(vec![from_there]).await.unwrap();
    assert_eq!(changes(&mut watch, "/", 1).await, ["+b"]);
}

/// How many watchers etcd has, by its own count.
async fn watchers(etcd: &Etcd) -> usize {
    let metrics = etcd.metrics(0).await.unwrap();
    let mut lines = metrics.lines();
    let line = lines.find_map(|line| line.strip_prefix("etcd_debugging_mvcc_watcher_total "));
    line.unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_watch_that_is_dropped_ends_in_the_server_too() {
    let etcd = Etcd::single(&LabOptions::default()).await.unwrap();
    let client = client(&etcd.endpoints());
    let ranges = vec![watch_prefix("/a"), watch_prefix("/b"), watch_prefix("/c")];
    let watch = client.watch(ranges).await.unwrap();
    assert_eq!(watchers(&etcd).await, 3);
    drop(watch);
    until("the end of the watchers", || async {
        watchers(&etcd).await == 0
    })
    .await;
}
