//! The judge can fail: a true history is innocent, and each that is doctored is caught.

use crate::campaign::calm;
use crate::groups;
use crate::journal::{Moment, Notes, Outcome, Try};
use crate::judge::{Evidence, Rule, judge};
use crate::recorder::Change;
use reboot_core::group::{Action, Refusal};
use serde_json::Value;
use std::collections::BTreeSet;

/// A lie, and the rule that gives it away.
struct Lie {
    name: &'static str,
    breaks: Rule,
    tell: fn(&mut Evidence),
}

const LIES: &[Lie] = &[
    Lie {
        name: "a commit was missed",
        breaks: Rule::Unbroken,
        tell: miss_a_commit,
    },
    Lie {
        name: "two commits in another order",
        breaks: Rule::Sequential,
        tell: swap_two_commits,
    },
    Lie {
        name: "a commit that nobody asked for",
        breaks: Rule::Sequential,
        tell: forget_a_request,
    },
    Lie {
        name: "a deadline that was not in the commit",
        breaks: Rule::Whole,
        tell: drop_a_deadline,
    },
    Lie {
        name: "a holder's key that stands on",
        breaks: Rule::Whole,
        tell: keep_a_holder,
    },
    Lie {
        name: "granted, and never committed",
        breaks: Rule::Once,
        tell: lose_a_grant,
    },
    Lie {
        name: "refused, and committed all the same",
        breaks: Rule::Once,
        tell: refuse_what_was_done,
    },
    Lie {
        name: "committed twice",
        breaks: Rule::Once,
        tell: commit_twice,
    },
    Lie {
        name: "answered before an earlier one was asked",
        breaks: Rule::RealTime,
        tell: answer_too_early,
    },
    Lie {
        name: "a refusal for a reason that never was",
        breaks: Rule::Answers,
        tell: refuse_for_nothing,
    },
    Lie {
        name: "a look that saw what never was",
        breaks: Rule::Answers,
        tell: see_what_never_was,
    },
    Lie {
        name: "a look into the past",
        breaks: Rule::Answers,
        tell: see_the_past,
    },
    Lie {
        name: "a grant with no slot free",
        breaks: Rule::I1,
        tell: grant_without_a_slot,
    },
    Lie {
        name: "a release while the machine is down",
        breaks: Rule::I1,
        tell: come_back_late,
    },
    Lie {
        name: "a command by another run than fenced",
        breaks: Rule::I2,
        tell: command_by_another,
    },
    Lie {
        name: "a durable hold that is gone",
        breaks: Rule::I3,
        tell: end_a_durable_hold,
    },
    Lie {
        name: "two commands in one boot",
        breaks: Rule::I4,
        tell: command_twice,
    },
    Lie {
        name: "a generation that falls",
        breaks: Rule::I5,
        tell: fall_back,
    },
    Lie {
        name: "two fences too close",
        breaks: Rule::I6,
        tell: fence_too_soon,
    },
    Lie {
        name: "released and not undone",
        breaks: Rule::I8,
        tell: leave_it_changed,
    },
    Lie {
        name: "one node holds twice",
        breaks: Rule::I9,
        tell: hold_twice,
    },
];

#[tokio::test(flavor = "multi_thread")]
async fn a_true_history_is_innocent_and_every_doctored_one_is_caught() {
    let truth = calm(7, |notes| notes.cycles >= 60 && slow_commands(notes) >= 4).await;
    let verdict = judge(&truth);
    assert!(verdict.violations.is_empty(), "{:#?}", verdict.violations);
    for lie in LIES {
        println!("{}", lie.name);
        let mut told = truth.clone();
        (lie.tell)(&mut told);
        let broken = judge(&told).broken();
        assert!(broken.contains(&lie.breaks), "{}: {broken:?}", lie.name);
    }
}

// === finding what can be doctored ===

fn slow_commands(notes: &Notes) -> usize {
    let [_, slow] = groups();
    let commands = notes.commands.iter();
    commands.filter(|command| command.group == slow).count()
}

fn record_keys(evidence: &Evidence) -> [String; 2] {
    groups().map(|name| evidence.keys.record(&name))
}

