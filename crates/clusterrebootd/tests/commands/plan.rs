//! `plan`: with and without a store, what blocks, and how near it comes to a real fleet.

use crate::site::{Node, PATIENCE, Site};
use nix::pty::openpty;
use reboot_core::fleet::Fleet;
use reboot_core::group::{Action, Pause};
use reboot_core::write::Write;
use serde_json::Value;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Stdio;

const LONG_MS: u64 = 3_600_000;
const SATURDAY: &str = "2026-11-21T10:00:00Z";

/// How far a plan may be from a real roll of the same fleet: so many percent, and so many seconds
/// for a busy machine.
const OFF_PERCENT: f64 = 20.0;
const OFF_SECS: f64 = 2.0;

/// Three nodes that report, two of which have rebooted before.
fn fleet_with_a_past() -> Site {
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
fn a_fleet_that_is_not_there_yet_is_made_up_and_nothing_else_is_made() {
    let site = Site::new();
    let table = site.good(&["plan", "--nodes", "3", "--at", SATURDAY]);
    let store = site.store().display().to_string();
    let expected = format!(
        "\
3 of 3 nodes done in 5 min 30 s, at Sat 2026-11-21 10:05 UTC
group default: 1 slot

ORDER  NODE    SLOT             DOWN             DONE             WAITED FOR
1      node-1  Sat 21 10:00:00  Sat 21 10:00:10  Sat 21 10:01:50  -
2      node-2  Sat 21 10:01:50  Sat 21 10:02:00  Sat 21 10:03:40  a slot 1 min 50 s
3      node-3  Sat 21 10:03:40  Sat 21 10:03:50  Sat 21 10:05:30  a slot 3 min 40 s

assumed:
  there is no store at {store}: the nodes are made up
  the need is seen at once, health scripts pass, no kill switch is set, nothing fails
  every node has the settings of this file
  no finished reboot is known, so assumed: drain 10 s, down 1 min 30 s, check 10 s
"
    );
    assert_eq!(table, expected);
    let said = site.refused(&["plan"]);
    assert!(
        said.contains("no store at") && said.contains("--nodes N"),
        "{said}"
    );
    let left: Vec<_> = fs::read_dir(site.dir()).unwrap().collect();
    assert_eq!(left.len(), 1, "only the configuration: {left:?}");
}

#[test]
fn durations_come_from_each_nodes_own_past_and_the_store_stays_as_it_was() {
    let site = fleet_with_a_past();
    let before = site.good(&["store", "dump"]);
    let plan = plan(&site, &[]);
    assert_eq!(site.good(&["store", "dump"]), before);
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
    let stale = plan(&site, &[]);
    let why = lane(&stale, "node-a")["blocked_by"].to_string();
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

#[test]
fn the_picture_is_the_one_in_the_manual() {
    let site = Site::new();
    let windows = "windows: {allow: [\"Sat,Sun 22:00-22:12\"], timezone: UTC}\n";
    let config = fs::read_to_string(site.config()).unwrap() + windows;
    fs::write(site.config(), config).unwrap();
    let file = site.file("plan.svg");
    let line = [
        "plan", "--nodes", "8", "--max", "2", "--at", SATURDAY, "-o", "svg",
    ];
    let to = ["--down-time", "4m", "--to", file.to_str().unwrap()];
    assert_eq!(site.good(&[&line[..], &to].concat()), "");
    let drawn = fs::read_to_string(&file).unwrap();
    let manual = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/plan.svg");
    let found = fs::read_to_string(&manual).unwrap_or_default();
    assert!(
        drawn == found,
        "docs/plan.svg is not what `plan` draws: write it anew with the command \
         in docs/planning.md. It draws:\n{drawn}"
    );
}

#[test]
fn what_a_script_says_cannot_break_out_of_the_picture() {
    let site = fleet_with_a_past();
    let mut sick = Node::new("node-d", "d").report(LONG_MS, false);
    if let Write::Publish { record, .. } = &mut sick {
        record.health.reason = "</title><script>alert(\"1\")</script>&".to_owned();
    }
    site.write(vec![sick]);
    let picture = site.good(&["plan", "-o", "svg"]);
    assert!(!picture.contains("<script"), "{picture}");
    assert!(
        picture.contains("&lt;script&gt;alert(&quot;1&quot;)"),
        "{picture}"
    );
    let opened = picture.matches("<title").count();
    assert_eq!(opened, picture.matches("</title>").count());
}

#[test]
fn a_plan_that_cannot_be_written_says_so() {
    let site = Site::new();
    let said = site.refused(&["plan", "--nodes", "2", "--to", "/nonexistent/plan.txt"]);
    assert!(
        said.contains("/nonexistent/plan.txt cannot be written"),
        "{said}"
    );
}

#[test]
fn a_long_plan_shows_on_a_terminal_how_far_it_is() {
    let site = Site::new();
    let pair = openpty(None, None).unwrap();
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_clusterrebootd"))
        .args(["plan", "--nodes", "400", "--max", "2", "--config"])
        .arg(site.config())
        .stdout(Stdio::null())
        .stderr(pair.slave)
        .spawn()
        .unwrap();
    let (mut said, mut bytes) = (Vec::new(), [0; 256]);
    let mut terminal = fs::File::from(pair.master);
    // At the end of the last writer a terminal's other end reads an error.
    while let Ok(count @ 1..) = terminal.read(&mut bytes) {
        said.extend_from_slice(&bytes[..count]);
    }
    assert!(child.wait().unwrap().success());
    let said = String::from_utf8_lossy(&said);
    assert!(
        said.contains("planning: ") && said.contains(" of 400 done by "),
        "{said:?}"
    );
    assert!(said.ends_with("\r\u{1b}[K"), "it is cleared away: {said:?}");
}

/// A real fleet's directory, which goes with this value.
struct Rolled(PathBuf);

impl Drop for Rolled {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0); // what is left of it bothers nobody
    }
}

