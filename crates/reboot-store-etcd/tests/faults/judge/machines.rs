//! What machines did, beside what the record says of them.

use super::{Case, Commit, Rule};
use crate::journal::{Command, Outcome, Try};
use reboot_core::group::Action;
use std::collections::HashSet;

// === impl Case ===

impl Case<'_> {
    pub(super) fn judge_machines(&mut self) {
        let evidence = self.evidence;
        let mut boots = HashSet::new();
        for command in &evidence.notes.commands {
            let what = format!(
                "{} in {} by hold {}",
                command.node, command.boot, command.number
            );
            if !self.is_fenced(command) {
                self.object(
                    Rule::I2,
                    format!("{what}: commanded without a fence of its own"),
                );
            }
            if !boots.insert((&command.node, &command.boot)) {
                self.object(Rule::I4, format!("{what}: commanded twice in one boot"));
            }
            if !self.held_while_down(command) {
                self.object(
                    Rule::I1,
                    format!("{what}: its hold ended before it was back"),
                );
            }
        }
    }

    /// A command follows a fence that was granted to the same run, in the same boot.
    fn is_fenced(&self, command: &Command) -> bool {
        let fences = |it: &&Try| {
            let Action::Fence { owner, boot, .. } = &it.request.action else {
                return false;
            };
            matches!(it.outcome, Outcome::Granted(_))
                && it.answered < command.at
                && owner.number == command.number
                && owner.instance == command.instance
                && *boot == command.boot
        };
        let tries = &self.evidence.notes.tries;
        let end = tries.partition_point(|it| it.answered < command.at);
        tries[..end].iter().rev().any(|it| fences(&it))
    }

    /// A machine that goes down holds until it is back, unless an operator broke the hold.
    fn held_while_down(&self, command: &Command) -> bool {
        let commits = &self.commits[&command.group];
        let holds = |commit: &Commit, number: u64| {
            let mut holds = commit.after.group.holds.iter();
            holds.any(|hold| hold.number == number)
        };
        let number = command.number;
        let start = commits.partition_point(|commit| commit.after.group.generation < number);
        if !commits
            .get(start)
            .is_some_and(|commit| holds(commit, number))
        {
            return false;
        }
        let end = commits[start..]
            .iter()
            .find(|commit| !holds(commit, number));
        let Some(asked) = end.map(|commit| self.request_of(commit)) else {
            return true; // it holds to this day
        };
        match asked.map(|asked| (&asked.request.action, asked.asked())) {
            Some((Action::Break { .. }, _)) => true,
            Some((Action::Release { .. }, at)) => command.back.is_some_and(|back| back < at),
            _ => false,
        }
    }
}
