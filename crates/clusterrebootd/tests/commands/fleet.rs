//! `fleet`: the nodes.

use crate::site::{Node, Site};
use reboot_core::write::Write;
use serde_json::json;
use std::fs;

#[test]
fn every_node_is_listed_and_holders_that_never_reported_too() {
    let site = Site::with_hold();
    let sick = Node::new("node-b", "b");
    let silent = Node::new("node-c", "c").in_group("databases");
    site.write(silent.draining());
    site.write(vec![sick.report(3_600_000, false)]);
    let table = site.good(&["fleet", "list"]);
    let expected = "\
NODE    GROUP      HEALTH     PHASE     NEED    WAITS SINCE  LAST REBOOT  WAITS FOR
node-a  default    healthy    draining  kernel  -            -            -
node-b  default    unhealthy  draining  kernel  -            -            \
unhealthy at monitor: the disk smells
node-c  databases  unknown    draining  -       -            -            -
";
    assert_eq!(table, expected);
    let list = site.json(&["fleet", "list", "-o", "json"]);
    let nodes = &list["nodes"];
    assert_eq!(nodes[0]["holds"][0]["phase"], "draining");
    assert_eq!(nodes[1]["reason"], "the disk smells");
    assert_eq!(
        (&nodes[1]["fresh"], &nodes[1]["reported"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(nodes[2]["reported"], false);
    assert_eq!(nodes[2]["holds"][0]["group"], "databases");
}

#[test]
fn a_reboot_counts_and_a_silent_node_is_stale() {
    let site = Site::new();
    let node = Node::new("node-a", "a");
    site.write(vec![
        node.live(),
        node.report(0, true),
        node.claim("2026-03-07T10:00:00Z"),
        node.fence("2026-03-07T10:00:01Z", 1),
    ]);
    site.wait_until_stale("node-a");
    let list = site.json(&["fleet", "list", "-o", "json"]);
    assert_eq!(list["nodes"][0]["reboots_last_day"], 1);
    assert_eq!(list["nodes"][0]["fresh"], false);
    assert!(site.good(&["fleet", "list"]).contains(" stale "));
}

#[test]
fn only_a_node_that_is_gone_is_forgotten() {
    let site = Site::with_hold();
    let holds = site.refused(&["fleet", "forget", "node-a", "--yes"]);
    assert!(
        holds.contains("`clusterrebootd lock unlock node-a --group default`"),
        "{holds}"
    );
    site.good(&["lock", "unlock", "node-a", "--yes"]);
    let alive = site.refused(&["fleet", "forget", "node-a"]);
    assert!(
        alive.contains("node-a may be alive") && alive.contains("--yes"),
        "{alive}"
    );
    let debt = "what a broken hold left undone: hook:10-balancer";
    assert!(alive.contains(debt), "{alive}");
    let stranger = site.refused(&["fleet", "forget", "node-b", "--yes"]);
    assert!(stranger.contains("no node node-b is known"), "{stranger}");
    let bad = site.refused(&["fleet", "forget", "a/b", "--yes"]);
    assert!(bad.contains("'/'"), "{bad}");
    let said = site.good(&["fleet", "forget", "node-a", "--yes"]);
    assert_eq!(
        said,
        "forgot node-a\nif it is alive, its next report brings it back\n\
         undo by hand, if it returns: hook:10-balancer\n"
    );
    assert_eq!(
        site.json(&["fleet", "list", "-o", "json"]),
        json!({"nodes": [], "pause": null, "warnings": []})
    );
}

#[test]
fn a_stale_node_is_forgotten_when_one_is_sure() {
    let site = Site::new();
    site.write(vec![Node::new("node-a", "a").report(0, true)]);
    site.wait_until_stale("node-a");
    let unsure = site.refused(&["fleet", "forget", "node-a"]);
    assert!(
        unsure.contains("node-a: stale, last report: 2026-03-07"),
        "{unsure}"
    );
    assert!(unsure.contains("add --yes"), "{unsure}");
    assert_eq!(
        site.good(&["fleet", "forget", "node-a", "--yes"]),
        "forgot node-a\n"
    );
}

#[test]
fn the_list_tells_since_when_a_node_waits_and_when_it_was_back() {
    let site = Site::new();
    let (one, two) = (Node::new("one", "a"), Node::new("two", "b"));
    site.write(vec![
        one.live(),
        one.claim("2026-03-07T10:00:00Z"),
        one.fence("2026-03-07T10:00:01Z", 1),
    ]);
    let times = ["2026-03-07T10:01:30Z", "2026-03-07T10:02:06.4Z"];
    site.write(one.return_and_release(1, times));
    site.write(vec![
        one.report(3_600_000, true),
        two.live(),
        two.report(3_600_000, true),
        two.join("2026-03-07T11:00:02.9Z"),
    ]);
    let table = site.good(&["fleet", "list"]);
    let expected = "\
NODE  GROUP    HEALTH   PHASE     NEED    WAITS SINCE                LAST REBOOT           \
WAITS FOR
one   default  healthy  draining  kernel  -                          2026-03-07T10:01:30Z  -
two   default  healthy  draining  kernel  2026-03-07T11:00:03Z (#1)  -                     -
";
    assert_eq!(table, expected);
    let wide = site.good(&["fleet", "list", "-o", "wide"]);
    let (titles, rows) = wide.split_once('\n').unwrap();
    for title in ["HOLD", "ACTIVITY", "REBOOTS", "REPORTED", "BOOT"] {
        assert!(titles.contains(title), "{title}: {wide}");
    }
    assert!(
        rows.contains("1        2026-03-07T10:00:02Z  boot-1"),
        "{wide}"
    );
    let list = site.json(&["fleet", "list", "-o", "json"]);
    assert_eq!(list["nodes"][0]["last_reboot"], "2026-03-07T10:01:30Z");
    assert_eq!(list["nodes"][1]["waits_since"], "2026-03-07T11:00:02.9Z");
    assert_eq!(list["nodes"][1]["place_in_line"], 1);
}

#[test]
fn pauses_and_an_overdue_hold_are_shown() {
    let site = Site::new();
    let lost = Node::new("lost", "a");
    site.write(vec![
        lost.live(),
        lost.claim("2026-03-07T10:00:00Z"),
        lost.fence_within(0, "2026-03-07T10:00:01Z", 1),
    ]);
    site.wait_until_overdue();
    site.good(&["lock", "pause", "--reason", "release day"]);
    site.good(&["lock", "pause", "--reason", "index", "--group", "default"]);
    let table = site.good(&["fleet", "list"]);
    assert!(
        table.contains("lost  default  unknown  rebooting, OVERDUE"),
        "{table}"
    );
    let (_, pauses) = table.split_once("\n\n").unwrap();
    let lines: Vec<&str> = pauses.lines().collect();
    assert!(lines[0].starts_with("The fleet is paused by "), "{table}");
    assert!(lines[0].ends_with(": release day"), "{table}");
    assert!(
        lines[1].starts_with("Group default is paused by "),
        "{table}"
    );
    let list = site.json(&["fleet", "list", "-o", "json"]);
    assert_eq!(list["pause"]["reason"], "release day");
    assert_eq!(list["nodes"][0]["overdue"], true);
}

#[test]
fn a_file_that_says_another_max_is_told_with_the_list() {
    let site = Site::with_hold();
    site.set_max(3);
    let (exit, _, stderr) = site.run(&["fleet", "list"]);
    assert_eq!(exit, 0);
    let both = "group default has 1 slots, this configuration says 3";
    assert!(stderr.contains(both), "{stderr}");
    let list = site.json(&["fleet", "list", "-o", "json"]);
    assert!(
        list["warnings"][0].as_str().unwrap().contains(both),
        "{list}"
    );
}

#[test]
fn what_is_still_to_be_undone_on_a_node_without_a_record_is_not_dropped_in_silence() {
    let site = Site::new();
    site.write(Node::new("node-a", "a").draining());
    site.good(&["lock", "unlock", "node-a", "--yes"]);
    let table = site.good(&["fleet", "list"]);
    assert!(table.contains("node-a  -      unknown"), "{table}");
    let unsure = site.refused(&["fleet", "forget", "node-a"]);
    let debt = "a broken hold left undone: hook:10-balancer";
    assert!(
        unsure.contains(debt) && unsure.contains("add --yes"),
        "{unsure}"
    );
    let said = site.good(&["fleet", "forget", "node-a", "--yes"]);
    assert_eq!(
        said,
        "forgot node-a\nundo by hand, if it returns: hook:10-balancer\n"
    );
    let again = site.refused(&["fleet", "forget", "node-a", "--yes"]);
    assert!(again.contains("no node node-a is known"), "{again}");
}

#[test]
fn a_token_that_would_go_out_in_the_clear_deserves_a_word() {
    let site = Site::new();
    let token = site.file("token");
    fs::write(&token, "secret\n").unwrap();
    let config = fs::read_to_string(site.config()).unwrap();
    let config = config.replace("store: ", "former_store: ");
    let server = format!(
        "{{url: \"http://0.0.0.0:1\", token_file: {}}}",
        token.display()
    );
    let config = config
        .lines()
        .filter(|line| !line.starts_with("former_store"));
    let config: Vec<&str> = config.collect();
    let config = format!("{}\nstore: {{server: {server}}}\n", config.join("\n"));
    fs::write(site.config(), config).unwrap();
    let told = site.refused(&["fleet", "list"]);
    let warning = "warning: store.server.url: the token is sent unencrypted to 0.0.0.0,";
    assert!(told.contains(warning), "{told}");
    let (exit, _, told) = site.run(&["validate-config"]);
    assert_eq!(exit, 0, "{told}");
    assert!(told.contains("the token is sent unencrypted"), "{told}");
}

#[test]
fn what_others_wrote_cannot_steer_the_terminal() {
    let site = Site::with_hold();
    let evil = "\u{1b}[2J\u{9b}31m\u{202e}gone\nnode-z is fine";
    let Write::Publish { mut record, .. } = Node::new("node-b", "b").report(3_600_000, true) else {
        panic!("a report is a record");
    };
    record.activity = evil.to_owned();
    record.need = Some(evil.to_owned());
    record.waiting_for = vec![evil.to_owned()];
    let stale_after_ms = 3_600_000;
    site.write(vec![Write::Publish {
        record,
        stale_after_ms,
    }]);
    let shown = "\\u{1b}[2J\\u{9b}31m\\u{202e}gone\\nnode-z is fine";
    let good = |arguments: &[&str]| {
        let text = site.good(arguments);
        let steers = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!text.contains(steers), "{arguments:?}: {text}");
        assert!(text.contains(shown), "{arguments:?}: {text}");
        let is_made_up = text.lines().any(|line| line.starts_with("node-z"));
        assert!(!is_made_up, "{arguments:?}: {text}");
    };
    good(&["fleet", "list"]);
    good(&["fleet", "list", "-o", "wide"]);
    good(&["fleet", "reboot", "node-b", "--reason", "x"]);
    site.good(&["lock", "pause", "--reason", evil]);
    site.good(&["lock", "pause", "--reason", evil, "--group", "default"]);
    good(&["lock", "status", "-o", "wide"]);
    good(&["history"]);
    good(&["lock", "resume", "--group", "default"]);
    site.good(&["lock", "resume"]);
    site.good(&["fleet", "reboot", "node-b", "--reason", evil]);
    good(&["fleet", "list"]);
    good(&["fleet", "reboot", "node-b", "--cancel"]);
    let list = site.json(&["fleet", "list", "-o", "json"]);
    assert_eq!(
        list["nodes"][1]["activity"], evil,
        "programs get it as it is"
    );
}
