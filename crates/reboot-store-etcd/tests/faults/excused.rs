//! What the judge excuses of an etcd that answers out of the past: that, and nothing more.

use crate::campaign::calm;
use crate::journal::{Moment, Nap, Outcome, Seen, Try};
use crate::judge::{Evidence, Rule, judge};
use reboot_core::id::NodeName;
use std::collections::BTreeSet;

/// A step away from what is excused.
struct Step {
    name: &'static str,
    take: fn(&mut Evidence),
}

const STEPS: &[Step] = &[
    Step {
        name: "members that are mended",
        take: |evidence| evidence.etcd_version = "3.4.42".to_owned(),
    },
    Step {
        name: "members of a later line",
        take: |evidence| evidence.etcd_version = "3.7.0".to_owned(),
    },
    Step {
        name: "no leader was stopped",
        take: |evidence| evidence.notes.naps.clear(),
    },
    Step {
        name: "the leader was not continued yet",
        take: |evidence| evidence.notes.naps[0].until = last_look(evidence).answered,
    },
    Step {
        name: "it went on long ago",
        take: |evidence| {
            let look = evidence.notes.looks.last_mut().unwrap();
            look.asked.ms += 10_000;
            look.answered.ms += 10_000;
        },
    },
    Step {
        name: "older than what the leader knew",
        take: |evidence| evidence.notes.naps[0].from = evidence.notes.naps[0].until,
    },
    Step {
        name: "less than was told to the very node",
        take: |evidence| {
            let node = evidence.notes.looks[evidence.notes.looks.len() - 2]
                .node
                .clone();
            evidence.notes.looks.last_mut().unwrap().node = node;
        },
    },
    Step {
        name: "what never was",
        take: |evidence| {
            let look = evidence.notes.looks.last_mut().unwrap();
            look.groups.values_mut().for_each(|group| group.max += 1);
        },
    },
];

fn last_look(evidence: &Evidence) -> &Seen {
    evidence.notes.looks.last().unwrap()
}

/// A calm run, of which each look was fresh.
async fn run(seed: u64) -> Evidence {
    let mut evidence = calm(seed, |notes| notes.cycles >= 20).await;
    evidence.etcd_version = "3.4.23".to_owned();
    evidence.notes.looks.sort_by_key(|look| look.answered);
    evidence
}

/// A leader that slept since a moment, until just before another.
fn nap(since: Moment, asked: Moment) -> Nap {
    let until = Moment {
        tick: asked.tick - 1,
        ..asked
    };
    Nap { from: since, until }
}

/// The last look is one of somebody new, who is told by a leader that slept since the first.
fn see_the_past(evidence: &mut Evidence) {
    let mut looks = evidence.notes.looks.iter();
    let past = looks.find(|look| !look.groups.is_empty()).unwrap().clone();
    let look = evidence.notes.looks.last_mut().unwrap();
    look.node = NodeName::new("stranger").unwrap();
    (look.revision, look.groups) = (past.revision, past.groups);
    evidence.notes.naps = vec![nap(past.asked, look.asked)];
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_out_of_the_past_is_excused_within_bounds() {
    let mut evidence = run(11).await;
    see_the_past(&mut evidence);
    let verdict = judge(&evidence);
    assert!(verdict.violations.is_empty(), "{:#?}", verdict.violations);
    assert_eq!(verdict.figures.of_the_past, 1);
    for step in STEPS {
        println!("{}", step.name);
        let mut beyond = evidence.clone();
        (step.take)(&mut beyond);
        let verdict = judge(&beyond);
        let (name, violations) = (step.name, &verdict.violations);
        assert_eq!(violations.len(), 1, "{name}: {violations:#?}");
        assert_eq!(verdict.figures.of_the_past, 0, "{}", step.name);
    }
}

/// The same with a try instead of the last look.
fn be_told_of_the_past(evidence: &mut Evidence, at: usize) -> Nap {
    let look = last_look(evidence).clone();
    let told = &mut evidence.notes.tries[at];
    let nap = nap(told.asked, look.asked);
    (told.asked, told.answered) = (look.asked, look.answered);
    nap
}

/// A run of which one refusal is told late, and nothing else is wrong with it: the leader's nap
/// that would excuse it. Not every refusal will do: one may be true to this day, or its request was
/// answered earlier too.
fn told_late(evidence: &Evidence) -> Option<(Evidence, Nap)> {
    let refused = |it: &Try| matches!(it.outcome, Outcome::Refused(_));
    let tries = (0..).zip(&evidence.notes.tries);
    let refusals = tries.filter(|(_, it)| refused(it));
    let mut moved = refusals.map(|(at, _)| {
        let mut told = evidence.clone();
        let nap = be_told_of_the_past(&mut told, at);
        (told, nap)
    });
    moved.find(|(told, _)| judge(told).broken() == BTreeSet::from([Rule::Answers]))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_out_of_the_past_is_excused_too() {
    let mut found = None;
    for seed in 11..31 {
        found = told_late(&run(seed).await);
        if found.is_some() {
            break; // how a run goes is the machine's doing too
        }
    }
    let (mut told, nap) = found.expect("not each was true at the end, in twenty runs");
    told.notes.naps.push(nap);
    let verdict = judge(&told);
    assert!(verdict.violations.is_empty(), "{:#?}", verdict.violations);
    assert_eq!(verdict.figures.of_the_past, 1);
}
