//! What the tests share: one quiet member for all, and short words for transactions.

use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use reboot_lab::{Etcd, LabOptions};
use reboot_store_etcd::client::{
    Client, Compare, Is, KeyValue, Op, OpResult, Options, Txn, TxnAnswer, prefix_end,
};
use tokio::sync::Mutex;
use tokio::time::Instant;

/// A client of a member that several tests share, since they do it no harm. The last of them ends
/// it.
pub(crate) struct Quiet {
    client: Client,
    _etcd: Arc<Etcd>,
}

impl Deref for Quiet {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

pub(crate) async fn quiet() -> Quiet {
    static SHARED: Mutex<Weak<Etcd>> = Mutex::const_new(Weak::new());
    let mut shared = SHARED.lock().await;
    let etcd = match shared.upgrade() {
        Some(etcd) => etcd,
        None => Arc::new(Etcd::single(&LabOptions::default()).await.unwrap()),
    };
    *shared = Arc::downgrade(&etcd);
    Quiet {
        client: client(&etcd.endpoints()),
        _etcd: etcd,
    }
}

/// A client for these endpoints, with times that a busy machine keeps.
pub(crate) fn client(endpoints: &[String]) -> Client {
    Client::new(options(endpoints)).unwrap()
}

pub(crate) fn options(endpoints: &[String]) -> Options {
    Options {
        call_timeout: Duration::from_secs(10),
        connect_timeout: Duration::from_secs(2),
        ..Options::new(endpoints)
    }
}

/// A prefix of keys that no other test uses.
pub(crate) fn own_prefix(test: &str) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("/{test}/{}-{count}/", std::process::id())
}

pub(crate) fn put(key: &str, value: &str) -> Op {
    put_on(key, value, 0)
}

pub(crate) fn put_on(key: &str, value: &str, lease: i64) -> Op {
    Op::Put {
        key: key.into(),
        value: value.into(),
        lease,
    }
}

pub(crate) fn delete(key: &str) -> Op {
    Op::Delete {
        key: key.into(),
        end: None,
    }
}

pub(crate) fn get(key: &str) -> Op {
    range(key, None)
}

pub(crate) fn get_prefix(prefix: &str) -> Op {
    range(prefix, Some(prefix_end(prefix.as_bytes())))
}

fn range(key: &str, end: Option<Vec<u8>>) -> Op {
    Op::Range {
        key: key.into(),
        end,
        keys_only: false,
        count_only: false,
        limit: 0,
        min_mod_revision: 0,
        at_revision: 0,
    }
}

/// A transaction without conditions.
pub(crate) fn always(ops: impl IntoIterator<Item = Op>) -> Txn {
    Txn {
        then: ops.into_iter().collect(),
        ..Txn::default()
    }
}

/// Holds if a key was last changed at this revision.
pub(crate) fn unchanged(key: &str, revision: i64) -> Compare {
    Compare::ModRevision {
        key: key.into(),
        end: None,
        is: Is::Equal,
        revision,
    }
}

/// The keys and values of a range, as texts.
pub(crate) fn texts(answer: &TxnAnswer, result: usize) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    kvs(answer, result)
        .iter()
        .map(|kv| (text(&kv.key), text(&kv.value)))
        .collect()
}

pub(crate) fn kvs(answer: &TxnAnswer, result: usize) -> &[KeyValue] {
    match &answer.results[result] {
        OpResult::Range { kvs, .. } => kvs,
        other => panic!("{other:?} is no range"),
    }
}

/// Looks until something is so; what never comes fails the test.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut is_so: impl FnMut() -> F) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so().await {
        assert!(Instant::now() < deadline, "{what} never came");
        tokio::task::yield_now().await;
    }
}
