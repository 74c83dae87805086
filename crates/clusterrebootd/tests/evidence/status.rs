//! `status` and `run --once`: they look, they try, and they leave nothing behind.

use crate::bench::Bench;
use crate::scripts::NOTHING;
use nix::sys::signal::Signal;
use reboot_core::boot::BootIdentity;
use reboot_core::group::{Action, Identity, Phase, Request};
use reboot_core::id::{GroupName, Instance, MachineId, NodeName, RequestId, SessionId};
use reboot_core::line::Ticket;
use reboot_core::write::Write;
use serde_json::Value;

#[test]
fn status_publishes_nothing_and_once_does() {
    let bench = Bench::new();
    let machine = bench.machine("n1");
    machine.touch("sentinel");
    assert_eq!(machine.run(&["status"]).code, 0);
    assert!(bench.look().nodes.is_empty());
    assert_eq!(machine.run(&["run", "--once"]).code, 0);
    assert_eq!(bench.look().nodes.len(), 1);
    assert!(bench.look().presences.is_empty());
    assert_eq!((machine.calls(), bench.holds().len()), (0, 0));
}

#[test]
fn the_report_shows_detectors_scripts_lock_and_command() {
    let bench = Bench::new();
    let machine = bench.machine("n1");
    machine.touch("sentinel");
    for args in [&["status"][..], &["run", "--once"]] {
        let ran = machine.run(args);
        for part in [
            "detector sentinel: reboot-required (",
            "health pre-lock: pass (",
            "health post-lock: pass (",
            "exit code 0",
            "lock: acquired",
            "outcome: ready - ",
            "/n1/reboot n1\n",
            "dry-run: true\n",
        ] {
            assert!(
                ran.stdout.contains(part),
                "{args:?} {part}:\n{}",
                ran.stdout
            );
        }
    }
}

#[test]
fn status_tells_of_a_slot_that_the_node_has_from_its_former_boot() {
    let bench = Bench::new();
    let mut machine = bench.machine("n1");
    machine.touch("sentinel");
    machine.start();
    bench.wait("it goes", || machine.has("down"));
    machine.go_down(Signal::SIGKILL);
    std::fs::remove_file(machine.file("sentinel")).unwrap();
    let said = machine.run(&["status"]).stdout;
    let line = "this node holds a slot: number 1 of group default, rebooting, since ";
    assert!(said.contains(line), "{said}");
    let report = machine.run(&["status", "-o", "json"]).stdout;
    let report: Value = serde_json::from_str(&report).unwrap();
    let hold = report["hold"].as_str().unwrap();
    assert!(hold.starts_with("number 1 of group default"), "{hold}");
    machine.come_back(&bench);
    bench.wait("it is back and well", || machine.has("run/rebooted"));
    let said = machine.run(&["status"]).stdout;
    assert!(!said.contains("holds a slot"), "{said}");
}

