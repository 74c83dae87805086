//! Patroni: who dies leaves its list, who does not stream cannot take over.

use crate::stage::{AFTER, BEFORE, Stage, says};

const LEADER: &str = "a\ta.example\tLeader\trunning\t3\t";
const SECOND: &str = "b\tb.example\tReplica\tstreaming\t3\t0";
const THIRD: &str = "c\tc.example\tReplica\tstreaming\t3\t0";
const CONFIG: &str = "loop_wait: 10\npostgresql:\n  parameters:\n    pause: 7\nttl: 30\n";

/// As `patronictl list -f tsv` prints it.
fn list(rows: &[&str]) -> String {
    table("Cluster\tMember\tHost\tRole\tState\tTL\tLag in MB", rows)
}

fn table(columns: &str, rows: &[&str]) -> String {
    let mut text = format!("{columns}\n");
    for row in rows {
        text.push_str(&format!("prod\t{row}\n"));
    }
    text
}

fn told(text: &str) -> Stage {
    let stage = Stage::new("patroni-quorum").set("MEMBERS", "3");
    let stage = stage.with("patronictl", "show-config", says(CONFIG));
    stage.with("patronictl", "list -f tsv", says(text))
}

fn listed(rows: &[&str]) -> Stage {
    told(&list(rows))
}

pub(crate) fn well() -> Stage {
    listed(&[LEADER, SECOND, THIRD])
}

#[test]
fn members_that_died_and_left_the_list_are_missed() {
    listed(&[LEADER]).bad(&BEFORE, &["1 of 3 members"]);
    listed(&[LEADER, SECOND]).bad(&BEFORE, &["2 of 3 members"]);
    listed(&[LEADER, SECOND]).good(&AFTER);
    well()
        .set("MEMBERS", "2")
        .bad(&BEFORE, &["3 members", "set MEMBERS"]);
}

#[test]
fn a_replica_that_does_not_stream_blocks() {
    let table = [
        (
            "c\tc.example\tReplica\trunning\t3\tunknown",
            "running, its lag in MB unknown",
        ),
        ("c\tc.example\tReplica\trunning\t3\t0", "running"),
        ("c\tc.example\tReplica\tstreaming\t3\tunknown", "unknown"),
        ("c\tc.example\tReplica\tstreaming\t3\t", "unknown"),
        (
            "c\tc.example\tReplica\tstart failed\t\tunknown",
            "start failed",
        ),
        (
            "c\tc.example\tReplica\tin archive recovery\t3\t0",
            "archive",
        ),
        ("c\tc.example\tReplica\tstreaming\t3\t90000", "90000"),
    ];
    for (row, words) in table {
        let stage = listed(&[LEADER, SECOND, row]);
        stage.bad(&BEFORE, &["c is ", words, "patronictl list"]);
        stage.good(&AFTER);
        stage
            .set("RC_NODE_NAME", "c")
            .bad(&AFTER, &["c is ", words]);
    }
}

#[test]
fn the_lag_has_a_bound() {
    let late = "c\tc.example\tReplica\tstreaming\t3\t90";
    let stage = listed(&[LEADER, SECOND, late]);
    stage.bad(&BEFORE, &["c is streaming, its lag in MB 90"]);
    stage.set("MAX_LAG_MB", "90").good(&BEFORE);
}

#[test]
fn in_maintenance_mode_nobody_takes_over() {
    for pause in ["pause: true", "pause: 'on'", "pause: 1"] {
        let config = format!("loop_wait: 10\n{pause}\nttl: 30\n");
        let stage = well().with("patronictl", "show-config", says(&config));
        stage.bad(&BEFORE, &["maintenance mode", "patronictl resume"]);
        stage.good(&AFTER);
    }
    let over = well().with("patronictl", "show-config", says("pause: false\nttl: 30\n"));
    over.good(&BEFORE);
    let none = well().with("patronictl", "show-config", says("{}\n"));
    none.bad(&BEFORE, &["shows no setting"]);
}

#[test]
fn there_is_one_leader_and_it_runs() {
    let alone = listed(&["a\ta.example\tReplica\tstreaming\t3\t0", SECOND, THIRD]);
    alone.bad(&BEFORE, &["0 leaders"]);
    alone.bad(&AFTER, &["0 leaders"]);
    let two = "b\tb.example\tLeader\trunning\t3\t";
    listed(&[LEADER, two, THIRD]).bad(&BEFORE, &["2 leaders"]);
    let stopping = "a\ta.example\tLeader\tstopping\t3\t";
    listed(&[stopping, SECOND, THIRD]).bad(&BEFORE, &["a is stopping"]);
    listed(&[stopping, SECOND, THIRD]).bad(&AFTER, &["a is stopping"]);
    let standby = "a\ta.example\tStandby Leader\tstreaming\t3\t";
    listed(&[standby, SECOND, THIRD]).good(&BEFORE);
}

