//! Each refusal of a group is reachable, named, and says what it is about; and what a sweep takes.

// A test fails best where it fails, and its functions need no documentation.
#![allow(clippy::unwrap_used, missing_docs)]

mod guests;
mod held_back;
mod kit;

use kit::*;
use reboot_core::group::{Action, Claim, Group, Owner, Pause, Phase, Refusal, Side, Way, apply};
use reboot_core::id::{GroupName, Instance, MachineId};
use std::collections::BTreeSet;

#[test]
fn claims_are_refused_while_the_group_has_nothing_to_give() {
    let pause = Pause {
        by: by(),
        reason: "lunch".to_owned(),
        until: None,
        session: None,
    };
    let paused = granted(&empty(1), Action::Pause(pause.clone())).group;
    let all_paused = with(|facts| facts.pause = Some(pause));
    let busy = with(|facts| facts.others_waiting = 2);
    let diagnosis = Action::Claim(Claim {
        diagnostic: true,
        ..claim("a")
    });
    let spaced = Action::Claim(Claim {
        interval_secs: 60,
        ..claim("b")
    });
    let (free, facts) = (empty(1), facts());
    refused(
        &held(1),
        claim_of("b"),
        &facts,
        "full",
        &["taken by a", "1"],
    );
    refused(
        &paused,
        claim_of("a"),
        &facts,
        "paused",
        &["ann", "the group", "lunch"],
    );
    refused(
        &free,
        claim_of("a"),
        &all_paused,
        "paused",
        &["ann", "the fleet", "lunch"],
    );
    refused(&empty(0), claim_of("a"), &facts, "paused", &["no slots"]);
    refused(
        &free,
        diagnosis,
        &busy,
        "others_wait",
        &["others wait", "2"],
    );
    refused(
        &held(2),
        spaced,
        &facts,
        "unfenced_holder",
        &["a holds", "wait"],
    );
}

#[test]
fn who_holds_by_another_programs_rules_takes_a_slot() {
    let foreign = with(|facts| facts.foreign = vec![node("old")]);
    let words = ["taken by a, old", "2"];
    refused(&held(2), claim_of("b"), &foreign, "full", &words);
    refused(&empty(1), claim_of("a"), &foreign, "full", &["by old"]);
    apply(&empty(2), &request(claim_of("a")), &foreign).unwrap();
}

#[test]
fn claims_are_refused_to_a_node_that_must_settle_something_first() {
    let elsewhere = with(|facts| facts.holds_in = Some(GroupName::new("other").unwrap()));
    let ended = with(|facts| facts.sessions.clear());
    let (free, claim) = (empty(1), || claim_of("a"));
    let words = ["a holds", "number 1", "claimed"];
    refused(&held(2), claim(), &facts(), "already_holds", &words);
    refused(
        &free,
        claim(),
        &elsewhere,
        "holds_elsewhere",
        &["group other", "settle"],
    );
    refused(&free, claim(), &ended, "session_ended", &["open a new one"]);
    refused(
        &free,
        claim(),
        &two_boots(),
        "identity_conflict",
        &["named a", "rename"],
    );
}

#[test]
fn fences_are_refused_with_a_reason() {
    let fence = |in_boot: &str| fence(Phase::Claimed, in_boot);
    let cool = with(|facts| facts.cooldown = Some(cooldown()));
    let often = with(|facts| facts.marks = 3);
    let no_slots = granted(&held(1), Action::SetMax { max: 0, by: by() }).group;
    refused(
        &held(1),
        fence("boot"),
        &cool,
        "cooldown_running",
        &["60 s", "b", "31 s"],
    );
    refused(
        &held(1),
        fence("boot"),
        &often,
        "daily_cap",
        &["a was", "3 times", "3 are"],
    );
    refused(
        &held(1),
        fence("other"),
        &facts(),
        "other_boot",
        &["a is not"],
    );
    refused(
        &held(1),
        fence("boot"),
        &two_boots(),
        "identity_conflict",
        &["named a"],
    );
    refused(&no_slots, fence("boot"), &facts(), "paused", &["no slots"]);
    refused(
        &draining(),
        fence("boot"),
        &facts(),
        "wrong_phase",
        &["hold 1", "draining"],
    );
    refused(
        &empty(1),
        fence("boot"),
        &facts(),
        "hold_gone",
        &["hold 1", "a"],
    );
}

