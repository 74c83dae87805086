//! From the claim to the fence, and the two orderly ways back: give back, and undo.

use super::step::Turn;
use super::{Effect, Ending, Held, News, Purpose, Stage, Step, Timer};
use crate::gates::{Evidence, VERDICT_LIFE_MS};
use crate::group::{Action, Claim, Owner, Phase, Refusal, Reply, Way};
use crate::mutation::Mutation;
use crate::outcome::{Blocker, Outcome, Report};
use crate::undo::Undo;
use crate::write::{Trouble, Written};

/// What a run says that never reboots; always the same, so that it is news once a need.
pub(super) const WOULD_REBOOT: &str = "every gate is open: this node would reboot now";

// === impl Turn: the claim ===

impl Turn<'_> {
    pub(super) fn claim(&mut self) {
        let Some(session) = self.agent.session.clone() else {
            return;
        };
        self.agent.attempts += 1;
        let attempt = self.agent.attempts;
        self.tell(News::ClaimTried { attempt });
        let settings = &self.agent.settings;
        let group = settings.group.clone();
        let claim = Claim {
            identity: settings.identity.clone(),
            session,
            need: self.need(),
            pid: settings.pid,
            interval_secs: settings.interval_secs,
            diagnostic: !settings.mode.is_daemon(),
        };
        self.agent.stage = Stage::Claiming;
        self.ask(&group, Action::Claim(claim));
    }

    fn claimed(&mut self, number: u64) {
        self.agent.hold = Some(Held {
            group: self.agent.settings.group.clone(),
            number,
            phase: Phase::Claimed,
            owner: self.agent.settings.identity.instance.clone(),
            need: self.need(),
            fenced: false,
            boot: self.agent.settings.identity.boot.clone(),
            undo: Undo::default(),
        });
        self.tell(News::Claimed(Ending::Success));
        self.leave_line();
        self.set_step(Step::Confirming);
        let evidence = match Mutation::NoRecheck.is_on() {
            true => std::mem::take(&mut self.agent.evidence),
            false => Evidence::default(),
        };
        self.begin_pass(Purpose::Confirm, evidence);
    }

    fn claim_refused(&mut self, refusal: &Refusal) {
        self.tell(News::Claimed(Ending::Refused(refusal.to_string())));
        let report = self.refused_claim(refusal);
        if matches!(refusal, Refusal::SessionEnded) {
            return self.session_lost();
        }
        self.leave_doubtful_session();
        if report.blockers.iter().all(|blocker| blocker.is_shared) {
            self.join_line();
        }
        let backs_off = matches!(refusal, Refusal::LockedOut { .. });
        self.finish_with(report, backs_off);
    }

    /// Everything was looked at again under the slot.
    pub(super) fn conclude_confirm(&mut self, evidence: Evidence) {
        let verdict = self.verdict(evidence);
        let mode = self.agent.settings.mode;
        match verdict {
            Some(report) => self.abort(report),
            None if self.agent.settings.is_dry_run || !mode.is_daemon() => self.end_dry_run(),
            None => {
                self.tell_outcome(Report::plain(Outcome::Ready, "every gate is open"));
                self.set_step(Step::Planning);
                self.emit(Effect::PlanHooks);
            }
        }
    }

    fn end_dry_run(&mut self) {
        self.agent.dry_done = Some(self.need());
        self.abort(Report::plain(Outcome::Ready, WOULD_REBOOT));
    }

    /// Why the hold must not go on, if it must not.
    fn verdict(&mut self, evidence: Evidence) -> Option<Report> {
        let blockers = self.blockers(&evidence);
        let is_needed = self.is_needed(&evidence) == Some(true);
        self.agent.evidence = evidence;
        match Report::blocked(blockers) {
            Some(report) => Some(report),
            None if !is_needed => {
                let message = "the need went away under the slot";
                Some(Report::plain(Outcome::RecheckCleared, message))
            }
            None => None,
        }
    }
}

// === impl Turn: draining ===