#[test]
fn a_replica_may_go_too_and_its_own_trouble_does_not_keep_it() {
    well().set("RC_NODE_NAME", "c").good(&BEFORE);
    let broken = "c\tc.example\tReplica\tcrashed\t\tunknown";
    let stage = listed(&[LEADER, SECOND, broken]).set("RC_NODE_NAME", "c");
    stage.good(&BEFORE);
    stage.bad(&AFTER, &["c is crashed"]);
}

#[test]
fn the_leader_goes_only_where_somebody_can_take_over() {
    let tagged = |tags: &str| {
        let columns = "Cluster\tMember\tHost\tRole\tState\tTL\tLag in MB\tTags";
        let rows = [LEADER, SECOND, THIRD].map(|row| match row {
            LEADER => format!("{row}\t"),
            row => format!("{row}\t{tags}"),
        });
        told(&table(columns, &rows.each_ref().map(String::as_str)))
    };
    for tags in [
        "{nofailover: true}",
        "{failover_priority: 0}",
        "{clonefrom: true, nofailover: 'on'}",
    ] {
        tagged(tags).bad(&BEFORE, &["can take over: 0"]);
        tagged(tags).set("RC_NODE_NAME", "c").good(&BEFORE);
    }
    for tags in ["", "{nofailover: false}", "{failover_priority: 10}"] {
        tagged(tags).good(&BEFORE);
    }
}

#[test]
fn in_synchronous_mode_only_who_is_in_step_can_take_over() {
    for mode in ["true", "quorum"] {
        let config = format!("loop_wait: 10\nsynchronous_mode: {mode}\n");
        let strict = |stage: Stage| stage.with("patronictl", "show-config", says(&config));
        strict(well()).bad(&BEFORE, &["can take over: 0"]);
        let sync = "b\tb.example\tSync Standby\tstreaming\t3\t0";
        strict(listed(&[LEADER, sync, THIRD])).good(&BEFORE);
        let quorum = "b\tb.example\tQuorum Standby\tstreaming\t3\t0";
        strict(listed(&[LEADER, quorum, THIRD])).good(&BEFORE);
    }
}

#[test]
fn two_that_may_go_at_once_are_both_counted() {
    well().set("AT_ONCE", "2").good(&BEFORE);
    well()
        .set("AT_ONCE", "3")
        .bad(&BEFORE, &["3 may go at once"]);
    let pair = listed(&[LEADER, SECOND]).set("MEMBERS", "2");
    pair.good(&BEFORE);
    let both = pair.set("AT_ONCE", "2");
    both.bad(&BEFORE, &["can take over: 1", "let fewer"]);
    both.set("RC_NODE_NAME", "b")
        .bad(&BEFORE, &["can take over: 0"]);
}

#[test]
fn newer_columns_are_read_and_unknown_ones_are_not_guessed() {
    let columns = "Cluster\tMember\tHost\tRole\tState\tTL\tReceive LSN\tReceive Lag\tReplay LSN\t\
                   Replay Lag\tPending restart\tPending restart reason";
    let leader = "a\ta.example\tLeader\trunning\t3\t\t\t\t\t*\tmax_connections: 100->200";
    let more = "port: 1->2"; // the reason goes on in a line of its own
    let second = "b\tb.example\tReplica\tstreaming\t3\t0/4000060\t0\t0/4000060\t0\t\t";
    let text = table(columns, &[leader, second]).replace("200\n", &format!("200\n{more}\n"));
    told(&text).set("MEMBERS", "2").good(&BEFORE);
    let late = text.replace("0/4000060\t0\t0/4000060", "0/1\t64\t0/1");
    told(&late)
        .set("MEMBERS", "2")
        .bad(&BEFORE, &["its lag in MB 64"]);
    // What the tags of a broken row forbid is not known.
    let tagged = text.replace("reason\n", "reason\tTags\n");
    told(&tagged)
        .set("MEMBERS", "2")
        .bad(&BEFORE, &["can take over: 0"]);
    let nameless = table("Cluster\tHost\tRole\tState\tLag in MB", &[LEADER]);
    told(&nameless).bad(&BEFORE, &["not with its columns"]);
}
