//! Beside the original on one lock key: a stand-in does what its mutex does (leased keys below
//! the lock key, the oldest of which holds; what it writes into the lock key while it holds).

use crate::bench::{Bench, claim, owner, request, session_of};
use reboot_core::group::{Action, Phase, Refusal, Reply, Way};
use reboot_core::id::GroupName;
use reboot_core::undo::Undo;
use reboot_core::write::{Trouble, Write, Written};
use reboot_store::{Interest, Store};
use reboot_store_etcd::EtcdStore;
use reboot_store_etcd::client::{Client, Op, OpResult, Txn};

/// One process of the original: its lease, and its key below the lock key.
pub(crate) struct Original<'b> {
    client: &'b Client,
    lock_key: String,
    lease: i64,
}

// === impl Original ===

impl<'b> Original<'b> {
    async fn start(bench: &'b Bench, lease: i64) -> Self {
        Self::beside(&bench.client, &bench.store, lease).await
    }

    /// On the lock key of a store.
    pub(crate) async fn beside(client: &'b Client, store: &EtcdStore, lease: i64) -> Self {
        client.grant(lease, 60).await.unwrap();
        Self {
            client,
            lock_key: store.keys().record(&GroupName::default()),
            lease,
        }
    }

    /// Queues for the mutex; tells whether it is the holder.
    pub(crate) async fn lock(&self) -> bool {
        let key = format!("{}/{:x}", self.lock_key, self.lease);
        self.put(key, "").await;
        self.holds().await
    }

    /// Whether its key is the oldest below the lock key.
    pub(crate) async fn holds(&self) -> bool {
        let txn = Txn {
            then: vec![Op::Range {
                key: format!("{}/", self.lock_key).into_bytes(),
                end: Some(format!("{}0", self.lock_key).into_bytes()),
                keys_only: true,
                count_only: false,
                limit: 0,
                min_mod_revision: 0,
                at_revision: 0,
            }],
            ..Txn::default()
        };
        let mut answer = self.client.txn(txn).await.unwrap();
        let OpResult::Range { kvs, .. } = answer.results.remove(0) else {
            panic!("a range answers with keys");
        };
        let oldest = kvs.iter().min_by_key(|kv| kv.create_revision);
        oldest.is_some_and(|kv| kv.lease == self.lease)
    }

    /// Says in the lock key itself that it holds.
    async fn annotate(&self) {
        let text = r#"{"node":"old","pid":1234,"acquired_at":"2024-03-07T11:45:12.123Z"}"#;
        self.put(self.lock_key.clone(), text).await;
    }

    async fn put(&self, key: String, value: &str) {
        let txn = Txn {
            then: vec![Op::Put {
                key: key.into_bytes(),
                value: value.as_bytes().to_vec(),
                lease: self.lease,
            }],
            ..Txn::default()
        };
        self.client.txn(txn).await.unwrap();
    }

    /// Ends its session: its keys go with the lease.
    async fn stop(self) {
        self.client.revoke(self.lease).await.unwrap();
    }
}

#[tokio::test]
async fn while_ours_holds_the_original_waits() {
    let bench = Bench::new().await;
    bench.open("one").await;
    let number = bench.claim("one").await.unwrap();
    let old = Original::start(&bench, 101).await;
    assert!(!old.lock().await, "a claim keeps it out");
    let entry = bench.store.look().await.unwrap().groups[&GroupName::default()].clone();
    assert_eq!(entry.foreign, [], "who waits takes no slot");
    bench.fence("one", number).await;
    bench.end_session("one").await;
    assert!(
        !old.holds().await,
        "a durable hold keeps it out without any lease"
    );
    bench.open("one").await;
    bench.release("one", number, Way::NeverIssued).await;
    assert!(
        old.holds().await,
        "nothing of ours is left below the lock key"
    );
}

#[tokio::test]
async fn while_the_original_holds_ours_waits_and_is_woken() {
    let bench = Bench::new().await;
    bench.open("one").await;
    let number = bench.claim("one").await.unwrap();
    bench.release("one", number, Way::GivenBack).await;
    let old = Original::start(&bench, 202).await;
    assert!(old.lock().await);
    let refused = bench.claim("one").await.unwrap_err();
    let full = matches!(&refused, Trouble::Refused(Refusal::Full { .. }));
    assert!(
        full && refused.to_string().contains("lease-ca"),
        "{refused}"
    );
    let seen = bench.store.look().await.unwrap();
    assert_eq!(seen.groups[&GroupName::default()].free(), 0);
    let interest = Interest::Slot {
        group: GroupName::default(),
        node: bench.identity("one").node,
    };
    let waits = bench.store.changed(&interest, seen.revision);
    let (woken, ()) = tokio::join!(bench.soon(waits), old.stop());
    woken.unwrap();
    bench.claim("one").await.unwrap();
}

