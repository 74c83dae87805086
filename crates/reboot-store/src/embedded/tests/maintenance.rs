//! Dump, check, backup and restore, beside a running store and without one.

use super::child::{Process, Work};
use super::harness::Shared;
use crate::conformance::kit::{Agent, Fleetful, LONG_MS, pause, refusal};
use crate::embedded::maintenance::{Why, backup, check, dump, restore};
use reboot_core::group::{Action, Pause, Refusal};
use reboot_core::id::NodeName;
use reboot_core::undo::Undo;
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

struct Place {
    _directory: TempDir,
    path: PathBuf,
    copy: PathBuf,
}

fn place() -> Place {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("fleet.db");
    let copy = directory.path().join("copy.db");
    Place {
        _directory: directory,
        path,
        copy,
    }
}

fn why() -> Why {
    Why {
        by: "operator".to_owned(),
        reason: "the disk died".to_owned(),
        at: "2026-01-02T00:00:00Z".to_owned(),
    }
}

/// One drains, one claims, one waits.
async fn fill(shared: &Shared) -> (Agent, Agent) {
    let fleet = Fleetful::new(shared, 2);
    let one = fleet.agent("one").await;
    let number = one.claim().await;
    one.drain(number, Undo::default()).await.unwrap();
    one.publish(one.node_record(Some(number)), LONG_MS).await;
    let two = fleet.agent("two").await;
    two.claim().await;
    fleet.agent("three").await.join().await.unwrap();
    (one, two)
}

#[tokio::test]
async fn a_dump_shows_everything_beside_a_running_store() {
    let place = place();
    let shared = Shared::open(&place.path);
    fill(&shared).await;
    let dump = dump(&place.path).unwrap();
    assert_eq!(dump["format"], 1);
    assert_eq!(dump["groups"][0]["record"]["holds"][1]["node"], "two");
    assert_eq!(dump["nodes"][0]["record"]["hold"], 1);
    assert_eq!(dump["tickets"][0]["ticket"]["node"], "three");
    assert_eq!(dump["sessions"].as_array().unwrap().len(), 3);
    assert_eq!(dump["history"][1]["entry"]["event"], "drain");
    assert!(dump["timers"][0]["kind"] == "deadline" && dump["meta"][0]["epoch"] == 1);
}

#[tokio::test]
async fn a_check_names_every_broken_record() {
    let place = place();
    let shared = Shared::open(&place.path);
    fill(&shared).await;
    let report = check(&place.path).unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert_eq!((report.groups, report.nodes, report.epoch), (1, 1, 1));
    let conn = Connection::open(&place.path).unwrap();
    let twice = "UPDATE groups SET record = replace(record, '\"two\"', '\"one\"')";
    conn.execute(twice, []).unwrap();
    conn.execute("UPDATE nodes SET record = '{'", []).unwrap();
    let report = check(&place.path).unwrap();
    assert_eq!(report.problems.len(), 2, "{report:?}");
    assert!(report.problems[0].contains("one holds twice"), "{report:?}");
    assert!(report.problems[1].contains("node one"), "{report:?}");
}

/// A restore counts on from there: an epoch that cannot grow would begin none.
#[tokio::test]
async fn a_check_refuses_counts_that_cannot_grow() {
    let place = place();
    fill(&Shared::open(&place.path)).await;
    backup(&place.path, &place.copy).unwrap();
    let conn = Connection::open(&place.path).unwrap();
    for (name, value) in [
        ("epoch", i64::MAX),
        ("revision", -1),
        ("last_ticket", 1 << 53),
    ] {
        let sql = format!("UPDATE meta SET {name} = ?1");
        conn.execute(&sql, [value]).unwrap();
        let report = check(&place.path).unwrap();
        let told = format!("meta: {name} is {value}, which counting never reaches");
        let is_told = |problem: &String| problem.contains(&told);
        assert!(report.problems.iter().any(is_told), "{:?}", report.problems);
    }
    drop(conn);
    let restored = restore(&place.copy, &place.path, &why()).unwrap();
    let report = check(&place.path).unwrap();
    assert_eq!(report.problems, Vec::<String>::new());
    assert_eq!((restored.epoch, report.epoch), (2, 2));
}

