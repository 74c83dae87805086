//! `fleet hold-back` and `fleet let-go`.

use crate::site::{Node, Site};
use reboot_core::group::Refusal;
use reboot_core::id::GroupName;
use reboot_core::write::Trouble;

const LONG: &str = "2999-01-01T00:00:00Z";

#[test]
fn a_node_is_held_back_and_let_go() {
    let site = Site::new();
    let node = Node::new("node-a", "a");
    site.write(vec![node.live(), node.report(3_600_000, true)]);
    let on_trial = ["fleet", "hold-back", "node-a", "--reason", "on trial"];
    let said = site.good(&on_trial);
    let expected = "holds node-a of group default back; `clusterrebootd fleet let-go node-a` lets \
                    it go\n";
    assert_eq!(said, expected);
    let list = site.good(&["fleet", "list"]);
    let line = list.lines().last().unwrap();
    assert!(line.starts_with("node-a is held back by "), "{list}");
    assert!(line.ends_with(": on trial"), "{list}");
    let json = site.json(&["fleet", "list", "-o", "json"]);
    assert_eq!(json["nodes"][0]["held_back"]["reason"], "on trial");
    let claimed = site.try_write(node.claim("2026-03-07T10:00:00Z"));
    let refused = matches!(&claimed, Err(Trouble::Refused(Refusal::HeldBack { .. })));
    assert!(refused, "{claimed:?}");
    let said = site.good(&["fleet", "let-go", "node-a"]);
    assert_eq!(said, "let node-a of group default go\n");
    site.write(vec![node.claim("2026-03-07T10:00:01Z")]);
    let said = site.good(&["fleet", "let-go", "node-a"]);
    assert_eq!(said, "node-a was not held back\n");
    let history = site.json(&["history", "-o", "json"]);
    let lines = history["history"].as_array().unwrap().iter();
    let told: Vec<&str> = lines.map(|line| line["event"].as_str().unwrap()).collect();
    assert_eq!(told, ["hold-back", "let-go", "claim"]);
}

#[test]
fn with_an_end_it_stands_on_a_lease() {
    let site = Site::with_hold();
    let hold_back = [
        "fleet",
        "hold-back",
        "node-a",
        "--reason",
        "x",
        "--until",
        LONG,
    ];
    let said = site.good(&hold_back);
    assert!(
        said.contains(&format!("ends by itself at {LONG}")),
        "{said}"
    );
    let is_leased = |is_it: bool| {
        site.wait_in_store("its lease", |fleet| {
            let held_back = &fleet.groups[&GroupName::default()].group.held_back;
            held_back.values().any(|stop| stop.session.is_some()) == is_it
        });
    };
    is_leased(true);
    site.good(&["fleet", "let-go", "node-a"]);
    is_leased(false);
    let (exit, _, stderr) = site.run(&[
        "fleet",
        "hold-back",
        "node-a",
        "--reason",
        "x",
        "--until",
        "2001-01-01T00:00:00Z",
    ]);
    assert_eq!(exit, 64, "{stderr}");
}

#[test]
fn who_is_not_known_needs_a_group() {
    let site = Site::with_hold();
    let hold_back = ["fleet", "hold-back", "node-x", "--reason", "x"];
    let refused = site.refused(&hold_back);
    assert!(refused.contains("no node node-x is known"), "{refused}");
    assert!(refused.contains("--group"), "{refused}");
    let named = [&hold_back[..], &["--group", "default"]].concat();
    let said = site.good(&named);
    assert!(said.contains("no node node-x has reported"), "{said}");
    assert!(said.contains("is it spelt so?"), "{said}");
    let nowhere = [&hold_back[..], &["--group", "misspelt"]].concat();
    let refused = site.refused(&nowhere);
    assert!(refused.contains("there is no group misspelt"), "{refused}");
    let list = site.good(&["fleet", "list"]);
    assert!(list.contains("node-x is held back"), "{list}");
}

#[test]
fn a_stop_that_is_refused_leaves_no_lease() {
    let site = Site::with_hold();
    let pause = &["lock", "pause"];
    let hold_back = &["fleet", "hold-back", "node-x"];
    let rest = ["--group", "misspelt", "--reason", "x", "--until", LONG];
    for stop in [&pause[..], hold_back] {
        let refused = site.refused(&[stop, &rest].concat());
        assert!(refused.contains("there is no group misspelt"), "{refused}");
        site.wait_in_store("no lease is left", |fleet| {
            let timers = fleet.presences.iter().map(|it| it.session.as_str());
            timers.filter(|it| it.starts_with("pause-")).count() == 0
        });
    }
}