impl Turn<'_> {
    pub(super) fn planned(&mut self, result: Result<Vec<String>, String>) {
        if self.agent.stage != Stage::Holding(Step::Planning) {
            return;
        }
        match result {
            Err(error) => self.abort(local_report(Outcome::HookFailed, error)),
            Ok(hooks) if hooks.is_empty() => self.give_notice(),
            Ok(hooks) => {
                let deadline_secs = self.agent.settings.drain_deadline_secs(hooks.len());
                let undo = Undo::of(hooks.iter().cloned());
                self.set_step(Step::Draining(hooks));
                self.ask_as_owner(|owner| Action::Drain {
                    owner,
                    undo,
                    deadline_secs,
                });
            }
        }
    }

    fn drained(&mut self, hooks: Vec<String>) {
        let undo = Undo::of(hooks.iter().cloned());
        if let Some(hold) = &mut self.agent.hold {
            hold.phase = Phase::Draining;
            hold.undo.merge(&undo);
        }
        self.tell_step("draining", format!("runs {}", hooks.join(", ")));
        self.agent.notebook.changes.merge(&undo);
        self.set_step(Step::Noting(hooks));
        self.save();
    }

    pub(super) fn changes_noted(&mut self, hooks: Vec<String>, result: Result<(), String>) {
        match result {
            Ok(()) => {
                self.set_step(Step::Hooking);
                self.emit(Effect::RunHooks(hooks));
            }
            Err(error) => self.abort(local_report(Outcome::Error, error)),
        }
    }

    pub(super) fn hooked(&mut self, result: Result<(), String>) {
        if self.agent.stage != Stage::Holding(Step::Hooking) {
            return;
        }
        match result {
            Ok(()) => self.give_notice(),
            Err(error) => self.abort(local_report(Outcome::HookFailed, error)),
        }
    }

    /// Tells the users and waits, before the last look: never between fence and command.
    fn give_notice(&mut self) {
        let delay_ms = self.agent.settings.delay_ms;
        if delay_ms == 0 {
            return self.last_look();
        }
        self.set_step(Step::Waiting);
        self.emit(Effect::Wall {
            delay_secs: delay_ms.div_ceil(1000),
        });
        self.set_timer(Timer::Patience, delay_ms);
    }
}

// === impl Turn: the fence ===

impl Turn<'_> {
    /// Whatever is no longer fresh is looked at again, and the kill switch in any case: it costs
    /// next to nothing, and who sets it means now.
    pub(super) fn last_look(&mut self) {
        if Mutation::NoRecheck.is_on() {
            return self.fence(self.now.boot_ms);
        }
        let now_ms = self.now.boot_ms;
        let mut evidence = std::mem::take(&mut self.agent.evidence);
        evidence.drop_older_than(now_ms, crate::gates::VERDICT_RENEW_MS);
        evidence.local = None;
        self.set_step(Step::LastLook);
        self.begin_pass(Purpose::Fence, evidence);
    }

    pub(super) fn conclude_last_look(&mut self, evidence: Evidence) {
        let is_fresh = evidence.is_fresh(self.now.boot_ms, VERDICT_LIFE_MS);
        let verdicts_ms = evidence.oldest_ms();
        match (self.verdict(evidence), verdicts_ms) {
            (Some(report), _) => self.abort(report),
            // The settings may have been replaced under the hold.
            (None, _) if self.agent.settings.is_dry_run => self.end_dry_run(),
            (None, Some(verdicts_ms)) if is_fresh => self.fence(verdicts_ms),
            (None, _) => self.abort(too_slow()),
        }
    }

    fn fence(&mut self, verdicts_ms: u64) {
        if Mutation::NoFence.is_on() {
            return self.mark_command(verdicts_ms);
        }
        let boot = self.agent.settings.identity.boot.clone();
        let max_reboots_per_day = self.agent.settings.max_reboots_per_day;
        let deadline_secs = self.agent.settings.reboot_deadline_secs();
        self.set_step(Step::Fencing { verdicts_ms });
        self.ask_as_owner(|owner| Action::Fence {
            owner,
            boot,
            max_reboots_per_day,
            deadline_secs,
        });
    }

    fn fenced(&mut self, verdicts_ms: u64) {
        let interval_secs = self.agent.settings.interval_secs;
        if let Some(hold) = &mut self.agent.hold {
            let is_first = !hold.fenced;
            hold.phase = Phase::Rebooting;
            hold.fenced = true;
            if is_first && interval_secs > 0 {
                self.tell(News::CooldownStarted {
                    secs: interval_secs,
                });
            }
        }
        self.tell_step("fenced", "the next step is the reboot command".to_owned());
        match self.are_verdicts_alive(verdicts_ms) {
            true => self.mark_command(verdicts_ms),
            false => self.abort(too_slow()),
        }
    }

    pub(super) fn are_verdicts_alive(&self, verdicts_ms: u64) -> bool {
        Mutation::VerdictsNeverExpire.is_on()
            || self.now.boot_ms.saturating_sub(verdicts_ms) <= VERDICT_LIFE_MS
    }
}

