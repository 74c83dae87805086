//! Members that die, stop, lose their leader or are cut off: who is asked instead, and what a
//! write may be said to have done.

use std::collections::HashSet;
use std::time::Duration;

use reboot_lab::{Etcd, LabOptions, Proxy};
use reboot_store_etcd::client::{Client, Fault, Granted, Options, Txn, WatchEnd, WatchRange};
use tokio::time::Instant;

use crate::support::{always, client, get, kvs, options, put, unchanged, until};

/// A cluster and a client of its members each behind a network of its own.
struct Fleet {
    etcd: Etcd,
    proxies: Vec<Proxy>,
    client: Client,
}

async fn fleet(size: usize) -> Fleet {
    let etcd = Etcd::cluster(size, &LabOptions::default()).await.unwrap();
    let mut proxies = Vec::new();
    for member in 0..size {
        proxies.push(Proxy::start(etcd.client_address(member)).await.unwrap());
    }
    let endpoints: Vec<_> = proxies
        .iter()
        .map(|proxy| proxy.address().to_string())
        .collect();
    let client = client(&endpoints);
    Fleet {
        etcd,
        proxies,
        client,
    }
}

impl Fleet {
    /// The member that the client talks to.
    fn used(&self) -> usize {
        let endpoint = self.client.endpoint().unwrap();
        let is_used = |proxy: &Proxy| endpoint.ends_with(&proxy.address().to_string());
        self.proxies.iter().position(is_used).unwrap()
    }

    /// Has the client talk to this member.
    async fn use_member(&self, member: usize) {
        for (index, proxy) in self.proxies.iter().enumerate() {
            if index != member {
                proxy.cut();
            }
        }
        until("a call through one member", || async {
            self.client.txn(always([get("/a")])).await.is_ok() && self.used() == member
        })
        .await;
        self.proxies.iter().for_each(Proxy::heal);
    }
}

#[tokio::test]
async fn clients_of_one_configuration_spread_over_the_members() {
    let etcd = Etcd::cluster(3, &LabOptions::default()).await.unwrap();
    let mut used = HashSet::new();
    // All on one of three members: once in 3^39.
    for _ in 0..40 {
        let client = client(&etcd.endpoints());
        client.txn(always([get("/a")])).await.unwrap();
        used.insert(client.endpoint().unwrap());
        assert!(
            used.iter()
                .all(|endpoint| etcd.endpoints().contains(endpoint))
        );
    }
    assert!(used.len() > 1, "{used:?}");
}

#[tokio::test]
async fn a_call_goes_to_the_next_member_when_one_dies_and_stays_there() {
    let mut fleet = fleet(3).await;
    fleet.client.txn(always([put("/a", "1")])).await.unwrap();
    for _ in 0..2 {
        let used = fleet.used();
        fleet.etcd.kill(used);
        let read = fleet.client.txn(always([get("/a")])).await.unwrap();
        assert_eq!(kvs(&read, 0)[0].value, b"1");
        let next = fleet.used();
        assert_ne!(next, used);
        fleet.client.txn(always([put("/a", "1")])).await.unwrap();
        assert_eq!(fleet.used(), next);
        fleet.etcd.restart(used).unwrap();
        fleet.etcd.wait_healthy().await.unwrap();
    }
}

#[tokio::test]
async fn a_write_rides_out_an_election() {
    let mut fleet = fleet(3).await;
    let leader = fleet.etcd.leader().await.unwrap();
    fleet.use_member((leader + 1) % 3).await;
    fleet.etcd.kill(leader);
    // Which of these is told is up to the instant of the kill; nothing may be told wrongly.
    let mut written = 0;
    for number in 1..=20 {
        let txn = Txn {
            compares: vec![reboot_store_etcd::client::Compare::Version {
                key: b"/count".to_vec(),
                end: None,
                is: reboot_store_etcd::client::Is::Equal,
                version: written,
            }],
            then: vec![put("/count", &number.to_string())],
            otherwise: Vec::new(),
        };
        match fleet.client.txn(txn).await {
            Ok(answer) => {
                assert!(answer.succeeded, "a write was lost or done twice");
                written += 1;
            }
            Err(Fault::Unknown(_)) => {
                let read = fleet.client.txn(always([get("/count")])).await.unwrap();
                let version = kvs(&read, 0).first().map_or(0, |kv| kv.version);
                assert!(version == written || version == written + 1);
                written = version;
            }
            Err(fault) => panic!("{fault}"),
        }
    }
    assert!(written >= 19, "{written}");
}

