//! `store`: looking into, checking, backing up and restoring.

use crate::site::{Node, Site};
use std::fs;

/// A copy of the store as it is now.
fn backup(site: &Site) -> String {
    let copy = site.file("copy.db").to_str().unwrap().to_owned();
    let said = site.good(&["store", "backup", &copy]);
    assert_eq!(
        said,
        format!("{copy}: a copy of {}\n", site.store().display())
    );
    copy
}

/// Spoils the group's record where it stands in the file.
fn tear(site: &Site) {
    let mut bytes = fs::read(site.store()).unwrap();
    let record = b"\"holds\":[";
    let places = bytes.windows(record.len());
    let places: Vec<usize> = places
        .enumerate()
        .filter_map(|(at, window)| (window == record).then_some(at))
        .collect();
    assert!(!places.is_empty(), "the log is in the database");
    for at in places {
        bytes[at + record.len() - 1] = b'<';
    }
    fs::write(site.store(), bytes).unwrap();
}

#[test]
fn a_dump_shows_every_record() {
    let site = Site::with_hold();
    let dump = site.json(&["store", "dump"]);
    assert_eq!(dump["groups"][0]["record"]["holds"][0]["node"], "node-a");
    let (exit, by_path, _) =
        site.plain(&["store", "dump", "--path", site.store().to_str().unwrap()]);
    assert_eq!(exit, 0);
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&by_path).unwrap(),
        dump
    );
}

#[test]
fn a_sound_store_is_told_from_a_torn_one() {
    let site = Site::with_hold();
    let said = site.good(&["store", "check"]);
    assert!(
        said.contains("epoch 1") && said.ends_with("1 groups, 1 nodes\nsound\n"),
        "{said}"
    );
    tear(&site);
    let (exit, stdout, _) = site.run(&["store", "check"]);
    assert_eq!(exit, 1, "{stdout}");
    assert!(
        stdout.contains("PROBLEM: ") && stdout.contains("group default"),
        "{stdout}"
    );
    assert!(
        stdout.ends_with("not sound: restore a backup\n"),
        "{stdout}"
    );
    fs::write(site.store(), "no database at all").unwrap();
    let said = site.refused(&["store", "check"]);
    assert!(said.contains("fleet.db"), "{said}");
}

#[test]
fn a_backup_replaces_nothing() {
    let site = Site::with_hold();
    let copy = backup(&site);
    let before = fs::read(&copy).unwrap();
    let said = site.refused(&["store", "backup", &copy]);
    assert!(said.contains("copy.db exists already"), "{said}");
    assert_eq!(fs::read(&copy).unwrap(), before);
}

#[test]
fn a_restore_starts_a_new_paused_epoch_and_says_what_comes_next() {
    let site = Site::with_hold();
    let waiting = Node::new("db-1", "d1").in_group("databases");
    site.write(vec![waiting.live(), waiting.claim("2026-03-07T10:00:00Z")]);
    let copy = backup(&site);
    let unsure = site.refused(&["store", "restore", &copy]);
    assert!(
        unsure.contains("every group is paused") && unsure.contains("--yes"),
        "{unsure}"
    );
    assert!(
        site.good(&["store", "check"]).contains("epoch 1"),
        "nothing was changed"
    );
    let told = site.good(&["store", "restore", &copy, "--yes", "--reason", "disk lost"]);
    let (store, config) = (site.store(), site.config());
    let (store, config) = (store.display(), config.display());
    let expected = format!(
        "{store}: restored, epoch 2\n\
         the replaced file is kept as {store}.before-restore-1\n\
         claims dropped: 1\n\
         group databases is paused\n\
         group default is paused\n\
         Next, before or after the daemons are started:\n  \
         clusterrebootd lock status --all-groups -o wide --config {config}\n      \
         who holds, by the backup\n  \
         clusterrebootd lock unlock NODE --group GROUP --config {config}\n      \
         for each holder that is up, or gone for good\n  \
         clusterrebootd lock resume --config {config}\n      \
         once the record is true\n"
    );
    assert_eq!(told, expected);
    let wide = site.good(&["lock", "status", "-o", "wide"]);
    assert!(wide.contains("disk lost"), "{wide}");
    assert!(
        wide.contains("node-a  draining  1 "),
        "a durable hold stays: {wide}"
    );
    let said = site.good(&["lock", "resume"]);
    assert_eq!(said, "resumed group databases\nresumed group default\n");
}

#[test]
fn a_lost_store_is_restored_and_a_missing_backup_is_named() {
    let site = Site::with_hold();
    let copy = backup(&site);
    fs::remove_file(site.store()).unwrap();
    let said = site.refused(&["store", "restore", "/nonexistent/copy.db", "--yes"]);
    assert!(
        said.contains("/nonexistent/copy.db: there is no such backup"),
        "{said}"
    );
    let told = site.good(&["store", "restore", &copy, "--yes"]);
    assert!(
        told.contains("epoch 2") && told.contains("group default is paused"),
        "{told}"
    );
    assert!(site.good(&["store", "check"]).ends_with("sound\n"));
}

#[test]
fn another_store_is_named_and_left_alone() {
    let site = Site::new();
    let config = fs::read_to_string(site.config()).unwrap();
    let lines = config.lines().filter(|line| !line.starts_with("store:"));
    let text = lines.collect::<Vec<_>>().join("\n") + "\netcd_endpoints: [\"127.0.0.1:1\"]\n";
    fs::write(site.config(), text).unwrap();
    for arguments in [&["store", "dump"][..], &["store", "check"]] {
        let said = site.refused(arguments);
        assert!(
            said.contains("names store.etcd") && said.contains("store.embedded"),
            "{said}"
        );
    }
    let said = site.refused(&["lock", "status"]);
    assert!(
        said.contains("http://127.0.0.1:1: connection refused"),
        "{said}"
    );
}
