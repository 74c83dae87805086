//! I11: after a crash at any write, with what was not synced dropped, torn or kept, every
//! acknowledged commit is there.

mod disk;
mod trace;

use super::child::{Work, command};
use super::harness::TestClock;
use crate::embedded::StoreError;
use crate::embedded::database::{Database, Tuning};
use crate::embedded::file::Lock;
use crate::embedded::look;
use crate::embedded::maintenance::check;
use disk::{Crash, Disk, Image};
use reboot_core::id::GroupName;
use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::path::Path;
use std::process::Command;
use trace::Event;

const COMMITS: usize = 30;

/// Runs a process that commits, and returns all that it did to its disk.
fn record(is_synced: bool) -> Vec<Event> {
    let directory = tempfile::tempdir().unwrap();
    let real = directory.path().canonicalize().unwrap();
    let count = COMMITS;
    let work = Work::Commits { count, is_synced };
    let (words, plan) = command(&real.join("fleet.db"), "one", work);
    let trace = plan.path().join("trace");
    let ran = Command::new("strace")
        .args([
            "-f",
            "-y",
            "-qq",
            "-xx",
            "-s",
            "1000000",
            "-e",
            trace::CALLS,
        ])
        .arg("-o")
        .arg(&trace)
        .args(words)
        .current_dir(plan.path())
        .output()
        .expect("strace records the writes: install it (Debian: apt-get install strace)");
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(ran.status.success(), "the recorded process failed: {said}");
    trace::read(&std::fs::read_to_string(&trace).unwrap(), &real)
}

/// Opens what a crash left, and counts the commits in it.
fn reopen(image: &Image) -> Result<usize, String> {
    let directory = tempfile::tempdir().unwrap();
    for (name, content) in image {
        std::fs::write(directory.path().join(name), content).unwrap();
    }
    let path = directory.path().join("fleet.db");
    let (history, record) = commits(&path).map_err(|error| error.to_string())?;
    let report = check(&path).map_err(|error| error.to_string())?;
    match (report.is_sound(), history == record) {
        (true, true) => Ok(history),
        (true, false) => Err(format!("a torn commit: {history} and {record}")),
        (false, _) => Err(report.problems.join("; ")),
    }
}

/// The commits by the history, and by the group's record.
fn commits(path: &Path) -> Result<(usize, usize), StoreError> {
    let clock = TestClock::new("after the crash", 0);
    let tuning = Tuning {
        is_synced: false, // the machine does not crash again while we look
        ..Tuning::default()
    };
    let lock = Lock::shared(path)?;
    let database = Database::open_or_make(path, &lock, tuning, clock.as_ref())?;
    let fault = |fault| crate::embedded::worker::error_of(path, fault);
    let group = GroupName::default();
    let history = look::history(&database.conn, &group, COMMITS * 2).map_err(fault)?;
    let fleet = look::fleet(&database.conn, 0).map_err(fault)?;
    let (claims, held) = fleet.groups.get(&group).map_or((0, 0), |entry| {
        let claims = usize::try_from(entry.group.generation).unwrap();
        (claims, entry.group.holds.len())
    });
    Ok((history.len(), claims * 2 - held))
}

/// Every way in which a crash after this step may leave the disk.
fn crashes(step: usize) -> Vec<Crash> {
    let seed = |draw: u64| Crash::Some {
        seed: (step as u64 * 4 + draw + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15),
    };
    vec![
        Crash::Dropped,
        Crash::Kept,
        Crash::Torn { sectors: 0 },
        Crash::Torn { sectors: 1 },
        Crash::Torn { sectors: 5 },
        seed(0),
        seed(1),
        seed(2),
        seed(3),
    ]
}

/// What the replay of all crashes found.
#[derive(Debug, Default)]
struct Found {
    images: usize,
    acknowledged: usize,
    lost: Vec<String>,
}

fn replay(events: &[Event]) -> Found {
    let mut disk = Disk::default();
    let mut found = Found::default();
    let mut known: HashMap<u64, Result<usize, String>> = HashMap::new();
    for (step, event) in events.iter().enumerate() {
        disk.take(event);
        if let Event::Acknowledged(count) = event {
            found.acknowledged = *count;
        }
        for crash in crashes(step) {
            let image = disk.image(crash);
            let mut hasher = DefaultHasher::new();
            image.hash(&mut hasher);
            let left = known
                .entry(hasher.finish())
                .or_insert_with(|| reopen(&image));
            match left {
                Ok(left) if *left >= found.acknowledged => {}
                other => found.lost.push(format!(
                    "step {step}, {crash:?}: {} acknowledged, found {other:?}",
                    found.acknowledged
                )),
            }
        }
    }
    found.images = known.len();
    found
}

/// Whether the log was moved into the database in between: those crashes count, too.
fn has_checkpoint(events: &[Event]) -> bool {
    let first = events
        .iter()
        .position(|it| matches!(it, Event::Acknowledged(_)));
    let last = events
        .iter()
        .rposition(|it| matches!(it, Event::Acknowledged(_)));
    events[first.unwrap()..last.unwrap()]
        .iter()
        .any(|event| matches!(event, Event::Write { name, .. } if name == "fleet.db"))
}

#[test]
fn no_crash_loses_an_acknowledged_commit() {
    let events = record(true);
    assert!(has_checkpoint(&events));
    let found = replay(&events);
    assert_eq!(found.acknowledged, COMMITS);
    assert!(found.images > COMMITS * 5, "{} images", found.images);
    assert!(
        found.lost.is_empty(),
        "{:#?}",
        &found.lost[..found.lost.len().min(9)]
    );
}

/// A test that cannot fail proves nothing: this one sees commits that were not synced.
#[test]
fn the_crash_test_catches_commits_that_are_not_synced() {
    let found = replay(&record(false));
    assert_eq!(found.acknowledged, COMMITS);
    assert!(found.lost.len() > COMMITS, "{} losses", found.lost.len());
}
