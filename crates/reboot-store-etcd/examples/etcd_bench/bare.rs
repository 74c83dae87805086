//! The floors: what etcd itself takes for the least that could do.

use crate::Outcome;
use reboot_store_etcd::client::{Client, Compare, Is, Op, Txn, Watch, WatchRange};

/// One key that is swapped again and again.
pub(crate) struct Swap {
    client: Client,
    key: Vec<u8>,
    revision: i64,
}

// === impl Swap ===

impl Swap {
    pub(crate) fn new(client: Client, key: &str) -> Self {
        let key = key.as_bytes().to_vec();
        Self {
            client,
            key,
            revision: 0,
        }
    }

    /// One compare-and-swap of as many bytes as a small record has.
    pub(crate) async fn swap(&mut self) -> Outcome<()> {
        let txn = Txn {
            compares: vec![Compare::ModRevision {
                key: self.key.clone(),
                end: None,
                is: Is::Equal,
                revision: self.revision,
            }],
            then: vec![Op::Put {
                key: self.key.clone(),
                value: vec![b'x'; 600],
                lease: 0,
            }],
            otherwise: Vec::new(),
        };
        let answer = self.client.txn(txn).await?;
        if !answer.succeeded {
            return Err("nobody else swaps this key".into());
        }
        self.revision = answer.revision;
        Ok(())
    }
}

/// Puts a key; answers with the revision.
pub(crate) async fn put(client: &Client, key: &str) -> Outcome<i64> {
    let put = Op::Put {
        key: key.as_bytes().to_vec(),
        value: b"x".to_vec(),
        lease: 0,
    };
    let txn = Txn {
        then: vec![put],
        ..Txn::default()
    };
    Ok(client.txn(txn).await?.revision)
}

/// Deletes a key.
pub(crate) async fn delete(client: &Client, key: &str) -> Outcome<()> {
    let delete = Op::Delete {
        key: key.as_bytes().to_vec(),
        end: None,
    };
    let txn = Txn {
        then: vec![delete],
        ..Txn::default()
    };
    client.txn(txn).await?;
    Ok(())
}

/// Hears of one key's deletion from a revision on.
pub(crate) async fn hear(client: &Client, key: &str, from_revision: i64) -> Outcome<Watch> {
    let range = WatchRange {
        key: key.as_bytes().to_vec(),
        end: None,
        from_revision,
        puts: false,
        deletes: true,
        previous: false,
    };
    Ok(client.watch(vec![range]).await?)
}
