//! After the boot: record the return, check this node only, undo, stay healthy, release.

use super::hold::local_report;
use super::step::Turn;
use super::{Effect, Purpose, Stage, Step, Timer};
use crate::gates::{Evidence, ScriptVerdict};
use crate::group::{Action, Phase, Way};
use crate::mutation::Mutation;
use crate::need::Satisfied;
use crate::outcome::Outcome;

// === impl Turn ===

impl Turn<'_> {
    pub(super) fn record_return(&mut self) {
        let boot = self.agent.settings.identity.boot.clone();
        let deadline_secs = self.agent.settings.return_deadline_secs();
        self.set_step(Step::Returning);
        self.ask_as_owner(|owner| Action::Return {
            owner,
            boot,
            deadline_secs,
        });
    }

    pub(super) fn returned(&mut self) {
        let Some(hold) = &mut self.agent.hold else {
            return;
        };
        let is_first = hold.phase != Phase::Returned;
        hold.phase = Phase::Returned;
        if hold.fenced && is_first && !self.agent.is_need_remembered {
            // Fenced, and gone before the command was marked.
            self.agent.notebook.satisfied = Some(Satisfied {
                fingerprint: hold.need.clone(),
                was_clear_since: false,
            });
        }
        self.agent.notebook.command = None; // it belonged to the boot that has ended
        self.save();
        self.tell_step("returned", "the machine is back in a new boot".to_owned());
        match Mutation::NoHealthGate.is_on() {
            true => self.undo_then(Way::Returned),
            false => self.run_post_hooks(),
        }
    }

    pub(super) fn run_post_hooks(&mut self) {
        self.set_step(Step::PostHooks);
        self.emit(Effect::RunPostHooks);
    }

    pub(super) fn post_hooked(&mut self, result: Result<(), String>) {
        if self.agent.stage != Stage::Holding(Step::PostHooks) {
            return;
        }
        match result {
            Ok(()) => {
                self.set_step(Step::PostScript);
                self.begin_pass(Purpose::AfterReboot, Evidence::default());
            }
            Err(error) => self.after_reboot_failed(Outcome::HookFailed, &error),
        }
    }

    pub(super) fn conclude_after_reboot(&mut self, evidence: &Evidence) {
        match evidence.health.as_ref().map(|seen| &seen.what) {
            Some(ScriptVerdict::Pass) => self.undo_then(Way::Returned),
            Some(ScriptVerdict::Blocked(why) | ScriptVerdict::Failed(why)) => {
                let message = format!("after the reboot the health script says no: {why}");
                self.after_reboot_failed(Outcome::HealthBlocked, &message);
            }
            None => self.after_reboot_failed(Outcome::HealthBlocked, "the script did not run"),
        }
    }

    /// The roll stops here: the hold stays until the check passes, or an operator decides.
    pub(super) fn after_reboot_failed(&mut self, outcome: Outcome, message: &str) {
        if !matches!(self.agent.stage, Stage::Holding(_)) {
            return;
        }
        self.set_step(Step::PostFailed);
        self.tell_outcome(local_report(outcome, message));
        self.set_timer(Timer::Retry, self.agent.settings.check_interval_ms);
    }
}