// === impl Turn: the ways back ===

impl Turn<'_> {
    /// Gives the slot back, undoing first what was changed. A hold whose command was issued in
    /// this boot is never given back: the machine may go down at any moment.
    pub(super) fn abort(&mut self, report: Report) {
        let Some(hold) = &self.agent.hold else {
            return self.finish(report);
        };
        if hold.phase == Phase::Rebooting && self.is_issued() {
            return self.become_overdue(report.blockers);
        }
        let phase = hold.phase;
        self.agent.abort = Some(report);
        match phase {
            Phase::Claimed => self.release(Way::GivenBack),
            Phase::Draining | Phase::Rebooting => self.undo_then(Way::NeverIssued),
            Phase::Returned => self.undo_then(Way::Returned),
        }
    }

    pub(super) fn is_issued(&self) -> bool {
        self.agent
            .notebook
            .is_issued_in(&self.agent.settings.identity.boot)
    }

    pub(super) fn undo_then(&mut self, way: Way) {
        let undo = self.changes_under_hold();
        if undo.is_empty() || Mutation::UndoAfterRelease.is_on() {
            return self.undone_then(way);
        }
        self.set_step(Step::Undoing(way));
        self.begin_undo(undo);
    }

    fn changes_under_hold(&self) -> Undo {
        let mut undo = self.agent.notebook.changes.clone();
        if let Some(hold) = &self.agent.hold {
            undo.merge(&hold.undo);
        }
        undo
    }

    /// Starts undoing; two runs never overlap, so one under way is waited for.
    pub(super) fn begin_undo(&mut self, undo: Undo) {
        if self.agent.undoing.is_none() {
            self.agent.undoing = Some(undo.clone());
            self.emit(Effect::Undo(undo));
        }
    }

    pub(super) fn undone(&mut self, result: Result<(), String>) {
        let done = self.agent.undoing.take().unwrap_or_default();
        match (&self.agent.stage, result) {
            (Stage::PayingDebts, result) => self.debts_undone(&done, result),
            (Stage::Holding(Step::Undoing(way)), Ok(())) => {
                let way = *way;
                if !self.changes_under_hold().left_after(&done).is_empty() {
                    return self.undo_then(way); // that was an earlier run, of a shorter list
                }
                self.agent.notebook.changes = Undo::default();
                self.save();
                self.undone_then(way);
            }
            (Stage::Holding(Step::Undoing(way)), Err(error)) => {
                let way = *way;
                self.set_step(Step::UndoFailed(way));
                self.tell_outcome(local_report(Outcome::HookFailed, error));
                self.retry_later();
            }
            _ => {}
        }
    }

    fn undone_then(&mut self, way: Way) {
        match (way, self.agent.settings.soak_ms) {
            (Way::Returned, soak_ms) if soak_ms > 0 => {
                self.set_step(Step::Soaking);
                self.set_timer(Timer::Patience, soak_ms);
            }
            _ => self.release(way),
        }
    }

    pub(super) fn release(&mut self, way: Way) {
        let Some(hold) = &self.agent.hold else { return };
        let undone = hold.undo.clone();
        if way == Way::Returned && hold.fenced {
            let (need, number) = (hold.need.clone(), hold.number);
            self.emit(Effect::MarkReturned { need, number });
        }
        let boot = self.agent.settings.identity.boot.clone();
        self.set_step(Step::Releasing(way));
        self.ask_as_owner(|owner| Action::Release {
            owner,
            boot,
            way,
            undone,
        });
    }

    fn released(&mut self, way: Way) {
        if Mutation::UndoAfterRelease.is_on() {
            self.begin_undo(self.changes_under_hold());
        }
        self.agent.hold = None;
        self.tell(News::Released(Ending::Success));
        let boot = self.agent.settings.identity.boot.clone();
        let mark = &mut self.agent.notebook.command; // one of this boot says that it was issued
        if mark.take_if(|mark| mark.boot.differs_from(&boot)).is_some() {
            self.save();
        }
        self.leave_doubtful_session();
        match (way, self.agent.abort.take()) {
            (Way::Returned, _) => {
                self.agent.attempts = 0;
                self.find();
            }
            (Way::GivenBack | Way::NeverIssued, _) if !self.debts().is_empty() => self.settle(),
            (Way::GivenBack | Way::NeverIssued, report) => {
                let calm = Report::plain(Outcome::NoAction, "a former run's slot was given back");
                self.finish(report.unwrap_or(calm));
                self.back_off();
            }
        }
    }

    /// The release was committed and its reply lost, or an operator broke the hold: then its
    /// list has moved to this node's record, and is looked for there.
    fn gone_before_release(&mut self, way: Way) {
        let has_list = self
            .agent
            .hold
            .as_ref()
            .is_some_and(|hold| !hold.undo.is_empty());
        self.released(way);
        if has_list {
            self.settle();
        }
    }

    /// After a claim that came to nothing, waits before it queues again.
    fn back_off(&mut self) {
        if self.agent.stage == Stage::Resting {
            let delay_ms = self.backoff_ms();
            self.tell(News::BackedOff { delay_ms });
            let check_ms = self.agent.settings.check_interval_ms;
            self.set_timer(Timer::Pass, delay_ms.max(check_ms));
        }
    }

    /// The hold is gone without our doing: an operator broke it, or its lease ended.
    pub(super) fn lose_hold(&mut self, why: &str) {
        self.agent.hold = None;
        self.agent.abort = None;
        self.leave_doubtful_session();
        self.tell(News::Trouble {
            what: "keep the hold",
            error: why.to_owned(),
        });
        self.settle();
    }
}

