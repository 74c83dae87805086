//! What asks on a terminal, asked on one.

use crate::asking::Asking;
use crate::site::{MACHINE, Node, Site};

#[test]
fn nothing_is_broken_without_a_yes() {
    let site = Site::with_hold();
    for answer in ["", "n", "yess"] {
        let asking = Asking::of(&site, &["lock", "unlock", "node-a"]);
        assert!(
            asking.asked.contains("hold 1 of node-a"),
            "{}",
            asking.asked
        );
        let (exit, stdout, stderr) = asking.answer(answer);
        assert_eq!((exit, stdout.as_str()), (1, ""));
        assert!(stderr.contains("nothing was changed"), "{stderr}");
    }
    assert!(site.good(&["lock", "status"]).contains(MACHINE));
}

#[test]
fn a_yes_breaks_restores_and_forgets() {
    let site = Site::with_hold();
    let copy = site.file("copy.db").to_str().unwrap().to_owned();
    site.good(&["store", "backup", &copy]);
    for arguments in [
        &["lock", "unlock", MACHINE][..],
        &["store", "restore", &copy],
        &["lock", "unlock", "node-a"],
    ] {
        let (exit, _, stderr) = Asking::of(&site, arguments).answer("y");
        assert_eq!(exit, 0, "{arguments:?}: {stderr}");
    }
    site.write(vec![Node::new("node-z", "z").report(0, true)]);
    let (exit, stdout, _) = Asking::of(&site, &["fleet", "forget", "node-z"]).answer("yes");
    assert_eq!((exit, stdout.as_str()), (0, "forgot node-z\n"));
}

#[test]
fn a_hold_that_is_claimed_while_an_operator_thinks_is_not_broken() {
    let site = Site::with_hold();
    let asking = Asking::of(&site, &["lock", "unlock", "node-a"]);
    site.good(&["lock", "unlock", "node-a", "--yes"]);
    let node = Node::new("node-a", MACHINE);
    site.write(vec![node.claim("2026-03-07T11:00:00Z")]);
    let (exit, _, stderr) = asking.answer("y");
    assert_eq!(exit, 1);
    assert!(stderr.contains("no hold has the number 1"), "{stderr}");
    let status = site.json(&["lock", "status", "-o", "json"]);
    assert_eq!(status["groups"][0]["holds"][0]["number"], 2);
}
