//! Whether a recorded history is one that the sequential rules allow, in an order that respects
//! real time; and whether it kept the invariants.
//!
//! etcd's revisions say in which order commits happened. So there is no order to be searched for:
//! each commit must follow from the one before by [`reboot_core::group::apply`] and the one
//! request that it names, and the order must agree with who was answered before who asked.

mod commits;
mod invariants;
mod machines;
mod naps;
mod order;
mod tries;

use crate::journal::{Moment, Notes, Outcome, Try};
use crate::past::{Past, Stand, stand};
use crate::recorder::Change;
use reboot_core::group::{Action, Request};
use reboot_core::id::{GroupName, NodeName};
use reboot_store_etcd::keys::Keys;
use std::collections::BTreeMap;
use std::fmt;

/// All that is known of a run.
#[derive(Clone, Debug)]
pub(crate) struct Evidence {
    /// Of the members: some have faults of their own.
    pub(crate) etcd_version: String,
    pub(crate) keys: Keys,
    pub(crate) changes: Vec<Change>,
    pub(crate) notes: Notes,
}

/// A rule that was broken.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Violation {
    pub(crate) rule: Rule,
    pub(crate) text: String,
}

/// What is judged.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Rule {
    /// The recorder missed nothing.
    Unbroken,
    /// Each commit is what the rules make of the one before.
    Sequential,
    /// What belongs to a commit is in it: holders, timers, marks, debts, history.
    Whole,
    /// Granted exactly once, refused never, unknown at most once; a claim that is tried again
    /// after its hold was ended is another.
    Once,
    /// Who was answered first comes first.
    RealTime,
    /// Answers and looks tell what was so at some point while they were asked for.
    Answers,
    I1,
    I2,
    I3,
    I4,
    I5,
    I6,
    I8,
    I9,
}

/// What was judged, and what is wrong.
#[derive(Clone, Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) violations: Vec<Violation>,
    pub(crate) figures: Figures,
}

/// How much was judged.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figures {
    pub(crate) commits: u64,
    /// By the event in their line of history.
    pub(crate) verbs: BTreeMap<String, u64>,
    /// Commits by facts that had changed since they were read, as the rules allow.
    pub(crate) late_facts: BTreeMap<String, u64>,
    pub(crate) granted: u64,
    pub(crate) refused: BTreeMap<&'static str, u64>,
    pub(crate) unavailable: u64,
    pub(crate) unknown: u64,
    /// Unknown ones that were found to be committed.
    pub(crate) unknown_committed: u64,
    pub(crate) looks: u64,
    /// Looks and refusals that told of the past, right after a stopped leader went on.
    pub(crate) of_the_past: u64,
    pub(crate) cooldowns: u64,
}

/// A request with all of its tries.
pub(crate) struct Asked<'a> {
    pub(crate) request: &'a Request,
    pub(crate) tries: Vec<&'a Try>,
}

/// One commit of a group's record.
pub(crate) struct Commit {
    pub(crate) before: Option<Stand>,
    pub(crate) after: Stand,
    /// What its lines of history say when they were asked for: the name of the request.
    pub(crate) at: Option<String>,
}

/// What the parts of a judgement share.
pub(crate) struct Case<'a> {
    pub(crate) evidence: &'a Evidence,
    pub(crate) past: Past,
    /// By the time that each bears, which no other has.
    pub(crate) asked: BTreeMap<&'a str, Asked<'a>>,
    pub(crate) commits: BTreeMap<GroupName, Vec<Commit>>,
    /// When somebody was told of a commit, and the newest that anybody was told of by then.
    granted: BTreeMap<GroupName, Vec<(Moment, i64)>>,
    /// What each node was told, in the same way.
    told: BTreeMap<NodeName, Vec<(Moment, i64)>>,
    pub(crate) verdict: Verdict,
}

/// Judges all there is to judge.
pub(crate) fn judge(evidence: &Evidence) -> Verdict {
    let mut case = Case::new(evidence);
    case.index_grants();
    case.index_news();
    case.judge_commits();
    case.judge_invariants();
    case.judge_order();
    case.judge_tries();
    case.judge_machines();
    case.verdict
}

// === impl Case ===

