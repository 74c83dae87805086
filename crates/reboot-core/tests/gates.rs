//! The gates of a pass: their order, their outcomes, and that every reason is listed.

// A test fails best where it fails, and its functions need no documentation.
#![allow(clippy::unwrap_used, missing_docs)]

use reboot_core::agent::{Mode, Settings, Zone};
use reboot_core::backoff::Backoff;
use reboot_core::boot::BootIdentity;
use reboot_core::gates::{Bench, Evidence, Findings, Local, ScriptVerdict, Seen, judge};
use reboot_core::group::{Cooldown, Identity};
use reboot_core::id::{GroupName, Instance, MachineId, NodeName};
use reboot_core::need::{Detection, Satisfied};
use reboot_core::outcome::{Outcome, Report};
use reboot_core::policy::Policies;
use reboot_core::window::{Window, Windows};

fn settings() -> Settings {
    Settings {
        identity: Identity {
            node: NodeName::new("node-a").unwrap(),
            machine_id: MachineId::new("machine-a").unwrap(),
            boot: BootIdentity::of_boot("boot-1"),
            instance: Instance::new("run-1").unwrap(),
        },
        pid: 1,
        place: "a store".to_owned(),
        group: GroupName::default(),
        max: 1,
        mode: Mode::Daemon,
        is_dry_run: false,
        dead_former: None,
        check_interval_ms: 60_000,
        publish_interval_ms: 15_000,
        stale_after_ms: 180_000,
        lock_ttl_ms: 90_000,
        audit_interval_ms: 300_000,
        backoff: Backoff {
            min_ms: 5_000,
            max_ms: 60_000,
        },
        interval_secs: 0,
        reboot_timeout_ms: 600_000,
        hook_timeout_ms: 300_000,
        soak_ms: 0,
        delay_ms: 0,
        max_reboots_per_day: 3,
        windows: Windows::default(),
        zone: Zone::utc(),
        policies: Policies::default(),
    }
}

/// Every gate closed at once.
fn all_closed() -> (Settings, Evidence, Satisfied) {
    let mut settings = settings();
    settings
        .windows
        .deny
        .push(Window::parse("* 00:00-00:00").unwrap());
    let detection = Detection {
        fired: vec!["kernel".to_owned()],
        fingerprint: "kernel=1".to_owned(),
        failed: vec!["detector other: timed out after 5 s".to_owned()],
    };
    let findings = Findings {
        cluster: vec!["node-b is unhealthy".to_owned()],
        pause: Some("ada paused the fleet: release".to_owned()),
        cooldown: Some(Cooldown {
            node: NodeName::new("node-b").unwrap(),
            duration_secs: 300,
            remaining_ms: 61_500,
            started_at: String::new(),
        }),
        marks: 3,
        identity_conflict: true,
        ..Findings::default()
    };
    let local = Local {
        kill_switch: Ok(true),
        inhibitors: vec!["ada asks to wait: backup".to_owned()],
    };
    let evidence = Evidence {
        local: Some(Seen {
            at_ms: 1,
            what: local,
        }),
        detection: Some(Seen {
            at_ms: 1,
            what: detection,
        }),
        health: Some(Seen {
            at_ms: 1,
            what: ScriptVerdict::Blocked("exit code 3".to_owned()),
        }),
        fleet: Some(Seen {
            at_ms: 1,
            what: Ok(findings),
        }),
    };
    let satisfied = Satisfied {
        fingerprint: "kernel=1".to_owned(),
        was_clear_since: false,
    };
    (settings, evidence, satisfied)
}

fn outcomes(settings: &Settings, evidence: &Evidence, satisfied: &Satisfied) -> Vec<Outcome> {
    let bench = Bench {
        settings,
        satisfied: Some(satisfied),
        was_issued: false,
        has_fenced: false,
        wall: "2026-03-07T11:45:12Z".parse().unwrap(),
    };
    judge(evidence, &bench)
        .into_iter()
        .map(|blocker| blocker.outcome)
        .collect()
}

