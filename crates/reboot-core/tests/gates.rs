//! The gates of a pass: the contract's order, every reason, the first is the outcome.

// A test fails best where it fails, and its functions need no documentation.
#![allow(clippy::unwrap_used, missing_docs)]

use reboot_core::agent::{Mode, Settings, Zone};
use reboot_core::backoff::Backoff;
use reboot_core::boot::BootIdentity;
use reboot_core::fleet::{Fleet, GroupEntry, Health, NodeEntry, NodeRecord};
use reboot_core::gates::{
    Bench, Evidence, Findings, Local, ScriptVerdict, Seen, VERDICT_LIFE_MS, VERDICT_RENEW_MS, judge,
};
use reboot_core::group::{Cooldown, Group, Hold, Identity, Pause, Phase, Presence};
use reboot_core::id::{GroupName, Instance, MachineId, NodeName, RequestId, SessionId};
use reboot_core::line::{Line, Ticket};
use reboot_core::need::{Detection, Satisfied};
use reboot_core::outcome::{Outcome, Report};
use reboot_core::policy::Policies;
use reboot_core::undo::Undo;
use reboot_core::window::{Window, Windows};
use std::collections::BTreeSet;

fn node(name: &str) -> NodeName {
    NodeName::new(name).unwrap()
}

fn identity(name: &str, boot: &str) -> Identity {
    Identity {
        node: node(name),
        machine_id: MachineId::new(name).unwrap(),
        boot: BootIdentity::of_boot(boot),
        instance: Instance::new(format!("run-{boot}")).unwrap(),
    }
}