/// Where the record of the first group was put, but for the first few times.
fn commits(evidence: &Evidence) -> Vec<usize> {
    let [record, _] = record_keys(evidence);
    let all = (0..).zip(&evidence.changes);
    let puts = all.filter(|(_, change)| change.key == record);
    puts.map(|(at, _)| at).skip(5).collect()
}

fn value(evidence: &Evidence, at: usize) -> Value {
    serde_json::from_str(evidence.changes[at].value.as_ref().unwrap()).unwrap()
}

fn set(evidence: &mut Evidence, at: usize, value: &Value) {
    evidence.changes[at].value = Some(value.to_string());
}

fn has_durable(value: &Value) -> bool {
    let holds = value["holds"].as_array().unwrap();
    holds.iter().any(|hold| hold["phase"] != "claimed")
}

/// The first try that was granted this action, past the first few.
fn granted(evidence: &Evidence, is_it: impl Fn(&Action) -> bool) -> usize {
    let is_granted = |it: &Try| matches!(it.outcome, Outcome::Granted(_));
    let tries = (0..).zip(&evidence.notes.tries).skip(10);
    let mut found = tries.filter(|(_, it)| is_granted(it) && is_it(&it.request.action));
    found.next().expect("there is one").0
}

fn is_fence(action: &Action) -> bool {
    matches!(action, Action::Fence { .. })
}

// === lies ===

fn miss_a_commit(evidence: &mut Evidence) {
    let revision = evidence.changes[commits(evidence)[4]].revision;
    evidence
        .changes
        .retain(|change| change.revision != revision);
}

fn swap_two_commits(evidence: &mut Evidence) {
    let all = commits(evidence);
    let (one, other) = (all[3], all[4]);
    let value = evidence.changes[one].value.clone();
    evidence.changes[one].value = evidence.changes[other].value.clone();
    evidence.changes[other].value = value;
}

fn forget_a_request(evidence: &mut Evidence) {
    let at = granted(evidence, is_fence);
    let id = evidence.notes.tries[at].request.id.clone();
    evidence.notes.tries.retain(|it| it.request.id != id);
}

fn drop_a_deadline(evidence: &mut Evidence) {
    let is_one = |key: &str| key.contains("/deadlines/");
    let changes = &evidence.changes;
    let at = changes
        .iter()
        .position(|it| is_one(&it.key) && it.value.is_some());
    evidence.changes.remove(at.unwrap());
}

/// One that a commit took away, not the end of its lease.
fn keep_a_holder(evidence: &mut Evidence) {
    let [record, _] = record_keys(evidence);
    let changes = &evidence.changes;
    let commits = changes.iter().filter(|it| it.key == record);
    let commits = BTreeSet::from_iter(commits.map(|it| it.revision));
    let is_one = |it: &Change| it.key.contains("/lock/holders/") && it.value.is_none();
    let mut all = (0..).zip(changes);
    let found = all.find(|(_, it)| is_one(it) && commits.contains(&it.revision));
    let at = found.expect("a hold ends").0;
    evidence.changes.remove(at);
}

fn lose_a_grant(evidence: &mut Evidence) {
    let at = granted(evidence, is_fence);
    let mut lost = evidence.notes.tries[at].clone();
    lost.request.at = "2026-12-31T00:00:00Z".to_owned();
    evidence.notes.tries.push(lost);
}

fn refuse_what_was_done(evidence: &mut Evidence) {
    let at = granted(evidence, is_fence);
    let id = evidence.notes.tries[at].request.id.clone();
    let tries = evidence.notes.tries.iter_mut();
    for it in tries.filter(|it| it.request.id == id) {
        it.outcome = Outcome::Refused(Refusal::SessionEnded);
    }
}

/// Not a claim, which may be tried again once its hold is gone, nor what another request sweeps.
fn commit_twice(evidence: &mut Evidence) {
    let is_line = |it: &Change| {
        let text = it.value.as_deref().unwrap_or_default();
        it.key.contains("/history/default/") && text.contains("\"event\":\"fence\"")
    };
    let all = (0..).zip(&evidence.changes);
    let lines: Vec<usize> = all.filter(|(_, it)| is_line(it)).map(|it| it.0).collect();
    evidence.changes[lines[9]].value = evidence.changes[lines[8]].value.clone();
}

