//! The operator's commands, typed as the documents have them.

use crate::guide::{Site, block};
use crate::operations::typed;
use crate::walks::{asks, node, operator_of, server, start, until};
use std::fs;

const OPERATIONS: &str = "docs/operations.md";
const PLANNING: &str = "docs/planning.md";
const REBOOTLOCKCTL: &str = "docs/rebootlockctl.md";

#[test]
fn the_command_of_old_does_what_its_page_shows() {
    let site = Site::new();
    let server = server(&site);
    let host = node(&site, "node-b");
    operator_of(&site, &host);
    host.called("rebootlockctl", "--config operator.yaml");
    server.good(&asks(&site, "node-a", "/v1/pre-reboot"));
    let see = |words: &str| host.good(&typed(&block(REBOOTLOCKCTL, words)));
    let said = see("## See who holds");
    assert!(
        said.starts_with("Available: 0\nMax: 1\n\nMACHINE ID\n"),
        "{said}"
    );
    let said = see("People want more:");
    assert!(
        said.starts_with("Group: default\nAvailable: 0\nMax: 1\n"),
        "{said}"
    );
    assert!(
        said.contains("node-a") && said.contains("OVERDUE"),
        "{said}"
    );
    assert_eq!(see("## Free the slot of a machine that is gone"), "");
    assert_eq!(
        see("## Change the slots, pause, resume"),
        "Old: 1\nNew: 4\n"
    );
    assert!(see("## See who holds").starts_with("Available: 4\nMax: 4\n"));
    let history = host.good("clusterrebootd history");
    assert!(history.contains("board died, ticket 4711"), "{history}");
}

#[test]
fn a_node_is_asked_to_reboot_as_written() {
    let site = Site::new();
    let _server = server(&site);
    let host = node(&site, "node-b");
    operator_of(&site, &host);
    let daemon = start(&host);
    let list = || host.good("clusterrebootd fleet list");
    until("it has reported", || list().contains("node-b"));
    let script = block(OPERATIONS, "## Ask a node to reboot");
    let script = script.replace("node-3", "node-b");
    host.good(&format!("{} --config operator.yaml", script.trim()));
    let asked = list();
    assert!(asked.contains("new firmware"), "{asked}");
    drop(daemon);
}

#[test]
fn plans_are_made_as_written() {
    let site = Site::new();
    let _server = server(&site);
    let nodes = ["node-a", "node-b"].map(|name| node(&site, name));
    let daemons = nodes.each_ref().map(start);
    let [host, _] = &nodes;
    let list = || host.good("clusterrebootd fleet list");
    until("both have reported", || {
        nodes_of(&list()) == ["node-a", "node-b"]
    });
    let see = |words: &str| {
        let script = block(PLANNING, words);
        let script = script
            .replace("node-3", "node-a")
            .replace("node-7", "node-b");
        match script.starts_with("$ ") {
            true => host.good(&typed(&script)),
            false => host.good(&script),
        }
    };
    let said = see("and none is made.");
    for words in ["2 of 2 nodes done", "200 of 200 nodes done", "\"lanes\":"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let picture = || fs::read_to_string(site.desk().join("plan.svg")).unwrap();
    assert!(picture().contains("node-b"));
    assert!(see("## What it shows").starts_with("3 of 3 nodes done"));
    see("## The picture");
    assert!(picture().contains("node-8"));
    drop(daemons);
}

fn nodes_of(list: &str) -> Vec<&str> {
    let rows = list.lines().filter(|line| line.starts_with("node-"));
    rows.filter_map(|row| row.split_whitespace().next())
        .collect()
}