#[test]
fn a_second_fence_of_the_same_hold_is_no_second_reboot() {
    let cool = with(|facts| {
        facts.cooldown = Some(cooldown());
        facts.marks = 3;
    });
    let request = request(fence(Phase::Rebooting, "boot"));
    let again = apply(&rebooting(), &request, &cool).unwrap();
    let counts = |side: &Side| matches!(side, Side::MarkReboot { .. } | Side::StartCooldown { .. });
    assert!(!again.sides.iter().any(counts), "{:?}", again.sides);
}

#[test]
fn releases_are_refused_with_a_reason() {
    let gave_back = |group: &Group, phase: Phase| {
        let action = release(phase, "boot", Way::GivenBack);
        refused(
            group,
            action,
            &facts(),
            "wrong_phase",
            &["hold 1", phase.name()],
        );
    };
    gave_back(&draining(), Phase::Draining);
    gave_back(&rebooting(), Phase::Rebooting);
    let never = |in_boot: &str| release(Phase::Draining, in_boot, Way::NeverIssued);
    refused(
        &draining(),
        never("boot"),
        &facts(),
        "not_undone",
        &["10-drain", "a"],
    );
    refused(
        &draining(),
        never("other"),
        &facts(),
        "other_boot",
        &["a is not"],
    );
    let returned = release(Phase::Rebooting, "other", Way::Returned);
    refused(
        &rebooting(),
        returned,
        &facts(),
        "wrong_phase",
        &["rebooting"],
    );
    let back = release(Phase::Claimed, "boot", Way::GivenBack);
    refused(
        &held(1),
        back.clone(),
        &two_boots(),
        "identity_conflict",
        &["named a"],
    );
    refused(&empty(1), back, &facts(), "hold_gone", &["hold 1"]);
}

#[test]
fn returns_are_refused_until_the_old_boot_is_certainly_over() {
    let alone = with(|facts| facts.presences = vec![presence("a", "other")]);
    refused(
        &rebooting(),
        return_in("boot"),
        &facts(),
        "same_boot",
        &["a is still"],
    );
    refused(
        &rebooting(),
        return_in("other"),
        &facts(),
        "former_alive",
        &["a is still", "wait"],
    );
    let returned = apply(&rebooting(), &request(return_in("other")), &alone).unwrap();
    assert_eq!(returned.group.holds[0].phase, Phase::Returned);
}

#[test]
fn strangers_are_refused() {
    let stranger = |change: fn(&mut Owner)| {
        let mut owner = owner(Phase::Rebooting);
        change(&mut owner);
        Action::Return {
            owner,
            boot: boot("other"),
            deadline_secs: 1,
        }
    };
    let other_run = stranger(|owner| owner.instance = Instance::new("other").unwrap());
    refused(
        &rebooting(),
        other_run,
        &facts(),
        "not_owner",
        &["hold 1", "run", "a"],
    );
    let other_number = stranger(|owner| owner.number = 7);
    refused(
        &rebooting(),
        other_number,
        &facts(),
        "hold_gone",
        &["hold 7", "a"],
    );
    let other_node = stranger(|owner| owner.node = node("b"));
    refused(
        &rebooting(),
        other_node,
        &facts(),
        "hold_gone",
        &["hold 1", "b"],
    );
}

#[test]
fn adoptions_are_refused_while_somebody_else_may_live() {
    let mut clone = identity("a", "other");
    clone.machine_id = MachineId::new("clone").unwrap();
    let ended = with(|facts| {
        facts.sessions.clear();
        facts.presences.clear();
    });
    let next = || identity("a", "boot");
    refused(
        &rebooting(),
        adopt(clone),
        &facts(),
        "other_machine",
        &["hold 1", "a", "break it"],
    );
    refused(
        &rebooting(),
        adopt(next()),
        &facts(),
        "former_alive",
        &["a", "wait"],
    );
    refused(
        &rebooting(),
        adopt(next()),
        &two_boots(),
        "identity_conflict",
        &["named a"],
    );
    refused(
        &rebooting(),
        adopt(next()),
        &ended,
        "session_ended",
        &["open a new one"],
    );
}

