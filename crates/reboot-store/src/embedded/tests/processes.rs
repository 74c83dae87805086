//! Several processes on one database.

use super::child::{Process, Work};
use super::harness::Shared;
use crate::conformance::kit::{Fleetful, LONG_MS, refusal, soon};
use crate::embedded::{EmbeddedStore, Options};
use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use reboot_core::group::Refusal;
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;

fn numbers(said: &str) -> Vec<u64> {
    let lines = said.lines().filter_map(|line| line.split_once("GOT "));
    lines.map(|(_, number)| number.parse().unwrap()).collect()
}

#[tokio::test]
async fn processes_never_hold_more_slots_together_than_there_are() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("fleet.db");
    let work = Work::Turns {
        nodes: 4,
        rounds: 10,
    };
    let processes: Vec<Process> = ["a", "b", "c"]
        .map(|name| Process::start(&path, name, work.clone()))
        .into();
    let mut granted = BTreeSet::new();
    for process in processes {
        for number in numbers(&process.finish()) {
            assert!(granted.insert(number), "{number} was given twice");
        }
    }
    let shared = Shared::open(&path);
    let fleet = Fleetful::new(&shared, 2);
    let history = fleet.store.history(&fleet.group, 10_000).await.unwrap();
    let mut holders = BTreeSet::new();
    for line in &history {
        let number = line.number.unwrap();
        match line.event.as_str() {
            "claim" => assert!(holders.insert(number) && holders.len() <= 2),
            _ => assert!(holders.remove(&number)),
        }
    }
    assert!(holders.is_empty());
    assert_eq!(history.len(), granted.len() * 2);
    assert_eq!(fleet.record().await.generation, granted.len() as u64);
}

/// Well before the slow poll: the doorbell was heard.
#[tokio::test]
async fn a_release_in_another_process_wakes_the_waiter() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("fleet.db");
    let mut other = Process::start(&path, "other", Work::GiveBack);
    other.hear("HOLDS");
    let shared = Shared::open(&path);
    let fleet = Fleetful::new(&shared, 1);
    let one = fleet.agent("one").await;
    one.join().await.unwrap();
    while !fleet.holders().await.is_empty() {
        let seen = fleet.look().await.revision;
        other.end_input();
        one.changed_since(seen).await;
    }
    one.claim().await;
    other.finish();
}

/// Heartbeats leave the other processes asleep.
#[tokio::test]
async fn only_news_ring_the_doorbell() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("fleet.db");
    let shared = Shared::open(&path);
    let fleet = Fleetful::new(&shared, 1);
    let one = fleet.agent("one").await;
    one.publish(one.node_record(None), LONG_MS).await;
    // The store rings after its answer and before it takes the next question: whatever was news
    // has been rung when a later look is answered.
    fleet.look().await;
    let ear = Inotify::init(InitFlags::IN_NONBLOCK).unwrap();
    let doorbell = directory.path().join("fleet.db.doorbell");
    ear.add_watch(&doorbell, AddWatchFlags::IN_MODIFY).unwrap();
    for _ in 0..20 {
        one.keep().await.unwrap();
        let mut record = one.node_record(None);
        record.activity = "looking".to_owned();
        one.publish(record, LONG_MS).await;
    }
    fleet.look().await;
    assert_eq!(ear.read_events().unwrap_err(), Errno::EAGAIN);
    one.claim().await;
    fleet.look().await;
    assert!(!ear.read_events().unwrap().is_empty());
}

#[tokio::test]
async fn a_killed_process_loses_its_claim_with_its_lease() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("fleet.db");
    let mut other = Process::start(&path, "other", Work::Claim { ttl_ms: 1000 });
    other.hear("HOLDS");
    let shared = Shared::open(&path);
    let fleet = Fleetful::new(&shared, 1);
    let one = fleet.agent("one").await;
    let seen = fleet.look().await.revision;
    other.kill();
    one.changed_since(seen).await;
    one.claim().await;
}

#[tokio::test]
async fn a_killed_process_keeps_its_durable_hold() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("fleet.db");
    let mut other = Process::start(&path, "other", Work::Drain { ttl_ms: 500 });
    other.hear("HOLDS");
    let shared = Shared::open(&path);
    let fleet = Fleetful::new(&shared, 1);
    let one = fleet.agent("one").await;
    // The next run waits for the end of the former one's lease, to take its hold over.
    let next = fleet.agent("other").await;
    other.kill();
    let ended = async {
        let mut look = fleet.look().await;
        while look.presences_of(&next.identity.node).len() > 1 {
            next.changed_since(look.revision).await;
            look = fleet.look().await;
        }
    };
    soon(ended).await;
    let refused = refusal(one.try_claim().await);
    assert!(matches!(refused, Refusal::Full { .. }), "{refused}");
}

#[tokio::test]
async fn nobody_else_may_read_the_files() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("fleet.db");
    let shared = Shared::open(&path);
    Fleetful::new(&shared, 1).agent("one").await;
    let mut seen = 0;
    for entry in std::fs::read_dir(directory.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{:?}", entry.file_name());
        seen += 1;
    }
    assert_eq!(seen, 5, "database, log, shared memory, lock, doorbell");
}

#[test]
fn a_store_that_vanished_is_not_made_anew() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("fleet.db");
    drop(EmbeddedStore::open(&path, Options::default()).unwrap());
    std::fs::remove_file(&path).unwrap();
    let error = EmbeddedStore::open(&path, Options::default())
        .err()
        .unwrap();
    assert_eq!(error.kind(), "store_missing");
    assert!(error.to_string().contains("fleet.db.lock"), "{error}");
    std::fs::remove_file(directory.path().join("fleet.db.lock")).unwrap();
    EmbeddedStore::open(&path, Options::default()).unwrap();
}
