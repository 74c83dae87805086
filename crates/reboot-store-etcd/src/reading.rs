//! One consistent look at some keys: what a transaction read, and what later commits compare.

use crate::client::{Client, Compare, Event, EventKind, Fault, Is, KeyValue, Op, OpResult, Txn};
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
    /// Reads it.
    pub(crate) fn with(self, range: Range) -> Self {
        self.and(range, false)
    }

    /// Reads which keys there are.
    pub(crate) fn with_keys(self, range: Range) -> Self {
        self.and(range, true)
    }

    fn and(mut self, range: Range, keys_only: bool) -> Self {
        self.parts.push(Part { range, keys_only });
        self
    }

    /// As parts of a transaction.
    pub(crate) fn ops(&self) -> Vec<Op> {
        self.parts.iter().map(Part::op).collect()
    }

    /// Whether it reads a key.
    pub(crate) fn covers(&self, key: &str) -> bool {
        self.parts.iter().any(|part| part.range.holds(key))
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
            at_revision: 0,
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

    /// That a range stands as it was read; of several keys, that none is newer: what only went
    /// away makes room, and takes none.
    pub(crate) fn unchanged(&self, range: &Range) -> Compare {
        let (is, revision) = match range.end {
            None => (Is::Equal, self.mod_revision(&range.from)),
            Some(_) => (Is::Less, self.revision + 1),
        };
        Compare::ModRevision {
            key: range.from.clone().into_bytes(),
            end: range.end.clone().map(String::into_bytes),
            is,
            revision,
        }
    }

    /// Forgets what a reading does not read.
    pub(crate) fn keep(&mut self, reading: &Reading) {
        self.kvs.retain(|key, _| reading.covers(key));
    }

    /// What has become of one key since. The revision stays that of the look: about other keys
    /// nothing is known.
    pub(crate) fn follow(&mut self, event: &Event) {
        let Ok(key) = String::from_utf8(event.kv.key.clone()) else {
            return;
        };
        let is_older = event.kv.mod_revision <= self.mod_revision(&key);
        match event.kind {
            _ if is_older => {}
            EventKind::Put => drop(self.kvs.insert(key, event.kv.clone())),
            EventKind::Delete => drop(self.kvs.remove(&key)),
        }
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
