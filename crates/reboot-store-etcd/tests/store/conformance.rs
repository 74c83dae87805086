//! The store on etcd does what every store must do: on a single member, and on three.

use crate::bench::unique;
use crate::lab;
use async_trait::async_trait;
use reboot_core::id::GroupName;
use reboot_store::conformance::Harness;
use reboot_store::{Store, conformance_tests};
use reboot_store_etcd::client::{Client, Op, Txn, WatchRange};
use reboot_store_etcd::{EtcdStore, Layout};
use std::sync::Arc;

/// The shortest lease that etcd keeps with its usual election timeout, in seconds.
const LEASE_SECS: u64 = 2;

struct OnEtcd {
    client: Client,
    store: Arc<EtcdStore>,
}

// === impl OnEtcd ===

impl OnEtcd {
    fn new(client: Client) -> Self {
        let layout = Layout::Native {
            namespace: format!("conformance-{}", unique()),
            lock_key: "/lock".to_owned(),
        };
        let store = EtcdStore::new(client.clone(), &layout);
        let store = store.with_marks_ttl_ms(LEASE_SECS * 1000);
        Self {
            client,
            store: Arc::new(store),
        }
    }

    /// As a server has it.
    fn for_many_nodes(client: Client) -> Self {
        let Self { client, store } = Self::new(client);
        let store = Arc::into_inner(store).unwrap();
        Self {
            client,
            store: Arc::new(store.for_many_nodes()),
        }
    }
}

#[async_trait]
impl Harness for OnEtcd {
    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    fn lease_ms(&self) -> u64 {
        LEASE_SECS * 1000
    }

    fn marks_ttl_ms(&self) -> u64 {
        LEASE_SECS * 1000
    }

    /// Waits for the end of a lease that is granted now: by then all older ones of its length
    /// have ended too.
    async fn advance(&self, ms: u64) {
        let secs = i64::try_from(ms.div_ceil(1000)).unwrap();
        let lease = i64::try_from(unique()).unwrap() + 1_000_000;
        self.client.grant(lease, secs).await.unwrap();
        let key = format!("probe-{lease}").into_bytes();
        let put = Txn {
            then: vec![Op::Put {
                key: key.clone(),
                value: Vec::new(),
                lease,
            }],
            ..Txn::default()
        };
        let put = self.client.txn(put).await.unwrap();
        let range = WatchRange {
            key,
            end: None,
            from_revision: put.revision + 1,
            puts: false,
            deletes: true,
            previous: false,
        };
        let mut watch = self.client.watch(vec![range]).await.unwrap();
        watch.next().await.unwrap();
    }

    async fn put_record(&self, group: &GroupName, record: &str) {
        let put = Txn {
            then: vec![Op::Put {
                key: self.store.keys().record(group).into_bytes(),
                value: record.as_bytes().to_vec(),
                lease: 0,
            }],
            ..Txn::default()
        };
        self.client.txn(put).await.unwrap();
    }
}

mod on_one_member {
    use super::{OnEtcd, conformance_tests, lab};

    async fn etcd() -> OnEtcd {
        OnEtcd::new(lab::client().await)
    }

    conformance_tests!(super::etcd);
}

mod on_three_members {
    use super::{OnEtcd, conformance_tests, lab};

    async fn etcd() -> OnEtcd {
        OnEtcd::new(lab::cluster_client().await)
    }

    conformance_tests!(super::etcd);
}

mod for_many_nodes {
    use super::{OnEtcd, conformance_tests, lab};

    async fn etcd() -> OnEtcd {
        OnEtcd::for_many_nodes(lab::client().await)
    }

    conformance_tests!(super::etcd);
}