#[test]
fn an_adoption_that_is_a_return_too_is_refused_as_a_whole() {
    let taking_over = |boot: &str, in_phase: Phase| {
        let mut identity = identity("a", boot);
        identity.instance = Instance::new("run-a-2").unwrap();
        Action::Adopt {
            owner: owner(in_phase),
            identity,
            session: session("a"),
            return_within_secs: Some(600),
        }
    };
    let alone = with(|facts| facts.presences.clear());
    refused(
        &rebooting(),
        taking_over("boot", Phase::Rebooting),
        &alone,
        "same_boot",
        &["a", "still in the boot"],
    );
    let again = taking_over("next boot", Phase::Rebooting);
    refused(
        &rebooting(),
        again.clone(),
        &facts(),
        "former_alive",
        &["a"],
    );
    let applied = apply(&rebooting(), &request(again), &alone).unwrap();
    let hold = &applied.group.holds[0];
    assert_eq!(
        (hold.phase, hold.instance.as_str()),
        (Phase::Returned, "run-a-2")
    );
    let notes = applied.sides.iter().filter_map(|side| match side {
        Side::History(entry) => Some(entry.event.as_str()),
        _ => None,
    });
    assert!(notes.eq(["adopt", "return"]));
    let deadline = Side::StartDeadline {
        number: 1,
        secs: 600,
    };
    assert!(applied.sides.contains(&deadline));
}

#[test]
fn operators_are_refused_with_a_reason() {
    let too_many = Action::SetMax {
        max: 1_001,
        by: by(),
    };
    let nothing = Action::Break {
        number: 9,
        by: by(),
        reason: "gone".to_owned(),
    };
    refused(&empty(1), too_many, &facts(), "bad_max", &["1001", "1000"]);
    refused(
        &held(1),
        nothing,
        &facts(),
        "nothing_to_break",
        &["number 9", "see who holds"],
    );
    let mut strange = empty(1);
    strange.features.insert("barrier".to_owned());
    let resume = Action::Resume { by: by() };
    refused(
        &strange,
        resume,
        &facts(),
        "unknown_feature",
        &["barrier", "update"],
    );
}

/// Two refusals are a store's, which knows whether a record is there.
#[test]
fn a_missing_group_is_named() {
    let group = GroupName::new("web").unwrap();
    let refusal = Refusal::NoGroup { group };
    assert_eq!(refusal.kind(), "no_group");
    assert!(refusal.to_string().contains("web"), "{refusal}");
    let refusal = Group::create(1, 1, &[node("a"), node("b")]).unwrap_err();
    assert_eq!(refusal.kind(), "group_lost");
    assert!(refusal.to_string().contains("a, b say"), "{refusal}");
}

#[test]
fn a_sweep_takes_exactly_the_claims_whose_lease_is_gone() {
    let both = apply(&held(3), &request(Action::Claim(claim("b"))), &facts());
    let both = both.unwrap().group;
    let only = |name: &str| with(|facts| facts.sessions = BTreeSet::from([session(name)]));
    for (alive, dead) in [("a", "b"), ("b", "a")] {
        let (left, gone) = both.swept(&only(alive));
        assert_eq!(left.holds.len() + gone.len(), 2);
        assert_eq!(gone[0].node, node(dead));
        assert_eq!(left.generation, both.generation, "I5");
    }
    let nobody = with(|facts| facts.sessions.clear());
    for group in [draining(), rebooting()] {
        assert_eq!(
            group.swept(&nobody).0,
            group,
            "I3: no lease ends a durable hold"
        );
    }
    let next = request(Action::Resume { by: by() });
    let swept = apply(&both, &next, &only("a")).unwrap();
    let expired = |side: &Side| matches!(side, Side::History(line) if line.event == "expire");
    assert_eq!(swept.sides.iter().filter(|side| expired(side)).count(), 1);
}

#[test]
fn a_record_keeps_what_a_later_version_wrote_in_a_hold() {
    let text = rebooting().to_json();
    let later = text.replacen("\"node\":", "\"colour\":\"blue\",\"node\":", 1);
    let group = Group::from_json(&later).unwrap();
    let after = granted(&group, fence(Phase::Rebooting, "boot")).group;
    assert!(
        after.to_json().contains("\"colour\":\"blue\""),
        "{}",
        after.to_json()
    );
}

#[test]
fn a_record_that_contradicts_itself_is_refused() {
    let good = held(2).to_json();
    let hold = good
        .split_once("\"holds\":[")
        .unwrap()
        .1
        .trim_end_matches("]}");
    let twice = good.replace(hold, &format!("{hold},{hold}"));
    let ahead = good.replace("\"generation\":1", "\"generation\":0");
    for text in [twice, ahead] {
        let error = Group::from_json(&text).unwrap_err().to_string();
        assert!(error.contains("contradicts itself"), "{error}");
    }
}
