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

    fn took_away(&self, key: &str) -> bool {
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
        self.kvs.retain(|key, _| !commit.took_away(key));
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
mod tests {
    use super::*;

    /// A snapshot of keys with the revisions that changed them.
    fn snapshot(revision: i64, keys: &[(&str, i64)]) -> Snapshot {
        let kv = |(key, mod_revision): &(&str, i64)| KeyValue {
            key: key.as_bytes().to_vec(),
            value: mod_revision.to_string().into_bytes(),
            create_revision: 1,
            mod_revision: *mod_revision,
            version: 1,
            lease: 0,
        };
        let (kvs, count) = (keys.iter().map(kv).collect(), 0);
        Snapshot::of(revision, vec![OpResult::Range { kvs, count }])
    }

    fn keys(snapshot: &Snapshot) -> Vec<(&str, i64)> {
        let kvs = snapshot.kvs.iter();
        Vec::from_iter(kvs.map(|(key, kv)| (key.as_str(), kv.mod_revision)))
    }

    /// What the compare of a range stands on.
    fn bound(snapshot: &Snapshot, range: &Range) -> i64 {
        match snapshot.unchanged(range) {
            Compare::ModRevision { revision, .. } => revision,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_was_read_again_stands_at_its_own_revision() {
        let mut all = snapshot(10, &[("a/1", 3), ("a/2", 9), ("b/1", 5), ("c", 2)]);
        let reading = Reading::default()
            .with(Range::under("a/"))
            .with(Range::one("c"));
        all.renew(
            &reading,
            &snapshot(14, &[("a/2", 13), ("a/3", 12), ("c", 14)]),
            1,
        );
        let now = [("a/2", 13), ("a/3", 12), ("b/1", 5), ("c", 14)];
        assert_eq!(keys(&all), now);
        assert_eq!(bound(&all, &Range::under("a/")), 15);
        assert_eq!(bound(&all, &Range::under("b/")), 11);
        assert_eq!(bound(&all, &Range::one("c")), 14);
        assert_eq!(bound(&all, &Range::one("gone")), 0);
    }

    #[test]
    fn an_older_answer_that_comes_late_changes_nothing() {
        let reading = Reading::default().with(Range::under("a/"));
        let mut all = snapshot(10, &[("a/1", 3)]);
        all.renew(&reading, &snapshot(14, &[("a/1", 14)]), 1);
        all.renew(&reading, &snapshot(12, &[("a/1", 12)]), 2);
        all.renew(&reading, &snapshot(9, &[]), 3);
        assert_eq!(keys(&all), [("a/1", 14)]);
        assert_eq!(bound(&all, &Range::under("a/")), 15);
    }

    #[test]
    fn a_look_that_began_earlier_takes_nothing_back() {
        let reading = Reading::default().with(Range::under("a/"));
        let mut former = snapshot(10, &[("a/1", 3), ("b/1", 3)]);
        former.renew(&reading, &snapshot(14, &[("a/2", 14)]), 7);
        let mut look = snapshot(12, &[("a/1", 3), ("b/1", 12)]);
        look.keep_newer_of(&former, 6);
        assert_eq!(keys(&look), [("a/2", 14), ("b/1", 12)]);
        assert_eq!(bound(&look, &Range::under("a/")), 15);
        assert_eq!(bound(&look, &Range::under("b/")), 13);
        let mut later = snapshot(20, &[("a/1", 18)]);
        later.keep_newer_of(&look, 6);
        assert_eq!(keys(&later), [("a/1", 18)]);
    }

    #[test]
    fn an_etcd_that_was_put_back_leaves_nothing_of_another_past() {
        let reading = Reading::default().with(Range::under("a/"));
        let mut former = snapshot(985, &[("a/1", 980)]);
        former.renew(&reading, &snapshot(990, &[("a/1", 990)]), 7);
        let mut look = snapshot(801, &[("a/1", 799)]);
        look.keep_newer_of(&former, 7);
        assert_eq!(keys(&look), [("a/1", 799)]);
        assert_eq!(bound(&look, &Range::under("a/")), 802);
    }

    #[test]
    fn a_part_has_what_its_reading_reads_as_old_as_it_is() {
        let of_all = Reading::default().with(Range::under("marks/"));
        let mut all = snapshot(10, &[("marks/x/1", 4), ("marks/y/1", 5), ("record", 6)]);
        let of_x = Reading::default().with(Range::under("marks/x/"));
        all.renew(&of_x, &snapshot(12, &[("marks/x/2", 12)]), 1);
        let part = all.part(&of_x);
        assert_eq!(keys(&part), [("marks/x/2", 12)]);
        assert_eq!(bound(&part, &Range::under("marks/x/")), 13);
        let part = all.part(&of_all);
        assert_eq!(keys(&part), [("marks/x/2", 12), ("marks/y/1", 5)]);
        assert_eq!(
            bound(&part, &Range::under("marks/")),
            11,
            "the whole is as old as its oldest part"
        );
    }

    fn put(key: &str) -> Op {
        Op::Put {
            key: key.as_bytes().to_vec(),
            value: b"new".to_vec(),
            lease: 7,
        }
    }

    fn delete(key: &str) -> Op {
        let key = key.as_bytes().to_vec();
        Op::Delete { key, end: None }
    }

    fn commit_at_20(ops: Vec<Op>) -> Committed {
        let guards = vec![Range::under("a/")];
        Committed::new((20, Vec::new()), ops, guards, &Reading::default())
    }

    /// A claim whose lease ended before a commit is dead to the next one.
    #[test]
    fn what_had_gone_away_by_a_commit_is_known_where_it_was_read() {
        let covered = Reading::default().with(Range::under("a/"));
        let read = Reading::default().with_keys(Range::under("a/claims/"));
        let seen = snapshot(10, &[("a/1", 3), ("a/claims/1", 4), ("a/claims/2", 5)]);
        let (kvs, count) = (
            seen.under("a/claims/1").map(|(_, kv)| kv.clone()).collect(),
            1,
        );
        let answer = (20, vec![OpResult::Range { kvs, count }]);
        let commit = Committed::new(answer, vec![put("a/1")], vec![Range::under("a/")], &read);
        let newer = seen.committed(&commit, &covered);
        assert_eq!(keys(&newer), [("a/1", 20), ("a/claims/1", 4)]);
    }

    #[test]
    fn what_a_commit_wrote_is_known_without_reading_it() {
        let covered = Reading::default()
            .with(Range::under("a/"))
            .with(Range::under("b/"))
            .with(Range::one("c"));
        let seen = snapshot(10, &[("a/1", 3), ("a/2", 9), ("b/1", 5), ("c", 2)]);
        let ops = vec![
            put("a/1"),
            put("a/3"),
            delete("a/2"),
            put("c"),
            put("elsewhere"),
        ];
        let commit = commit_at_20(ops);
        let mut all = seen.clone();
        let newer = seen.committed(&commit, &covered);
        assert_eq!(
            keys(&newer),
            [("a/1", 20), ("a/3", 20), ("b/1", 5), ("c", 20)]
        );
        assert_eq!(
            bound(&newer, &Range::under("a/")),
            21,
            "nobody else wrote there"
        );
        assert_eq!(
            bound(&newer, &Range::under("b/")),
            11,
            "that was not compared"
        );
        let (old, new) = (newer.get("a/1").unwrap(), newer.get("a/3").unwrap());
        assert_eq!((old.create_revision, old.version), (1, 2));
        assert_eq!((new.create_revision, new.version), (20, 1));
        assert_eq!((&*new.value, new.lease), (&b"new"[..], 7));
        all.renew_by(&commit, &covered, &newer, 1);
        assert_eq!(keys(&all), keys(&newer));
        let known = Vec::from_iter(all.newer.iter().map(|it| &*it.range.from));
        assert_eq!(known, ["c", "a/"], "nothing piles up of what is not read");
    }

    /// What stood on a look is not mixed with what an older one showed, which came later.
    #[test]
    fn a_commit_brings_along_what_it_stood_on() {
        let covered = Reading::default().with(Range::under("a/"));
        let mut all = snapshot(10, &[("a/1", 3)]);
        let seen = snapshot(15, &[("a/1", 3), ("a/theirs", 14)]);
        let commit = commit_at_20(vec![put("a/mine")]);
        let newer = seen.committed(&commit, &covered);
        all.renew_by(&commit, &covered, &newer, 1);
        assert_eq!(keys(&all), [("a/1", 3), ("a/mine", 20), ("a/theirs", 14)]);
        assert_eq!(bound(&all, &Range::under("a/")), 21);
        let late = snapshot(18, &[]).committed(&commit, &covered);
        all.renew_by(&commit, &covered, &late, 2);
        assert_eq!(keys(&all).len(), 3, "known as of that revision already");
    }

    fn event(kind: EventKind, key: &str, mod_revision: i64) -> Event {
        let kv = KeyValue {
            key: key.as_bytes().to_vec(),
            value: Vec::new(),
            create_revision: 1,
            mod_revision,
            version: 1,
            lease: 0,
        };
        let previous = None;
        Event { kind, kv, previous }
    }

    /// A watch tells of our own commits too, and late.
    #[test]
    fn a_watch_brings_nothing_back_that_a_commit_took_away() {
        let covered = Reading::default().with(Range::under("a/"));
        let seen = snapshot(10, &[("a/1", 3), ("a/2", 9)]);
        let commit = commit_at_20(vec![delete("a/1")]);
        let mut now = seen.committed(&commit, &covered);
        now.follow(&event(EventKind::Put, "a/1", 15));
        assert_eq!(keys(&now), [("a/2", 9)]);
        now.follow(&event(EventKind::Delete, "a/2", 12));
        assert_eq!(keys(&now), [], "what only went away is told by nobody else");
        now.follow(&event(EventKind::Put, "a/1", 21));
        assert_eq!(keys(&now), [("a/1", 21)]);
    }
}
