//! systemd: what its list does not show, its state must not contradict.

use crate::stage::{AFTER, Answer, BEFORE, Stage, says};

const LIST: &str = "list-units";
const STATE: &str = "is-system-running";

fn failed(units: &[&str]) -> String {
    let row = |unit: &&str| format!("{unit} loaded failed failed Some service\n");
    units.iter().map(row).collect()
}

fn degraded(list: &str) -> Stage {
    let state = Answer::Fails("degraded\n".to_owned(), "", 1);
    let stage = Stage::new("systemd-failed-units").with("systemctl", STATE, state);
    stage.with("systemctl", LIST, says(list))
}

fn blocks(stage: &Stage, words: &[&str]) {
    stage.bad(&BEFORE, words);
    stage.bad(&AFTER, words);
}

pub(crate) fn well() -> Stage {
    let stage = Stage::new("systemd-failed-units").with("systemctl", STATE, says("running\n"));
    stage.with("systemctl", LIST, says(""))
}

#[test]
fn a_failed_unit_blocks() {
    blocks(
        &degraded(&failed(&["a.service", "b.mount"])),
        &["a.service b.mount", "systemctl status"],
    );
    let running = well().with("systemctl", LIST, says(&failed(&["a.service"])));
    blocks(&running, &["a.service"]);
}

#[test]
fn a_list_that_fails_is_not_an_empty_one() {
    let lost = Answer::Fails(
        String::new(),
        "Failed to list units: Connection timed out",
        1,
    );
    let stage = degraded("").with("systemctl", LIST, lost);
    blocks(&stage, &["list-units failed", "Connection timed out"]);
    blocks(&degraded(""), &["degraded", "no unit is listed"]);
}

#[test]
fn ignored_units_do_not_count_and_all_others_do() {
    let units = ["a.service", r"b@x\x2dy.service", "c.timer"];
    let stage = degraded(&failed(&units));
    stage.clone().set("IGNORE", &units.join(" ")).good(&BEFORE);
    stage.clone().set("IGNORE", &units.join("  ")).good(&AFTER);
    let some = stage.set("IGNORE", "a.service");
    blocks(&some, &[r"failed units: b@x\x2dy.service c.timer:"]);
    let dotted = degraded("\u{25cf} a.service loaded failed failed x\n");
    blocks(&dotted, &["failed units: a.service:"]);
}

#[test]
fn ignored_units_have_whole_names() {
    for wrong in [
        "a",
        "a.service,b.service",
        "*.service",
        "a.",
        "$(id).service",
    ] {
        let stage = degraded(&failed(&["a.service"])).set("IGNORE", wrong);
        blocks(&stage, &["IGNORE has '"]);
    }
}

#[test]
fn a_system_that_starts_or_stops_or_does_not_say_blocks() {
    for state in ["starting", "stopping", "maintenance", "offline", "unknown"] {
        let answer = Answer::Fails(format!("{state}\n"), "", 1);
        let stage = well().with("systemctl", STATE, answer);
        blocks(&stage, &[state, "systemctl list-jobs"]);
    }
    let contradicting = degraded(&failed(&["a.service"])).set("IGNORE", "a.service");
    contradicting.good(&BEFORE);
    let contradicting = contradicting.with("systemctl", STATE, says("degraded\n"));
    blocks(&contradicting, &["degraded (exit code 0"]);
}
