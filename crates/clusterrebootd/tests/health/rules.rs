//! What all the scripts have in common.

use crate::stage::{AFTER, Answer, BEFORE, Stage, repository, shipped};
use crate::{ceph, etcd, galera, kubernetes, packages, patroni, systemd};
use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

/// Every script where all is well.
pub(crate) fn all() -> [Stage; 6] {
    [
        ceph::well(),
        etcd::well(),
        galera::well(),
        kubernetes::well(),
        patroni::well(),
        systemd::well(),
    ]
}

/// Each of the calls that a script makes before a reboot, answered in this way.
fn each_call(stage: &Stage, answer: impl Fn(&str) -> Answer) -> Vec<Stage> {
    let calls = stage.calls.iter();
    let changed = calls.map(|call| {
        let answer = answer(call.answer.text());
        stage.clone().with(call.tool, call.words, answer)
    });
    changed.collect()
}

fn text(script: &str) -> String {
    fs::read_to_string(shipped(script)).unwrap()
}

#[test]
fn every_script_that_is_shipped_is_tried() {
    let entries = fs::read_dir(repository().join("packaging/health")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let asking = all().map(|stage| stage.script).into_iter();
    let tried = asking.chain([packages::SCRIPT]).map(str::to_owned);
    assert_eq!(names.collect::<BTreeSet<_>>(), tried.collect());
}

#[test]
fn where_all_is_well_every_phase_passes() {
    for stage in all() {
        stage.good(&BEFORE);
        stage.good(&AFTER);
    }
}

#[test]
fn a_warning_beside_the_answer_is_no_part_of_it() {
    for stage in all() {
        for warned in each_call(&stage, |text| Answer::Warns(text.to_owned())) {
            warned.good(&["pre-lock", "post-reboot"]);
        }
    }
}

#[test]
fn a_tool_that_fails_blocks_and_its_complaint_is_passed_on() {
    let failing = |text: &str| Answer::Fails(text.to_owned(), "Oh no:\nthe wire is cut", 7);
    for stage in all() {
        for failed in each_call(&stage, failing) {
            failed.bad(&["pre-lock", "post-lock"], &["Oh no: the wire is cut", "7"]);
        }
        let silent = each_call(&stage, |_| Answer::Fails(String::new(), "Oh no", 1));
        for failed in silent {
            failed.bad(&["pre-lock", "post-lock"], &["Oh no", "1"]);
        }
        let everywhere = each_call(&stage, failing).pop().unwrap();
        everywhere.bad(&AFTER, &["the wire is cut"]);
    }
}

#[test]
fn a_tool_that_hangs_is_ended_and_blocks() {
    for stage in all() {
        for hung in each_call(&stage.set("TIMEOUT_SEC", "1"), |_| Answer::Hangs) {
            hung.bad(&["post-lock"], &["no answer within 1 s"]);
        }
    }
}

#[test]
fn a_tool_that_prints_nothing_blocks() {
    for stage in all() {
        // An empty list is what systemd says where no unit has failed.
        let all_silent = stage.calls.iter().map(|call| (call.tool, call.words));
        let all_silent = all_silent.collect::<Vec<_>>().into_iter();
        let all_silent = all_silent.fold(stage.clone(), |stage, (tool, words)| {
            stage.with(tool, words, Answer::Says(String::new()))
        });
        all_silent.bad(&BEFORE, &[]);
        all_silent.bad(&AFTER, &[]);
        for silent in each_call(&stage, |_| Answer::Says(String::new())) {
            if silent.calls.last().unwrap().words != "list-units" {
                silent.bad(&["pre-lock", "post-lock"], &[]);
            }
        }
    }
}

#[test]
fn a_tool_that_is_not_there_blocks() {
    for mut stage in all() {
        stage.calls.clear();
        stage.bad(&BEFORE, &[": "]);
        stage.bad(&AFTER, &[": "]);
    }
}

#[test]
fn a_number_that_is_none_blocks_in_every_phase() {
    let numbers = ["MEMBERS", "AT_ONCE", "MAX_LAG_MB", "TIMEOUT_SEC"];
    let wrong = [
        "three", "5 nodes", "0", "-1", "1.5", "010", "99999", "2\n3", " ", "0x3",
    ];
    let mut tried = 0;
    for stage in all() {
        let text = text(stage.script);
        for name in numbers {
            if !text.contains(&format!("\nnumber {name} ")) {
                assert!(!text.contains(&format!("{name}=")), "{name} is not checked");
                continue;
            }
            for value in wrong {
                let wrong = stage.clone().set(name, value);
                wrong.bad(
                    &["pre-lock", "post-reboot"],
                    &[name, "whole number", "set it"],
                );
                tried += 1;
            }
        }
    }
    assert_eq!(
        tried,
        wrong.len() * (6 + 3 + 2 + 1),
        "every number was tried"
    );
}

#[test]
fn without_the_number_of_members_nothing_is_assumed() {
    for stage in [galera::well(), patroni::well()] {
        stage.without("MEMBERS").bad(&BEFORE, &["MEMBERS"]);
    }
}

#[test]
fn without_a_name_of_this_node_nothing_is_assumed() {
    for stage in [etcd::well(), kubernetes::well(), patroni::well()] {
        let unnamed = stage.clone().without("RC_NODE_NAME");
        unnamed.bad(&BEFORE, &["MEMBER is empty"]);
        unnamed.set("MEMBER", "a").good(&BEFORE);
        let other = stage.set("MEMBER", "elsewhere");
        other.bad(&BEFORE, &["elsewhere", "MEMBER"]);
        other.bad(&AFTER, &["elsewhere", "MEMBER"]);
    }
}

#[test]
fn the_scripts_share_their_helpers_and_say_what_they_count() {
    let helpers = |text: &str| {
        let (_, from) = text.split_once("\nfail() {").unwrap();
        let (helpers, _) = from.split_once("}\n\n").unwrap();
        let (_, from) = text.split_once("\nnumber() {").unwrap();
        let (more, _) = from.split_once("\n}\n\n# Runs").unwrap();
        let (_, from) = text.split_once("\nrun() {").unwrap();
        let (run, _) = from.split_once("\n}\n").unwrap();
        [helpers.to_owned(), more.to_owned(), run.to_owned()]
    };
    let first = helpers(&text("etcd-quorum"));
    for stage in all() {
        let text = text(stage.script);
        assert_eq!(helpers(&text), first, "{}", stage.script);
        assert!(text.contains("\nset -eu"), "{}", stage.script);
        let counts = text.contains("AT_ONCE=\"${AT_ONCE:-1}\"");
        let says_not = text.contains("There is no AT_ONCE: this");
        assert!(counts != says_not, "{}", stage.script);
    }
}

#[test]
fn shellcheck_finds_nothing() {
    for stage in all() {
        let mut check = Command::new("shellcheck");
        check.arg("--shell=sh").arg(shipped(stage.script));
        let output = check.output().unwrap_or_else(|error| {
            panic!("cannot start shellcheck ({error}): run `apt-get install shellcheck`")
        });
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{}: {said}", stage.script);
    }
}