// === impl Turn: answers ===

impl Turn<'_> {
    pub(super) fn ask_as_owner(&mut self, action: impl FnOnce(Owner) -> Action) {
        let Some(hold) = &self.agent.hold else { return };
        let owner = Owner {
            node: self.agent.settings.identity.node.clone(),
            number: hold.number,
            instance: hold.owner.clone(),
            expects: hold.phase,
        };
        let group = hold.group.clone();
        self.ask(&group, action(owner));
    }

    pub(super) fn granted(&mut self, written: Written) {
        let number = match written {
            Written::Granted(Reply::Held { number, .. }) => number,
            _ => 0,
        };
        match self.agent.stage.clone() {
            Stage::Claiming => self.claimed(number),
            Stage::Holding(Step::Draining(hooks)) => self.drained(hooks),
            Stage::Holding(Step::Fencing { verdicts_ms }) => self.fenced(verdicts_ms),
            Stage::Holding(Step::Adopting) => self.adopted(),
            Stage::Holding(Step::Returning) => self.returned(),
            Stage::Holding(Step::Releasing(way)) => self.released(way),
            _ => {}
        }
    }

    pub(super) fn refused(&mut self, refusal: Refusal) {
        let is_gone = matches!(refusal, Refusal::HoldGone { .. } | Refusal::NotOwner { .. });
        match self.agent.stage.clone() {
            Stage::Claiming => self.claim_refused(&refusal),
            Stage::Holding(Step::Releasing(way)) if matches!(refusal, Refusal::HoldGone { .. }) => {
                self.gone_before_release(way);
            }
            // A reply was lost: the hold went further than we know. Read before deciding.
            Stage::Holding(_) if matches!(refusal, Refusal::WrongPhase { .. }) => {
                self.lose_hold(&refusal.to_string());
            }
            Stage::Holding(Step::Releasing(_) | Step::Adopting | Step::Returning) if !is_gone => {
                self.wait_out(&refusal);
            }
            Stage::Holding(_) if is_gone => self.lose_hold(&refusal.to_string()),
            Stage::Holding(_) => self.abort(report_of(&refusal)),
            _ => {}
        }
    }

    /// A refusal that time or an operator mends: say it, and try again.
    fn wait_out(&mut self, refusal: &Refusal) {
        if !self.agent.settings.mode.is_daemon() {
            return self.end_diagnosis(&refusal.to_string());
        }
        let trusts = self.now.boot_ms.saturating_sub(self.agent.started_ms)
            <= 2 * self.agent.settings.lock_ttl_ms;
        let is_former = matches!(
            refusal,
            Refusal::FormerAlive { .. } | Refusal::IdentityConflict { .. }
        );
        if !(is_former && trusts) {
            self.tell_outcome(report_of(refusal)); // a former boot's lease would have ended by now
        }
        self.retry_later();
        let seen = self.agent.revision;
        self.emit(Effect::AwaitChange { seen });
    }

    /// Whether a refused request waits to be tried again.
    pub(super) fn is_waiting_out(&self) -> bool {
        self.agent.asked.is_none()
            && matches!(
                self.agent.stage,
                Stage::Holding(Step::Releasing(_) | Step::Adopting | Step::Returning)
            )
    }

    /// No answer, or one that means nothing: the same request again, later.
    pub(super) fn unanswered(&mut self, trouble: &Trouble) {
        let is_claim = self.agent.stage == Stage::Claiming;
        if is_claim {
            self.tell(News::Claimed(Ending::Error(trouble.to_string())));
        } else {
            self.tell(News::Trouble {
                what: "ask the group",
                error: trouble.to_string(),
            });
        }
        let message = format!("the store is out of reach: {trouble}");
        let report = local_report(Outcome::LockUnavailable, message);
        if !self.agent.settings.mode.is_daemon() {
            self.tell_outcome(report);
            return self.leave();
        }
        if is_claim {
            self.tell_outcome(report);
        }
        if is_claim && Mutation::NoLookAfterUnknown.is_on() {
            self.agent.asked = None;
            return self.finish(local_report(Outcome::LockUnavailable, trouble.to_string()));
        }
        let is_fence = matches!(self.agent.stage, Stage::Holding(Step::Fencing { .. }));
        if is_fence && matches!(trouble, Trouble::Unavailable(_)) {
            self.agent.asked = None; // surely not committed: look again before the next try
        }
        let delay_ms = self.retry_later();
        if is_claim {
            self.tell(News::BackedOff { delay_ms });
        }
    }

    pub(super) fn tell_step(&mut self, name: &'static str, message: String) {
        self.tell(News::Step { name, message });
        self.publish();
    }
}