#[tokio::test]
async fn what_the_original_writes_over_the_record_loses_nothing() {
    let bench = Bench::new().await;
    bench.open("one").await;
    let first = bench.claim("one").await.unwrap();
    bench.release("one", first, Way::GivenBack).await;
    bench.set_max(1).await;
    let old = Original::start(&bench, 303).await;
    assert!(old.lock().await);
    old.annotate().await;
    let refused = bench.claim("one").await.unwrap_err().to_string();
    assert!(refused.contains("old"), "it names who holds: {refused}");
    let group = bench.record().await;
    assert_eq!((group.max, group.generation), (1, first));
    old.stop().await; // the lock key goes with its lease
    let second = bench.claim("one").await.unwrap();
    assert_eq!(second, first + 1, "no number is used twice");
}

#[tokio::test]
async fn of_several_originals_the_oldest_alone_takes_a_slot() {
    let bench = Bench::new().await;
    bench.open("one").await;
    let number = bench.claim("one").await.unwrap();
    bench.release("one", number, Way::GivenBack).await;
    let first = Original::start(&bench, 401).await;
    assert!(first.lock().await);
    first.annotate().await;
    let second = Original::start(&bench, 402).await;
    assert!(!second.lock().await);
    let foreign = || async {
        let fleet = bench.store.look().await.unwrap();
        let entry = &fleet.groups[&GroupName::default()];
        let names = entry.foreign.iter().map(ToString::to_string);
        Vec::from_iter(names)
    };
    assert_eq!(foreign().await, ["old"]);
    first.stop().await;
    assert!(second.holds().await);
    assert_eq!(foreign().await, ["lease-192"]);
    let refused = bench.claim("one").await.unwrap_err().to_string();
    assert!(refused.contains("taken by lease-192 (max"), "{refused}");
}

#[tokio::test]
async fn who_holds_by_the_originals_rules_is_seen_before_the_first_claim_of_ours() {
    let bench = Bench::new().await;
    bench.open("one").await;
    let old = Original::start(&bench, 501).await;
    assert!(old.lock().await);
    old.annotate().await;
    let entry = bench.store.look().await.unwrap().groups[&GroupName::default()].clone();
    let names = Vec::from_iter(entry.foreign.iter().map(ToString::to_string));
    assert_eq!((entry.free(), names), (0, vec!["old".to_owned()]));
    let refused = bench.claim("one").await.unwrap_err();
    assert!(
        matches!(refused, Trouble::Refused(Refusal::Full { .. })),
        "{refused}"
    );
    old.stop().await;
    assert!(bench.store.look().await.unwrap().groups.is_empty());
    bench.claim("one").await.unwrap();
}

#[tokio::test]
async fn many_of_both_never_hold_at_once() {
    let bench = Bench::new().await;
    for round in 0..20 {
        let name = format!("node-{round}");
        bench.open(&name).await;
        let old = Original::start(&bench, 1000 + round).await;
        let (theirs, ours) = tokio::join!(old.lock(), bench.claim(&name));
        match ours {
            Ok(number) => {
                assert!(!old.holds().await, "round {round}: both hold");
                bench.release(&name, number, Way::GivenBack).await;
            }
            Err(Trouble::Refused(Refusal::Full { .. })) => {
                assert!(theirs || old.holds().await, "round {round}: nobody holds");
            }
            Err(other) => panic!("round {round}: {other}"),
        }
        old.stop().await;
    }
}

#[tokio::test]
async fn an_originals_health_counts_as_it_always_did() {
    let bench = Bench::new().await;
    let key = bench.store.keys().all_health() + "old";
    let text = r#"{"node":"old","healthy":false,"stage":"pre-lock","reason":"disk full",
                   "reported_at":"2024-03-07T11:45:12.123Z"}"#;
    bench.put(&key, text).await;
    let fleet = bench.store.look().await.unwrap();
    let (_, entry) = fleet.nodes.iter().next().unwrap();
    assert!(entry.is_fresh && !entry.record.health.healthy);
    let me = bench.identity("one").node;
    assert!(fleet.peers_of(&me)[0].standing.blocks());
}

