//! Bad weather: full disks, lost permissions, failing disks, files that vanish, broken files.

use super::child::{Work, command};
use super::harness::{Bench, Shared};
use crate::Store;
use crate::conformance::kit::Fleetful;
use crate::embedded::database::Tuning;
use crate::embedded::maintenance::check;
use crate::embedded::{EmbeddedStore, Options, worker::Job};
use reboot_core::group::Reply;
use reboot_core::write::Trouble;
use rusqlite::Connection;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const COMMITS: usize = 4;

/// Lets a process commit while some of its calls on the store's log, or on its database, fail;
/// returns what it said. Every commit gets through in the end, and each once.
async fn commit_in(files: &[&str], faults: &[&str]) -> String {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().canonicalize().unwrap().join("fleet.db");
    drop(EmbeddedStore::open(&path, Options::default()).unwrap());
    let (words, plan) = command(&path, "one", Work::Persist { count: COMMITS });
    let name = |file| format!("--trace-path={}", path.with_file_name(file).display());
    let paths = files.iter().map(name);
    let injections = faults.iter().map(|fault| format!("--inject={fault}"));
    let ran = Command::new("strace")
        .args(["-f", "-qq", "-o", "/dev/null"])
        .args(paths)
        .args(injections)
        .args(words)
        .current_dir(plan.path())
        .output()
        .expect("strace makes calls fail: install it (Debian: apt-get install strace)");
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    let errors = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(ran.status.success(), "{said}{errors}");
    assert!(check(&path).unwrap().is_sound());
    let shared = Shared::open(&path);
    let fleet = Fleetful::new(&shared, 1);
    let history = fleet.store.history(&fleet.group, 100).await.unwrap();
    let claims: Vec<u64> = history
        .iter()
        .filter(|line| line.event == "claim")
        .filter_map(|line| line.number)
        .collect();
    assert_eq!(claims, (1..=COMMITS as u64).collect::<Vec<_>>(), "{said}");
    said
}

#[tokio::test]
async fn a_full_disk_is_told_and_outlived() {
    let said = commit_in(&["fleet.db-wal"], &["pwrite64:error=ENOSPC:when=20..24"]).await;
    assert!(said.contains("TROUBLE unavailable"), "{said}");
    assert!(
        said.contains("is full: free some space; nothing was changed"),
        "{said}"
    );
}

#[tokio::test]
async fn a_write_that_fails_is_told_and_outlived() {
    let said = commit_in(&["fleet.db-wal"], &["pwrite64:error=EIO:when=20..22"]).await;
    assert!(said.contains("TROUBLE"), "{said}");
    assert!(said.contains("kernel's log"), "{said}");
}

/// Nobody knows what a failed sync has kept: it is asked again under the same id.
#[tokio::test]
async fn a_failed_sync_is_an_unknown_answer_and_repeated_harmlessly() {
    let faults = ["fsync:error=EIO:when=4..5", "fdatasync:error=EIO:when=4..5"];
    let said = commit_in(&["fleet.db-wal"], &faults).await;
    assert!(said.contains("TROUBLE unknown"), "{said}");
    assert!(said.contains("look again"), "{said}");
}

/// As when the kernel has remounted the file system read-only for an error of the disk.
#[tokio::test]
async fn lost_permissions_are_told_and_outlived() {
    let faults = [
        "pwrite64:error=EROFS:when=20..40",
        "openat:error=EROFS:when=3..12",
    ];
    let said = commit_in(&["fleet.db-wal", "fleet.db"], &faults).await;
    assert!(said.contains("TROUBLE unavailable"), "{said}");
    assert!(said.contains("mounted for writing"), "{said}");
}

#[tokio::test]
async fn a_moved_database_is_not_written_and_goes_on_once_it_is_back() {
    let bench = Bench::new();
    let path = bench.path();
    let shared = Shared(bench.open().into());
    let fleet = Fleetful::new(&shared, 2);
    let (one, two) = (fleet.agent("one").await, fleet.agent("two").await);
    one.claim().await;
    let aside = path.with_file_name("aside.db");
    std::fs::rename(&path, &aside).unwrap();
    for _ in 0..2 {
        let Err(Trouble::Unavailable(text)) = two.try_claim().await else {
            panic!("a moved store is not written");
        };
        assert!(text.contains("put it back"), "{text}");
        assert!(matches!(
            fleet.store.look().await,
            Err(Trouble::Unavailable(_))
        ));
    }
    assert!(!path.exists(), "it is not made anew in passing");
    std::fs::rename(&aside, &path).unwrap();
    two.claim().await;
    assert_eq!(fleet.holders().await, ["one", "two"]);
}

