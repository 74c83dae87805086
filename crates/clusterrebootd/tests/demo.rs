//! The first command, as a newcomer runs it: real daemons, a real store, an honest exit code.

// A test fails best where it fails, and its functions need no documentation.
#![allow(clippy::unwrap_used, missing_docs)]

use assert_cmd::Command;

fn demo(arguments: &[&str]) -> (i32, String) {
    let output = Command::cargo_bin("clusterrebootd")
        .unwrap()
        .arg("demo")
        .args(arguments)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    (
        output.status.code().unwrap(),
        text + &String::from_utf8(output.stderr).unwrap(),
    )
}

#[test]
fn a_fleet_rolls_and_every_invariant_holds() {
    let (exit, text) = demo(&["--nodes", "3", "--seconds", "1"]);
    assert_eq!(exit, 0, "{text}");
    assert!(text.contains("3 machines rebooted and came back"), "{text}");
    assert!(text.contains("at most 1 down at once, 1 allowed"), "{text}");
    assert!(text.contains("every invariant held"), "{text}");
    assert!(
        !text.contains('\u{1b}'),
        "no colours and no redrawing without a terminal: {text}"
    );
}

#[test]
fn two_slots_are_used_and_not_exceeded() {
    let (exit, text) = demo(&["--nodes", "4", "--slots", "2", "--seconds", "1"]);
    assert_eq!(exit, 0, "{text}");
    assert!(text.contains("at most 2 down at once, 2 allowed"), "{text}");
}

#[test]
fn a_machine_that_never_comes_back_stops_the_roll_until_an_operator_mends_it() {
    let (exit, text) = demo(&["--nodes", "3", "--fail", "node-2", "--seconds", "1"]);
    assert_eq!(exit, 0, "{text}");
    let overdue = text.find("node-2 is overdue").unwrap();
    let unlocked = text.find("$ clusterrebootd lock unlock node-2").unwrap();
    assert!(overdue < unlocked, "{text}");
    let between = &text[overdue..unlocked];
    assert!(
        !between.contains("draining") && !between.contains("node-1   down"),
        "{text}"
    );
    assert!(text.contains("2 machines rebooted and came back"), "{text}");
}

#[test]
fn a_machine_that_is_not_there_is_a_usage_error() {
    let (exit, text) = demo(&["--nodes", "3", "--fail", "node-9"]);
    assert_eq!(exit, 64, "{text}");
    assert!(text.contains("node-1 to node-3"), "{text}");
}
