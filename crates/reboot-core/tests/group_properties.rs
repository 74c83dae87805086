//! Every transition of a group under arbitrary sequences of requests and facts: the invariants
//! of SAFETY.md hold after each, a refusal changes nothing, a repeat is harmless.

// A test fails best where it fails, and its functions need no documentation.
#![allow(clippy::unwrap_used, missing_docs)]

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use reboot_core::boot::BootIdentity;
use reboot_core::group::{
    Action, Applied, Claim, Cooldown, Facts, Group, Guest, Hold, Identity, Owner, Pause, Phase,
    Presence, Refusal, Reply, Request, Side, Way, apply,
};
use reboot_core::id::{Instance, MachineId, NodeName, RequestId, SessionId};
use reboot_core::undo::Undo;
use std::collections::BTreeSet;

/// A small alphabet, so that sequences meet often.
#[derive(Clone, Debug)]
struct Draw {
    verb: u8,
    node: u8,
    run: u8,
    boot: u8,
    number: u64,
    expects: u8,
    choice: u8,
    repeats: bool,
}

/// What the store knows, drawn anew for each request.
#[derive(Clone, Debug)]
struct DrawnFacts {
    alive: Vec<(u8, u8, u8)>,
    cooldown: bool,
    paused: bool,
    marks: u32,
    others: usize,
}

fn draws() -> impl Strategy<Value = Vec<(Draw, DrawnFacts)>> {
    let draw = (
        0..11u8,
        0..4u8,
        0..2u8,
        0..3u8,
        0..8u64,
        0..4u8,
        0..6u8,
        any::<bool>(),
    )
        .prop_map(
            |(verb, node, run, boot, number, expects, choice, repeats)| Draw {
                verb,
                node,
                run,
                boot,
                number,
                expects,
                choice,
                repeats,
            },
        );
    let facts = (
        prop::collection::vec((0..4u8, 0..2u8, 0..3u8), 0..6),
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.1),
        0..4u32,
        0..2usize,
    )
        .prop_map(|(alive, cooldown, paused, marks, others)| DrawnFacts {
            alive,
            cooldown,
            paused,
            marks,
            others,
        });
    prop::collection::vec((draw, facts), 1..60)
}

fn node(number: u8) -> NodeName {
    NodeName::new(format!("node-{number}")).unwrap()
}

fn identity(number: u8, run: u8, boot: u8) -> Identity {
    Identity {
        node: node(number),
        machine_id: MachineId::new(format!("machine-{number}")).unwrap(),
        boot: BootIdentity::of_boot(format!("boot-{boot}")),
        instance: Instance::new(format!("run-{number}-{run}")).unwrap(),
    }
}

fn session(number: u8, run: u8) -> SessionId {
    SessionId::new(format!("session-{number}-{run}")).unwrap()
}

fn facts(drawn: &DrawnFacts, asking: u8) -> Facts {
    let presences = drawn.alive.iter().filter(|(number, ..)| *number == asking);
    Facts {
        sessions: drawn
            .alive
            .iter()
            .map(|(number, run, _)| session(*number, *run))
            .collect(),
        presences: presences
            .map(|(number, run, boot)| Presence {
                identity: identity(*number, *run, *boot),
                session: session(*number, *run),
                remaining_ms: 1000,
            })
            .collect(),
        cooldown: drawn.cooldown.then(|| Cooldown {
            node: node(0),
            duration_secs: 60,
            remaining_ms: 1000,
            started_at: String::new(),
        }),
        pause: drawn.paused.then(|| pause("the fleet")),
        marks: drawn.marks,
        others_waiting: drawn.others,
        holds_in: None,
        foreign: Vec::new(),
    }
}

fn pause(reason: &str) -> Pause {
    Pause {
        by: "operator".to_owned(),
        reason: reason.to_owned(),
        until: None,
        session: None,
    }
}

fn phase(number: u8) -> Phase {
    [
        Phase::Claimed,
        Phase::Draining,
        Phase::Rebooting,
        Phase::Returned,
    ][usize::from(number % 4)]
}

