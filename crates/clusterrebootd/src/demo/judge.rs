//! Whether the promises were kept: pure functions of what was seen, so that they can be shown to
//! fail.

use super::history;
use super::plan::Plan;
use super::trace::{Fact, Trace};
use reboot_core::group::HistoryEntry;
use std::collections::BTreeSet;

/// How the demo ended.
#[derive(Clone, Debug, Default)]
pub(super) struct Ending {
    /// Why it ended before the roll did, if it did.
    pub(super) cut_short: Option<String>,
    /// Holds and waiters that the store still has.
    pub(super) left_in_store: Vec<String>,
    /// Machines on which a drain was not undone, those apart that never came back.
    pub(super) left_drained: Vec<String>,
    /// The group's whole history, oldest first.
    pub(super) history: Vec<HistoryEntry>,
}

/// A promise, and all that contradicts it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Verdict {
    pub(super) promise: &'static str,
    pub(super) faults: Vec<String>,
}

/// Judges everything.
pub(super) fn judge(trace: &Trace, ending: &Ending, plan: &Plan) -> Vec<Verdict> {
    let verdict = |promise, faults| Verdict { promise, faults };
    vec![
        verdict(
            "the roll came to its end",
            ending.cut_short.iter().cloned().collect(),
        ),
        verdict(
            "never more machines down than slots",
            too_many_down(trace, plan),
        ),
        verdict(
            "who was down held a slot, kept by no timer",
            down_without_hold(trace),
        ),
        verdict(
            "never more durable holds than slots",
            too_many_holders(trace, plan),
        ),
        verdict("every machine rebooted exactly once", not_once(trace, plan)),
        verdict("every machine came back that could", not_back(trace, plan)),
        verdict("every slot was given back", ending.left_in_store.clone()),
        verdict("what was drained was undone", ending.left_drained.clone()),
        verdict(
            "the history tells the same",
            history::faults(&ending.history, plan),
        ),
    ]
}

fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().collect::<Vec<_>>().join(", ")
}

fn too_many_down(trace: &Trace, plan: &Plan) -> Vec<String> {
    let moments = (0..trace.facts().len())
        .filter(|at| matches!(trace.facts()[*at], Fact::Down(_)))
        .map(|at| trace.down_after(at + 1));
    moments
        .filter(|down| down.len() > plan.slots as usize)
        .map(|down| format!("{} were down at once: {}", down.len(), listed(down)))
        .collect()
}

fn down_without_hold(trace: &Trace) -> Vec<String> {
    let mut faults = Vec::new();
    for (at, fact) in trace.facts().iter().enumerate() {
        let Fact::Holders(holders) = fact else {
            continue;
        };
        let down = trace.down_after(at).into_iter();
        let bare: Vec<&str> = down.filter(|name| !holders.contains(*name)).collect();
        if !bare.is_empty() {
            let bare = listed(bare);
            faults.push(format!("{bare}: down, and the store showed no hold"));
        }
    }
    faults
}

fn too_many_holders(trace: &Trace, plan: &Plan) -> Vec<String> {
    let looks = trace.facts().iter().filter_map(|fact| match fact {
        Fact::Holders(holders) => Some(holders),
        _ => None,
    });
    looks
        .filter(|holders| holders.len() > plan.slots as usize)
        .map(|holders| {
            format!(
                "held at once: {}",
                listed(holders.iter().map(String::as_str))
            )
        })
        .collect()
}

fn not_once(trace: &Trace, plan: &Plan) -> Vec<String> {
    let times = |name: &String| {
        let is_it = |fact: &&Fact| **fact == Fact::Down(name.clone());
        trace.facts().iter().filter(is_it).count()
    };
    let counts = plan.names.iter().map(|name| (name, times(name)));
    counts
        .filter(|(_, times)| *times != 1)
        .map(|(name, times)| format!("{name} went down {times} times"))
        .collect()
}