#[tokio::test]
async fn a_stopped_leader_costs_at_most_one_unknown_write() {
    let fleet = fleet(3).await;
    let leader = fleet.etcd.leader().await.unwrap();
    fleet.use_member(leader).await;
    fleet.etcd.stop(leader).unwrap();
    let quick = Options {
        call_timeout: Duration::from_secs(3),
        ..options(&fleet.etcd.endpoints())
    };
    // Its connection stands, so that the write goes out, and no answer comes.
    let began = Instant::now();
    let first = fleet.client.txn(always([put("/a", "1")])).await;
    let Err(Fault::Unknown(text)) = first else {
        panic!("a stopped member answered: {first:?}");
    };
    assert!(text.contains("no answer within"), "{text}");
    assert!(
        began.elapsed() < Duration::from_secs(15),
        "{:?}",
        began.elapsed()
    );
    let next = fleet.etcd.new_leader(leader).await.unwrap();
    assert_ne!(next, leader);
    fleet.client.txn(always([put("/a", "2")])).await.unwrap();
    assert_ne!(fleet.used(), leader);
    // Fresh clients too, wherever they begin: a stopped process still accepts connections.
    for _ in 0..6 {
        let fresh = Client::new(quick.clone()).unwrap();
        fresh.txn(always([put("/a", "3")])).await.unwrap();
    }
    fleet.etcd.cont(leader).unwrap();
}

#[tokio::test]
async fn a_read_is_asked_again_elsewhere_within_its_time() {
    let fleet = fleet(3).await;
    fleet.client.txn(always([put("/a", "1")])).await.unwrap();
    let used = fleet.used();
    fleet.proxies[used].silence();
    let began = Instant::now();
    let read = fleet.client.txn(always([get("/a")])).await.unwrap();
    assert_eq!(kvs(&read, 0)[0].value, b"1");
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "{:?}",
        began.elapsed()
    );
    assert_ne!(fleet.used(), used);
}

#[tokio::test]
async fn a_member_without_a_leader_is_left_and_its_watches_end() {
    let mut fleet = fleet(3).await;
    let leader = fleet.etcd.leader().await.unwrap();
    fleet.use_member(leader).await;
    let range = WatchRange {
        key: b"/a".to_vec(),
        end: None,
        from_revision: 0,
        puts: true,
        deletes: true,
        previous: false,
    };
    let mut watch = fleet.client.watch(vec![range]).await.unwrap();
    for other in [1, 2].map(|offset| (leader + offset) % 3) {
        fleet.etcd.kill(other);
    }
    let Err(WatchEnd::Lost(fault)) = watch.next().await else {
        panic!("a watch without a leader said something else");
    };
    assert!(fault.to_string().contains("no leader"), "{fault}");

    let short = Client::new(Options {
        call_timeout: Duration::from_secs(1),
        ..options(&fleet.etcd.endpoints()[leader..=leader])
    });
    let written = short.unwrap().txn(always([put("/a", "1")])).await;
    let Err(Fault::Unavailable(text)) = written else {
        panic!("{written:?}");
    };
    assert!(
        text.contains("no leader") && text.contains("most members"),
        "{text}"
    );
    for other in [1, 2].map(|offset| (leader + offset) % 3) {
        fleet.etcd.restart(other).unwrap();
    }
    fleet.etcd.wait_healthy().await.unwrap();
    let read = fleet.client.txn(always([get("/a")])).await.unwrap();
    assert_eq!(kvs(&read, 0), [], "what was surely not written was written");
}

#[tokio::test]
async fn leases_and_watches_outlive_a_moved_leader() {
    let fleet = fleet(3).await;
    let lease = 0x1ea5_0004;
    assert!(matches!(
        fleet.client.grant(lease, 60).await,
        Ok(Granted::New { .. })
    ));
    for _ in 0..3 {
        fleet.etcd.move_leader().await.unwrap();
        assert_eq!(fleet.client.keep_alive(lease).await, Ok(60));
    }
    assert_eq!(fleet.client.revoke(lease).await, Ok(true));
}

