//! One consistent look at some keys: what a transaction read, and what later commits compare.

use crate::client::{Client, Compare, Event, EventKind, Fault, Is, KeyValue, Op, OpResult, Txn};
use crate::keys::Range;
use crate::record::{self, Found};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

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

/// What a transaction read, all at one revision; and what was learnt of parts of it since.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    /// The revision at which all of it stood.
    pub(crate) revision: i64,
    kvs: BTreeMap<String, KeyValue>,
    /// Parts that were read again since.
    newer: Vec<Newer>,
    records: Records,
}

/// A transaction of this process that stands.
pub(crate) struct Committed {
    /// Its revision.
    revision: i64,
    /// What it wrote, each a key.
    ops: Vec<Op>,
    /// What is known as of its revision: what it wrote; and what it compared, where nobody else had
    /// put anything. What has gone away from there and was not read may be seen until a look tells:
    /// it seems to take room, so that too much is refused, and what is refused is read.
    known: Vec<Range>,
    /// What stood at its revision of what claims stand on: who went away from there is swept by
    /// the next commit.
    stood: Snapshot,
    /// Where that was read.
    stood_in: Vec<Range>,
}

/// A part of which something newer is known.
#[derive(Clone, Debug)]
struct Newer {
    range: Range,
    /// The revision at which it stood.
    revision: i64,
    /// Which step of this process learnt it.
    step: u64,
}

/// Records as they were understood, by key, each of its revision: a long one takes its time.
#[derive(Debug, Default)]
struct Records(Mutex<BTreeMap<String, (i64, Understood)>>);

/// What a record's text says, or what is wrong with it.
type Understood = Arc<Result<Found, String>>;

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

// === impl Committed ===

impl Committed {
    /// A commit that wrote this, compared these, and read of these last which keys there are.
    pub(crate) fn new(
        (revision, results): (i64, Vec<OpResult>),
        ops: Vec<Op>,
        guards: Vec<Range>,
        read: &Reading,
    ) -> Self {
        let written = ops.iter().filter_map(|op| match op {
            Op::Put { key, .. } | Op::Delete { key, end: None } => str::from_utf8(key).ok(),
            Op::Delete { .. } | Op::Range { .. } => None,
        });
        let others = written.filter(|key| !guards.iter().any(|guard| guard.holds(key)));
        let others = Vec::from_iter(others.map(Range::one));
        Self {
            revision,
            ops,
            known: Vec::from_iter(others.into_iter().chain(guards)),
            stood: Snapshot::of(revision, results),
            stood_in: Vec::from_iter(read.parts.iter().map(|part| part.range.clone())),
        }
    }

    /// Whether it found a key no longer there.
    fn found_gone(&self, key: &str) -> bool {
        let was_read = self.stood_in.iter().any(|range| range.holds(key));
        was_read && self.stood.get(key).is_none()
    }

    fn known_of<'a>(&'a self, covered: &'a Reading) -> impl Iterator<Item = &'a Range> {
        let known = self.known.iter();
        known.filter(|range| covered.parts.iter().any(|part| part.range.includes(range)))
    }
}

// === impl Records ===

impl Clone for Records {
    /// Nothing: they are understood again where they are asked for.
    fn clone(&self) -> Self {
        Self::default()
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
        Self {
            revision,
            kvs,
            ..Self::default()
        }
    }

