//! Galera: the size of the whole cluster is told, and never guessed.

use crate::stage::{AFTER, BEFORE, Stage, says};

fn status(size: &str, part: &str, ready: &str, state: &str) -> String {
    format!(
        "wsrep_cluster_size\t{size}\nwsrep_cluster_status\t{part}\n\
         wsrep_local_state_comment\t{state}\nwsrep_ready\t{ready}\n"
    )
}

fn answering(text: &str) -> Stage {
    let stage = Stage::new("galera-quorum").set("MEMBERS", "3");
    stage.with("mysql", "SHOW GLOBAL STATUS", says(text))
}

/// A synced node that sees so many of so many.
fn seeing(size: &str, members: &str) -> Stage {
    answering(&status(size, "Primary", "ON", "Synced")).set("MEMBERS", members)
}

pub(crate) fn well() -> Stage {
    seeing("3", "3")
}

#[test]
fn a_node_that_is_missing_from_three_blocks() {
    seeing("2", "3").bad(&BEFORE, &["2 of 3 nodes", "quorum is 2"]);
    seeing("2", "3").good(&AFTER);
    seeing("1", "3").bad(&AFTER, &["1 of 3 nodes"]);
}

#[test]
fn three_that_are_left_of_five_are_one_too_few_to_let_one_go() {
    seeing("3", "5").bad(&BEFORE, &["3 of 5 nodes", "quorum is 3"]);
    seeing("3", "5").good(&AFTER);
    seeing("4", "5").good(&BEFORE);
}

#[test]
fn two_that_may_go_at_once_are_both_counted() {
    seeing("5", "5").set("AT_ONCE", "2").good(&BEFORE);
    seeing("4", "5")
        .set("AT_ONCE", "2")
        .bad(&BEFORE, &["2 may go at once"]);
    seeing("3", "3")
        .set("AT_ONCE", "2")
        .bad(&BEFORE, &["3 of 3 nodes"]);
    seeing("3", "3")
        .set("AT_ONCE", "4")
        .bad(&BEFORE, &["4 may go at once"]);
}

#[test]
fn more_nodes_than_members_are_a_wrong_setting() {
    seeing("4", "3").bad(&BEFORE, &["4 of 3 nodes", "set MEMBERS"]);
    seeing("4", "3").bad(&AFTER, &["set MEMBERS"]);
}

#[test]
fn a_node_outside_of_the_primary_part_or_not_synced_blocks_in_every_phase() {
    let table = [
        ("Primary", "ON", "Donor/Desynced"),
        ("Primary", "ON", "Joining"),
        ("Primary", "OFF", "Synced"),
        ("non-Primary", "OFF", "Initialized"),
    ];
    for (part, ready, state) in table {
        let stage = answering(&status("3", part, ready, state));
        stage.bad(&BEFORE, &[part, ready, state, "log"]);
        stage.bad(&AFTER, &[part, ready, state]);
    }
}

#[test]
fn a_size_that_is_no_number_blocks() {
    for size in ["", "many", "3x", "-3", "0"] {
        let stage = answering(&status(size, "Primary", "ON", "Synced"));
        stage.bad(&BEFORE, &["wsrep_cluster_size"]);
        stage.bad(&AFTER, &["wsrep_cluster_size"]);
    }
}

#[test]
fn the_client_of_newer_mariadb_does_as_well() {
    let text = status("3", "Primary", "ON", "Synced");
    let stage = Stage::new("galera-quorum").set("MEMBERS", "3");
    let stage = stage.with("mariadb", "SHOW GLOBAL STATUS", says(&text));
    stage.good(&BEFORE);
    let mut none = stage;
    none.calls.clear();
    none.bad(&BEFORE, &["neither mysql nor mariadb", "install"]);
}