#[test]
fn every_reason_is_listed_in_the_order_of_the_pass() {
    let (settings, evidence, satisfied) = all_closed();
    let expected = [
        Outcome::KillSwitchActive,
        Outcome::WindowDenied,
        Outcome::Error,
        Outcome::NeedIneffective,
        Outcome::IdentityConflict,
        Outcome::HealthBlocked, // a peer
        Outcome::HealthBlocked, // the script
        Outcome::HeldBack,
        Outcome::Paused,
        Outcome::RebootLimit,
        Outcome::CooldownActive,
    ];
    assert_eq!(outcomes(&settings, &evidence, &satisfied), expected);
}

/// Opening the gates one by one from the front makes each of them the outcome in its turn.
#[test]
fn the_first_closed_gate_is_the_outcome() {
    let (mut settings, mut evidence, mut satisfied) = all_closed();
    let mut seen = Vec::new();
    for gate in 0..11 {
        let blocked = outcomes(&settings, &evidence, &satisfied);
        seen.extend(blocked.first().copied());
        let findings = evidence.fleet.as_mut().unwrap().what.as_mut().unwrap();
        let local = &mut evidence.local.as_mut().unwrap().what;
        match gate {
            0 => local.kill_switch = Ok(false),
            1 => settings.windows = Windows::default(),
            2 => evidence.detection.as_mut().unwrap().what.failed.clear(),
            3 => satisfied.was_clear_since = true,
            4 => findings.identity_conflict = false,
            5 => findings.cluster.clear(),
            6 => evidence.health.as_mut().unwrap().what = ScriptVerdict::Pass,
            7 => local.inhibitors.clear(),
            8 => findings.pause = None,
            9 => findings.marks = 2,
            _ => findings.cooldown = None,
        }
    }
    assert_eq!(seen.len(), 11, "{seen:?}");
    assert_eq!(outcomes(&settings, &evidence, &satisfied), []);
}

#[test]
fn a_gate_that_was_not_looked_at_is_silent() {
    let satisfied = Satisfied {
        fingerprint: String::new(),
        was_clear_since: true,
    };
    assert_eq!(outcomes(&settings(), &Evidence::default(), &satisfied), []);
}

#[test]
fn messages_say_what_and_until_when() {
    let (settings, evidence, satisfied) = all_closed();
    let bench = Bench {
        settings: &settings,
        satisfied: Some(&satisfied),
        was_issued: true,
        has_fenced: false,
        wall: "2026-03-07T11:45:12Z".parse().unwrap(),
    };
    let report = Report::blocked(judge(&evidence, &bench)).unwrap();
    let text: Vec<&str> = report
        .blockers
        .iter()
        .map(|it| it.message.as_str())
        .collect();
    let text = text.join("\n");
    for part in [
        "inside the deny window \"* 00:00-00:00\"",
        "62 s are left",
        "rebooted 3 times in the last day, 3 are allowed",
        "exit code 3",
        "ada paused the fleet: release",
        "reboot it by hand",
    ] {
        assert!(text.contains(part), "{part} is not in:\n{text}");
    }
}

#[test]
fn after_the_own_fence_the_own_cooldown_and_mark_are_no_obstacle() {
    let (settings, evidence, satisfied) = all_closed();
    let bench = |has_fenced| Bench {
        settings: &settings,
        satisfied: Some(&satisfied),
        was_issued: false,
        has_fenced,
        wall: "2026-03-07T11:45:12Z".parse().unwrap(),
    };
    let has = |has_fenced, outcome| {
        judge(&evidence, &bench(has_fenced))
            .iter()
            .any(|it| it.outcome == outcome)
    };
    for outcome in [Outcome::CooldownActive, Outcome::RebootLimit] {
        assert!(has(false, outcome) && !has(true, outcome), "{outcome}");
    }
    assert!(
        has(true, Outcome::Paused),
        "a pause stops the second try too"
    );
}

#[test]
fn verdicts_grow_old() {
    let (_, mut evidence, _) = all_closed();
    evidence.health.as_mut().unwrap().at_ms = 20_000;
    assert_eq!(evidence.oldest_ms(), Some(1));
    assert!(evidence.is_fresh(10_001, 10_000) && !evidence.is_fresh(10_002, 10_000));
    evidence.drop_older_than(21_000, 5_000);
    assert!(evidence.health.is_some() && evidence.local.is_none() && evidence.fleet.is_none());
    assert_eq!(evidence.oldest_ms(), None, "what is missing is not fresh");
}
