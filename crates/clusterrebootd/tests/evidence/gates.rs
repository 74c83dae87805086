//! What keeps a node from its reboot, and that it keeps it only as long as it lasts.

use crate::bench::Bench;
use crate::machine::Machine;
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// A machine that wants to reboot, running.
fn wanting(bench: &Bench, prepare: impl FnOnce(&mut Machine)) -> Machine {
    let mut machine = bench.machine("n1");
    prepare(&mut machine);
    machine.touch("sentinel");
    machine.start();
    machine
}

/// The machine blocks by this outcome without ever asking for a slot; its exit code.
fn blocks_before_the_slot(bench: &Bench, machine: &mut Machine, outcome: &str) -> i32 {
    bench.wait(outcome, || machine.has_outcome(outcome));
    let code = machine.stop();
    assert_eq!(machine.last_outcome(), outcome);
    assert!(machine.events("lock_attempt").is_empty());
    assert_eq!((machine.calls(), bench.holds().len()), (0, 0));
    code
}

#[test]
fn a_script_that_says_no_before_the_slot_blocks_with_3() {
    let bench = Bench::new();
    let mut machine = wanting(&bench, |it| it.touch("sick.pre-lock"));
    assert_eq!(
        blocks_before_the_slot(&bench, &mut machine, "health_blocked"),
        3
    );
    let run = &machine.events("health_check")[0]["fields"];
    assert_eq!(run["output"], "the disk smells\n");
    assert_eq!(
        (&run["exit_code"], &run["phase"]),
        (&1.into(), &"pre-lock".into())
    );
}

#[test]
fn a_script_that_says_no_under_the_slot_gives_it_back() {
    let bench = Bench::new();
    let mut machine = wanting(&bench, |it| {
        it.touch("sick.post-lock");
        it.script("hooks/pre-reboot.d/10-drain", "touch \"$DIR/drained\"");
    });
    bench.wait("the slot is given back", || {
        machine.has_outcome("health_blocked")
    });
    let order: Vec<String> = machine
        .log()
        .iter()
        .map(|line| line["event"].as_str().unwrap().to_owned())
        .filter(|event| event.starts_with("lock_acq") || event.starts_with("lock_rel"))
        .collect();
    assert_eq!(order, ["lock_acquired", "lock_released"]);
    assert!(!machine.has("drained"), "nothing was disturbed");
    assert_eq!((machine.calls(), bench.holds().len()), (0, 0));
    assert_eq!(machine.stop(), 3);
}

#[test]
fn a_script_that_times_out_blocks_and_is_published_as_unhealthy() {
    let bench = Bench::new();
    let mut machine = wanting(&bench, |it| {
        it.gate("gate.pre-lock");
        it.set("health_timeout_sec", 1);
    });
    bench.wait("blocked", || machine.has_outcome("health_blocked"));
    is_published_unhealthy(&bench);
    assert_eq!(machine.stop(), 3);
    assert!(machine.events("lock_attempt").is_empty());
}

#[test]
fn a_script_that_cannot_start_blocks_and_is_published_as_unhealthy() {
    let bench = Bench::new();
    let mut machine = wanting(&bench, |it| it.remove("health"));
    bench.wait("blocked", || machine.has_outcome("health_blocked"));
    is_published_unhealthy(&bench);
    assert_eq!(machine.stop(), 3);
    assert!(machine.events("lock_attempt").is_empty());
}

fn is_published_unhealthy(bench: &Bench) {
    bench.wait_in_store("published", |fleet| {
        let records = fleet.nodes.values().map(|entry| &entry.record);
        let mut unhealthy = records.filter(|record| !record.health.healthy);
        unhealthy.any(|record| !record.health.reason.is_empty())
    });
}

#[test]
fn a_need_that_goes_away_after_the_claim_gives_the_slot_back() {
    let bench = Bench::new();
    let mut machine = wanting(&bench, |it| it.gate("gate.pre-lock"));
    bench.wait("the script runs", || machine.has("gated"));
    machine.remove("sentinel");
    machine.open_gate("gate.pre-lock");
    bench.wait("cleared", || machine.has_outcome("recheck_cleared"));
    assert_eq!(machine.events("lock_acquired").len(), 1);
    assert_eq!((machine.calls(), bench.holds().len()), (0, 0));
    assert_eq!(machine.stop(), 0);
}

#[test]
fn the_kill_switch_blocks_with_5_and_lets_go_when_it_is_removed() {
    let bench = Bench::new();
    let mut machine = wanting(&bench, |it| it.touch("kill-switch"));
    let code = blocks_before_the_slot(&bench, &mut machine, "kill_switch_active");
    assert_eq!(code, 5);
    machine.start();
    bench.wait("blocked again", || {
        machine.outcomes() == ["kill_switch_active", "kill_switch_active"]
    });
    machine.remove("kill-switch");
    bench.wait("it goes without any poll", || machine.has("down"));
}

#[test]
fn a_kill_switch_under_the_hold_gives_the_slot_back() {
    let bench = Bench::new();
    let mut machine = wanting(&bench, |it| it.gate("gate.post-lock"));
    bench.wait("the script runs under the slot", || machine.has("gated"));
    assert_eq!(bench.holds().len(), 1);
    machine.touch("kill-switch");
    machine.open_gate("gate.post-lock");
    bench.wait("given back", || {
        machine.has_outcome("kill_switch_active") || machine.has("down")
    });
    assert_eq!((machine.calls(), bench.holds().len()), (0, 0));
    assert_eq!(machine.stop(), 5);
}

#[test]
fn a_deny_window_ends_with_0() {
    let bench = Bench::new();
    let mut machine = wanting(&bench, |it| {
        it.set("windows", "{deny: ['* 00:00-00:00']}");
    });
    assert_eq!(
        blocks_before_the_slot(&bench, &mut machine, "window_denied"),
        0
    );
}

