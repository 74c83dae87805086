//! Plans of a fleet as its store has it, whichever store that is.

use crate::site::{Node, PATIENCE, Site};
use reboot_core::fleet::Fleet;
use reboot_core::group::{Action, Pause};
use reboot_core::write::Write;
use serde_json::Value;
use std::time::Instant;

const LONG_MS: u64 = 3_600_000;
pub(crate) const SATURDAY: &str = "2026-11-21T10:00:00Z";

/// Three nodes that report, two of which have rebooted before.
pub(crate) fn fleet_with_a_past() -> Site {
    let site = Site::new();
    for (number, name, times) in [
        (
            1,
            "node-a",
            ["10:00:00", "10:00:20", "10:01:50", "10:02:00"],
        ),
        (
            2,
            "node-b",
            ["11:00:00", "11:00:40", "11:05:00", "11:05:30"],
        ),
    ] {
        let node = Node::new(name, name);
        let [claim, fence, back, end] = times.map(|time| format!("2026-03-07T{time}Z"));
        site.write(vec![
            node.live(),
            node.claim(&claim),
            node.fence(&fence, number),
        ]);
        site.write(node.return_and_release(number, [&back, &end]));
        site.write(vec![node.rebooted().report(LONG_MS, true)]);
    }
    site.write(vec![Node::new("node-c", "c").report(LONG_MS, true)]);
    site
}

fn plan(site: &Site, more: &[&str]) -> Value {
    site.json(&[&["plan", "--at", SATURDAY, "-o", "json"], more].concat())
}

fn lane<'a>(plan: &'a Value, node: &str) -> &'a Value {
    let mut lanes = plan["lanes"].as_array().unwrap().iter();
    lanes.find(|lane| lane["node"] == node).unwrap()
}

fn about(found: &Value, expected: u64) -> bool {
    found.as_u64().unwrap().abs_diff(expected) <= 2
}

#[test]
fn durations_come_from_each_nodes_own_past() {
    let site = fleet_with_a_past();
    let plan = plan(&site, &[]);
    assert_eq!(plan["order"].as_array().unwrap().len(), 3);
    // 120 s of node-a, 330 s of node-b; node-c takes the upper median of both.
    assert!(about(&plan["seconds"], 120 + 330 + 330), "{plan}");
    let assumed = plan["assumed"].to_string();
    assert!(
        assumed.contains("of 2 nodes are their own in the history"),
        "{assumed}"
    );
    assert!(assumed.contains("max_reboots_per_day"), "{assumed}");
    let faster = site.json(&["plan", "--down-time", "30s", "-o", "json"]);
    assert!(about(&faster["seconds"], 60 + 100 + 100), "{faster}");
}

#[test]
fn only_some_nodes_and_what_if_there_were_more_slots() {
    let site = fleet_with_a_past();
    let one = plan(&site, &["--node", "node-a"]);
    assert!(about(&one["seconds"], 120), "{one}");
    assert_eq!(one["lanes"].as_array().unwrap().len(), 1);
    let wide = plan(&site, &["--max", "3"]);
    assert!(about(&wide["seconds"], 330), "{wide}");
    assert_eq!(wide["max"]["default"], 3);
    let apart = plan(&site, &["--max", "3", "--interval", "1h"]);
    assert!(apart["seconds"].as_u64().unwrap() > 2 * 3600, "{apart}");
    let said = site.refused(&["plan", "--node", "node-x"]);
    assert!(
        said.contains("no node node-x is known (there are: node-a, node-b"),
        "{said}"
    );
}

#[test]
fn who_is_down_comes_back_first_and_who_is_overdue_blocks() {
    let site = fleet_with_a_past();
    let node = Node::new("node-c", "c");
    let fence = |secs| node.fence_within(secs, "2026-11-21T09:59:59Z", 3);
    site.write(vec![
        node.live(),
        node.claim("2026-11-21T09:59:00Z"),
        fence(3600),
    ]);
    let table = site.good(&["plan", "--at", SATURDAY, "--node", "node-a"]);
    let rows: Vec<&str> = table.lines().skip(4).take(2).collect();
    assert!(
        rows[0].starts_with("1      node-c") && rows[1].starts_with("2      node-a"),
        "{table}"
    );
    assert!(
        table.contains("node-c (rebooting, hold 3) comes back, 260 s from the start"),
        "{table}"
    );

    let late = Node::new("node-z", "z").in_group("databases");
    site.write(vec![late.live(), late.claim("2026-11-21T09:00:00Z")]);
    site.write(vec![late.fence_within(0, "2026-11-21T09:00:01Z", 1)]);
    site.wait_in_store("it is overdue", |fleet: &Fleet| {
        let mut entries = fleet.groups.values();
        entries.any(|it| it.group.holds.iter().any(|hold| it.is_overdue(hold)))
    });
    let stuck = plan(&site, &[]);
    assert_eq!(
        (
            stuck["end"].is_null(),
            stuck["order"].as_array().unwrap().len()
        ),
        (true, 1)
    );
    let why = lane(&stuck, "node-a")["blocked_by"].to_string();
    assert!(why.contains("node-z is overdue from its reboot"), "{why}");
    let why = lane(&stuck, "node-z")["blocked_by"].to_string();
    assert!(
        why.contains("hold 1 of node-z is past its deadline"),
        "{why}"
    );
}