fn answer_too_early(evidence: &mut Evidence) {
    let at = granted(evidence, is_fence);
    let early = Moment { tick: 1, ms: 0 };
    evidence.notes.tries[at].asked = early;
    evidence.notes.tries[at].answered = early;
}

fn refuse_for_nothing(evidence: &mut Evidence) {
    let mut tries = evidence.notes.tries.iter_mut();
    let refused = tries.find(|it| matches!(it.outcome, Outcome::Refused(_)));
    refused.unwrap().outcome = Outcome::Refused(Refusal::BadMax { max: 9999 });
}

fn see_what_never_was(evidence: &mut Evidence) {
    let look = evidence.notes.looks.last_mut().unwrap();
    look.groups.values_mut().next().unwrap().max += 1;
}

fn see_the_past(evidence: &mut Evidence) {
    let mut looks = evidence.notes.looks.iter();
    let past = looks.find(|look| !look.groups.is_empty()).unwrap().clone();
    let look = evidence.notes.looks.last_mut().unwrap();
    (look.revision, look.groups) = (past.revision, past.groups);
}

fn grant_without_a_slot(evidence: &mut Evidence) {
    for at in commits(evidence) {
        let mut record = value(evidence, at);
        record["max"] = 0.into();
        set(evidence, at, &record);
    }
}

fn come_back_late(evidence: &mut Evidence) {
    for command in &mut evidence.notes.commands {
        command.back = None;
    }
}

fn command_by_another(evidence: &mut Evidence) {
    let [first, .., last] = evidence.notes.commands.as_mut_slice() else {
        panic!("there are commands");
    };
    last.instance = first.instance.clone();
}

fn end_a_durable_hold(evidence: &mut Evidence) {
    let all = commits(evidence);
    let durable = all.iter().find(|at| has_durable(&value(evidence, **at)));
    let from = durable.copied().unwrap();
    for at in all.into_iter().filter(|at| *at > from) {
        let mut record = value(evidence, at);
        record["holds"] = Value::Array(Vec::new());
        set(evidence, at, &record);
    }
}

fn command_twice(evidence: &mut Evidence) {
    let command = evidence.notes.commands[0].clone();
    evidence.notes.commands.push(command);
}

fn fall_back(evidence: &mut Evidence) {
    let at = commits(evidence)[20];
    let mut record = value(evidence, at);
    record["generation"] = 1.into();
    record["holds"] = Value::Array(Vec::new());
    set(evidence, at, &record);
}

fn fence_too_soon(evidence: &mut Evidence) {
    let [_, slow] = record_keys(evidence);
    let records = evidence.changes.iter_mut().filter(|it| it.key == slow);
    for value in records.filter_map(|it| it.value.as_mut()) {
        *value = value.replace("\"interval_secs\":2", "\"interval_secs\":600");
    }
}

fn leave_it_changed(evidence: &mut Evidence) {
    for it in &mut evidence.notes.tries {
        if let Action::Release { undone, .. } = &mut it.request.action {
            *undone = Default::default();
        }
    }
}

/// A durable holder of the first group bears the name of one of the second.
fn hold_twice(evidence: &mut Evidence) {
    let [_, slow] = record_keys(evidence);
    let is_slow = |key: &str| key == slow;
    let mut found = None;
    for at in commits(evidence) {
        let slow_at = evidence.changes[..at]
            .iter()
            .rposition(|it| is_slow(&it.key));
        let Some(slow_at) = slow_at else {
            continue;
        };
        let (busy, slow) = (value(evidence, at), value(evidence, slow_at));
        if has_durable(&busy) && has_durable(&slow) {
            found = Some((at, busy, slow));
            break;
        }
    }
    let (at, mut busy, slow) = found.expect("both groups have a durable hold at a time");
    let durable = |value: &Value| {
        let holds = value["holds"].as_array().unwrap();
        holds
            .iter()
            .position(|hold| hold["phase"] != "claimed")
            .unwrap()
    };
    let name = slow["holds"][durable(&slow)]["node"].clone();
    let place = durable(&busy);
    busy["holds"][place]["node"] = name;
    set(evidence, at, &busy);
}
