//! `plan`: with and without a store, what blocks, and how near it comes to a real fleet.

use crate::planned::{SATURDAY, fleet_with_a_past};
use crate::site::{Node, PATIENCE, Site};
use nix::pty::openpty;
use reboot_core::write::Write;
use serde_json::Value;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Stdio;

const LONG_MS: u64 = 3_600_000;

/// How far a plan may be from a real roll of the same fleet: so many percent, and so many seconds
/// for a busy machine.
const OFF_PERCENT: f64 = 20.0;
const OFF_SECS: f64 = 2.0;

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

/// A site with three slots whose configuration names this store.
fn site_with(store: &str) -> Site {
    let site = Site::new();
    let config = format!(
        "node_name: node-a\nhealth_script: /bin/true\nmax: 3\nstore: {store}\n\
         reboot_required_detectors: [{{type: file, path: /nonexistent}}]\n"
    );
    fs::write(site.config(), config).unwrap();
    site
}

#[test]
fn what_stands_in_for_a_store_that_is_down_is_told_and_warned_of() {
    // Nobody listens there.
    let site = site_with("{etcd: {endpoints: [\"http://127.0.0.1:1\"]}}");
    let way_out = "or give --nodes N to plan for made-up ones";
    let said = site.refused(&["plan"]);
    assert!(
        said.contains("127.0.0.1:1") && said.contains(way_out),
        "{said}"
    );
    let times = ["--drain-time", "--down-time", "--check-time"].map(|it| [it, "5s"]);
    let times = times.concat();
    let with_max = [&times[..], &["--max", "2"]].concat();
    let cases = [
        (
            &[][..],
            "made up, with this file's slots (3) and guessed durations",
        ),
        (&["--max", "2"], "made up, with guessed durations"),
        (&times, "made up, with this file's slots (3)"),
        (&with_max, "the nodes are made up"),
    ];
    for (more, ending) in cases {
        let line = [&["plan", "--nodes", "2", "-o", "json"], more].concat();
        let (exit, stdout, stderr) = site.run(&line);
        assert_eq!(exit, 0, "{stderr}");
        let plan: Value = serde_json::from_str(&stdout).unwrap();
        let told = plan["assumed"][0].as_str().unwrap();
        assert!(told.starts_with("the store cannot be read ("), "{told}");
        assert!(told.ends_with(ending), "{more:?}: {told}");
        assert!(
            stderr.contains(&format!("warning: {told}\n")),
            "{stderr}: {told}"
        );
    }
}

#[test]
fn a_file_that_cannot_be_read_is_no_reason_to_make_nodes_up() {
    let site = Site::new();
    fs::write(
        site.store(),
        "no database, but longer than any header of one".repeat(99),
    )
    .unwrap();
    for arguments in [&["plan"][..], &["plan", "--nodes", "2"]] {
        let said = site.refused(arguments);
        assert!(
            said.contains("is damaged") && !said.contains("--nodes N"),
            "{said}"
        );
    }
    // What is not a directory cannot be looked into by anybody.
    let below = site.store().join("fleet.db").display().to_string();
    let site = site_with(&format!("{{embedded: {{path: {below}}}}}"));
    let said = site.refused(&["plan", "--nodes", "2"]);
    assert!(
        said.contains(&format!(
            "whether there is a store at {below} cannot be told"
        )),
        "{said}"
    );
}

#[test]
fn the_store_stays_as_it_was() {
    let site = fleet_with_a_past();
    let before = site.good(&["store", "dump"]);
    site.good(&["plan"]);
    assert_eq!(site.good(&["store", "dump"]), before);
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