fn settings() -> Settings {
    Settings {
        identity: identity("me", "boot"),
        pid: 1,
        place: "memory".to_owned(),
        group: GroupName::default(),
        max: 1,
        max_as_written: Some(1),
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

fn seen<T>(what: T) -> Option<Seen<T>> {
    Some(Seen { at_ms: 0, what })
}

/// Evidence in which every gate is open.
fn open() -> Evidence {
    Evidence {
        local: seen(Local {
            kill_switch: Ok(false),
            inhibitors: Vec::new(),
        }),
        detection: seen(Detection {
            fired: vec!["kernel".to_owned()],
            fingerprint: "6.1".to_owned(),
            failed: Vec::new(),
        }),
        health: seen(ScriptVerdict::Pass),
        fleet: seen(Ok(Findings::default())),
    }
}

fn cooldown() -> Option<Cooldown> {
    Some(Cooldown {
        node: node("peer"),
        duration_secs: 60,
        remaining_ms: 30_500,
        started_at: String::new(),
    })
}

fn pause() -> Pause {
    Pause {
        by: "ann".to_owned(),
        reason: "storage work".to_owned(),
        until: None,
        session: None,
    }
}

/// Evidence in which every gate is closed that can be closed at once.
fn closed() -> Evidence {
    let mut evidence = open();
    let local = &mut evidence.local.as_mut().unwrap().what;
    local.kill_switch = Ok(true);
    local.inhibitors = vec!["bob: burning a disc".to_owned()];
    evidence.detection.as_mut().unwrap().what.failed = vec!["apt: timed out".to_owned()];
    evidence.health.as_mut().unwrap().what = ScriptVerdict::Blocked("exit 3".to_owned());
    evidence.fleet = seen(Ok(Findings {
        cluster: vec!["peer is unwell".to_owned(), "too few are well".to_owned()],
        pause: Some("ann paused the fleet: storage work".to_owned()),
        held_back: Some("ann holds me back: its disk is on trial".to_owned()),
        cooldown: cooldown(),
        marks: 3,
        identity_conflict: true,
        ..Findings::default()
    }));
    evidence
}

fn outcomes(evidence: &Evidence, bench: &Bench<'_>) -> Vec<Outcome> {
    let blockers = judge(evidence, bench);
    blockers
        .into_iter()
        .map(|blocker| blocker.outcome)
        .collect()
}

fn bench(settings: &Settings) -> Bench<'_> {
    Bench {
        settings,
        satisfied: None,
        was_issued: false,
        is_ordered: false,
        has_fenced: false,
        wall: "2026-03-02T12:00:00Z".parse().unwrap(), // a Monday
    }
}

fn denied() -> Settings {
    Settings {
        windows: Windows {
            deny: vec![Window::parse("Mon 08:00-18:00").unwrap()],
            allow: Vec::new(),
        },
        ..settings()
    }
}

#[test]
fn open_gates_say_nothing() {
    assert_eq!(outcomes(&open(), &bench(&settings())), []);
    assert_eq!(Report::blocked(judge(&open(), &bench(&settings()))), None);
}

#[test]
fn every_reason_is_listed_in_the_order_of_the_pass() {
    let settings = denied();
    let satisfied = Satisfied {
        fingerprint: "6.1".to_owned(),
        was_clear_since: false,
    };
    let bench = Bench {
        satisfied: Some(&satisfied),
        was_issued: true,
        ..bench(&settings)
    };
    let expected = [
        Outcome::KillSwitchActive,
        Outcome::WindowDenied,
        Outcome::Error,
        Outcome::NeedIneffective,
        Outcome::RebootOverdue,
        Outcome::IdentityConflict,
        Outcome::HealthBlocked,
        Outcome::HealthBlocked,
        Outcome::HealthBlocked,
        Outcome::HeldBack,
        Outcome::Paused,
        Outcome::HeldBack,
        Outcome::RebootLimit,
        Outcome::CooldownActive,
    ];
    assert_eq!(outcomes(&closed(), &bench), expected);
    let report = Report::blocked(judge(&closed(), &bench)).unwrap();
    assert_eq!(
        report.outcome,
        Outcome::KillSwitchActive,
        "the first is the outcome"
    );
    assert_eq!(report.blockers.len(), expected.len());
}

/// How a gate is closed, the outcome, whether others share the reason, and a part of the message.
type Closing = (fn(&mut Evidence), Outcome, bool, &'static str);

fn found(evidence: &mut Evidence) -> &mut Findings {
    evidence.fleet.as_mut().unwrap().what.as_mut().unwrap()
}

fn gates_of_the_node() -> [Closing; 5] {
    [
        (
            |it| it.local.as_mut().unwrap().what.kill_switch = Ok(true),
            Outcome::KillSwitchActive,
            false,
            "kill switch",
        ),
        (
            |it| it.local.as_mut().unwrap().what.kill_switch = Err("no access".to_owned()),
            Outcome::Error,
            false,
            "no access",
        ),
        (
            |it| it.local.as_mut().unwrap().what.inhibitors = vec!["bob: disc".to_owned()],
            Outcome::HeldBack,
            false,
            "bob: disc",
        ),
        (
            |it| it.detection.as_mut().unwrap().what.failed = vec!["apt: slow".to_owned()],
            Outcome::Error,
            false,
            "apt: slow",
        ),
        (
            |it| it.health.as_mut().unwrap().what = ScriptVerdict::Failed("timed out".to_owned()),
            Outcome::HealthBlocked,
            false,
            "timed out",
        ),
    ]
}

fn gates_of_the_fleet() -> [Closing; 5] {
    [
        (
            |it| it.fleet = seen(Err("no route".to_owned())),
            Outcome::LockUnavailable,
            true,
            "no route",
        ),
        (
            |it| found(it).cluster = vec!["peer is unwell".to_owned()],
            Outcome::HealthBlocked,
            true,
            "peer is unwell",
        ),
        (
            |it| found(it).pause = Some("ann paused the group: lunch".to_owned()),
            Outcome::Paused,
            true,
            "ann paused",
        ),
        (
            |it| found(it).marks = 3,
            Outcome::RebootLimit,
            false,
            "3 times",
        ),
        (
            |it| found(it).cooldown = cooldown(),
            Outcome::CooldownActive,
            true,
            "peer runs, 31 s",
        ),
    ]
}

#[test]
fn each_gate_alone_gives_its_outcome_and_says_why() {
    let table = gates_of_the_node().into_iter().chain(gates_of_the_fleet());
    for (close, outcome, is_shared, words) in table {
        let mut evidence = open();
        close(&mut evidence);
        let blockers = judge(&evidence, &bench(&settings()));
        assert_eq!(blockers.len(), 1, "{outcome}: {blockers:?}");
        assert_eq!(
            (blockers[0].outcome, blockers[0].is_shared),
            (outcome, is_shared)
        );
        assert!(
            blockers[0].message.contains(words),
            "{}",
            blockers[0].message
        );
    }
}

#[test]
fn windows_say_until_when() {
    let settings = denied();
    let blockers = judge(&open(), &bench(&settings));
    assert_eq!(blockers[0].outcome, Outcome::WindowDenied);
    assert!(
        blockers[0].message.contains("until Mon 2026-03-02 18:00"),
        "{blockers:?}"
    );
    let settings = Settings {
        windows: Windows {
            allow: vec![Window::parse("Tue 02:00-04:00").unwrap()],
            deny: Vec::new(),
        },
        ..settings
    };
    let blockers = judge(&open(), &bench(&settings));
    assert_eq!(blockers[0].outcome, Outcome::WindowOutsideAllow);
    assert!(
        blockers[0].message.contains("opens Tue 2026-03-03 02:00"),
        "{blockers:?}"
    );
}

#[test]
fn what_was_not_looked_at_is_silent() {
    assert_eq!(outcomes(&Evidence::default(), &bench(&settings())), []);
    let mut evidence = closed();
    evidence.fleet = None;
    evidence.health = None;
    evidence.detection = None;
    let expected = [Outcome::KillSwitchActive, Outcome::HeldBack];
    assert_eq!(outcomes(&evidence, &bench(&settings())), expected);
}

#[test]
fn a_node_behind_its_own_fence_is_not_stopped_by_its_cooldown_or_mark() {
    let mut evidence = open();
    evidence.fleet = seen(Ok(Findings {
        cooldown: cooldown(),
        marks: 3,
        ..Findings::default()
    }));
    let settings = settings();
    let fenced = Bench {
        has_fenced: true,
        ..bench(&settings)
    };
    assert_eq!(outcomes(&evidence, &fenced), []);
    let expected = [Outcome::RebootLimit, Outcome::CooldownActive];
    assert_eq!(outcomes(&evidence, &bench(&settings)), expected);
}

#[test]
fn a_run_that_skips_the_lock_skips_peers_but_not_the_cooldown() {
    let settings = Settings {
        mode: Mode::Diagnostic {
            skip_health: true,
            skip_lock: true,
            publishes: false,
        },
        ..settings()
    };
    let mut evidence = closed();
    evidence.health = None;
    let got = outcomes(&evidence, &bench(&settings));
    assert!(!got.contains(&Outcome::HealthBlocked), "{got:?}");
    assert!(got.contains(&Outcome::CooldownActive), "{got:?}");
}

#[test]
fn a_need_is_ineffective_only_when_it_is_the_same_and_was_never_clear() {
    let settings = settings();
    for (fingerprint, was_clear_since, blocks) in [
        ("6.1", false, true),
        ("6.1", true, false),
        ("6.2", false, false),
    ] {
        let satisfied = Satisfied {
            fingerprint: fingerprint.to_owned(),
            was_clear_since,
        };
        let bench = Bench {
            satisfied: Some(&satisfied),
            ..bench(&settings)
        };
        let expected: &[Outcome] = if blocks {
            &[Outcome::NeedIneffective]
        } else {
            &[]
        };
        assert_eq!(outcomes(&open(), &bench), expected);
    }
}

#[test]
fn evidence_is_as_old_as_its_oldest_verdict() {
    let mut evidence = open();
    evidence.health.as_mut().unwrap().at_ms = 1_000;
    evidence.local.as_mut().unwrap().at_ms = 8_000;
    evidence.detection.as_mut().unwrap().at_ms = 8_000;
    evidence.fleet.as_mut().unwrap().at_ms = 9_000;
    assert_eq!(evidence.oldest_ms(), Some(1_000));
    for (now_ms, is_fresh) in [(9_000, true), (11_000, true), (11_001, false)] {
        assert_eq!(
            evidence.is_fresh(now_ms, VERDICT_LIFE_MS),
            is_fresh,
            "{now_ms}"
        );
    }
    evidence.drop_older_than(9_000, VERDICT_RENEW_MS);
    assert!(evidence.health.is_none() && evidence.local.is_some());
    assert_eq!(evidence.oldest_ms(), None);
    assert!(
        !evidence.is_fresh(9_000, u64::MAX),
        "what is missing is not fresh"
    );
}

// --- what a look at the fleet means ---

fn entry(max: u32, waiting: &[&str]) -> GroupEntry {
    let mut line = Line::default();
    for name in waiting {
        line.join(Ticket {
            number: 0,
            node: node(name),
            instance: Instance::new(*name).unwrap(),
            session: SessionId::new(*name).unwrap(),
            since: String::new(),
        });
    }
    GroupEntry {
        group: Group::create(max, 1, &[]).unwrap(),
        line,
        cooldown: None,
        within_deadline: BTreeSet::new(),
        foreign: Vec::new(),
    }
}

fn hold(name: &str, number: u64, phase: Phase) -> Hold {
    let identity = identity(name, "boot");
    Hold {
        number,
        node: identity.node,
        machine_id: identity.machine_id,
        instance: identity.instance,
        session: SessionId::new(name).unwrap(),
        phase,
        boot: identity.boot,
        fenced: false,
        need: "kernel".to_owned(),
        pid: 7,
        acquired_at: "2026-03-02T11:00:00.25Z".to_owned(),
        interval_secs: 0,
        undo: Undo::default(),
        last_request: RequestId::new(name).unwrap(),
        guest: None,
        extra: serde_json::Map::new(),
    }
}

fn fleet(entry: GroupEntry) -> Fleet {
    let mut fleet = Fleet::default();
    fleet.groups.insert(GroupName::default(), entry);
    fleet
}

fn peer(name: &str, healthy: bool, is_fresh: bool) -> NodeEntry {
    let identity = identity(name, "boot");
    NodeEntry {
        record: NodeRecord {
            node: identity.node,
            machine_id: identity.machine_id,
            boot: identity.boot,
            instance: identity.instance,
            group: GroupName::default(),
            health: Health {
                healthy,
                stage: "monitor".to_owned(),
                reason: "disk full".to_owned(),
            },
            reported_at: String::new(),
            activity: "idle".to_owned(),
            need: None,
            waiting_for: Vec::new(),
            hold: None,
            extra: serde_json::Map::new(),
        },
        is_fresh,
        marks: 2,
    }
}

#[test]
fn findings_tell_the_turn_from_line_and_slots() {
    let table: [(&[&str], u32, bool, Option<usize>); 5] = [
        (&[], 1, true, None),
        (&["a"], 1, false, None),
        (&["a", "me"], 1, false, Some(1)),
        (&["me", "a"], 1, true, Some(0)),
        (&["a", "me"], 2, true, Some(1)),
    ];
    for (waiting, max, may_try, ahead) in table {
        let found = Findings::of(&fleet(entry(max, waiting)), &settings());
        assert_eq!(
            (found.may_try, found.ahead),
            (may_try, ahead),
            "{waiting:?} {max}"
        );
        assert_eq!(found.other_max, (max != 1).then_some(max));
    }
    let found = Findings::of(&Fleet::default(), &settings());
    assert!(
        found.may_try && found.free == 1,
        "a missing group has its slots free"
    );
}

#[test]
fn findings_name_who_holds_since_when_and_who_goes_first() {
    let words = |entry: GroupEntry, interval_secs: u64| {
        let mut settings = settings();
        settings.interval_secs = interval_secs;
        Findings::of(&fleet(entry), &settings).contention
    };
    assert_eq!([0, 1].map(|max| words(entry(max, &[]), 0)), ["", ""]);
    assert_eq!(words(entry(1, &["a"]), 0), "ahead in line: a");
    assert_eq!(
        words(entry(1, &["a", "b", "c", "d", "e", "f", "g", "me", "h"]), 0),
        "ahead in line: a, b, c, d, e and 2 more"
    );
    let taken = |max: u32, waiting: &[&str]| {
        let mut entry = entry(max, waiting);
        let holder = hold("holder", 1, Phase::Draining);
        entry.group.generation = 1;
        entry.group.holds.push(holder);
        entry
    };
    let holder = "holder (draining, holds since 2026-03-02T11:00:00Z)";
    let by_holder = format!("every slot is taken by {holder}");
    assert_eq!(words(taken(1, &[]), 0), by_holder);
    assert_eq!(
        words(taken(1, &["a", "me"]), 0),
        format!("{by_holder}; ahead in line: a")
    );
    assert_eq!(
        words(taken(2, &[]), 600),
        format!(
            "a cooldown is configured, so nodes go one after the other, and first goes {holder}"
        )
    );
    let mut beside = taken(2, &[]);
    beside.foreign.push(node("locksmith"));
    assert_eq!(
        words(beside, 0),
        format!("{by_holder}, locksmith (by another program)")
    );
}

#[test]
fn findings_name_pauses_peers_marks_debts_and_conflicts() {
    let found = Findings::of(&fleet(entry(0, &[])), &settings());
    assert!(found.pause.unwrap().contains("no slots"));
    let mut paused = entry(1, &[]);
    paused.group.pause = Some(pause());
    paused.group.held_back.insert(node("me"), pause());
    let mut fleet = fleet(paused);
    let found = Findings::of(&fleet, &settings());
    assert_eq!(found.held_back.unwrap(), "ann holds me back: storage work");
    assert_eq!(found.pause.unwrap(), "ann paused the group: storage work");
    fleet.pause = Some(Pause {
        until: Some("2026-03-03T06:00:00Z".to_owned()),
        ..pause()
    });
    let words = "ann paused the fleet until 2026-03-03T06:00:00Z: storage work; \
                 ann paused the group: storage work";
    let debt = Undo::of(["10-drain".to_owned()]);
    fleet.owed.insert(node("me"), debt);
    fleet.nodes.insert(node("me"), peer("me", false, false));
    fleet.nodes.insert(node("ill"), peer("ill", false, true));
    fleet.nodes.insert(node("gone"), peer("gone", true, false));
    for boot in ["boot", "other"] {
        fleet.presences.push(Presence {
            identity: identity("me", boot),
            session: SessionId::new(boot).unwrap(),
            remaining_ms: 1,
        });
    }
    let found = Findings::of(&fleet, &settings());
    assert_eq!(found.pause.unwrap(), words);
    let cluster = found.cluster.join("; ");
    assert!(
        cluster.contains("ill") && cluster.contains("gone"),
        "{cluster}"
    );
    assert!(
        !cluster.contains("me "),
        "a node is not its own peer: {cluster}"
    );
    assert_eq!(found.marks, 2);
    assert!(found.identity_conflict && !found.owed.is_empty());
}