#[test]
fn who_is_back_and_says_that_it_is_not_healthy_keeps_its_slot() {
    let site = fleet_with_a_past();
    let node = Node::new("node-c", "c");
    site.write(vec![
        node.live(),
        node.claim("2026-11-21T09:50:00Z"),
        node.fence("2026-11-21T09:50:10Z", 3),
    ]);
    let mut back = node.return_and_release(3, ["2026-11-21T09:52:00Z", ""]);
    back.pop(); // it does not release
    site.write(back);
    site.write(vec![node.rebooted().report(LONG_MS, false)]);
    let stuck = plan(&site, &[]);
    assert_eq!(
        (stuck["end"].is_null(), stuck["done"].as_u64()),
        (true, Some(0)),
        "{stuck}"
    );
    let why = lane(&stuck, "node-c")["blocked_by"].to_string();
    assert!(
        why.contains("node-c says that it is not healthy (monitor: the disk smells)"),
        "{why}"
    );
    let why = lane(&stuck, "node-a")["blocked_by"].to_string();
    assert!(why.contains("node-c"), "{why}");
    let assumed = stuck["assumed"].to_string();
    assert!(
        assumed.contains("node-c is back already (hold 3) and stays unhealthy"),
        "{assumed}"
    );
    let well = plan(&site, &["--assume-healthy"]);
    assert_eq!(well["done"], 3, "{well}");
}

#[test]
fn nodes_that_share_a_machine_id_are_all_planned() {
    let site = fleet_with_a_past();
    site.write(vec![Node::new("node-d", "c").report(LONG_MS, true)]);
    let plan = plan(&site, &[]);
    assert_eq!(plan["done"], 4, "{plan}");
}

#[test]
fn what_blocks_is_said_once_for_all_whom_it_blocks() {
    let site = fleet_with_a_past();
    let pause = Pause {
        by: "olga".to_owned(),
        reason: "release".to_owned(),
        until: None,
        session: None,
    };
    site.write(vec![Write::pause_fleet(Some(pause), "olga", "")]);
    let table = site.good(&["plan", "--at", SATURDAY]);
    assert!(
        table.starts_with("0 of 3 nodes done within 7 d: nothing moves\n"),
        "{table}"
    );
    assert!(
        table.contains("  node-a, node-b, node-c: olga paused the fleet: release\n"),
        "{table}"
    );
    site.write(vec![Write::pause_fleet(None, "olga", "")]);
    site.write(vec![Node::new("node-c", "c").report(0, true)]);
    // Where a lease keeps the record fresh, that takes a moment.
    let end = Instant::now() + PATIENCE;
    let mut why = String::from("[]");
    while why == "[]" && Instant::now() < end {
        why = lane(&plan(&site, &[]), "node-a")["blocked_by"].to_string();
    }
    assert!(why.contains("node-c has not reported lately"), "{why}");
    let well = plan(&site, &["--assume-healthy"]);
    assert_eq!(well["done"], 3);
}

#[test]
fn a_groups_own_pause_and_slots_count_for_it_alone() {
    let site = fleet_with_a_past();
    let database = Node::new("db-1", "d").in_group("databases");
    site.write(vec![
        database.report(LONG_MS, true),
        database.live(),
        database.claim("2026-11-21T09:00:00Z"),
        database.ask(
            "2026-11-21T09:00:01Z",
            Action::Pause(Pause {
                by: "olga".to_owned(),
                reason: "index".to_owned(),
                until: None,
                session: None,
            }),
        ),
    ]);
    let plan = plan(&site, &[]);
    assert_eq!(
        (plan["done"].as_u64(), plan["nodes"].as_u64()),
        (Some(3), Some(4))
    );
    let why = lane(&plan, "db-1")["blocked_by"].to_string();
    assert!(why.contains("olga paused the group: index"), "{why}");
}
