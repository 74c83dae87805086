//! What others hear of the daemon: scripts, logs, metrics, the service manager.

use crate::bench::Bench;
use crate::machine::Machine;
use jiff::Timestamp;
use nix::sys::signal::Signal;
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

fn variables(machine: &Machine, phase: &str) -> BTreeMap<String, String> {
    let lines = machine.lines(&format!("env.{phase}"));
    let pairs = lines.iter().filter_map(|line| line.split_once('='));
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[test]
fn the_script_is_told_what_the_contract_says() {
    let bench = Bench::new();
    let mut machine = bench.machine("n1");
    machine
        .set("metrics", "{enabled: true, listen: '127.0.0.1:0'}")
        .set("windows", "{allow: ['* 00:00-12:00', '* 12:00-00:00']}")
        .set("lock_key", "/fleet/lock");
    let policies = "{min_healthy_fraction: 0.5, min_healthy_absolute: 1, fallback_nodes: [f1, f2]}";
    machine.set("cluster_policies", policies);
    machine.variable("FROM_OUTSIDE", "yes");
    for file in ["wants-env", "sentinel"] {
        machine.touch(file);
    }
    machine.start();
    bench.wait("it goes", || machine.has("down"));
    let fixed = [
        ("RC_NODE_NAME", "n1"),
        ("RC_DRY_RUN", "false"),
        ("RC_LOCK_KEY", "/fleet/lock"),
        (
            "RC_KILL_SWITCH_FILE",
            &machine.file("kill-switch").display().to_string(),
        ),
        ("RC_CLUSTER_MIN_HEALTHY_FRACTION", "0.5"),
        ("RC_CLUSTER_MIN_HEALTHY_ABSOLUTE", "1"),
        ("RC_CLUSTER_FORBID_IF_ONLY_FALLBACK_LEFT", "false"),
        ("RC_CLUSTER_FALLBACK_NODES", "f1,f2"),
        ("RC_WINDOWS_ALLOW", "* 00:00-12:00,* 12:00-00:00"),
        ("FROM_OUTSIDE", "yes"),
    ];
    let runs = [("pre-lock", "false", "0"), ("post-lock", "true", "1")];
    for (phase, held, attempts) in runs {
        let told = variables(&machine, phase);
        let of_run = [
            ("RC_PHASE", phase),
            ("RC_LOCK_ENABLED", "true"),
            ("RC_LOCK_HELD", held),
            ("RC_LOCK_ATTEMPTS", attempts),
        ];
        for (name, value) in fixed.iter().chain(&of_run) {
            assert_eq!(
                told.get(*name).map(String::as_str),
                Some(*value),
                "{phase} {name}"
            );
        }
        for absent in [
            "RC_ETCD_ENDPOINTS",
            "RC_WINDOWS_DENY",
            "RC_SKIP_LOCK",
            "RC_SKIP_HEALTH",
        ] {
            assert!(!told.contains_key(absent), "{phase} {absent}");
        }
        assert_eq!(told["RC_METRICS_ENDPOINT"], machine.endpoint());
    }
}

#[test]
fn a_whole_reboot_is_logged_in_the_contracts_words() {
    let bench = Bench::new();
    let mut machines = bench.machines(2);
    for machine in &mut machines {
        machine.set("min_reboot_interval_sec", 1).start();
    }
    let machine = &mut machines[0];
    machine.touch("sentinel");
    bench.wait("it goes", || machine.has("down"));
    machine.power_cycle(&bench, Signal::SIGTERM);
    bench.wait_for_no_hold();
    bench.wait("all is calm", || machine.last_outcome() == "no_action");
    machine.stop();
    let fields = [
        "component",
        "event",
        "fields",
        "level",
        "message",
        "node",
        "ts",
    ];
    let mut events = BTreeSet::new();
    for line in machine.log() {
        let line = line.as_object().unwrap();
        let names: BTreeSet<&str> = line.keys().map(String::as_str).collect();
        assert_eq!(names, fields.into(), "{line:?}");
        let ts = line["ts"].as_str().unwrap();
        assert!(ts.parse::<Timestamp>().is_ok() && ts.ends_with('Z'), "{ts}");
        assert!(["info", "warn", "error"].contains(&line["level"].as_str().unwrap()));
        assert_eq!(line["node"], "n1");
        assert!(line["fields"].is_object());
        if line["component"] == "orchestrator" {
            events.insert(line["event"].as_str().unwrap().to_owned());
        }
    }
    for event in [
        "kill_switch",
        "maintenance_window",
        "detectors_evaluated",
        "health_check",
        "cluster_health_status",
        "cluster_health_update",
        "cluster_peer_status",
        "cooldown_started",
        "lock_attempt",
        "lock_acquired",
        "lock_released",
        "run_outcome",
        "reboot_fenced",
        "reboot_issued",
        "reboot_returned",
    ] {
        assert!(events.contains(event), "{event}: {events:?}");
    }
}

#[test]
fn an_outcome_that_has_not_changed_is_not_logged_again() {
    let bench = Bench::new();
    let mut machine = bench.machine("n1");
    machine.set("check_interval_sec", 1).start();
    bench.wait("several passes", || {
        let phases = machine.lines("phases");
        phases.iter().filter(|it| *it == "monitor").count() >= 3
    });
    assert_eq!(machine.outcomes(), ["no_action"]);
}

#[test]
fn metrics_tell_what_happened_at_any_path() {
    let bench = Bench::new();
    let mut machine = bench.machine("n1");
    machine.set("metrics", "{enabled: true, listen: '127.0.0.1:0'}");
    machine.set("min_reboot_interval_sec", 1);
    machine.touch("sentinel");
    machine.touch("sick.post-lock");
    machine.start();
    bench.wait("blocked", || machine.has_outcome("health_blocked"));
    for path in ["/metrics", "/", "/any?thing=1"] {
        let text = machine.scrape(path);
        for line in [
            "orchestration_outcomes_total{status=\"health_blocked\"} 1",
            "detector_evaluations_total{phase=\"pre-lock\",result=\"requires\"} 1",
            "detector_evaluation_seconds_count{phase=\"post-lock\",result=\"requires\"} 1",
            "health_checks_total{phase=\"pre-lock\",result=\"pass\"} 1",
            "health_checks_total{phase=\"post-lock\",result=\"blocked\"} 1",
            "health_check_seconds_bucket{le=\"+Inf\",phase=\"pre-lock\",result=\"pass\"} 1",
            "lock_attempts_total{result=\"success\"} 1",
            "lock_acquire_seconds_count{result=\"success\"} 1",
            "lock_release_seconds_count{result=\"success\"} 1",
            "kill_switch_checks_total{stage=\"pre-lock\",result=\"inactive\"} 1",
            "kill_switch_checks_total{stage=\"post-lock\",result=\"inactive\"} 1",
            "window_evaluations_total{result=\"allowed\"} 2",
            "cooldown_checks_total{phase=\"post-lock\",result=\"inactive\"} 1",
            "cluster_health_checks_total{phase=\"post-lock\",result=\"healthy\"} 1",
            "cluster_health_updates_total{phase=\"post-lock\",status=\"unhealthy\",",
        ] {
            let line = format!("clusterrebootd_{line}");
            assert!(text.contains(&line), "{path} {line}\n{text}");
        }
        assert!(text.contains("process_start_time_seconds "), "{path}");
        let timed = "clusterrebootd_lock_release_seconds_sum{result=\"success\"} ";
        let (_, seconds) = text.split_once(timed).unwrap();
        let seconds: f64 = seconds.lines().next().unwrap().parse().unwrap();
        assert!(seconds > 0.0, "{path}: giving back takes time");
    }
}

#[test]
fn the_service_manager_hears_of_readiness_status_watchdog_and_stop() {
    let bench = Bench::new();
    let mut machine = bench.machine("n1");
    let path = machine.file("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    machine.variable("NOTIFY_SOCKET", path.display());
    machine.variable("WATCHDOG_USEC", 1_000_000);
    machine.start();
    let mut heard = Vec::new();
    let mut hear_until = |is_enough: &dyn Fn(&[String]) -> bool| {
        while !is_enough(&heard) {
            let mut buffer = [0; 512];
            let length = socket.recv(&mut buffer).unwrap();
            let text = String::from_utf8(buffer[..length].to_vec()).unwrap();
            heard.extend(text.lines().map(str::to_owned));
        }
    };
    let count =
        |heard: &[String], what: &str| heard.iter().filter(|it| it.starts_with(what)).count();
    hear_until(&|it| count(it, "READY=1") == 1);
    hear_until(&|it| count(it, "STATUS=idle no_action") == 1);
    hear_until(&|it| count(it, "WATCHDOG=1") >= 3);
    machine.touch("sick.pre-lock");
    machine.touch("sentinel");
    hear_until(&|it| count(it, "STATUS=") >= 2 && it.last().unwrap().contains("health_blocked"));
    assert_eq!(machine.stop(), 3);
    hear_until(&|it| count(it, "STOPPING=1") == 1);
}

#[test]
fn a_second_daemon_of_a_node_is_refused_and_told_who_runs() {
    let bench = Bench::new();
    let mut first = bench.machine("n1");
    first.start();
    bench.wait("it runs", || first.has_outcome("no_action"));
    let mut second = bench.machine("n2");
    second.set("node_name", "n1");
    second.set("state_dir", first.file("state").display());
    second.start();
    bench.wait("it is refused", || second.exit_code().is_some());
    assert_eq!(second.exit_code(), Some(1));
    let said = second.lines("log").join("\n");
    assert!(said.contains(&first.pid().to_string()), "{said}");
    assert!(first.is_alive());
}

#[test]
fn a_dry_run_keeps_running_and_is_ready_once_a_need() {
    let bench = Bench::new();
    let mut machine = bench.machine("n1");
    machine.set("check_interval_sec", 1).touch("sentinel");
    machine.start_with(&["--dry-run"]);
    let passes = |machine: &Machine| {
        let phases = machine.lines("phases");
        phases.iter().filter(|it| *it == "pre-lock").count()
    };
    bench.wait("several passes", || passes(&machine) >= 3);
    assert_eq!(machine.outcomes(), ["ready"]);
    assert_eq!(machine.events("lock_acquired").len(), 1);
    assert_eq!((machine.calls(), bench.holds().len()), (0, 0));
    assert!(machine.is_alive());
    machine.remove("sentinel");
    bench.wait("the need is gone", || machine.last_outcome() == "no_action");
    machine.touch("sentinel");
    bench.wait("a new need", || machine.events("lock_acquired").len() == 2);
    bench.wait("ready again", || machine.last_outcome() == "ready");
    assert_eq!(machine.stop(), 0);
    assert!(machine.events("cooldown_started").is_empty());
}

#[test]
fn a_sentinel_is_noticed_at_once_even_below_a_directory_that_was_not_there() {
    let bench = Bench::new();
    let mut machine = bench.machine("n1");
    let detector = format!(
        "[{{type: file, path: {}}}]",
        machine.file("later/deep/sentinel").display()
    );
    machine.set("reboot_required_detectors", detector).start();
    bench.wait("at rest", || machine.has_outcome("no_action"));
    std::fs::create_dir_all(machine.file("later/deep")).unwrap();
    machine.touch("later/deep/sentinel");
    let appeared = std::time::Instant::now();
    bench.wait("it goes", || machine.has("down"));
    assert!(appeared.elapsed() < Duration::from_secs(5));
}
