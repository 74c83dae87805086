//! `fleet`: the nodes.

use crate::site::{Node, Site};
use serde_json::json;

#[test]
fn every_node_is_listed_and_holders_that_never_reported_too() {
    let site = Site::with_hold();
    let sick = Node::new("node-b", "b");
    let silent = Node::new("node-c", "c").in_group("databases");
    site.write(silent.draining());
    site.write(vec![sick.report(3_600_000, false)]);
    let table = site.good(&["fleet", "list"]);
    let expected = "\
NODE    GROUP      HEALTH     ACTIVITY  NEED    HOLD          REBOOTS  REPORTED              \
WAITS FOR
node-a  default    healthy    draining  kernel  1 (draining)  0        2026-03-07T10:00:02Z  -
node-b  default    unhealthy  draining  kernel  -             0        2026-03-07T10:00:02Z  \
unhealthy at monitor: the disk smells
node-c  databases  unknown    -         -       1 (draining)  -        never                 -
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
        json!({"nodes": []})
    );
}

#[test]
fn a_stale_node_is_forgotten_when_one_is_sure() {
    let site = Site::new();
    site.write(vec![Node::new("node-a", "a").report(0, true)]);
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
