//! The configuration is read again on SIGHUP: taken over as a whole, or not at all.

use crate::bench::Bench;
use crate::machine::Machine;
use nix::sys::signal::Signal;

fn running(bench: &Bench) -> Machine {
    let mut machine = bench.machine("n1");
    machine.start();
    bench.wait("at rest", || machine.has_outcome("no_action"));
    machine
}

#[test]
fn a_valid_configuration_is_applied_and_every_change_is_logged() {
    let bench = Bench::new();
    let mut machine = running(&bench);
    machine.touch("other-sentinel");
    let detector = format!(
        "[{{name: other, type: file, path: {}}}]",
        machine.file("other-sentinel").display()
    );
    machine
        .set("reboot_required_detectors", detector)
        .set("check_interval_sec", 7);
    machine.signal(Signal::SIGHUP);
    bench.wait("it goes by the new detector", || machine.has("down"));
    let reloaded = machine.events("config_reloaded");
    let keys: Vec<&str> = reloaded
        .iter()
        .filter_map(|it| it["fields"]["key"].as_str())
        .collect();
    for key in ["check_interval_sec", "reboot_required_detectors"] {
        assert!(keys.iter().any(|it| it.starts_with(key)), "{key}: {keys:?}");
    }
    let interval = reloaded
        .iter()
        .find(|it| it["fields"]["key"] == "check_interval_sec");
    assert_eq!(
        interval.unwrap()["fields"]["before"]
            .to_string()
            .trim_matches('"'),
        "3600"
    );
}

#[test]
fn an_invalid_configuration_is_refused_and_the_old_one_stays() {
    let bench = Bench::new();
    let mut machine = running(&bench);
    machine.set("kill_switch_file", machine.file("elsewhere").display());
    machine.set("lock_ttl_sec", 1);
    machine.signal(Signal::SIGHUP);
    bench.wait("refused", || !machine.events("config_refused").is_empty());
    let refused = machine.events("config_refused")[0]["message"].to_string();
    assert!(refused.contains("lock_ttl_sec"), "{refused}");
    machine.touch("elsewhere");
    machine.touch("sentinel");
    bench.wait("by the old one nothing blocks", || machine.has("down"));
}

#[test]
fn what_cannot_change_while_it_runs_is_refused_by_name() {
    let bench = Bench::new();
    for (key, value) in [
        ("node_name", "n9".to_owned()),
        ("lock_key", "/else".to_owned()),
        (
            "store",
            format!("{{embedded: {{path: {}/else.db}}}}", bench.path().display()),
        ),
    ] {
        let mut machine = running(&bench);
        machine.set(key, value);
        machine.signal(Signal::SIGHUP);
        bench.wait("refused", || !machine.events("config_refused").is_empty());
        let refused = machine.events("config_refused")[0]["message"].to_string();
        assert!(refused.contains(key), "{refused}");
        machine.set(key, "n1");
        assert!(machine.is_alive());
        assert_eq!(machine.stop(), 0);
        std::fs::remove_file(machine.file("log")).unwrap();
    }
}

#[test]
fn the_group_cannot_change_under_a_hold() {
    let bench = Bench::new();
    let mut machine = bench.machine("n1");
    machine.gate("gate.post-lock");
    machine.touch("sentinel");
    machine.start();
    bench.wait("it has claimed", || machine.has("gated"));
    machine.set("group", "other");
    machine.signal(Signal::SIGHUP);
    bench.wait("refused", || !machine.events("config_refused").is_empty());
    assert!(machine.says("group cannot change"));
    machine.open_gate("gate.post-lock");
    bench.wait("it goes on", || machine.has("down"));
    assert_eq!(bench.holds()[0].number, 1);
}