fn not_back(trace: &Trace, plan: &Plan) -> Vec<String> {
    let down: BTreeSet<&str> = trace.down_after(trace.facts().len());
    let mut faults: Vec<String> = down.iter().map(|name| format!("{name} is down")).collect();
    for fact in trace.facts() {
        match fact {
            Fact::Died(name, how) => faults.push(format!("{name}: its daemon ended ({how})")),
            Fact::Unlocked(name) if !plan.is_failing(name) => {
                faults.push(format!("{name} was unlocked, though it did not fail"));
            }
            _ => {}
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(fails: Option<&str>) -> Plan {
        Plan {
            names: vec!["a".to_owned(), "b".to_owned()],
            slots: 1,
            fails: fails.map(str::to_owned),
            down_secs: 1,
            keeps: false,
        }
    }

    fn down(name: &str) -> Fact {
        Fact::Down(name.to_owned())
    }

    fn up(name: &str) -> Fact {
        Fact::Up(name.to_owned())
    }

    fn held(names: &[&str]) -> Fact {
        Fact::Holders(names.iter().map(|name| (*name).to_owned()).collect())
    }

    /// One after the other, as it should be.
    fn good() -> Vec<Fact> {
        let turn = |name| {
            [
                held(&[name]),
                down(name),
                held(&[name]),
                up(name),
                held(&[]),
            ]
        };
        [turn("a"), turn("b")].concat()
    }

    /// The promises that such a trace breaks; the history has a test of its own.
    fn broken(facts: Vec<Fact>, ending: &Ending, plan: &Plan) -> Vec<&'static str> {
        let mut trace = Trace::default();
        for fact in facts {
            trace.add(fact);
        }
        let verdicts = judge(&trace, ending, plan).into_iter();
        let broken = verdicts.filter(|it| !it.faults.is_empty());
        let names = broken.map(|it| it.promise);
        names.filter(|it| !it.contains("history")).collect()
    }

    fn with(at: usize, fact: Fact) -> Vec<Fact> {
        let mut facts = good();
        facts.insert(at, fact);
        facts
    }

    #[test]
    fn a_good_trace_breaks_no_promise() {
        assert!(broken(good(), &Ending::default(), &plan(None)).is_empty());
    }

    #[test]
    fn a_second_machine_down_is_noticed_though_the_store_is_silent() {
        let facts = vec![down("a"), down("b"), up("a"), up("b")];
        let found = broken(facts, &Ending::default(), &plan(None));
        assert_eq!(found, ["never more machines down than slots"]);
    }

    #[test]
    fn a_machine_down_without_a_hold_is_noticed() {
        let found = broken(with(2, held(&[])), &Ending::default(), &plan(None));
        assert_eq!(found, ["who was down held a slot, kept by no timer"]);
    }

    #[test]
    fn two_holders_of_one_slot_are_noticed() {
        let found = broken(with(1, held(&["a", "b"])), &Ending::default(), &plan(None));
        assert_eq!(found, ["never more durable holds than slots"]);
    }

    #[test]
    fn a_machine_that_reboots_twice_or_never_is_noticed() {
        let once = "every machine rebooted exactly once";
        let mut twice = good();
        twice.extend([held(&["a"]), down("a"), up("a")]);
        assert_eq!(broken(twice, &Ending::default(), &plan(None)), [once]);
        let never = good()[..5].to_vec();
        assert_eq!(broken(never, &Ending::default(), &plan(None)), [once]);
    }

    #[test]
    fn a_machine_that_stays_down_is_noticed_unless_its_hold_was_ended_by_the_operator() {
        let back = "every machine came back that could";
        let mut facts = good();
        facts.truncate(8);
        assert_eq!(
            broken(facts.clone(), &Ending::default(), &plan(None)),
            [back]
        );
        facts.push(Fact::Unlocked("b".to_owned()));
        assert!(broken(facts.clone(), &Ending::default(), &plan(Some("b"))).is_empty());
        assert_eq!(broken(facts, &Ending::default(), &plan(None)), [back]);
        let died = Fact::Died("a".to_owned(), "exit status: 1".to_owned());
        assert_eq!(
            broken(with(9, died), &Ending::default(), &plan(None)),
            [back]
        );
    }

    #[test]
    fn the_unlocked_machine_no_longer_counts_but_the_others_do() {
        let ended = Fact::Unlocked("a".to_owned());
        let facts = vec![down("a"), ended, down("b"), held(&["b"]), up("b")];
        assert!(broken(facts, &Ending::default(), &plan(Some("a"))).is_empty());
    }

    #[test]
    fn what_is_left_behind_is_noticed() {
        let ending = Ending {
            cut_short: Some("nothing happened for 40 s".to_owned()),
            left_in_store: vec!["hold 2 of b".to_owned()],
            left_drained: vec!["b".to_owned()],
            history: Vec::new(),
        };
        let found = broken(good(), &ending, &plan(None));
        assert_eq!(found.len(), 3, "{found:?}");
    }

    #[test]
    fn an_empty_history_does_not_pass() {
        let verdicts = judge(&Trace::default(), &Ending::default(), &plan(None));
        let history = verdicts.iter().find(|it| it.promise.contains("history"));
        assert!(!history.unwrap().faults.is_empty());
    }
}
