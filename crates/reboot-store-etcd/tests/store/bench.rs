//! A fleet's place of its own on the one etcd that these tests share, and short words.

use crate::lab;
use reboot_core::boot::BootIdentity;
use reboot_core::group::{Action, Claim, Group, Identity, Owner, Phase, Reply, Request, Way};
use reboot_core::id::{GroupName, Instance, MachineId, NodeName, RequestId, SessionId};
use reboot_core::undo::Undo;
use reboot_core::write::{Trouble, Write, Written};
use reboot_store::Store;
use reboot_store_etcd::client::{Client, KeyValue, Op, OpResult, Txn};
use reboot_store_etcd::keys::Range;
use reboot_store_etcd::{EtcdStore, Layout};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How long anything may take on a slow machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// A lease that no test outlives, in milliseconds.
const LONG_MS: u64 = 600_000;

static NEXT: AtomicU64 = AtomicU64::new(1);

/// A number that this process draws once.
pub(crate) fn unique() -> u64 {
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// A store below a namespace of its own.
pub(crate) struct Bench {
    pub(crate) client: Client,
    pub(crate) store: Arc<EtcdStore>,
    /// So that no two tests open sessions of one name.
    token: u64,
}

/// A request under an id of its own.
pub(crate) fn request(action: Action) -> Request {
    Request {
        id: RequestId::new(format!("request-{}", unique())).unwrap(),
        at: "2026-01-01T00:00:00Z".to_owned(),
        action,
    }
}

pub(crate) fn session_of(node: &str) -> SessionId {
    SessionId::new(format!("session-{node}")).unwrap()
}

pub(crate) fn claim(identity: &Identity, session: &SessionId) -> Action {
    Action::Claim(Claim {
        identity: identity.clone(),
        session: session.clone(),
        need: "kernel".to_owned(),
        pid: 1,
        interval_secs: 0,
        diagnostic: false,
    })
}

pub(crate) fn owner(identity: &Identity, number: u64, expects: Phase) -> Owner {
    Owner {
        node: identity.node.clone(),
        number,
        instance: identity.instance.clone(),
        expects,
    }
}

// === impl Bench ===

impl Bench {
    pub(crate) async fn new() -> Self {
        let layout = Layout::Native {
            namespace: format!("fleet-{}", unique()),
            lock_key: "lock".to_owned(),
        };
        Self::with(&layout).await
    }

    pub(crate) async fn with(layout: &Layout) -> Self {
        Self::below(lab::client().await, layout)
    }

    /// On an etcd of its own.
    pub(crate) fn on(client: Client) -> Self {
        Self::below(client, &Layout::default())
    }

    fn below(client: Client, layout: &Layout) -> Self {
        let store = EtcdStore::new(client.clone(), layout);
        Self {
            client,
            store: Arc::new(store),
            token: unique(),
        }
    }

    pub(crate) async fn soon<T>(&self, what: impl Future<Output = T>) -> T {
        let in_time = tokio::time::timeout(PATIENCE, what).await;
        in_time.expect("it happens soon enough")
    }

    pub(crate) fn identity(&self, node: &str) -> Identity {
        Identity {
            node: NodeName::new(node).unwrap(),
            machine_id: MachineId::new(format!("machine-of-{node}")).unwrap(),
            boot: BootIdentity::of_boot("boot-a"),
            instance: Instance::new(format!("run-{node}-{}", self.token)).unwrap(),
        }
    }

    pub(crate) async fn open(&self, node: &str) {
        let write = Write::OpenSession {
            session: session_of(node),
            identity: self.identity(node),
            ttl_ms: LONG_MS,
        };
        self.store.write(write).await.unwrap();
    }

    pub(crate) async fn end_session(&self, node: &str) {
        let session = session_of(node);
        let end = Write::EndSession { session };
        self.store.write(end).await.unwrap();
    }

    pub(crate) async fn ask(&self, request: Request) -> Result<Reply, Trouble> {
        let write = Write::Ask {
            group: GroupName::default(),
            create_with_max: Some(1),
            request,
        };
        match self.store.write(write).await? {
            Written::Granted(reply) => Ok(reply),
            other => panic!("a group answers with a reply, not {other:?}"),
        }
    }

    pub(crate) async fn claim(&self, node: &str) -> Result<u64, Trouble> {
        let action = claim(&self.identity(node), &session_of(node));
        match self.ask(request(action)).await? {
            Reply::Held { number, .. } => Ok(number),
            other => panic!("a claim is answered with a hold, not {other:?}"),
        }
    }

    pub(crate) async fn fence(&self, node: &str, number: u64) {
        let identity = self.identity(node);
        let action = Action::Fence {
            owner: owner(&identity, number, Phase::Claimed),
            boot: identity.boot.clone(),
            max_reboots_per_day: 100,
            deadline_secs: 600,
        };
        self.ask(request(action)).await.unwrap();
    }

    pub(crate) async fn fence_with_cooldown(&self, node: &str, number: u64, secs: u64) {
        let record = self.store.keys().record(&GroupName::default());
        let mut stored = self.get(&record).await;
        stored["holds"][0]["interval_secs"] = secs.into();
        self.put(&record, &stored.to_string()).await;
        self.fence(node, number).await;
    }

    pub(crate) async fn drain(&self, node: &str, number: u64, change: &str) {
        let action = Action::Drain {
            owner: owner(&self.identity(node), number, Phase::Claimed),
            undo: Undo::of([change.to_owned()]),
            deadline_secs: 600,
        };
        self.ask(request(action)).await.unwrap();
    }

    pub(crate) async fn release(&self, node: &str, number: u64, way: Way) {
        let identity = self.identity(node);
        let expects = match way {
            Way::GivenBack => Phase::Claimed,
            Way::NeverIssued => Phase::Rebooting,
            Way::Returned => Phase::Returned,
        };
        let action = Action::Release {
            owner: owner(&identity, number, expects),
            boot: identity.boot.clone(),
            way,
            undone: Undo::default(),
        };
        assert_eq!(self.ask(request(action)).await.unwrap(), Reply::Released);
    }

    pub(crate) async fn set_max(&self, max: u32) {
        let by = "operator".to_owned();
        self.ask(request(Action::SetMax { max, by })).await.unwrap();
    }

    pub(crate) async fn record(&self) -> Group {
        let fleet = self.store.look().await.unwrap();
        fleet.groups[&GroupName::default()].group.clone()
    }

    /// Writes a key behind the store's back.
    pub(crate) async fn put(&self, key: &str, value: &str) {
        self.run(Op::Put {
            key: key.as_bytes().to_vec(),
            value: value.as_bytes().to_vec(),
            lease: 0,
        })
        .await;
    }

    pub(crate) async fn delete(&self, key: &str) {
        self.run(Op::Delete {
            key: key.as_bytes().to_vec(),
            end: None,
        })
        .await;
    }

    pub(crate) async fn delete_range(&self, range: &Range) {
        self.run(Op::Delete {
            key: range.from.clone().into_bytes(),
            end: range.end.clone().map(String::into_bytes),
        })
        .await;
    }

    /// A key's value; the test fails when it is not there.
    pub(crate) async fn get(&self, key: &str) -> serde_json::Value {
        self.find(key)
            .await
            .unwrap_or_else(|| panic!("{key} is not there"))
    }

    pub(crate) async fn find(&self, key: &str) -> Option<serde_json::Value> {
        let kv = self.stored(key).await?;
        Some(serde_json::from_slice(&kv.value).unwrap())
    }

    /// How often a key was put since it was made; the store's revision counts other tests' too.
    pub(crate) async fn puts(&self, key: &str) -> i64 {
        let kv = self.stored(key).await;
        kv.map_or(0, |kv| kv.version)
    }

    /// Which keys there are.
    pub(crate) async fn keys(&self, range: &Range) -> Vec<String> {
        let found = self.found(range).await;
        let key = |kv: KeyValue| String::from_utf8(kv.key).unwrap();
        found.into_iter().map(key).collect()
    }

    async fn stored(&self, key: &str) -> Option<KeyValue> {
        self.found(&Range::one(key)).await.pop()
    }

    async fn found(&self, range: &Range) -> Vec<KeyValue> {
        let range = Op::Range {
            key: range.from.clone().into_bytes(),
            end: range.end.clone().map(String::into_bytes),
            keys_only: false,
            count_only: false,
            limit: 0,
            min_mod_revision: 0,
            at_revision: 0,
        };
        match self.run(range).await {
            OpResult::Range { kvs, .. } => kvs,
            other => panic!("a range answers with keys, not {other:?}"),
        }
    }

    async fn run(&self, op: Op) -> OpResult {
        let txn = Txn {
            then: vec![op],
            ..Txn::default()
        };
        self.client.txn(txn).await.unwrap().results.remove(0)
    }
}
