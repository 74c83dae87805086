//! Requests happened once or not at all, and in an order that real time allows.

use super::{Case, Commit, Rule};
use crate::journal::{Moment, Outcome};
use reboot_core::group::HistoryEntry;
use reboot_core::id::GroupName;
use std::collections::BTreeMap;

// === impl Case ===

impl Case<'_> {
    pub(super) fn judge_order(&mut self) {
        self.judge_counts();
        for name in crate::groups() {
            self.judge_real_time(&name);
        }
    }

    fn judge_counts(&mut self) {
        let mut commits = BTreeMap::<&str, u64>::new();
        for (name, commit) in self.every_commit() {
            if let Some(at) = &commit.at
                && self.is_done_in(name, commit)
            {
                *commits.entry(at).or_default() += 1;
            }
        }
        let mut wrong = Vec::new();
        let mut open_and_done = 0;
        for (at, asked) in &self.asked {
            let done = commits.get(at).copied().unwrap_or(0);
            let least = u64::from(asked.granted().is_some());
            let may_be = least..=asked.commits_at_most();
            open_and_done += u64::from(asked.is_open() && done > 0);
            if !may_be.contains(&done) {
                let outcomes: Vec<&Outcome> = asked.tries.iter().map(|it| &it.outcome).collect();
                let request = asked.request;
                wrong.push(format!(
                    "{request:?} was committed {done} times: {outcomes:?}"
                ));
            }
        }
        self.verdict.figures.unknown_committed = open_and_done;
        for text in wrong {
            self.object(Rule::Once, text);
        }
    }

    pub(super) fn every_commit(&self) -> impl Iterator<Item = (&GroupName, &Commit)> {
        let groups = self.commits.iter();
        groups.flat_map(|(name, commits)| commits.iter().map(move |commit| (name, commit)))
    }

    /// Whether a commit does what its request asks for. One that is asked again does nothing, but
    /// sweeps what has died meanwhile, as every request does.
    fn is_done_in(&self, name: &GroupName, commit: &Commit) -> bool {
        let first = commit.before.as_ref().map_or(0, |stand| stand.history) + 1;
        let verb = self.request_of(commit).map(|it| it.request.action.verb());
        let mut lines = first..=commit.after.history;
        lines.any(|number| {
            let key = self.past.keys.history_line(name, number);
            let line = self.past.changed(&key, commit.after.revision);
            let text = line.and_then(|version| version.value.as_deref());
            let entry = text.and_then(|text| serde_json::from_str::<HistoryEntry>(text).ok());
            entry.is_some_and(|entry| Some(entry.event.as_str()) == verb)
        })
    }

    /// When somebody was told that a commit had happened. Its request may have been granted by an
    /// earlier one, and only have swept in this.
    pub(super) fn granted_by(&self, name: &GroupName, commit: &Commit) -> Option<Moment> {
        let is_done = self.is_done_in(name, commit);
        self.request_of(commit)?.granted().filter(|_| is_done)
    }

    /// A commit that comes later must not have been granted before an earlier one was asked for.
    fn judge_real_time(&mut self, name: &GroupName) {
        let mut newest = None;
        let mut wrong = Vec::new();
        for commit in &self.commits[name] {
            let Some(asked) = self.request_of(commit) else {
                continue;
            };
            let at = commit.after.revision;
            if let (Some(newest), Some(granted)) = (newest, self.granted_by(name, commit))
                && granted < newest
            {
                wrong.push(format!(
                    "group {name} at revision {at}: granted at {granted:?}, yet it comes after a \
                     commit that was asked for at {newest:?}"
                ));
            }
            // Whoever was told of it before it was asked for saw the future.
            if commit_seen(self, at).is_some_and(|seen| seen < asked.asked()) {
                wrong.push(format!(
                    "group {name} at revision {at}: seen before it was asked for"
                ));
            }
            newest = newest.max(Some(asked.asked()));
        }
        for text in wrong {
            self.object(Rule::RealTime, text);
        }
    }
}

fn commit_seen(case: &Case<'_>, revision: i64) -> Option<Moment> {
    let told = &case.past.told;
    let found = told.binary_search_by_key(&revision, |(revision, _)| *revision);
    found.ok().map(|at| told[at].1)
}
