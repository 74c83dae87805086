//! The command: marked on disk before it starts, never forgotten after.

use super::hold::local_report;
use super::step::Turn;
use super::{CommandMark, Effect, News, Purpose, Stage, Step, Timer};
use crate::gates::Evidence;
use crate::group::Way;
use crate::need::Satisfied;
use crate::outcome::{Blocker, Outcome, Report};

/// How often the command is issued in one boot, at the most.
const ATTEMPTS_MAX: u32 = 2;

// === impl Turn ===

impl Turn<'_> {
    /// Writes the notebook; the answer comes to `saved`.
    pub(super) fn save(&mut self) {
        let id = self.next_number();
        self.agent.saving = Some(id);
        let notebook = Box::new(self.agent.notebook.clone());
        self.emit(Effect::Save { id, notebook });
    }

    pub(super) fn saved(&mut self, id: u64, result: Result<(), String>) {
        if let Err(error) = &result {
            self.tell(News::Trouble {
                what: "write the journal",
                error: error.clone(),
            });
        }
        if self.agent.saving != Some(id) {
            return; // a later one is under way
        }
        self.agent.saving = None;
        match self.agent.stage.clone() {
            Stage::Holding(Step::Noting(hooks)) => self.changes_noted(hooks, result),
            Stage::Holding(Step::Marking { verdicts_ms }) => self.marked(verdicts_ms, result),
            _ => {}
        }
    }

    pub(super) fn mark_command(&mut self, verdicts_ms: u64) {
        let boot = self.agent.settings.identity.boot.clone();
        let before = self
            .agent
            .notebook
            .command
            .take()
            .filter(|mark| !mark.boot.differs_from(&boot));
        let attempts = before.map_or(0, |mark| mark.attempts) + 1;
        let need = self.need();
        self.agent.notebook.command = Some(CommandMark {
            boot,
            attempts,
            need,
        });
        self.set_step(Step::Marking { verdicts_ms });
        self.save();
    }

    /// A command marked in a former boot has had its reboot: its need is not rebooted for again.
    pub(super) fn remember_command(&mut self) {
        let boot = self.agent.settings.identity.boot.clone();
        let notebook = &mut self.agent.notebook;
        let Some(mark) = notebook
            .command
            .take_if(|mark| mark.boot.differs_from(&boot))
        else {
            return;
        };
        if !mark.need.is_empty() {
            notebook.satisfied = Some(Satisfied {
                fingerprint: mark.need,
                was_clear_since: false,
            });
        }
        self.agent.is_need_remembered = true;
        self.save();
    }

    fn marked(&mut self, verdicts_ms: u64, result: Result<(), String>) {
        match result {
            Err(error) => self.unmark_and_abort(local_report(Outcome::Error, error)),
            Ok(()) if !self.are_verdicts_alive(verdicts_ms) => {
                let message = "the verdicts grew too old while the journal was written";
                self.unmark_and_abort(local_report(Outcome::Error, message));
            }
            Ok(()) => {
                self.set_step(Step::Issuing);
                self.emit(Effect::IssueReboot);
            }
        }
    }

    /// The command was not issued after all: this try does not count.
    fn unmark_and_abort(&mut self, report: Report) {
        let mark = self.agent.notebook.command.take();
        self.agent.notebook.command =
            mark.filter(|mark| mark.attempts > 1)
                .map(|mark| CommandMark {
                    attempts: mark.attempts - 1,
                    ..mark
                });
        self.save();
        self.abort(report);
    }

    pub(super) fn command_started(&mut self) {
        if self.agent.stage == Stage::Holding(Step::Issuing) {
            self.become_issued();
            let attempts = self.attempts_issued();
            self.tell_step("command_issued", format!("try {attempts} in this boot"));
        }
    }

    /// Waits for the machine to go down.
    pub(super) fn become_issued(&mut self) {
        self.set_step(Step::Issued);
        self.set_timer(Timer::Patience, self.agent.settings.reboot_timeout_ms);
    }

    pub(super) fn command_not_started(&mut self, why: &str) {
        if self.agent.stage == Stage::Holding(Step::Issuing) {
            let message = format!("the reboot command could not be started: {why}");
            self.unmark_and_abort(local_report(Outcome::Error, message));
        }
    }

    /// The command's end means little: it may have scheduled the reboot, or failed after it.
    pub(super) fn command_ended(&mut self, is_success: bool, how: &str) {
        match is_success {
            true => self.tell_step("command_ended", how.to_owned()),
            false => {
                let error = format!("{how}: the slot is kept until the machine has gone down");
                self.tell(News::Trouble {
                    what: "reboot",
                    error,
                });
            }
        }
    }

    pub(super) fn patience_ended(&mut self) {
        match self.agent.stage {
            Stage::Holding(Step::Waiting) => self.last_look(),
            Stage::Holding(Step::Soaking) => self.release(Way::Returned),
            Stage::Holding(Step::Issued)
                if self.attempts_issued() < ATTEMPTS_MAX && !self.agent.settings.is_dry_run =>
            {
                let error = "the machine did not go down in time: trying once more".to_owned();
                self.tell(News::Trouble {
                    what: "reboot",
                    error,
                });
                self.agent.pass = None;
                self.set_step(Step::LastLook);
                self.begin_pass(Purpose::Fence, Evidence::default());
            }
            Stage::Holding(Step::Issued) => self.become_overdue(Vec::new()),
            _ => {}
        }
    }

    fn attempts_issued(&self) -> u32 {
        self.agent
            .notebook
            .command
            .as_ref()
            .map_or(0, |mark| mark.attempts)
    }

    /// The machine should be down and is not. The hold stays: it may go down at any moment.
    pub(super) fn become_overdue(&mut self, others: Vec<Blocker>) {
        let message = "the reboot command was issued and the machine did not go down in time: \
                       look at the machine, reboot it by hand, or break the hold once it is safe";
        let mut blockers = vec![Blocker::local(Outcome::RebootOverdue, message)];
        blockers.extend(others);
        self.set_step(Step::Overdue);
        if let Some(report) = Report::blocked(blockers) {
            self.tell_outcome(report);
        }
    }
}