#[test]
fn a_real_fleet_took_as_long_as_a_plan_from_its_history_says() {
    let site = Site::new();
    let mut demo = assert_cmd::Command::cargo_bin("clusterrebootd").unwrap();
    let output = demo
        .args(["demo", "--nodes", "5", "--keep"])
        .timeout(3 * PATIENCE);
    let output = output.output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    let place = told
        .lines()
        .find_map(|line| line.split_once("everything is below "));
    let rolled = Rolled(place.unwrap().1.into());
    assert!(output.status.success(), "{told}");
    let config = rolled.0.join("node-1/config.yaml");
    let run = |arguments: &[&str]| {
        let line = [
            arguments,
            &["-o", "json", "--config", config.to_str().unwrap()],
        ]
        .concat();
        let (exit, stdout, stderr) = site.plain(&line);
        assert_eq!(exit, 0, "{stderr}");
        serde_json::from_str::<Value>(&stdout).unwrap()
    };
    let history = run(&["history", "--limit", "1000"]);
    let lines = history["history"].as_array().unwrap();
    let at = |line: &Value| {
        line["at"]
            .as_str()
            .unwrap()
            .parse::<jiff::Timestamp>()
            .unwrap()
    };
    let real_secs = at(&lines[lines.len() - 1])
        .duration_since(at(&lines[0]))
        .as_secs_f64();
    let plan = run(&["plan", "--assume-healthy", "--at", SATURDAY]);
    assert_eq!(plan["done"], 5, "{plan}");
    let planned = plan["end"]
        .as_str()
        .unwrap()
        .parse::<jiff::Timestamp>()
        .unwrap();
    let start: jiff::Timestamp = SATURDAY.parse().unwrap();
    let planned_secs = planned.duration_since(start).as_secs_f64();
    let off_secs = (planned_secs - real_secs).abs();
    assert!(
        off_secs <= real_secs * OFF_PERCENT / 100.0 + OFF_SECS,
        "planned {planned_secs:.1} s, took {real_secs:.1} s"
    );
}
