//! Requests of one server that go in one commit.

use crate::bench::{request, unique};
use crate::lab;
use crate::original::Original;
use reboot_core::group::{Action, Guest, Refusal, Reply};
use reboot_core::id::{GroupName, NodeName};
use reboot_core::write::{Trouble, Write, Written};
use reboot_lab::{Etcd, LabOptions};
use reboot_store::Store;
use reboot_store_etcd::client::{Client, Op, OpResult, Options, Txn};
use reboot_store_etcd::{EtcdStore, Layout};
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::task::JoinSet;

const CLIENTS: u32 = 24;

/// A server's store below a namespace.
pub(crate) fn server(client: &Client, namespace: &str) -> Arc<EtcdStore> {
    let layout = Layout::Native {
        namespace: namespace.to_owned(),
        lock_key: "lock".to_owned(),
    };
    Arc::new(EtcdStore::new(client.clone(), &layout).for_many_nodes())
}

pub(crate) fn fresh_namespace() -> String {
    format!("together-{}", unique())
}

pub(crate) async fn ask(store: &EtcdStore, action: Action) -> Result<Reply, Trouble> {
    let write = Write::Ask {
        group: GroupName::default(),
        create_with_max: Some(CLIENTS),
        request: request(action),
    };
    match store.write(write).await? {
        Written::Granted(reply) => Ok(reply),
        other => panic!("a group answers with a reply, not {other:?}"),
    }
}

pub(crate) fn node(at: u32) -> NodeName {
    NodeName::new(format!("node-{at}")).unwrap()
}

pub(crate) fn admit(at: u32) -> Action {
    Action::Admit(Guest {
        node: node(at),
        id: None,
        protocol: "fleetlock".to_owned(),
        interval_secs: 0,
        max_reboots_per_day: u32::MAX,
        deadline_secs: 600,
    })
}

pub(crate) fn steady(at: u32) -> Action {
    let (node, id) = (node(at), None);
    Action::Steady { node, id }
}

/// Makes the group, and has the server see it.
pub(crate) async fn made(store: &EtcdStore, max: u32) {
    ask(store, admit(0)).await.unwrap();
    ask(store, steady(0)).await.unwrap();
    let by = "operator".to_owned();
    ask(store, Action::SetMax { max, by }).await.unwrap();
    store.look().await.unwrap();
}

/// Asks for all of them at once; answers with each one's answer.
async fn at_once(
    store: &Arc<EtcdStore>,
    actions: impl IntoIterator<Item = Action>,
) -> Vec<Result<Reply, Trouble>> {
    let mut tasks = JoinSet::new();
    for action in actions {
        let store = store.clone();
        tasks.spawn(async move { ask(&store, action).await });
    }
    tasks.join_all().await
}

/// How often the record was written.
async fn writes(client: &Client, store: &EtcdStore) -> i64 {
    let read = Op::Range {
        key: store.keys().record(&GroupName::default()).into_bytes(),
        end: None,
        keys_only: true,
        count_only: false,
        limit: 0,
        min_mod_revision: 0,
        at_revision: 0,
    };
    let then = vec![read];
    let answer = client
        .txn(Txn {
            then,
            ..Txn::default()
        })
        .await
        .unwrap();
    match &answer.results[..] {
        [OpResult::Range { kvs, .. }] => kvs[0].version,
        other => panic!("{other:?}"),
    }
}

/// What each of them would have cost alone, all of them cost together; and every one has what it
/// would have had: a hold of its own number, its key, its line of history.
#[tokio::test]
async fn many_clients_at_once_take_few_commits() {
    let client = lab::client().await;
    let store = server(&client, &fresh_namespace());
    made(&store, CLIENTS).await;
    for _ in 0..3 {
        let before = writes(&client, &store).await;
        let admitted = at_once(&store, (0..CLIENTS).map(admit)).await;
        let number = |reply: &Result<Reply, Trouble>| match reply {
            Ok(Reply::Held { number, .. }) => *number,
            other => panic!("{other:?}"),
        };
        let numbers = BTreeSet::from_iter(admitted.iter().map(number));
        assert_eq!(numbers.len(), CLIENTS as usize);
        let took = writes(&client, &store).await - before;
        assert!(took <= i64::from(CLIENTS) / 3, "{took} commits");
        let fleet = store.look().await.unwrap();
        let entry = &fleet.groups[&GroupName::default()];
        assert_eq!(entry.group.holds.len(), CLIENTS as usize);
        assert!(entry.group.holds.iter().all(|hold| !entry.is_overdue(hold)));
        let released = at_once(&store, (0..CLIENTS).map(steady)).await;
        assert!(released.iter().all(|it| *it == Ok(Reply::Released)));
    }
    let history = store.history(&GroupName::default(), 1000).await.unwrap();
    let count = |event: &str| history.iter().filter(|line| line.event == event).count();
    let all = 1 + 3 * CLIENTS as usize;
    assert_eq!((count("admit"), count("release")), (all, all));
}