    /// That a range stands as it was read; of several keys, that none is newer: what only went
    /// away makes room, and takes none.
    pub(crate) fn unchanged(&self, range: &Range) -> Compare {
        let (is, revision) = match range.end {
            None => (Is::Equal, self.mod_revision(&range.from)),
            Some(_) => (Is::Less, self.read_at(range) + 1),
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

    /// So much of it as a reading reads.
    pub(crate) fn part(&self, reading: &Reading) -> Self {
        let mut part = Self {
            revision: self.revision,
            ..Self::default()
        };
        for range in reading.parts.iter().map(|part| &part.range) {
            let revision = self.read_at(range);
            if revision > part.revision {
                part.newer.push(Newer {
                    range: range.clone(),
                    revision,
                    step: 0,
                });
            }
            let found = self.within(range);
            part.kvs
                .extend(found.map(|(k, kv)| (k.clone(), kv.clone())));
        }
        part
    }

    /// What another snapshot of this reading shows, where that is newer; learnt in this step.
    pub(crate) fn renew(&mut self, reading: &Reading, newer: &Self, step: u64) {
        for part in &reading.parts {
            self.learn(&part.range, (newer.revision, step), newer);
        }
    }

    /// What another snapshot of the same learnt after a step, where that is newer. What it knew
    /// before this one was read cannot be newer, unless etcd was put back: then it is of another
    /// past.
    pub(crate) fn keep_newer_of(&mut self, former: &Self, after: u64) {
        for it in former.newer.iter().filter(|it| it.step > after) {
            self.learn(&it.range, (it.revision, it.step), former);
        }
    }

    /// What a commit made of it that compared it, of what a reading covers.
    pub(crate) fn committed(mut self, commit: &Committed, covered: &Reading) -> Self {
        for op in &commit.ops {
            let (Op::Put { key, .. } | Op::Delete { key, .. }) = op else {
                continue;
            };
            let Some(key) = str::from_utf8(key).ok().filter(|key| covered.covers(key)) else {
                continue;
            };
            match op {
                Op::Put { value, lease, .. } => self.put(key, value, *lease, commit.revision),
                _ => drop(self.kvs.remove(key)),
            }
        }
        self.kvs.retain(|key, _| !commit.found_gone(key));
        for range in commit.known_of(covered) {
            self.stands_at(range, (commit.revision, 0));
        }
        self
    }

    /// What a commit made of what it stood on, of what a reading covers; learnt in this step.
    pub(crate) fn renew_by(
        &mut self,
        commit: &Committed,
        covered: &Reading,
        newer: &Self,
        step: u64,
    ) {
        for range in commit.known_of(covered) {
            self.learn(range, (commit.revision, step), newer);
        }
    }

    fn put(&mut self, key: &str, value: &[u8], lease: i64, revision: i64) {
        let before = self.get(key);
        let kv = KeyValue {
            key: key.as_bytes().to_vec(),
            value: value.to_vec(),
            create_revision: before.map_or(revision, |kv| kv.create_revision),
            mod_revision: revision,
            version: before.map_or(1, |kv| kv.version + 1),
            lease,
        };
        self.kvs.insert(key.to_owned(), kv);
    }

    /// A range is known as of a later revision.
    fn stands_at(&mut self, range: &Range, (revision, step): (i64, u64)) {
        if revision <= self.read_at(range) {
            return;
        }
        self.newer.retain(|other| !range.includes(&other.range));
        self.newer.push(Newer {
            range: range.clone(),
            revision,
            step,
        });
    }

    /// A range as it stood at a later revision.
    fn learn(&mut self, range: &Range, (revision, step): (i64, u64), from: &Self) {
        if revision <= self.read_at(range) {
            return;
        }
        let known = Vec::from_iter(self.within(range).map(|(key, _)| key.clone()));
        for key in known {
            self.kvs.remove(&key);
        }
        let found = from.within(range);
        self.kvs
            .extend(found.map(|(k, kv)| (k.clone(), kv.clone())));
        self.stands_at(range, (revision, step));
    }

    /// The revision at which a range was read.
    fn read_at(&self, range: &Range) -> i64 {
        let whole = self.newer.iter().filter(|it| it.range.includes(range));
        let newest = whole.map(|it| it.revision).max();
        newest.unwrap_or(0).max(self.revision)
    }

    fn within<'a>(&'a self, range: &'a Range) -> impl Iterator<Item = (&'a String, &'a KeyValue)> {
        let from = self.kvs.range(range.from.clone()..);
        from.take_while(|(key, _)| range.holds(key))
    }

    /// What has become of one key since. The revision stays that of the look: about other keys
    /// nothing is known.
    pub(crate) fn follow(&mut self, event: &Event) {
        let Ok(key) = String::from_utf8(event.kv.key.clone()) else {
            return;
        };
        let (told, known) = (event.kv.mod_revision, self.mod_revision(&key));
        let is_older = match event.kind {
            EventKind::Put => told <= known.max(self.read_at(&Range::one(&*key))),
            EventKind::Delete => told <= known,
        };
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

    /// The record under a key.
    pub(crate) fn record(&self, key: &str) -> Option<Understood> {
        let kv = self.get(key)?;
        let mut records = self
            .records
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some((revision, understood)) = records.get(key)
            && *revision == kv.mod_revision
        {
            return Some(understood.clone());
        }
        let understood = Arc::new(record::read(&kv.value));
        records.insert(key.to_owned(), (kv.mod_revision, understood.clone()));
        Some(understood)
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

#[cfg(test)]
mod tests;
