//! Answers that changed nothing, refusals and looks above all, tell what was so at some point
//! between question and answer.

use super::commits::created;
use super::{Case, Rule};
use crate::journal::{Moment, Outcome, Seen, Try};
use reboot_core::group::apply;
use reboot_core::id::GroupName;

// === impl Case ===

impl Case<'_> {
    pub(super) fn judge_tries(&mut self) {
        let evidence = self.evidence;
        for it in &evidence.notes.tries {
            self.count_try(it);
            if self.is_explained(it, it.asked) {
                continue;
            }
            if self.is_of_the_past(it) {
                self.verdict.figures.of_the_past += 1;
                continue;
            }
            let (verb, outcome) = (it.request.action.verb(), &it.outcome);
            let text = format!("{verb} {} was answered {outcome:?}", it.request.id);
            self.object(Rule::Answers, text);
        }
        for look in &evidence.notes.looks {
            self.verdict.figures.looks += 1;
            match self.judge_look(look) {
                Ok(is_fresh) => self.verdict.figures.of_the_past += u64::from(!is_fresh),
                Err(why) => self.object(Rule::Answers, describe(look, &why)),
            }
        }
    }

    fn count_try(&mut self, it: &Try) {
        let figures = &mut self.verdict.figures;
        match &it.outcome {
            Outcome::Granted(_) => figures.granted += 1,
            Outcome::Refused(why) => *figures.refused.entry(why.kind()).or_default() += 1,
            Outcome::Unavailable => figures.unavailable += 1,
            Outcome::Unknown => figures.unknown += 1,
        }
    }

    /// The revisions between which something happened that was asked for and answered then: it
    /// surely was not before the first, nor after the last.
    fn span(&self, group: &GroupName, asked: Moment, answered: Moment) -> (i64, i64) {
        let from = self.past.surely_by(asked);
        let commits = &self.commits[group];
        let start = commits.partition_point(|commit| commit.after.revision <= from);
        let is_later = |commit: &&super::Commit| {
            let request = self.request_of(commit);
            request.is_some_and(|request| request.asked() > answered)
        };
        let later = commits[start..].iter().find(is_later);
        let last = self.past.told.last().map_or(0, |(revision, _)| *revision);
        (from, later.map_or(last, |commit| commit.after.revision - 1))
    }

    /// Whether the answer was true at some point from a moment on.
    fn is_explained(&self, it: &Try, since: Moment) -> bool {
        if matches!(it.outcome, Outcome::Unavailable | Outcome::Unknown) {
            return true;
        }
        let (from, to) = self.span(&it.group, since, it.answered);
        // The oldest first: an answer is mostly younger than what it tells.
        let revisions: Vec<i64> = self.past.revisions(from, to).collect();
        revisions.into_iter().rev().any(|at| self.tells(it, at))
    }

    /// Whether the rules would have given this answer at a revision.
    fn tells(&self, it: &Try, at: i64) -> bool {
        let stand = self.stand(&it.group, at);
        let group = stand.map_or_else(created, |stand| stand.group.clone());
        let facts = self.past.facts(&it.group, &group, &it.request, at);
        match (apply(&group, &it.request, &facts), &it.outcome) {
            (Err(refusal), Outcome::Refused(told)) => refusal == *told,
            (Ok(applied), Outcome::Granted(told)) => applied.reply == *told,
            _ => false,
        }
    }

    /// Whether a refusal was true since the leader was stopped that went on just before.
    fn is_of_the_past(&self, it: &Try) -> bool {
        let is_refusal = matches!(it.outcome, Outcome::Refused(_));
        let nap = self.nap_before(it.asked, it.answered);
        is_refusal && nap.is_some_and(|since| self.is_explained(it, since))
    }

    /// Whether a look showed the present, or else the past as far as etcd is excused.
    fn judge_look(&self, look: &Seen) -> Result<bool, String> {
        let mut is_fresh = true;
        let own = self.own_news(&look.node, look.asked);
        if look.revision < own {
            return Err(format!("{own} was told before to the very node"));
        }
        for (name, group) in &look.groups {
            let (_, to) = self.span(name, look.asked, look.answered);
            let from = self.surely(name, look.asked);
            if look.revision < from {
                is_fresh = false;
            }
            let nap = self.nap_before(look.asked, look.answered);
            // A nap excuses, and never asks for more.
            let from = nap.map_or(from, |since| from.min(self.surely(name, since)));
            if look.revision < from || look.revision > to {
                return Err(format!(
                    "it is not between {from} and {to}, as real time has it"
                ));
            }
            let stand = self.stand(name, look.revision);
            let stood = stand.map(|stand| {
                let alive = self.past.alive(name, &stand.group, look.revision);
                stand.group.swept(&alive).0
            });
            if stood.as_ref() != Some(group) {
                return Err(format!("group {name} was {stood:?}, not {group:?}"));
            }
        }
        Ok(is_fresh)
    }

    /// The newest commit that somebody was told of before a moment.
    pub(super) fn at_least(&self, name: &GroupName, moment: Moment) -> i64 {
        let told = &self.granted[name];
        let end = told.partition_point(|(granted, _)| *granted < moment);
        end.checked_sub(1).map_or(0, |at| told[at].1)
    }
}

fn describe(look: &Seen, why: &str) -> String {
    let (asked, answered) = (look.asked.ms, look.answered.ms);
    let (node, revision) = (&look.node, look.revision);
    format!("a look of {node} from {asked} to {answered} ms, at revision {revision}: {why}")
}
