//! `fleet reboot`.

use crate::site::{Node, Site};

#[test]
fn a_node_is_asked_to_reboot_and_no_longer() {
    let site = Site::new();
    let node = Node::new("node-a", "a");
    site.write(vec![node.live(), node.report(3_600_000, true)]);
    let at = ["--at", "2999-01-01T01:00:00+01:00"];
    let reboot = ["fleet", "reboot", "node-a", "--reason", "a new disk"];
    let said = site.good(&[&reboot[..], &at].concat());
    let first = said.lines().next().unwrap();
    let expected = "ordered a reboot of node-a, not before 2999-01-01T00:00:00Z, through every \
                    gate like any other; `clusterrebootd fleet reboot node-a --cancel` takes \
                    it back";
    assert_eq!(first, expected);
    let list = site.good(&["fleet", "list"]);
    let line = list.lines().last().unwrap();
    assert!(
        line.starts_with("node-a is to reboot: ordered by "),
        "{list}"
    );
    assert!(
        line.ends_with(" for 2999-01-01T00:00:00Z: a new disk"),
        "{list}"
    );
    let json = site.json(&["fleet", "list", "-o", "json"]);
    assert_eq!(json["nodes"][0]["order"]["reason"], "a new disk");
    let said = site.good(&["fleet", "reboot", "node-a", "--cancel"]);
    assert!(said.starts_with("node-a is no longer to reboot"), "{said}");
    let said = site.good(&["fleet", "reboot", "node-a", "--cancel"]);
    assert_eq!(said, "nothing was ordered of node-a\n");
    let list = site.good(&["fleet", "list"]);
    assert!(!list.contains("is to reboot"), "{list}");
}

#[test]
fn what_stands_in_the_way_is_said() {
    let site = Site::with_hold();
    let node = Node::new("node-b", "b");
    site.write(vec![node.live(), node.report(3_600_000, true)]);
    site.good(&["fleet", "hold-back", "node-b", "--reason", "on trial"]);
    let said = site.good(&["fleet", "reboot", "node-b", "--reason", "x"]);
    assert!(said.contains("holds node-b back: on trial"), "{said}");
    site.write(vec![node.report(0, true)]);
    let said = site.good(&["fleet", "reboot", "node-b", "--reason", "x"]);
    assert!(said.contains("node-b has been silent since "), "{said}");
}

#[test]
fn who_never_reported_is_refused() {
    let site = Site::with_hold();
    let said = site.refused(&["fleet", "reboot", "node-x", "--reason", "x"]);
    assert!(said.contains("node node-x is not known"), "{said}");
}