impl<'a> Case<'a> {
    fn new(evidence: &'a Evidence) -> Self {
        let past = Past::new(evidence.keys.clone(), &evidence.changes);
        let mut asked = BTreeMap::<&str, Asked<'_>>::new();
        for it in &evidence.notes.tries {
            let of_request = asked.entry(&it.request.at).or_insert_with(|| Asked {
                request: &it.request,
                tries: Vec::new(),
            });
            of_request.tries.push(it);
        }
        let commits = crate::groups()
            .into_iter()
            .map(|name| (name.clone(), commits_of(&past, &name)))
            .collect();
        Self {
            evidence,
            past,
            asked,
            commits,
            granted: BTreeMap::new(),
            told: BTreeMap::new(),
            verdict: Verdict::default(),
        }
    }

    fn index_grants(&mut self) {
        for (name, commits) in &self.commits {
            let told = commits
                .iter()
                .filter_map(|commit| Some((self.granted_by(name, commit)?, commit.after.revision)));
            let mut told: Vec<_> = told.collect();
            keep_newest(&mut told);
            self.granted.insert(name.clone(), told);
        }
    }

    pub(crate) fn object(&mut self, rule: Rule, text: String) {
        self.verdict.violations.push(Violation { rule, text });
    }

    /// A group's record as it stood at a revision.
    pub(crate) fn stand(&self, name: &GroupName, at: i64) -> Option<&Stand> {
        let all = &self.commits[name];
        let end = all.partition_point(|commit| commit.after.revision <= at);
        Some(&all[end.checked_sub(1)?].after)
    }

    /// The request that a commit names.
    pub(crate) fn request_of(&self, commit: &Commit) -> Option<&Asked<'a>> {
        self.asked.get(commit.at.as_deref()?)
    }
}

/// Puts news in the order in which they were told, each with the newest revision told by then.
fn keep_newest(told: &mut [(Moment, i64)]) {
    told.sort_unstable();
    let mut newest = 0;
    for (_, revision) in told {
        newest = newest.max(*revision);
        *revision = newest;
    }
}

fn commits_of(past: &Past, name: &GroupName) -> Vec<Commit> {
    let record = past.keys.record(name);
    let mut before = None;
    let mut commits = Vec::new();
    let there = |version: &&crate::past::Version| version.value.is_some();
    for after in past.all(&record).iter().filter(there).map(stand) {
        let line = past.keys.history_line(name, after.history);
        let line = past.changed(&line, after.revision);
        let line = line.and_then(|version| version.value.as_deref());
        let entry = line.and_then(|text| serde_json::from_str::<serde_json::Value>(text).ok());
        let at = entry.and_then(|entry| Some(entry.get("at")?.as_str()?.to_owned()));
        commits.push(Commit {
            before: before.replace(after.clone()),
            after,
            at,
        });
    }
    commits
}

// === impl Asked ===

impl Asked<'_> {
    /// When it was first asked: it had not happened before.
    pub(crate) fn asked(&self) -> Moment {
        let first = self.tries.iter().map(|it| it.asked).min();
        first.expect("a request has a try")
    }

    /// When it was first granted: it had happened by then.
    pub(crate) fn granted(&self) -> Option<Moment> {
        let granted = |it: &&&crate::journal::Try| matches!(it.outcome, Outcome::Granted(_));
        self.tries
            .iter()
            .filter(granted)
            .map(|it| it.answered)
            .min()
    }

    /// Once, if it was granted or is open. By the rules a claim is told from a new one by the hold
    /// that it made: tried again after that was broken, or ended with its lease, it is a new one.
    fn commits_at_most(&self) -> u64 {
        let may_be = |it: &&&Try| matches!(it.outcome, Outcome::Granted(_) | Outcome::Unknown);
        let tries = self.tries.iter().filter(may_be).count();
        match self.request.action {
            Action::Claim(_) => u64::try_from(tries).unwrap(),
            _ => u64::from(tries > 0),
        }
    }

    /// Whether it may have happened though nobody was told so.
    pub(crate) fn is_open(&self) -> bool {
        self.tries.iter().any(|it| it.outcome == Outcome::Unknown)
    }
}

// === impl Verdict ===

impl Verdict {
    /// The rules that were broken.
    pub(crate) fn broken(&self) -> std::collections::BTreeSet<Rule> {
        self.violations.iter().map(|it| it.rule).collect()
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.rule, self.text)
    }
}