/// The drawn action; half of the time aimed at a hold that exists.
fn action(draw: &Draw, group: &Group) -> Action {
    let aimed = group.hold_of(&node(draw.node)).filter(|_| draw.choice < 4);
    let owner = Owner {
        node: node(draw.node),
        number: aimed.map_or(draw.number, |hold| hold.number),
        instance: aimed.map_or_else(
            || identity(draw.node, draw.run, 0).instance,
            |hold| hold.instance.clone(),
        ),
        expects: aimed.map_or(phase(draw.expects), |hold| hold.phase),
    };
    let boot = BootIdentity::of_boot(format!("boot-{}", draw.boot));
    let hook = || Undo::of(["10-drain".to_owned()]);
    match draw.verb {
        0 | 1 => Action::Claim(Claim {
            identity: identity(draw.node, draw.run, draw.boot),
            session: session(draw.node, draw.run),
            need: "kernel".to_owned(),
            pid: 1,
            interval_secs: u64::from(draw.choice / 3) * 60,
            diagnostic: draw.choice == 5,
        }),
        2 => Action::Drain {
            owner,
            undo: hook(),
            deadline_secs: 9,
        },
        3 | 4 => Action::Fence {
            owner,
            boot,
            max_reboots_per_day: 3,
            deadline_secs: 9,
        },
        5 => Action::Return {
            owner,
            boot,
            deadline_secs: 9,
        },
        6 | 7 => Action::Release {
            owner,
            boot,
            way: [Way::GivenBack, Way::Returned, Way::NeverIssued][usize::from(draw.choice % 3)],
            undone: if draw.number.is_multiple_of(2) {
                hook()
            } else {
                Undo::default()
            },
        },
        8 => Action::Adopt {
            owner,
            identity: identity(draw.node, 1 - draw.run, draw.boot),
            session: session(draw.node, 1 - draw.run),
            return_within_secs: (draw.choice == 0).then_some(9),
        },
        9 if draw.choice < 2 => Action::Admit(Guest {
            node: node(draw.node),
            id: None,
            protocol: "fleetlock".to_owned(),
            interval_secs: u64::from(draw.choice) * 60,
            max_reboots_per_day: 3,
            deadline_secs: 9,
        }),
        9 if draw.choice < 4 => Action::Steady {
            node: node(draw.node),
            id: None,
        },
        _ => operators_action(draw, owner.number),
    }
}

fn operators_action(draw: &Draw, number: u64) -> Action {
    let by = "operator".to_owned();
    match draw.choice {
        0 => Action::Break {
            number,
            by,
            reason: "gone".to_owned(),
        },
        1 => Action::SetMax {
            max: u32::from(draw.expects),
            by,
        },
        2 => Action::Pause(pause("the group")),
        _ => Action::Resume { by },
    }
}

/// One step of a sequence.
struct Step<'a> {
    before: &'a Group,
    request: &'a Request,
    facts: &'a Facts,
    after: &'a Applied,
}

// === impl Step ===