#[tokio::test]
async fn keys_explain_themselves() {
    let bench = Bench::new().await;
    bench.open("one").await;
    let number = bench.claim("one").await.unwrap();
    bench.fence_with_cooldown("one", number, 60).await;
    let keys = bench.store.keys().clone();
    let group = GroupName::default();
    let record = bench.get(&keys.record(&group)).await;
    assert_eq!(record["semaphore"], 0);
    assert_eq!(record["max"], 1);
    assert_eq!(record["holders"][0], "machine-of-one");
    assert_eq!(record["holds"][0]["node"], "one");
    assert_eq!(record["holds"][0]["machineID"], "machine-of-one");
    assert_eq!(record["holds"][0]["startTime"], 1_767_225_600);
    let node = bench.identity("one").node;
    let hold = bench.get(&keys.holder(&group, &node)).await;
    assert_eq!(hold, record["holds"][0]);
    let cooldown = bench.get(&keys.cooldown(&group)).await;
    assert_eq!(cooldown["node"], "one");
    assert_eq!(cooldown["duration_sec"], 60);
    assert_eq!(cooldown["started_at"], "2026-01-01T00:00:00Z");
}

#[tokio::test]
async fn a_value_that_nobody_understands_is_told_with_its_key() {
    let bench = Bench::new().await;
    bench.open("one").await;
    bench.claim("one").await.unwrap();
    let record = bench.record().await;
    let keys = bench.store.keys().clone();
    let places = [
        keys.pause(),
        keys.cooldown(&GroupName::default()),
        format!("{}x", keys.all_health()),
        format!("{}default/x", keys.lines()),
        format!("{}x/y", keys.all_sessions()),
        format!("{}x", keys.all_owed()),
    ];
    for key in places {
        bench.put(&key, "{").await;
        let told = bench.store.look().await.unwrap_err();
        let text = told.to_string();
        assert!(matches!(told, Trouble::Broken(_)), "{text}");
        assert!(
            text.contains(&key) && text.contains("etcdctl get"),
            "{text}"
        );
        bench.delete(&key).await;
    }
    assert_eq!(bench.record().await, record, "the hold is not lost");
}

#[tokio::test]
async fn a_request_under_another_name_is_not_the_owners() {
    let bench = Bench::new().await;
    bench.open("one").await;
    let number = bench.claim("one").await.unwrap();
    let mut stranger = owner(&bench.identity("one"), number, Phase::Claimed);
    stranger.instance = bench.identity("two").instance;
    let action = Action::Release {
        owner: stranger,
        boot: bench.identity("one").boot,
        way: Way::GivenBack,
        undone: Undo::default(),
    };
    let answer = bench.ask(request(action)).await;
    assert!(matches!(
        answer,
        Err(Trouble::Refused(Refusal::NotOwner { .. }))
    ));
}

#[tokio::test]
async fn a_request_repeated_after_an_unknown_answer_changes_nothing() {
    let bench = Bench::new().await;
    bench.open("one").await;
    let asked = request(claim(&bench.identity("one"), &session_of("one")));
    let write = Write::Ask {
        group: GroupName::default(),
        create_with_max: Some(1),
        request: asked,
    };
    let first = bench.store.write(write.clone()).await.unwrap();
    assert!(matches!(first, Written::Granted(Reply::Held { .. })));
    let record = bench.store.keys().record(&GroupName::default());
    let before = bench.puts(&record).await;
    assert_eq!(bench.store.write(write).await.unwrap(), first);
    assert_eq!(bench.puts(&record).await, before);
}

#[tokio::test]
async fn many_claims_that_die_together_are_swept_in_one_commit() {
    let bench = Bench::new().await;
    bench.open("first").await;
    bench.claim("first").await.unwrap();
    bench.set_max(200).await;
    let names = Vec::from_iter((0..150).map(|number| format!("node-{number}")));
    for name in &names {
        bench.open(name).await;
        bench.claim(name).await.unwrap();
    }
    for name in &names {
        bench.end_session(name).await;
    }
    bench.set_max(2).await;
    assert_eq!(bench.record().await.holds.len(), 1);
    let history = bench
        .store
        .history(&GroupName::default(), 1000)
        .await
        .unwrap();
    let expired = history.iter().filter(|line| line.event == "expire");
    assert_eq!(expired.count(), names.len());
}