/// The reply is cut off: the write is there, once, and nobody says that it is not.
#[tokio::test]
async fn a_write_without_a_reply_is_unknown_and_not_sent_twice() {
    let fleet = fleet(3).await;
    fleet.client.txn(always([put("/a", "0")])).await.unwrap();
    let used = fleet.used();
    let straight = client(&fleet.etcd.endpoints());
    fleet.proxies[used].cut_replies();
    let increment = fleet.client.txn(always([put("/a", "1")]));
    let answer = tokio::join!(increment, async {
        let is_there = || async {
            let read = straight.txn(always([get("/a")])).await.unwrap();
            kvs(&read, 0)[0].version == 2
        };
        until("the write", is_there).await;
        fleet.proxies[used].cut();
    });
    let Err(Fault::Unknown(text)) = answer.0 else {
        panic!("{answer:?}");
    };
    let endpoint = fleet.proxies[used].address().to_string();
    assert!(
        text.contains(&endpoint) && text.contains("not known"),
        "{text}"
    );
    // Whatever was under way is through: a later write through the same client comes after it.
    fleet.client.txn(always([put("/b", "1")])).await.unwrap();
    let read = straight.txn(always([get("/a")])).await.unwrap();
    assert_eq!(kvs(&read, 0)[0].version, 2, "the write was sent twice");
}

#[tokio::test]
async fn a_late_reply_does_not_answer_the_next_call() {
    let fleet = fleet(1).await;
    fleet.client.txn(always([put("/a", "0")])).await.unwrap();
    fleet.proxies[0].cut_replies();
    let swap = Txn {
        compares: vec![unchanged("/none", 0)],
        then: vec![put("/a", "1"), put("/late", "1")],
        otherwise: Vec::new(),
    };
    let began = Instant::now();
    assert!(matches!(
        fleet.client.txn(swap).await,
        Err(Fault::Unknown(_))
    ));
    assert!(
        began.elapsed() >= Duration::from_secs(10),
        "a deadline came early"
    );
    fleet.proxies[0].heal();
    let read = fleet.client.txn(always([get("/a")])).await.unwrap();
    assert_eq!(read.results.len(), 1);
    assert_eq!(kvs(&read, 0)[0].value, b"1");
}

#[tokio::test]
async fn a_write_that_never_left_is_made_elsewhere() {
    let fleet = fleet(3).await;
    let mut version = 0;
    for _ in 0..6 {
        // Everything is cut but for one member, a different one each time.
        let only = version % 3;
        for (index, proxy) in fleet.proxies.iter().enumerate() {
            if index == only {
                proxy.heal();
            } else {
                proxy.cut();
            }
        }
        let written = fleet.client.txn(always([put("/a", "1"), get("/a")])).await;
        match written {
            Ok(answer) => {
                version += 1;
                let seen = usize::try_from(kvs(&answer, 1)[0].version).unwrap();
                assert_eq!(seen, version);
            }
            // The cut may strike while it is on its way.
            Err(Fault::Unknown(_)) => {
                let read = fleet.client.txn(always([get("/a")])).await.unwrap();
                version = kvs(&read, 0)
                    .first()
                    .map_or(0, |kv| kv.version.unsigned_abs() as usize);
            }
            Err(fault) => panic!("{fault}"),
        }
    }
    assert!(version >= 3);
}

#[tokio::test]
async fn a_slow_network_is_only_slow() {
    let fleet = fleet(1).await;
    fleet.proxies[0].delay(Duration::from_millis(100));
    let began = Instant::now();
    fleet.client.txn(always([put("/a", "1")])).await.unwrap();
    assert!(began.elapsed() >= Duration::from_millis(200));
}

/// Without a call there is no traffic, and none but a sign of life while only a watch is open.
#[tokio::test]
async fn a_watch_that_waits_sends_next_to_nothing() {
    let fleet = fleet(1).await;
    let range = WatchRange {
        key: b"/a".to_vec(),
        end: None,
        from_revision: 0,
        puts: true,
        deletes: true,
        previous: false,
    };
    let mut watch = fleet.client.watch(vec![range]).await.unwrap();
    let before = fleet.proxies[0].request_bytes();
    let waited = tokio::time::timeout(Duration::from_secs(12), watch.next()).await;
    assert!(waited.is_err(), "{waited:?}");
    let sent = fleet.proxies[0].request_bytes() - before;
    assert!((1..200).contains(&sent), "{sent} bytes in 12 s");
    // A member that is silent is noticed, though nobody asks it anything.
    let began = Instant::now();
    fleet.proxies[0].silence();
    assert!(matches!(watch.next().await, Err(WatchEnd::Lost(_))));
    assert!(
        began.elapsed() < Duration::from_secs(30),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_leader_gives_a_lease_its_full_time_again() {
    let etcd = Etcd::cluster(3, &LabOptions::default()).await.unwrap();
    let client = client(&etcd.endpoints());
    client.grant(7, 60).await.unwrap();
    let left = || async {
        client
            .time_to_live(7)
            .await
            .unwrap()
            .unwrap()
            .remaining_secs
    };
    until("some of its time is over", || async { left().await < 58 }).await;
    etcd.move_leader().await.unwrap();
    assert!(left().await >= 58, "{} s are left", left().await);
}