#[tokio::test]
async fn a_deleted_log_is_noticed_and_loses_nothing() {
    let bench = Bench::new();
    let shared = Shared(bench.open().into());
    let fleet = Fleetful::new(&shared, 2);
    let (one, two) = (fleet.agent("one").await, fleet.agent("two").await);
    one.claim().await;
    std::fs::remove_file(bench.path().with_file_name("fleet.db-wal")).unwrap();
    assert!(matches!(
        two.try_claim().await,
        Err(Trouble::Unavailable(_))
    ));
    two.claim().await;
    assert_eq!(fleet.holders().await, ["one", "two"]);
    drop(fleet);
    drop(shared);
    assert!(check(&bench.path()).unwrap().is_sound());
}

/// What has ended cannot be written down: one can look all the same.
#[tokio::test]
async fn a_store_that_cannot_be_written_can_be_looked_at() {
    let bench = Bench::new();
    let (options, patience) = (Options::default(), Duration::from_millis(20));
    let tuning = Tuning {
        patience,
        ..Tuning::default()
    };
    let store = EmbeddedStore::open_with(&bench.path(), &options, tuning, bench.clock.clone());
    let shared = Shared(store.unwrap().into());
    let fleet = Fleetful::new(&shared, 1);
    let one = fleet.brief_agent("one").await;
    one.claim().await;
    let before = fleet.look().await.revision;
    let other = Connection::open(bench.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    bench.clock.advance(1_001);
    let look = fleet.look().await;
    assert_eq!(look.revision, before);
    assert!(look.presences.is_empty() && look.groups[&fleet.group].group.holds.is_empty());
    let Err(Trouble::Unavailable(text)) = fleet.store.changed(&one.interest(), before).await else {
        panic!("who waits is not told that nothing happened");
    };
    assert!(text.contains("locked by another process"), "{text}");
    other.execute_batch("ROLLBACK").unwrap();
    assert!(fleet.look().await.revision > before);
}

#[tokio::test]
async fn a_bug_in_the_thread_does_not_end_it() {
    let bench = Bench::new();
    let store = bench.open();
    let jobs = store.jobs.clone().unwrap();
    jobs.send(Job::Panic).await.unwrap();
    drop(jobs);
    assert!(store.look().await.is_ok());
    let shared = Shared(store.into());
    assert_eq!(
        Fleetful::new(&shared, 1).agent("one").await.claim().await,
        1
    );
}

#[tokio::test]
async fn an_answer_that_nobody_waits_for_is_found_by_the_next_try() {
    let bench = Bench::new();
    let shared = Shared(bench.open().into());
    let fleet = Fleetful::new(&shared, 1);
    let one = fleet.agent("one").await;
    let request = one.claim_request(false);
    tokio::select! {
        biased;
        answer = one.send(request.clone()) => panic!("it was not sent yet: {answer:?}"),
        () = std::future::ready(()) => {}
    }
    let again = one.send(request).await.unwrap();
    assert!(matches!(again, Reply::Held { number: 1, .. }));
    let history = fleet.store.history(&fleet.group, 9).await.unwrap();
    assert_eq!(history.len(), 1);
}

fn refused(path: &Path) -> (&'static str, String) {
    let error = EmbeddedStore::open(path, Options::default()).err().unwrap();
    (error.kind(), error.to_string())
}

#[test]
fn files_that_are_no_store_of_ours_are_refused_and_kept() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("fleet.db");
    let text = "these are notes, and no database at all\n".repeat(30);
    std::fs::write(&path, &text).unwrap();
    let (kind, message) = refused(&path);
    assert_eq!(kind, "store_damaged");
    assert!(message.contains("restore a backup"), "{message}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    std::fs::remove_file(&path).unwrap();
    let conn = Connection::open(&path).unwrap();
    conn.execute_batch("CREATE TABLE songs(title TEXT)")
        .unwrap();
    drop(conn);
    assert_eq!(refused(&path).0, "foreign_database");
}

#[test]
fn a_newer_format_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("fleet.db");
    drop(EmbeddedStore::open(&path, Options::default()).unwrap());
    let conn = Connection::open(&path).unwrap();
    conn.pragma_update(None, "user_version", 2).unwrap();
    drop(conn);
    let (kind, message) = refused(&path);
    assert_eq!(kind, "newer_format");
    assert!(message.contains("update it"), "{message}");
}

#[test]
fn a_directory_that_is_not_there_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("missing").join("fleet.db");
    let (kind, message) = refused(&path);
    assert_eq!(kind, "file");
    assert!(message.contains("missing/fleet.db"), "{message}");
}
