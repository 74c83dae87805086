//! One consistent look at some keys: what a transaction read, and what later commits compare.

use crate::client::{Client, Compare, Fault, Is, KeyValue, Op, OpResult, Txn};
use crate::keys::Range;
use std::collections::BTreeMap;

/// What is to be read in one transaction.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reading {
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
struct Part {
    range: Range,
    keys_only: bool,
    /// Whether a commit that builds on this must find it as it was.
    guarded: bool,
}

/// What a transaction read, all at one revision.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    /// The revision at which all of it stood.
    pub(crate) revision: i64,
    kvs: BTreeMap<String, KeyValue>,
}

// === impl Reading ===

impl Reading {
    /// Reads it, and compares it at a commit.
    pub(crate) fn guarded(self, range: Range) -> Self {
        self.and(range, false, true)
    }

    /// Reads it.
    pub(crate) fn with(self, range: Range) -> Self {
        self.and(range, false, false)
    }

    /// Reads which keys there are, and compares that at a commit.
    pub(crate) fn guarded_keys(self, range: Range) -> Self {
        self.and(range, true, true)
    }

    /// Reads which keys there are.
    pub(crate) fn with_keys(self, range: Range) -> Self {
        self.and(range, true, false)
    }

    fn and(mut self, range: Range, keys_only: bool, guarded: bool) -> Self {
        self.parts.push(Part {
            range,
            keys_only,
            guarded,
        });
        self
    }

    /// As parts of a transaction.
    pub(crate) fn ops(&self) -> Vec<Op> {
        self.parts.iter().map(Part::op).collect()
    }

    /// That nothing guarded has changed since it was read; what only went away is no change,
    /// unless it is a key by itself.
    pub(crate) fn compares(&self, snapshot: &Snapshot) -> Vec<Compare> {
        let guarded = self.parts.iter().filter(|part| part.guarded);
        guarded.map(|part| part.compare(snapshot)).collect()
    }

    /// Reads it all at once.
    pub(crate) async fn read(&self, client: &Client) -> Result<Snapshot, Fault> {
        let txn = Txn {
            then: self.ops(),
            ..Txn::default()
        };
        let answer = client.txn(txn).await?;
        Ok(Snapshot::of(answer.revision, answer.results))
    }
}

// === impl Part ===

impl Part {
    fn op(&self) -> Op {
        Op::Range {
            key: self.range.from.clone().into_bytes(),
            end: self.range.end.clone().map(String::into_bytes),
            keys_only: self.keys_only,
            count_only: false,
            limit: 0,
            min_mod_revision: 0,
        }
    }

    fn compare(&self, snapshot: &Snapshot) -> Compare {
        let key = self.range.from.clone().into_bytes();
        match &self.range.end {
            None => Compare::ModRevision {
                key,
                end: None,
                is: Is::Equal,
                revision: snapshot.mod_revision(&self.range.from),
            },
            Some(end) => Compare::ModRevision {
                key,
                end: Some(end.clone().into_bytes()),
                is: Is::Less,
                revision: snapshot.revision + 1,
            },
        }
    }
}

// === impl Snapshot ===

impl Snapshot {
    /// What ranges of a transaction answered.
    pub(crate) fn of(revision: i64, results: Vec<OpResult>) -> Self {
        let mut kvs = BTreeMap::new();
        for result in results {
            let OpResult::Range { kvs: found, .. } = result else {
                continue;
            };
            for kv in found {
                // Keys of ours are text; others are nobody's business here.
                if let Ok(key) = String::from_utf8(kv.key.clone()) {
                    kvs.insert(key, kv);
                }
            }
        }
        Self { revision, kvs }
    }

    /// A key as it stood.
    pub(crate) fn get(&self, key: &str) -> Option<&KeyValue> {
        self.kvs.get(key)
    }

    /// When a key was last changed; 0 when it is not there.
    pub(crate) fn mod_revision(&self, key: &str) -> i64 {
        self.get(key).map_or(0, |kv| kv.mod_revision)
    }

    /// Every key below a prefix that ends with a slash, with the rest of its name.
    pub(crate) fn under<'a>(
        &'a self,
        prefix: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a KeyValue)> {
        let from = self.kvs.range(prefix.to_owned()..);
        from.map_while(move |(key, kv)| Some((key.strip_prefix(prefix)?, kv)))
    }
}