/// Who finds no slot left is refused by its own reading; those who went together have theirs.
#[tokio::test]
async fn no_more_go_together_than_there_are_slots() {
    let client = lab::client().await;
    let store = server(&client, &fresh_namespace());
    made(&store, 5).await;
    let answers = at_once(&store, (0..CLIENTS).map(admit)).await;
    let is_full =
        |it: &&Result<Reply, Trouble>| matches!(it, Err(Trouble::Refused(Refusal::Full { .. })));
    assert_eq!(answers.iter().filter(|it| it.is_ok()).count(), 5);
    let refused = answers.iter().filter(is_full).count();
    assert_eq!(refused, CLIENTS as usize - 5, "{answers:?}");
}

/// An original that waited behind a client's hold has its slot from the commit on that gives that
/// hold back. Whoever goes along in that very commit stands behind it.
#[tokio::test]
async fn an_original_that_waited_goes_before_those_who_go_together() {
    let client = lab::client().await;
    for round in 0..5 {
        let store = server(&client, &fresh_namespace());
        made(&store, 1).await;
        ask(&store, admit(0)).await.unwrap();
        let original = Original::beside(&client, &store, 9_000 + round).await;
        assert!(!original.lock().await, "a client holds");
        store.look().await.unwrap();
        // The first has the turn while the others queue.
        let others = (1..8).map(admit);
        let queue = [admit(8), steady(0)].into_iter().chain(others);
        let answers = at_once(&store, queue).await;
        assert!(original.holds().await);
        let admitted = |it: &&Result<Reply, Trouble>| matches!(it, Ok(Reply::Held { .. }));
        assert_eq!(answers.iter().filter(admitted).count(), 0, "{answers:?}");
        let fleet = store.look().await.unwrap();
        let entry = &fleet.groups[&GroupName::default()];
        assert_eq!((entry.group.holds.len(), entry.foreign.len()), (0, 1));
    }
}

/// Two servers on one etcd, each of which commits for many: what one remembers, the other changes.
#[tokio::test]
async fn two_servers_that_commit_for_many_never_admit_too_many() {
    const MAX: u32 = 4;
    let client = lab::client().await;
    let namespace = fresh_namespace();
    let (one, two) = (server(&client, &namespace), server(&client, &namespace));
    made(&one, MAX).await;
    two.look().await.unwrap();
    for _ in 0..4 {
        let halves = [(0..CLIENTS / 2), (CLIENTS / 2..CLIENTS)];
        let [lower, upper] = halves.clone();
        let (lower, upper) = tokio::join!(
            at_once(&one, lower.map(admit)),
            at_once(&two, upper.map(admit))
        );
        let admitted = lower.iter().chain(&upper).filter(|it| it.is_ok()).count();
        assert_eq!(admitted, MAX as usize);
        let [lower, upper] = halves;
        let (lower, upper) = tokio::join!(
            at_once(&two, lower.map(steady)),
            at_once(&one, upper.map(steady))
        );
        let is_released = |it: &&Result<Reply, Trouble>| **it == Ok(Reply::Released);
        let released = lower.iter().chain(&upper).filter(is_released).count();
        assert_eq!(released, MAX as usize);
    }
    let fleet = one.look().await.unwrap();
    assert!(fleet.groups[&GroupName::default()].group.holds.is_empty());
}

/// A client that asks for both at once is answered as if it had asked for one after the other.
#[tokio::test]
async fn one_client_that_asks_twice_at_once_holds_once() {
    let client = lab::client().await;
    let store = server(&client, &fresh_namespace());
    made(&store, CLIENTS).await;
    let twice = (0..8).flat_map(|at| [admit(at), admit(at)]);
    let answers = at_once(&store, twice).await;
    let number = |reply: &Result<Reply, Trouble>| match reply {
        Ok(Reply::Held { number, .. }) => *number,
        other => panic!("{other:?}"),
    };
    let numbers = BTreeSet::from_iter(answers.iter().map(number));
    assert_eq!(numbers.len(), 8, "both answers name one hold");
    let history = store.history(&GroupName::default(), 1000).await.unwrap();
    let admits = history.iter().filter(|line| line.event == "admit").count();
    assert_eq!(admits, 1 + 8);
}

/// What a deadline or a mark stood on serves the next: leases do not pile up in etcd.
#[tokio::test]
async fn leases_come_back_from_what_is_over() {
    let etcd = Etcd::single(&LabOptions::default()).await.unwrap();
    let client = Client::new(Options::new(etcd.endpoints())).unwrap();
    let store = server(&client, "fleet");
    made(&store, 1).await;
    let mut leases = Vec::new();
    for _ in 0..3 {
        for _ in 0..25 {
            ask(&store, admit(1)).await.unwrap();
            assert_eq!(ask(&store, steady(1)).await, Ok(Reply::Released));
        }
        leases.push(etcd.count_leases().await.unwrap());
    }
    // Twenty marks stay, and some leases stand ready.
    assert!(leases[2] <= 20 + 60, "{leases:?}");
}