#[tokio::test]
async fn a_check_finds_torn_pages() {
    let place = place();
    let shared = Shared::open(&place.path);
    fill(&shared).await;
    drop(shared);
    let mut bytes = std::fs::read(&place.path).unwrap();
    let whole = bytes.len();
    assert!(whole > 4 * 4096);
    bytes[4096..whole - 4096].fill(0xa5);
    std::fs::write(&place.path, bytes).unwrap();
    assert!(!check(&place.path).unwrap().is_sound());
    std::fs::write(
        &place.path,
        "no database, but more than a hundred bytes of text: ".repeat(9),
    )
    .unwrap();
    assert_eq!(check(&place.path).unwrap_err().kind(), "store_damaged");
    std::fs::remove_file(&place.path).unwrap();
    assert!(check(&place.path).is_err());
}

#[tokio::test]
async fn a_backup_beside_a_running_store_is_whole_and_replaces_nothing() {
    let place = place();
    let shared = Shared::open(&place.path);
    let (one, _) = fill(&shared).await;
    backup(&place.path, &place.copy).unwrap();
    one.publish(one.node_record(None), LONG_MS).await;
    let copied = dump(&place.copy).unwrap();
    assert_eq!(copied["nodes"][0]["record"]["hold"], 1, "as it was then");
    let again = backup(&place.path, &place.copy).unwrap_err();
    assert_eq!(again.kind(), "exists");
    let names: Vec<_> = std::fs::read_dir(place.copy.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("copy.db"))
        .collect();
    assert_eq!(names, ["copy.db"], "one file, nothing left beside it");
}

fn restore_in_use(place: &Place) -> String {
    restore(&place.copy, &place.path, &why())
        .unwrap_err()
        .kind()
        .to_owned()
}

#[tokio::test]
async fn a_restore_starts_an_epoch_and_waits_for_an_operator() {
    let place = place();
    let shared = Shared::open(&place.path);
    let (_, two) = fill(&shared).await;
    backup(&place.path, &place.copy).unwrap();
    two.give_back(2).await;
    let before = Fleetful::new(&shared, 2).look().await;
    assert_eq!(restore_in_use(&place), "store_in_use");
    drop((two, shared));
    let restored = restore(&place.copy, &place.path, &why()).unwrap();
    assert_eq!((restored.epoch, restored.dropped_claims), (2, 1));
    assert!(check(restored.kept.as_deref().unwrap()).unwrap().is_sound());
    let shared = Shared::open(&place.path);
    let fleet = Fleetful::new(&shared, 2);
    let look = fleet.look().await;
    assert!(look.revision > before.revision, "who waits is woken");
    assert!(look.presences.is_empty());
    let entry = &look.groups[&fleet.group];
    assert_eq!(fleet.holders().await, ["one"], "durable holds stay");
    assert_eq!(
        (entry.group.mark(), entry.line.tickets().len()),
        ((2, 2), 0)
    );
    let three = fleet.agent("three").await;
    let Refusal::Paused { reason } = refusal(three.try_claim().await) else {
        panic!("a restored group is paused");
    };
    assert!(
        reason.contains("the disk died") && reason.contains("resume"),
        "{reason}"
    );
    let by = "operator".to_owned();
    fleet.operate(Action::Resume { by }).await.unwrap();
    assert_eq!(three.claim().await, 3);
}

