//! The running binary under kill -9 between any two effects. Each life is first recorded with all
//! the points it passes; then, for each point, a fresh machine is killed there and starts again,
//! once in the same boot and once in a new one, while another machine waits for the slot.

#![cfg(debug_assertions)] // other builds have no points to strike at
#![allow(clippy::unwrap_used, missing_docs)] // a test fails best where it fails

#[allow(dead_code)] // shared with the evidence, which uses all of it
#[path = "../evidence/bench.rs"]
mod bench;
mod lives;
#[allow(dead_code)] // as above
#[path = "../evidence/machine.rs"]
mod machine;
mod pair;
#[path = "../evidence/place.rs"]
mod place;
#[allow(dead_code)] // as above
#[path = "../evidence/scripts.rs"]
mod scripts;
mod strike;
mod verdict;

use lives::Life;
use strike::strike_everywhere;

/// Strikes everywhere in a life, which must have had these effects.
fn strike_in(life: Life, effects: &[&str]) -> Vec<String> {
    let points = strike_everywhere(life);
    for effect in effects {
        for side in ["before", "after"] {
            let point = format!("{effect}:{side}#1");
            assert!(points.contains(&point), "{point}: {points:?}");
        }
    }
    points
}

#[test]
fn on_its_way_to_the_command() {
    let looks = ["look-local", "look-detectors", "look-health", "look-fleet"];
    let writes = [
        "open-session",
        "publish",
        "claim",
        "drain",
        "fence",
        "keep-session",
    ];
    let hands = ["plan-hooks", "save", "pre-hook"];
    let effects = [&looks[..], &writes, &hands].concat();
    let points = strike_in(Life::Out, &effects);
    let command = [
        "issue-reboot:before#1",
        "issue-reboot:after#1",
        "await-command:after#1",
    ];
    assert!(
        command
            .iter()
            .all(|it| points.iter().any(|point| point == it)),
        "{points:?}"
    );
}

#[test]
fn back_from_its_reboot() {
    let effects = [
        "adopt",
        "save",
        "post-hook",
        "undo",
        "mark-returned",
        "release",
    ];
    strike_in(Life::Back, &effects);
}

#[test]
fn mending_what_a_former_run_left_in_the_same_boot() {
    strike_in(
        Life::Mend,
        &["end-former", "adopt", "undo", "save", "release"],
    );
}

#[test]
fn paying_the_debt_of_a_broken_hold() {
    strike_in(Life::Debt, &["end-former", "undo", "save", "pay-debt"]);
}

#[test]
fn in_the_line_and_out_of_it() {
    strike_in(Life::Line, &["join-line", "claim", "leave-line"]);
}

#[test]
fn telling_the_users() {
    let points = strike_in(Life::Notice, &["wall"]);
    assert_eq!(points.len(), 2);
}

#[test]
fn saying_farewell() {
    let points = strike_in(Life::Stop, &["end-session"]);
    assert_eq!(points.last().unwrap(), "exit:before#1");
}
