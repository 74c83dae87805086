//! What a look learns of looks, commits and watches after it.

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