/// A report of one local reason.
pub(super) fn local_report(outcome: Outcome, message: impl Into<String>) -> Report {
    let message = message.into();
    let blockers = vec![Blocker::local(outcome, message.clone())];
    Report {
        outcome,
        message,
        blockers,
    }
}

fn too_slow() -> Report {
    let message = "the verdicts grew older than 10 s before the reboot could be issued: a \
                   detector, the health script or the store is too slow";
    local_report(Outcome::Error, message)
}

/// What a refusal means as an outcome.
pub(super) fn report_of(refusal: &Refusal) -> Report {
    let (outcome, is_shared) = match refusal {
        Refusal::Full { .. } | Refusal::UnfencedHolder { .. } => (Outcome::LockUnavailable, true),
        Refusal::LockedOut { .. }
        | Refusal::OthersWait { .. }
        | Refusal::AlreadyHolds { .. }
        | Refusal::HoldsElsewhere { .. }
        | Refusal::SessionEnded => (Outcome::LockUnavailable, false),
        Refusal::Paused { .. } => (Outcome::Paused, true),
        Refusal::CooldownRunning { .. } => (Outcome::CooldownActive, true),
        Refusal::HeldBack { .. } => (Outcome::HeldBack, false),
        Refusal::DailyCap { .. } => (Outcome::RebootLimit, false),
        Refusal::IdentityConflict { .. }
        | Refusal::OtherMachine { .. }
        | Refusal::MachineHolds { .. } => (Outcome::IdentityConflict, false),
        Refusal::HoldGone { .. }
        | Refusal::NotOwner { .. }
        | Refusal::WrongPhase { .. }
        | Refusal::SameBoot { .. }
        | Refusal::OtherBoot { .. }
        | Refusal::FormerAlive { .. }
        | Refusal::NotUndone { .. }
        | Refusal::BadMax { .. }
        | Refusal::NothingToBreak { .. }
        | Refusal::TooManyHeldBack
        | Refusal::UnknownFeature { .. }
        | Refusal::NoGroup { .. }
        | Refusal::GroupLost { .. } => (Outcome::Error, false),
    };
    let message = refusal.to_string();
    let blockers = vec![Blocker {
        outcome,
        message: message.clone(),
        is_shared,
    }];
    Report {
        outcome,
        message,
        blockers,
    }
}