/// Nobody knows how much of the time was left, so nobody is let go by it.
#[tokio::test]
async fn a_restore_keeps_who_is_held_back_and_the_fleets_pause_and_ends_neither() {
    let place = place();
    let shared = Shared::open(&place.path);
    let fleet = Fleetful::new(&shared, 2);
    let one = fleet.agent("one").await;
    one.claim().await;
    let keeper = fleet.agent(Pause::keeper().as_str()).await;
    let stop = Pause {
        until: Some("2026-12-24T06:00:00Z".to_owned()),
        session: Some(keeper.session.clone()),
        ..pause()
    };
    let node = NodeName::new("three").unwrap();
    let hold_back = Action::HoldBack {
        node: node.clone(),
        stop: stop.clone(),
    };
    fleet.operate(hold_back).await.unwrap();
    fleet.pause_fleet(Some(stop)).await;
    backup(&place.path, &place.copy).unwrap();
    drop((one, keeper, fleet));
    drop(shared);
    restore(&place.copy, &place.path, &why()).unwrap();
    let shared = Shared::open(&place.path);
    let fleet = Fleetful::new(&shared, 2);
    let kept = fleet.look().await.pause.unwrap();
    assert_eq!((&kept.until, &kept.session), (&None, &None));
    let told = "look first (its end 2026-12-24T06:00:00Z was lost in a restore: end it by hand)";
    assert_eq!(kept.reason, told);
    assert_eq!(fleet.record().await.held_back[&node], kept);
    fleet.pause_fleet(None).await;
    let by = "operator".to_owned();
    fleet.operate(Action::Resume { by }).await.unwrap();
    let refused = refusal(fleet.agent("three").await.try_claim().await);
    assert!(matches!(refused, Refusal::HeldBack { .. }), "{refused}");
    fleet.agent("four").await.claim().await;
}

async fn one_claim(path: &Path) {
    let shared = Shared::open(path);
    let agent = Fleetful::new(&shared, 1).agent("late").await;
    let number = agent.claim().await;
    agent.give_back(number).await;
}

#[tokio::test]
async fn a_restore_mends_a_damaged_or_missing_store() {
    let place = place();
    let shared = Shared::open(&place.path);
    fill(&shared).await;
    let fleet = Fleetful::new(&shared, 2);
    fleet.operate(Action::Pause(pause())).await.unwrap();
    backup(&place.path, &place.copy).unwrap();
    drop(fleet);
    drop(shared);
    std::fs::write(&place.path, "torn").unwrap();
    let first = restore(&place.copy, &place.path, &why()).unwrap();
    assert_eq!(std::fs::read(first.kept.unwrap()).unwrap(), b"torn");
    std::fs::remove_file(&place.path).unwrap();
    let second = restore(&place.copy, &place.path, &why()).unwrap();
    assert_eq!(second.kept, None);
    let third = restore(&place.copy, &place.path, &why()).unwrap();
    assert_eq!(third.epoch, second.epoch + 1, "higher than the present one");
    let name = third.kept.unwrap().display().to_string();
    assert!(name.ends_with(".before-restore-2"), "{name}");
    let shown = dump(&place.path).unwrap();
    let reason = shown["groups"][0]["record"]["pause"]["reason"].to_string();
    assert!(
        reason.contains("look first"),
        "the former pause is told: {reason}"
    );
}

/// A log that is left behind must never meet the database that takes the place.
#[tokio::test]
async fn a_restore_sets_the_log_of_a_killed_daemon_aside() {
    let place = place();
    one_claim(&place.path).await;
    backup(&place.path, &place.copy).unwrap();
    let mut killed = Process::start(&place.path, "killed", Work::Drain { ttl_ms: 60_000 });
    killed.hear("HOLDS");
    killed.kill();
    let kept = restore(&place.copy, &place.path, &why())
        .unwrap()
        .kept
        .unwrap();
    let generation = |path| dump(path).unwrap()["groups"][0]["record"]["generation"].clone();
    assert_eq!(
        (generation(&kept), generation(&place.path)),
        (2.into(), 1.into())
    );
}

#[tokio::test]
async fn a_backup_that_is_not_sound_is_not_restored() {
    let place = place();
    one_claim(&place.path).await;
    std::fs::write(&place.copy, "nothing").unwrap();
    let refused = restore(&place.copy, &place.path, &why()).unwrap_err();
    assert_eq!(refused.kind(), "store_damaged");
    assert_eq!(
        check(&place.path).unwrap().epoch,
        1,
        "the present one stays"
    );
}
