//! Ceph: of its warnings only the one that a hook of ours causes is none.

use crate::stage::{AFTER, BEFORE, Stage, says};

const NOOUT: &str = "[WRN] OSDMAP_FLAGS: noout flag(s) set\n";

fn report(text: &str) -> Stage {
    Stage::new("ceph-health").with("ceph", "health detail", says(text))
}

fn warned(checks: &str) -> Stage {
    report(&format!("HEALTH_WARN something\n{NOOUT}{checks}"))
}

fn blocks(stage: &Stage, words: &[&str]) {
    stage.bad(&BEFORE, words);
    stage.bad(&AFTER, words);
}

pub(crate) fn well() -> Stage {
    report("HEALTH_OK\n")
}

#[test]
fn the_flag_that_a_hook_sets_does_not_count() {
    warned("").good(&BEFORE);
    warned("").good(&AFTER);
}

#[test]
fn any_other_check_blocks_beside_the_flag() {
    for check in [
        "[WRN] MON_MSGR2_NOT_ENABLED: 1 monitors have not enabled msgr2\n    mon.a is not bound",
        "[WRN] OSD_DOWN: 1 osds down\n    osd.3 (root=default,host=b) is down",
        "[WRN] OSDMAP_FLAGS: noout,norebalance flag(s) set",
        "[ERR] PG_DAMAGED: Possible data damage",
        "something new",
    ] {
        let first = check.lines().next().unwrap();
        blocks(&warned(check), &[first, "ceph health detail"]);
    }
}

#[test]
fn an_error_blocks_whatever_it_lists() {
    blocks(
        &report(&format!("HEALTH_ERR noout\n{NOOUT}")),
        &["HEALTH_ERR"],
    );
    blocks(&report("HEALTH_ERR noout\n"), &["HEALTH_ERR"]);
}

#[test]
fn a_warning_without_a_check_and_a_report_without_a_state_are_no_proof() {
    blocks(&report("HEALTH_WARN 1 osds down\n"), &["no check"]);
    blocks(&report(&format!("{NOOUT}HEALTH_OK\n")), &["OSDMAP_FLAGS"]);
    blocks(&report("HEALTH_OKAY\n"), &["HEALTH_OKAY"]);
    blocks(&report("HEALTH_OK (muted: OSD_DOWN)\n"), &["muted"]);
}

#[test]
fn what_is_muted_still_counts_unless_it_is_ignored() {
    let muted = "HEALTH_OK (muted: OSD_DOWN)\n(MUTED ttl 4w) [WRN] OSD_DOWN: 1 osds down\n    x\n";
    blocks(&report(muted), &["OSD_DOWN"]);
    report(muted)
        .set("IGNORE", "MON_DISK_LOW OSD_DOWN")
        .good(&BEFORE);
    let error = "HEALTH_OK (muted: PG_DAMAGED)\n(MUTED) [ERR] PG_DAMAGED: x\n";
    blocks(&report(error).set("IGNORE", "PG_DAMAGED"), &["PG_DAMAGED"]);
}

#[test]
fn ignored_are_codes_and_nothing_else() {
    let low = warned("[WRN] MON_DISK_LOW: mons a are low on available space\n");
    low.clone().set("IGNORE", "MON_DISK_LOW").good(&AFTER);
    blocks(&low.clone().set("IGNORE", "MON_DISK"), &["MON_DISK_LOW"]);
    blocks(
        &low.clone().set("IGNORE", "MON_DISK_LOW,OSD_DOWN"),
        &["IGNORE", "spaces"],
    );
    blocks(&low.set("IGNORE", ".*"), &["IGNORE"]);
}
