//! `history`: what happened.

use crate::site::{Node, Site};
use serde_json::json;

/// A whole reboot, then a claim that was given up by an operator.
fn after_a_reboot() -> Site {
    let site = Site::new();
    let node = Node::new("node-a", "a");
    site.write(vec![
        node.live(),
        node.claim("2026-03-07T10:00:00Z"),
        node.fence("2026-03-07T10:00:01Z", 1),
    ]);
    let times = ["2026-03-07T10:01:30Z", "2026-03-07T10:02:06.4Z"];
    site.write(node.return_and_release(1, times));
    site
}

#[test]
fn a_finished_reboot_tells_how_long_it_took() {
    let site = after_a_reboot();
    let expected = "\
TIME                  EVENT    NODE    HOLD  TOOK       DETAIL
2026-03-07T10:00:00Z  claim    node-a  1     -
2026-03-07T10:00:01Z  fence    node-a  1     -
2026-03-07T10:01:30Z  adopt    node-a  1     -
2026-03-07T10:01:30Z  return   node-a  1     -
2026-03-07T10:02:06Z  release  node-a  1     2 min 5 s  returned
";
    assert_eq!(site.good(&["history"]), expected);
    let last = site.json(&["history", "--limit", "1", "-o", "json"]);
    assert_eq!(
        last,
        json!({"group": "default", "history": [{
            "at": "2026-03-07T10:02:06.4Z", "event": "release", "node": "node-a", "number": 1,
            "detail": "returned", "took_ms": 125_400,
        }]}),
        "though its fence is not among the lines"
    );
}

#[test]
fn the_newest_lines_are_shown() {
    let site = after_a_reboot();
    let two = site.good(&["history", "--limit", "2"]);
    let events: Vec<&str> = two
        .lines()
        .map(|line| line.split_whitespace().nth(1).unwrap())
        .collect();
    assert_eq!(events, ["EVENT", "return", "release"]);
}

#[test]
fn groups_have_histories_of_their_own() {
    let site = after_a_reboot();
    let other = Node::new("db-1", "d1").in_group("databases");
    site.write(other.draining());
    let history = site.good(&["history", "--group", "databases"]);
    assert!(
        history.contains("db-1") && !history.contains("node-a"),
        "{history}"
    );
    let said = site.refused(&["history", "--group", "database"]);
    assert!(said.contains("there are: databases, default"), "{said}");
}

#[test]
fn a_young_group_has_none() {
    let site = Site::new();
    site.write(vec![Node::new("node-a", "a").report(1000, true)]);
    assert_eq!(
        site.good(&["history"]),
        "TIME  EVENT  NODE  HOLD  TOOK  DETAIL\n"
    );
}
