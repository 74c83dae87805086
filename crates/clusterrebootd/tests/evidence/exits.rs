//! Exit codes: what the daemon and its diagnostic passes tell whoever started them.

use crate::bench::Bench;
use crate::machine::Machine;
use crate::scripts::NOTHING;
use nix::sys::signal::Signal;
use reboot_core::group::Phase;
use std::net::TcpListener;
use std::time::{Duration, Instant};

/// Stops the daemon and returns its code; it may not dawdle.
fn stop_in_time(machine: &mut Machine, signal: Signal) -> i32 {
    let asked = Instant::now();
    let code = machine.end(signal);
    let took = asked.elapsed();
    assert!(took < Duration::from_secs(5), "{took:?}");
    code
}

const STOPS: [Signal; 2] = [Signal::SIGTERM, Signal::SIGINT];

#[test]
fn stopped_before_the_first_outcome_it_ends_with_0() {
    let bench = Bench::new();
    let mut machine = bench.machine("n1");
    machine.gate("gate.monitor");
    for signal in STOPS {
        machine.start();
        bench.wait("the first pass runs", || machine.has("gated"));
        assert_eq!(stop_in_time(&mut machine, signal), 0);
        assert!(machine.outcomes().is_empty());
        machine.remove("gated");
    }
}

#[test]
fn stopped_at_rest_it_ends_with_the_code_of_its_last_outcome() {
    let bench = Bench::new();
    let mut machine = bench.machine("n1");
    let table = [("no_action", "nothing", 0), ("health_blocked", "sick", 3)];
    for (outcome, file, code) in table {
        machine.touch(file);
        for signal in STOPS {
            machine.start();
            bench.wait(outcome, || machine.last_outcome() == outcome);
            assert_eq!(stop_in_time(&mut machine, signal), code, "{outcome}");
            machine.forget_log();
        }
    }
}

#[test]
fn stopped_in_line_it_leaves_its_place_and_ends_with_4() {
    let bench = Bench::new();
    let mut machines = bench.machines(2);
    machines[0].script("reboot", NOTHING);
    machines[0].touch("sentinel");
    machines[0].start();
    bench.wait("the first holds", || machines[0].calls() == 1);
    machines[1].touch("sentinel");
    for signal in STOPS {
        machines[1].start();
        bench.wait_in_store("it waits in line", |fleet| {
            let group = fleet.groups.values().next().unwrap();
            group.line.tickets().len() == 1
        });
        bench.wait("it says so", || machines[1].has_outcome("lock_unavailable"));
        assert_eq!(stop_in_time(&mut machines[1], signal), 4);
        let group = bench.look().groups.into_values().next().unwrap();
        assert!(group.line.tickets().is_empty());
        machines[1].forget_log();
    }
    assert_eq!(machines[1].run(&["status"]).code, 4);
    assert_eq!(machines[1].run(&["run", "--once"]).code, 4);
}

#[test]
fn stopped_under_its_claim_it_gives_it_back() {
    let bench = Bench::new();
    let mut machine = bench.machine("n1");
    machine.gate("gate.post-lock");
    machine.touch("sentinel");
    for signal in STOPS {
        machine.start();
        bench.wait("it has claimed", || machine.has("gated"));
        assert_eq!(bench.phase("n1"), Some(Phase::Claimed));
        assert_eq!(stop_in_time(&mut machine, signal), 0);
        assert_eq!(bench.phase("n1"), None);
        machine.remove("gated");
    }
    assert_eq!(machine.calls(), 0);
}

#[test]
fn stopped_while_draining_it_keeps_its_hold() {
    let bench = Bench::new();
    let mut machine = bench.machine("n1");
    machine.gate("gate.hook");
    let hook = "echo $$ >> \"$DIR/pids\"; touch \"$DIR/drained\"; read -r _ < \"$DIR/gate.hook\"";
    machine.script("hooks/pre-reboot.d/10-drain", hook);
    machine.touch("sentinel");
    machine.start();
    bench.wait("the hook runs", || machine.has("drained"));
    assert_eq!(stop_in_time(&mut machine, Signal::SIGTERM), 0);
    assert_eq!(bench.phase("n1"), Some(Phase::Draining));
}

#[test]
fn stopped_after_the_return_it_keeps_its_hold_and_ends_with_3() {
    let bench = Bench::new();
    let mut machine = bench.machine("n1");
    machine.touch("sentinel");
    machine.start();
    bench.wait("it goes", || machine.has("down"));
    machine.touch("sick.post-reboot");
    machine.power_cycle(&bench, Signal::SIGTERM);
    bench.wait("the check fails", || machine.has_outcome("health_blocked"));
    assert_eq!(stop_in_time(&mut machine, Signal::SIGINT), 3);
    assert_eq!(bench.phase("n1"), Some(Phase::Returned));
}