impl Step<'_> {
    fn check(&self) {
        self.after.group.check().unwrap();
        self.check_grants();
        self.check_ends();
        self.check_fence();
        self.check_returns();
        self.check_conflict();
    }

    /// What of the record the request itself met: dead claims are swept first.
    fn swept(&self) -> Group {
        self.before.swept(self.facts).0
    }

    /// I1, I5: a grant commits only into a free slot, under a number never used before.
    fn check_grants(&self) {
        let known: BTreeSet<u64> = self.before.holds.iter().map(|hold| hold.number).collect();
        for hold in &self.after.group.holds {
            if !known.contains(&hold.number) {
                assert!(self.swept().holds.len() < self.before.max as usize, "I1");
                assert!(hold.number > self.before.generation, "I5");
                assert_eq!(self.after.group.generation, hold.number, "I5");
            }
        }
        assert!(self.after.group.generation >= self.before.generation, "I5");
    }

    /// I3, I8: a durable hold ends only by R1, R2, R3, and nothing of its undo list is lost.
    fn check_ends(&self) {
        for hold in self
            .before
            .holds
            .iter()
            .filter(|hold| hold.phase.is_durable())
        {
            if self
                .after
                .group
                .holds
                .iter()
                .any(|after| after.number == hold.number)
            {
                continue;
            }
            match &self.request.action {
                Action::Break { number, .. } => self.check_break(hold, *number),
                Action::Release {
                    owner,
                    boot,
                    way,
                    undone,
                } => {
                    assert_eq!(
                        (owner.number, &owner.instance),
                        (hold.number, &hold.instance)
                    );
                    assert!(hold.undo.left_after(undone).is_empty(), "I8");
                    match way {
                        Way::Returned => assert!(hold.boot.differs_from(boot), "R1"),
                        Way::NeverIssued => assert!(!hold.boot.differs_from(boot), "R2"),
                        Way::GivenBack => panic!("I3: a durable hold was given back"),
                    }
                }
                Action::Steady { node, .. } => {
                    assert!(hold.guest.is_some(), "I3: an agent's hold ended on a word");
                    assert_eq!(node, &hold.node);
                }
                other => panic!("I3: hold {} ended by {}", hold.number, other.verb()),
            }
        }
    }

    fn check_break(&self, hold: &Hold, number: u64) {
        assert_eq!(hold.number, number, "another hold was broken");
        let owed = Side::OweUndo {
            node: hold.node.clone(),
            undo: hold.undo.clone(),
        };
        assert!(
            hold.undo.is_empty() || self.after.sides.contains(&owed),
            "I8"
        );
    }

    /// I4, I6: no first fence under a cooldown, a pause or a full day; it starts the cooldown.
    fn check_fence(&self) {
        if let Action::Admit(guest) = &self.request.action {
            return self.check_admission(guest);
        }
        let Action::Fence { owner, .. } = &self.request.action else {
            return;
        };
        let hold = self
            .before
            .holds
            .iter()
            .find(|hold| hold.number == owner.number)
            .unwrap();
        if hold.last_request == self.request.id {
            return;
        }
        assert!(self.facts.pause.is_none() && self.before.pause.is_none());
        if hold.phase == Phase::Rebooting {
            return; // the second try of a command that did not end this boot
        }
        assert!(self.facts.cooldown.is_none(), "I6");
        assert!(self.facts.marks < 3, "I4");
        let starts = |side: &Side| matches!(side, Side::StartCooldown { .. });
        assert_eq!(
            self.after.sides.iter().any(starts),
            hold.interval_secs > 0,
            "I6"
        );
    }

    /// R1: whatever records a return comes from another boot than the hold's.
    fn check_returns(&self) {
        let returned = |hold: &&Hold| hold.phase == Phase::Returned;
        for hold in self.after.group.holds.iter().filter(returned) {
            let before = self.before.hold_of(&hold.node).unwrap();
            if before.phase == Phase::Returned || before.last_request == self.request.id {
                continue;
            }
            let boot = match &self.request.action {
                Action::Return { boot, .. } => boot,
                Action::Adopt { identity, .. } => &identity.boot,
                other => panic!("R1: hold {} returned by {}", hold.number, other.verb()),
            };
            assert!(before.boot.differs_from(boot), "R1");
            assert!(!self.facts.is_boot_present(&before.boot), "R1");
            assert!(before.phase.is_durable(), "R1");
        }
    }

    /// A guest's claim is its first fence too.
    fn check_admission(&self, guest: &Guest) {
        let swept = self.swept();
        let before = swept.hold_of(&guest.node);
        let hold = self.after.group.hold_of(&guest.node).unwrap();
        assert!(hold.fenced && hold.phase == Phase::Rebooting);
        if let Some(before) = before {
            assert_eq!((before, true), (hold, before.guest.is_some()));
            return;
        }
        assert!(self.facts.pause.is_none() && self.before.pause.is_none());
        assert!(self.facts.cooldown.is_none(), "I6");
        assert!(self.facts.marks < 3, "I4");
        let marks = |side: &Side| matches!(side, Side::MarkReboot { .. });
        assert!(self.after.sides.iter().any(marks), "I4");
        let starts = |side: &Side| matches!(side, Side::StartCooldown { .. });
        let is_started = self.after.sides.iter().any(starts);
        assert_eq!(is_started, guest.interval_secs > 0, "I6");
        let all_fenced = self.swept().holds.iter().all(|hold| hold.fenced);
        assert!(all_fenced || guest.interval_secs == 0, "I6");
    }

    /// I9: conflicting identities never act.
    fn check_conflict(&self) {
        let acts = matches!(
            self.request.action,
            Action::Claim(_)
                | Action::Fence { .. }
                | Action::Release { .. }
                | Action::Return { .. }
                | Action::Adopt { .. }
        );
        let is_repeat = self
            .before
            .holds
            .iter()
            .any(|hold| hold.last_request == self.request.id);
        assert!(!(acts && self.facts.identity_conflict()) || is_repeat, "I9");
    }
}

fn session_of(action: &Action) -> Option<&SessionId> {
    match action {
        Action::Claim(claim) => Some(&claim.session),
        Action::Adopt { session, .. } => Some(session),
        _ => None,
    }
}