#[test]
fn status_lists_every_reason_that_blocks() {
    let bench = Bench::new();
    let mut other = bench.machine("n2");
    other.touch("sick");
    other.start();
    bench.wait("the other is known to be ill", || {
        bench.look().nodes.len() == 1
    });
    let mut machine = bench.machine("n1");
    machine.set("windows", "{deny: ['* 00:00-00:00']}");
    for file in ["sentinel", "kill-switch", "sick.pre-lock"] {
        machine.touch(file);
    }
    let ran = machine.run(&["status", "-o", "json"]);
    assert_eq!(ran.code, 5);
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    let names: Vec<&str> = report["blockers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["status"].as_str().unwrap())
        .collect();
    let expected = [
        "kill_switch_active",
        "window_denied",
        "health_blocked", // the peer
        "health_blocked", // the script
    ];
    assert_eq!(names, expected, "{report:#}");
    assert_eq!(report["outcome"], "kill_switch_active");
    assert_eq!(report["exit_code"], 5);
    assert_eq!(report["health"][0]["output"], "the disk smells\n");
    let text = machine.run(&["status"]).stdout;
    for name in ["outcome: kill_switch_active", "also: window_denied"] {
        assert!(text.contains(name), "{text}");
    }
}

#[test]
fn skips_are_obeyed_and_told_to_the_script() {
    let bench = Bench::new();
    let mut other = bench.machine("n2");
    other.touch("sick");
    other.start();
    bench.wait("the other is known to be ill", || {
        bench.look().nodes.len() == 1
    });
    let machine = bench.machine("n1");
    machine.touch("sentinel");
    machine.touch("wants-env");
    let ran = machine.run(&["status", "--skip-lock"]);
    assert_eq!(ran.code, 0, "peers are not asked: {}", ran.stdout);
    assert!(
        ran.stdout.contains("outcome: lock_skipped"),
        "{}",
        ran.stdout
    );
    let variables = machine.lines("env.pre-lock");
    for line in [
        "RC_SKIP_LOCK=true",
        "RC_LOCK_ENABLED=false",
        "RC_DRY_RUN=true",
    ] {
        assert!(
            variables.contains(&line.to_owned()),
            "{line}: {variables:?}"
        );
    }
    assert_eq!(machine.run(&["status"]).code, 3, "the ill peer");
    other.remove("sick");
    bench.wait_in_store("it is well", |fleet| {
        fleet
            .nodes
            .values()
            .all(|entry| entry.record.health.healthy)
    });
    std::fs::remove_file(machine.file("phases")).unwrap();
    machine.touch("sick");
    let ran = machine.run(&["status", "-skip-health"]);
    assert_eq!(ran.code, 0, "{}", ran.stdout);
    assert!(ran.stdout.contains("outcome: ready"), "{}", ran.stdout);
    assert!(machine.lines("phases").is_empty(), "the script did not run");
}

#[test]
fn a_diagnostic_pass_does_not_overtake_who_waits() {
    let bench = Bench::new();
    let machine = bench.machine("n1");
    machine.touch("sentinel");
    let identity = Identity {
        node: NodeName::new("n2").unwrap(),
        machine_id: MachineId::new("0123456789abcdef0123456789abcdef").unwrap(),
        boot: BootIdentity::of_boot("01234567-89ab-cdef-0123-456789abcdef"),
        instance: Instance::new("other").unwrap(),
    };
    let session = SessionId::new("other.1").unwrap();
    bench.write(Write::OpenSession {
        session: session.clone(),
        identity: identity.clone(),
        ttl_ms: 600_000,
    });
    bench.write(Write::Join {
        group: GroupName::new("default").unwrap(),
        ticket: Ticket {
            number: 0,
            node: identity.node,
            instance: identity.instance,
            session,
            since: String::new(),
        },
    });
    bench.write(Write::Ask {
        group: GroupName::new("default").unwrap(),
        create_with_max: Some(1),
        request: Request {
            id: RequestId::new("olga.1").unwrap(),
            at: String::new(),
            action: Action::SetMax {
                max: 1,
                by: "olga".to_owned(),
            },
        },
    });
    for args in [&["status"][..], &["run", "--once"]] {
        let ran = machine.run(args);
        assert_eq!(ran.code, 4, "{args:?}\n{}", ran.stdout);
        assert!(
            ran.stdout.contains("outcome: lock_unavailable"),
            "{}",
            ran.stdout
        );
        assert!(ran.stdout.contains("lock: not acquired"), "{}", ran.stdout);
        let ahead = "outcome: lock_unavailable - ahead in line: n2\n";
        assert!(ran.stdout.contains(ahead), "{}", ran.stdout);
    }
}

#[test]
fn status_names_who_holds_in_which_phase_and_since_when() {
    let bench = Bench::new();
    let mut holder = bench.machine("n1");
    holder.script("reboot", NOTHING);
    holder.touch("sentinel");
    holder.start();
    bench.wait("it holds", || bench.phase("n1") == Some(Phase::Rebooting));
    let machine = bench.machine("n2");
    machine.touch("sentinel");
    let since = bench.holds()[0].acquired_at.clone();
    let minute = &since[.."2026-11-21T06:39".len()];
    for args in [&["status"][..], &["run", "--once"]] {
        let ran = machine.run(args);
        assert_eq!(ran.code, 4, "{args:?}\n{}", ran.stdout);
        let holder = "lock_unavailable - every slot is taken by n1 (rebooting, holds since ";
        let (_, at) = ran.stdout.split_once(holder).unwrap_or_default();
        assert!(at.starts_with(minute), "{minute}: {}", ran.stdout);
    }
    machine.touch("kill-switch");
    let ran = machine.run(&["status"]);
    assert_eq!(ran.code, 5);
    let also = "also: lock_unavailable - every slot is taken by n1 (rebooting, holds since ";
    assert!(ran.stdout.contains(also), "{}", ran.stdout);
    let ran = machine.run(&["status", "--skip-lock"]);
    assert!(!ran.stdout.contains("every slot"), "{}", ran.stdout);
}

#[test]
fn a_diagnostic_pass_leaves_the_hold_of_its_own_daemon_alone() {
    let bench = Bench::new();
    let mut machine = bench.machine("n1");
    machine.script("reboot", NOTHING);
    machine.touch("sentinel");
    machine.start();
    bench.wait("it holds", || machine.says("try 1 in this boot"));
    for args in [&["status"][..], &["run", "--once"]] {
        let ran = machine.run(args);
        assert_ne!(ran.code, 0, "{args:?}\n{}", ran.stdout);
        assert_eq!(bench.phase("n1"), Some(Phase::Rebooting));
    }
    assert_eq!(machine.calls(), 1);
    assert!(machine.is_alive());
}