#[test]
fn diagnostic_passes_end_with_the_code_of_their_outcome() {
    let bench = Bench::new();
    let machine = bench.machine("n1");
    let code_is = |code: i32, outcome: &str| {
        for args in [&["status"][..], &["run", "--once"]] {
            let ran = machine.run(args);
            assert_eq!(ran.code, code, "{args:?}: {} {}", ran.stdout, ran.stderr);
            let line = format!("outcome: {outcome} - ");
            assert!(ran.stdout.contains(&line), "{args:?}: {}", ran.stdout);
        }
    };
    code_is(0, "no_action");
    machine.touch("sentinel");
    code_is(0, "ready");
    machine.touch("sick.post-lock");
    code_is(3, "health_blocked");
    machine.touch("sick.pre-lock");
    code_is(3, "health_blocked");
    machine.touch("kill-switch");
    code_is(5, "kill_switch_active");
    assert_eq!((machine.calls(), bench.holds().len()), (0, 0));
}

#[test]
fn what_cannot_be_set_up_ends_with_1() {
    let bench = Bench::new();
    let machine = bench.machine("n1");
    machine.remove("boot_id");
    for args in [&["status"][..], &["run", "--once"], &["run"]] {
        let ran = machine.run(args);
        assert_eq!(ran.code, 1, "{args:?}");
        assert!(ran.stderr.contains("boot_id"), "{}", ran.stderr);
    }
}

#[test]
fn a_store_of_a_later_version_ends_with_1_and_says_what_to_do() {
    let bench = Bench::new();
    let mut machine = bench.machine("n1");
    machine.set("store", "{kubernetes: {}}");
    for args in [&["status"][..], &["run", "--once"], &["run"]] {
        let ran = machine.run(args);
        assert_eq!(ran.code, 1, "{args:?}");
        assert!(ran.stderr.contains("store.kubernetes"), "{}", ran.stderr);
        assert!(ran.stderr.contains("store.etcd"), "{}", ran.stderr);
    }
    assert_eq!(machine.run(&["validate-config"]).code, 0);
}

#[test]
fn a_file_that_names_no_store_ends_with_2_and_says_which_there_are() {
    let bench = Bench::new();
    let mut machine = bench.machine("n1");
    machine.unset("store");
    for args in [&["status"][..], &["run", "--once"], &["validate-config"]] {
        let ran = machine.run(args);
        assert_eq!(ran.code, 2, "{args:?}: {}", ran.stderr);
        for name in ["embedded: {}", "etcd_endpoints"] {
            assert!(ran.stderr.contains(name), "{}", ran.stderr);
        }
    }
}

#[test]
fn a_metrics_address_in_use_ends_with_1() {
    let bench = Bench::new();
    let mut machine = bench.machine("n1");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    machine.set("metrics", format!("{{enabled: true, listen: '{address}'}}"));
    let ran = machine.run(&["run"]);
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains(&address.to_string()), "{}", ran.stderr);
}

#[test]
fn an_invalid_configuration_ends_with_2_for_every_command() {
    let bench = Bench::new();
    let mut machine = bench.machine("n1");
    machine.set("lock_ttl_sec", 1).set("no_such_key", 1);
    for args in [
        &["run"][..],
        &["run", "--once"],
        &["status"],
        &["simulate"],
        &["validate-config"],
    ] {
        let ran = machine.run(args);
        assert_eq!(ran.code, 2, "{args:?}");
        assert!(ran.stderr.contains("lock_ttl_sec") && ran.stderr.contains("no_such_key"));
    }
}

#[test]
fn simulate_ends_with_6_when_a_detector_fails() {
    let bench = Bench::new();
    let mut machine = bench.machine("n1");
    assert_eq!(machine.run(&["simulate"]).code, 0);
    machine.touch("sentinel");
    assert_eq!(machine.run(&["simulate"]).code, 0);
    let detectors = "[{type: command, cmd: [/no/such/program]}, {type: file, path: /}]";
    machine.set("reboot_required_detectors", detectors);
    let ran = machine.run(&["simulate"]);
    assert_eq!(ran.code, 6);
    assert!(ran.stdout.contains("reboot-required") && ran.stdout.contains("error"));
    assert!(!bench.store_path().exists(), "no store was touched");
    assert!(machine.lines("phases").is_empty(), "no script ran");
}

#[test]
fn a_usage_error_ends_with_64() {
    let bench = Bench::new();
    let machine = bench.machine("n1");
    for args in [&["run", "--bogus"][..], &["status", "--once"], &["bogus"]] {
        assert_eq!(machine.run(args).code, 64, "{args:?}");
    }
}