fn play(draws: Vec<(Draw, DrawnFacts)>) -> Vec<&'static str> {
    let mut group = Group::create(2, 1, &[]).unwrap();
    let mut kinds = Vec::new();
    let mut last: Option<Request> = None;
    for (number, (draw, drawn)) in draws.iter().enumerate() {
        let fresh = Request {
            id: RequestId::new(format!("request-{number}")).unwrap(),
            at: String::new(),
            action: action(draw, &group),
        };
        let request = last
            .clone()
            .filter(|_| draw.repeats && draw.choice == 0)
            .unwrap_or(fresh);
        let asking = request.action.node().map_or(0, |name| {
            name.as_str().trim_start_matches("node-").parse().unwrap()
        });
        let mut facts = facts(drawn, asking);
        if let (true, Some(session)) = (draw.repeats, session_of(&request.action)) {
            facts.sessions.insert(session.clone()); // else few get far
        }
        match apply(&group, &request, &facts) {
            Err(refusal) => kinds.push(refusal.kind()),
            Ok(after) => {
                Step {
                    before: &group,
                    request: &request,
                    facts: &facts,
                    after: &after,
                }
                .check();
                check_repeat(&request, &facts, &after);
                kinds.push(request.action.verb());
                group = Group::from_json(&after.group.to_json()).unwrap();
                assert_eq!(group, after.group, "what is written is read");
                last = Some(request);
            }
        }
    }
    kinds
}

/// The same request again changes no hold, whatever it answers.
fn check_repeat(request: &Request, facts: &Facts, after: &Applied) {
    let Ok(again) = apply(&after.group, request, facts) else {
        return;
    };
    let holds = |group: &Group| group.swept(facts).0.holds;
    assert_eq!(
        holds(&again.group),
        holds(&after.group),
        "a repeat moved a hold"
    );
    assert_eq!(
        again.group.generation, after.group.generation,
        "a repeat granted a slot"
    );
    if matches!(after.reply, Reply::Held { .. }) {
        assert_eq!(again.reply, after.reply, "a repeat answered something else");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_invariants_hold_after_every_transition(draws in draws()) {
        play(draws);
    }
}

/// The sequences above must reach what they claim to check.
#[test]
fn the_drawn_sequences_reach_every_transition_and_most_refusals() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut seen = BTreeSet::new();
    for _ in 0..3_000 {
        let tree = draws().new_tree(&mut runner).unwrap();
        seen.extend(play(tree.current()));
    }
    for kind in [
        "claim",
        "drain",
        "fence",
        "return",
        "release",
        "adopt",
        "break",
        "set-max",
        "pause",
        "resume",
        "admit",
        "steady",
        "full",
        "paused",
        "others_wait",
        "already_holds",
        "unfenced_holder",
        "cooldown_running",
        "daily_cap",
        "session_ended",
        "hold_gone",
        "not_owner",
        "wrong_phase",
        "identity_conflict",
        "same_boot",
        "other_boot",
        "former_alive",
        "not_undone",
        "nothing_to_break",
    ] {
        assert!(seen.contains(kind), "{kind} was never reached: {seen:?}");
    }
}

#[test]
fn a_missing_record_is_not_an_empty_group() {
    let refusal = Group::create(1, 1, &[node(1)]).unwrap_err();
    assert!(matches!(refusal, Refusal::GroupLost { .. }));
    assert!(refusal.to_string().contains("node-1"), "{refusal}");
    assert!(matches!(
        Group::create(1_001, 1, &[]),
        Err(Refusal::BadMax { max: 1_001 })
    ));
}

#[test]
fn unknown_fields_are_kept_and_unknown_features_refused() {
    let text = r#"{"version":2,"epoch":1,"generation":0,"max":1,"holds":[],"colour":"blue"}"#;
    let group = Group::from_json(text).unwrap();
    let id = RequestId::new("r").unwrap();
    let action = Action::SetMax {
        max: 3,
        by: "operator".to_owned(),
    };
    let request = Request {
        id,
        at: String::new(),
        action,
    };
    let after = apply(&group, &request, &Facts::default()).unwrap().group;
    assert!(
        after.to_json().contains(r#""colour":"blue""#),
        "{}",
        after.to_json()
    );
    assert_eq!(after.version, 2, "a later format is not turned back");
    let strange = Group {
        features: BTreeSet::from(["barrier".to_owned()]),
        ..group
    };
    let refusal = apply(&strange, &request, &Facts::default()).unwrap_err();
    assert_eq!(
        refusal,
        Refusal::UnknownFeature {
            feature: "barrier".to_owned()
        }
    );
}

#[test]
fn a_broken_record_is_refused_not_repaired() {
    for text in [
        "",
        "null",
        r#"{"version":1,"epoch":1,"generation":0,"max":5000,"holds":[]}"#,
        r#"{"version":1,"epoch":1,"generation":0,"max":-1,"holds":[]}"#,
        r#"{"version":1,"epoch":1,"max":1,"holds":[]}"#,
    ] {
        let error = Group::from_json(text).unwrap_err().to_string();
        assert!(error.contains("restore a backup"), "{text}: {error}");
    }
}