#[test]
fn outside_every_allow_window_it_ends_with_0() {
    let bench = Bench::new();
    let in_three_days = Timestamp::now()
        .to_zoned(TimeZone::UTC)
        .saturating_add(jiff::Span::new().days(3))
        .strftime("%a 00:00-24:00")
        .to_string()
        .replace("24:00", "23:59");
    let mut machine = wanting(&bench, |it| {
        it.set(
            "windows",
            format!("{{timezone: UTC, allow: ['{in_three_days}']}}"),
        );
    });
    let code = blocks_before_the_slot(&bench, &mut machine, "window_outside_allow");
    assert_eq!(code, 0);
}

#[test]
fn a_cooldown_holds_the_next_one_back_and_ends_with_0() {
    let bench = Bench::new();
    let mut machines = bench.machines(2);
    for machine in &mut machines {
        machine.set("min_reboot_interval_sec", 3600);
    }
    let [first, second] = &mut machines[..] else {
        unreachable!()
    };
    first.touch("sentinel");
    first.start();
    bench.wait("the first goes", || first.has("down"));
    first.power_cycle(&bench, nix::sys::signal::Signal::SIGTERM);
    bench.wait_for_no_hold();
    second.touch("sentinel");
    second.start();
    bench.wait("the second waits", || second.has_outcome("cooldown_active"));
    let ran = second.run(&["status"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(
        ran.stdout.contains("outcome: cooldown_active"),
        "{}",
        ran.stdout
    );
    assert_eq!((second.calls(), second.stop()), (0, 0));
    assert_eq!(first.events("cooldown_started").len(), 1);
}

#[test]
fn after_the_cooldown_the_next_one_goes_by_itself() {
    let bench = Bench::new();
    let mut machines = bench.machines(2);
    for machine in &mut machines {
        machine.set("min_reboot_interval_sec", 3).touch("sentinel");
        machine.start();
    }
    for _ in 0..2 {
        bench.wait("one goes", || machines.iter().any(|it| it.has("down")));
        let down = machines.iter_mut().find(|it| it.has("down")).unwrap();
        down.power_cycle(&bench, nix::sys::signal::Signal::SIGTERM);
    }
    let mut starts: Vec<Timestamp> = machines
        .iter()
        .map(|it| {
            let started = it.events("cooldown_started");
            started[0]["ts"].as_str().unwrap().parse().unwrap()
        })
        .collect();
    starts.sort_unstable();
    let apart_ms = starts[1].as_millisecond() - starts[0].as_millisecond();
    assert!(apart_ms >= 2900, "{apart_ms} ms"); // the log's clock is not the store's
}

#[test]
fn a_kill_switch_in_the_delay_before_the_reboot_gives_the_slot_back() {
    let bench = Bench::new();
    let mut machine = wanting(&bench, |it| {
        it.set("reboot_delay_sec", 1);
    });
    bench.wait("the delay runs", || machine.has_outcome("ready"));
    machine.touch("kill-switch");
    bench.wait("given back", || machine.has_outcome("kill_switch_active"));
    assert_eq!((machine.calls(), bench.holds().len()), (0, 0));
    assert_eq!(machine.stop(), 5);
}

#[test]
fn a_kill_switch_put_there_during_the_reboot_keeps_no_slot_but_the_next_reboot() {
    let bench = Bench::new();
    let mut machine = wanting(&bench, |_| {});
    bench.wait("it goes", || machine.has("down"));
    assert_eq!(bench.holds().len(), 1);
    machine.touch("kill-switch");
    machine.power_cycle(&bench, nix::sys::signal::Signal::SIGTERM);
    bench.wait_for_no_hold();
    machine.touch("sentinel");
    bench.wait("blocked", || machine.has_outcome("kill_switch_active"));
    assert_eq!((machine.calls(), machine.stop()), (1, 5));
}

#[test]
fn a_need_that_a_reboot_did_not_end_is_reported_and_not_tried_again() {
    let bench = Bench::new();
    let mut machine = wanting(&bench, |it| {
        it.set("check_interval_sec", 1);
    });
    bench.wait("it goes", || machine.has("down"));
    machine.go_down(nix::sys::signal::Signal::SIGTERM);
    machine.come_back(&bench);
    bench.wait("reported", || machine.has_outcome("need_ineffective"));
    assert_eq!((machine.calls(), bench.holds().len()), (1, 0));
    machine.remove("sentinel");
    bench.wait("clear", || machine.last_outcome() == "no_action");
    machine.touch("sentinel");
    bench.wait("a new need counts", || machine.has("down"));
    assert_eq!(machine.calls(), 2);
}

#[test]
fn no_node_reboots_more_often_a_day_than_it_may() {
    let bench = Bench::new();
    let mut machine = wanting(&bench, |it| {
        it.set("max_reboots_per_day", 1);
    });
    bench.wait("it goes", || machine.has("down"));
    machine.power_cycle(&bench, nix::sys::signal::Signal::SIGTERM);
    bench.wait_for_no_hold();
    machine.touch("sentinel");
    bench.wait("the cap", || machine.has_outcome("reboot_limit"));
    assert_eq!((machine.calls(), machine.stop()), (1, 0));
}

#[test]
fn a_detector_that_fails_is_an_error_of_the_pass() {
    let bench = Bench::new();
    let mut machine = bench.machine("n1");
    let detectors = "[{name: broken, type: command, cmd: [/no/such/program]}]";
    machine.set("reboot_required_detectors", detectors).start();
    bench.wait("reported", || machine.has_outcome("error"));
    assert!(machine.says("broken"));
    assert_eq!(machine.stop(), 1);
    assert_eq!(machine.run(&["status"]).code, 1);
}
