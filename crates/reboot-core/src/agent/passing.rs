//! Passes: one look after the other, in the order of the contract, and what follows from them.

use super::hold::{WOULD_REBOOT, report_of};
use super::keeping::NO_PASS;
use super::step::Turn;
use super::{Effect, Half, Look, News, Pass, Purpose, ScriptPhase, Sight, Stage, Tag, Timer};
use crate::fleet::Fleet;
use crate::gates::{Bench, Evidence, Findings, Seen, VERDICT_RENEW_MS, judge};
use crate::group::Refusal;
use crate::id::GroupName;
use crate::line::Ticket;
use crate::mutation::Mutation;
use crate::outcome::{Blocker, Outcome, Report};
use crate::write::{Trouble, Write, Written};
use std::sync::Arc;

/// How often verdicts may grow old before the fence until the pass gives up.
const RENEWALS_MAX: u8 = 3;

/// The order under the slot.
const CONFIRM_ORDER: [Kind; 4] = [Kind::Local, Kind::Fleet, Kind::Detectors, Kind::Health];
/// The order in which old verdicts are taken again: the slowest first, the cheapest last.
const RENEW_ORDER: [Kind; 4] = [Kind::Health, Kind::Detectors, Kind::Local, Kind::Fleet];

#[derive(Clone, Copy)]
enum Kind {
    Local,
    Fleet,
    Detectors,
    Health,
}

// === impl Turn: starting passes ===

impl Turn<'_> {
    /// A full pass without a hold.
    pub(super) fn find(&mut self) {
        self.agent.wants_pass = false;
        self.agent.stage = Stage::Passing;
        self.begin_pass(Purpose::Find, Evidence::default());
    }

    pub(super) fn pass_due(&mut self) {
        if self.agent.stage == Stage::Resting {
            self.find();
        }
    }

    pub(super) fn need_hinted(&mut self) {
        match self.agent.stage {
            Stage::Resting if self.agent.pass.is_none() => self.find(),
            _ => self.agent.wants_pass = true,
        }
    }

    pub(super) fn woken(&mut self) {
        if self.agent.pass.is_some() {
            return;
        }
        match &self.agent.stage {
            Stage::Resting if Mutation::WatchDecides.is_on() && self.agent.is_queued => {
                self.mark_command(self.now.boot_ms);
            }
            Stage::Resting => self.begin_pass(Purpose::Peek, Evidence::default()),
            Stage::Holding(_) if self.is_waiting_out() => {
                self.begin_pass(Purpose::Peek, Evidence::default()); // learns what is seen by now
            }
            _ => {}
        }
    }
}

// === impl Turn: looking ===

impl Turn<'_> {
    /// The next look of the pass, or its conclusion.
    pub(super) fn advance(&mut self) {
        let Some(pass) = &self.agent.pass else { return };
        let next = self.next_look(pass);
        let slot = self.slot_state();
        let Some(pass) = &mut self.agent.pass else {
            return;
        };
        pass.looking = next;
        let id = pass.id;
        match next {
            Some(look) => self.emit(Effect::Look {
                pass: id,
                look,
                slot,
            }),
            None => self.conclude(),
        }
    }

    fn next_look(&self, pass: &Pass) -> Option<Look> {
        let evidence = &pass.evidence;
        match pass.purpose {
            Purpose::Find => self.next_find_look(evidence),
            Purpose::Peek => evidence.fleet.is_none().then_some(Look::Fleet),
            Purpose::Confirm => self.next_under_slot(evidence, &CONFIRM_ORDER),
            Purpose::Fence => self.next_under_slot(evidence, &RENEW_ORDER),
            Purpose::AfterReboot => evidence
                .health
                .is_none()
                .then_some(Look::Health(ScriptPhase::PostReboot)),
        }
    }

    fn next_find_look(&self, evidence: &Evidence) -> Option<Look> {
        let is_open = self.blockers(evidence).is_empty();
        let is_thorough = !self.agent.settings.mode.is_daemon();
        let wants_script = evidence.health.is_none()
            && (is_open || is_thorough)
            && !self.agent.settings.mode.skips_health();
        if evidence.local.is_none() {
            return Some(Look::Local);
        }
        match self.is_needed(evidence) {
            None => Some(Look::Detectors),
            Some(false) => wants_script.then_some(Look::Health(ScriptPhase::Monitor)),
            Some(true) if evidence.fleet.is_none() => Some(Look::Fleet),
            Some(true) => wants_script.then_some(Look::Health(ScriptPhase::PreLock)),
        }
    }

    fn next_under_slot(&self, evidence: &Evidence, order: &[Kind]) -> Option<Look> {
        let skips_health = self.agent.settings.mode.skips_health();
        order.iter().find_map(|kind| match kind {
            Kind::Local => evidence.local.is_none().then_some(Look::Local),
            Kind::Fleet => evidence.fleet.is_none().then_some(Look::Fleet),
            Kind::Detectors => evidence.detection.is_none().then_some(Look::Detectors),
            Kind::Health => (evidence.health.is_none() && !skips_health)
                .then_some(Look::Health(ScriptPhase::PostLock)),
        })
    }

    pub(super) fn saw(&mut self, id: u64, look: Look, sight: Sight) {
        if id == NO_PASS {
            return self.heard_heartbeat(sight);
        }
        let is_current = self
            .agent
            .pass
            .as_ref()
            .is_some_and(|pass| pass.id == id && pass.looking == Some(look));
        if !is_current {
            return; // a late answer of a pass that was given up
        }
        let at_ms = self.now.boot_ms;
        match sight {
            Sight::Local(local) => {
                let (half, result) = (self.half(), local.kill_switch.clone());
                self.tell(News::KillSwitch { half, result });
                self.note(|evidence| evidence.local = Some(Seen { at_ms, what: local }));
                self.tell_window();
            }
            Sight::Detection(detection) => {
                let half = self.half();
                self.tell(News::Detectors {
                    half,
                    detection: detection.clone(),
                });
                self.note(|evidence| {
                    evidence.detection = Some(Seen {
                        at_ms,
                        what: detection,
                    })
                });
            }
            Sight::Health(verdict) => {
                if let Look::Health(phase) = look {
                    self.learn_health(phase, &verdict);
                }
                self.note(|evidence| {
                    evidence.health = Some(Seen {
                        at_ms,
                        what: verdict,
                    })
                });
            }
            Sight::Fleet(result) => self.saw_fleet(result),
        }
        self.advance();
    }

    fn note(&mut self, write: impl FnOnce(&mut Evidence)) {
        if let Some(pass) = &mut self.agent.pass {
            write(&mut pass.evidence);
        }
    }

    fn tell_window(&mut self) {
        let settings = &self.agent.settings;
        let verdict = settings
            .windows
            .verdict(self.now.wall, &settings.zone.rules);
        self.tell(News::Window(verdict));
    }

    fn saw_fleet(&mut self, result: Result<Arc<Fleet>, Trouble>) {
        let half = self.half();
        let what = match result {
            Ok(fleet) => {
                let findings = Findings::of(&fleet, &self.agent.settings);
                self.agent.revision = fleet.revision;
                self.compare_peers(fleet.peers_of(&self.agent.settings.identity.node));
                self.compare_max(&findings);
                self.tell_cooldown(half, &findings);
                let order = findings.order.clone();
                let taken = self.refuse_older_state(findings);
                if taken.is_ok() {
                    self.learn_order(order);
                }
                taken
            }
            Err(trouble) => Err(trouble.to_string()),
        };
        let result = what
            .as_ref()
            .map(|found| found.cluster.clone())
            .map_err(Clone::clone);
        self.tell(News::ClusterHealth { half, result });
        let at_ms = self.now.boot_ms;
        self.note(|evidence| evidence.fleet = Some(Seen { at_ms, what }));
    }

    fn tell_cooldown(&mut self, half: Half, findings: &Findings) {
        let text =
            |left_ms: u64, node: &str| format!("started by {node}, {} s left", left_ms / 1000);
        let active = findings
            .cooldown
            .as_ref()
            .map(|it| text(it.remaining_ms, it.node.as_str()));
        if self.agent.saw_cooldown && active.is_none() {
            self.tell(News::CooldownCleared);
        }
        self.agent.saw_cooldown = active.is_some();
        self.tell(News::Cooldown { half, active });
    }

    /// Every reason that blocks, as far as it was looked at.
    pub(super) fn blockers(&self, evidence: &Evidence) -> Vec<Blocker> {
        let agent = &*self.agent;
        let is_issued = agent.notebook.is_issued_in(&agent.settings.identity.boot);
        let bench = Bench {
            settings: &agent.settings,
            satisfied: agent.notebook.satisfied.as_ref(),
            was_issued: is_issued && agent.hold.is_none(),
            is_ordered: self.standing_order(evidence).is_some(),
            has_fenced: agent.hold.as_ref().is_some_and(|hold| hold.fenced),
            wall: self.now.wall,
        };
        judge(evidence, &bench)
    }
}

// === impl Turn: concluding ===

impl Turn<'_> {
    fn conclude(&mut self) {
        let Some(mut pass) = self.agent.pass.take() else {
            return;
        };
        match pass.purpose {
            Purpose::Peek => self.conclude_peek(&pass.evidence),
            Purpose::Find => self.conclude_find(pass.evidence),
            Purpose::Confirm => self.conclude_confirm(pass.evidence),
            Purpose::AfterReboot => self.conclude_after_reboot(&pass.evidence),
            Purpose::Fence => {
                let now_ms = self.now.boot_ms;
                if pass.evidence.is_fresh(now_ms, VERDICT_RENEW_MS) || pass.renewals >= RENEWALS_MAX
                {
                    return self.conclude_last_look(pass.evidence);
                }
                pass.evidence.drop_older_than(now_ms, VERDICT_RENEW_MS);
                pass.renewals += 1;
                self.agent.pass = Some(pass);
                self.advance();
            }
        }
    }

    fn conclude_find(&mut self, evidence: Evidence) {
        let blockers = self.blockers(&evidence);
        self.agent.evidence = evidence;
        self.learn_need();
        if self.has_unknown_hold() || self.has_debts() {
            return self.settle();
        }
        let is_needed = self.is_needed(&self.agent.evidence) == Some(true);
        if !is_needed {
            self.agent.attempts = 0;
            self.agent.dry_done = None;
            self.leave_line();
            let calm = Report::plain(Outcome::NoAction, self.calm_words());
            return self.finish(Report::blocked(blockers).unwrap_or(calm));
        }
        if blockers.is_empty() {
            return self.take_slot();
        }
        match blockers.iter().all(|blocker| blocker.is_shared) {
            true => self.join_line(),
            false => self.leave_line(),
        }
        if let Some(report) = Report::blocked(self.and_contention(blockers)) {
            self.finish(report);
        }
    }

    /// A diagnostic pass that is blocked says who holds and who goes first, too: it names every
    /// reason. A daemon says that once it waits for nothing else.
    fn and_contention(&self, mut blockers: Vec<Blocker>) -> Vec<Blocker> {
        let mode = &self.agent.settings.mode;
        let findings = self.agent.evidence.findings();
        let findings = findings.filter(|found| !found.contention.is_empty());
        if let Some(found) = findings.filter(|_| !mode.is_daemon() && !mode.skips_lock()) {
            blockers.extend(contended(found).blockers);
        }
        blockers
    }

    /// Whether the record has a hold of this node that the agent does not know: of a request that
    /// arrived late.
    fn has_unknown_hold(&self) -> bool {
        let findings = self.agent.evidence.findings();
        findings.is_some_and(|found| found.own_hold.is_some())
            && self.agent.settings.mode.is_daemon()
            && !Mutation::NoLookAfterUnknown.is_on()
    }

    /// Whether something is left to be undone: of a hold that ended without us.
    fn has_debts(&self) -> bool {
        let findings = self.agent.evidence.findings();
        let owes = findings.is_some_and(|found| !found.owed.is_empty());
        let left = !self.agent.notebook.changes.is_empty();
        (owes || left) && self.agent.settings.mode.is_daemon()
    }

    fn learn_need(&mut self) {
        let agent = &mut *self.agent;
        let Some(seen) = &agent.evidence.detection else {
            return;
        };
        let Some(satisfied) = &mut agent.notebook.satisfied else {
            return;
        };
        let before = satisfied.clone();
        satisfied.observe(&seen.what);
        if *satisfied != before {
            self.save();
        }
    }

    fn conclude_peek(&mut self, evidence: &Evidence) {
        let findings = evidence.findings().cloned();
        match &self.agent.stage {
            Stage::Settling => self.settled(evidence),
            Stage::Holding(_) => self.peeked_at_hold(evidence),
            Stage::Resting if self.agent.wants_pass => self.find(),
            Stage::Resting if findings.is_some() && !self.waits_for_others() => self.await_order(),
            Stage::Resting => match findings {
                Some(found)
                    if found.may_try && found.pause.is_none() && found.cooldown.is_none() =>
                {
                    self.find();
                }
                Some(found) => self.emit(Effect::AwaitChange {
                    seen: found.revision,
                }),
                None => {
                    // Nothing was seen, so nothing can be waited for.
                    let delay_ms = self.backoff_ms();
                    self.rest(delay_ms);
                }
            },
            _ => {}
        }
    }

    /// Nothing blocks: claims, or takes a place in line.
    fn take_slot(&mut self) {
        if self.agent.settings.is_dry_run && self.agent.dry_done == Some(self.need()) {
            return self.finish(Report::plain(Outcome::Ready, WOULD_REBOOT));
        }
        if self.agent.settings.mode.skips_lock() {
            let message = "a reboot is needed; the slot was not asked for";
            return self.finish(Report::plain(Outcome::LockSkipped, message));
        }
        let Some(findings) = self.agent.evidence.findings().cloned() else {
            return;
        };
        if self.agent.settings.mode.is_daemon() && !findings.may_try {
            self.join_line();
            return self.finish(contended(&findings));
        }
        self.agent.stage = Stage::Claiming;
        match self.agent.is_session_open {
            true => self.claim(),
            false => self.open_session(),
        }
    }

    /// Ends a pass without a hold: report, and the time of the next.
    pub(super) fn finish(&mut self, report: Report) {
        self.finish_with(report, false);
    }

    /// Ends the pass; `backs_off` when nobody wakes us once the obstacle is gone.
    pub(super) fn finish_with(&mut self, report: Report, backs_off: bool) {
        let is_out_of_reach =
            matches!(&self.agent.evidence.fleet, Some(seen) if seen.what.is_err());
        let has_failed = report.outcome == Outcome::Error || is_out_of_reach;
        let tries_soon = has_failed || backs_off;
        self.agent.stage = Stage::Resting;
        self.tell_outcome(report);
        if !self.agent.settings.mode.is_daemon() {
            return self.leave();
        }
        let delay_ms = match tries_soon {
            true => self.backoff_ms(),
            false => self.agent.settings.check_interval_ms,
        };
        self.rest(delay_ms);
        match self.agent.evidence.findings() {
            Some(findings) if self.waits_for_others() => {
                let seen = findings.revision;
                self.emit(Effect::AwaitChange { seen });
            }
            _ => self.await_order(),
        }
    }

    /// Whether all that keeps this node back, in line or not, is what others do.
    fn waits_for_others(&self) -> bool {
        let report = self.agent.report.as_ref();
        let blockers = report.map_or(&[][..], |report| &report.blockers);
        !blockers.is_empty() && blockers.iter().all(|blocker| blocker.is_shared)
    }

    /// Rests until the next pass, unless one is wanted already.
    pub(super) fn rest(&mut self, delay_ms: u64) {
        self.agent.stage = Stage::Resting;
        let delay_ms = delay_ms.min(self.order_due_ms());
        self.set_timer(Timer::Pass, delay_ms);
        if std::mem::take(&mut self.agent.wants_pass) {
            self.set_timer(Timer::Pass, 0);
        }
    }

    pub(super) fn tell_outcome(&mut self, report: Report) {
        let is_new = self.agent.told.as_ref() != Some(&report);
        self.agent.told = Some(report.clone());
        self.agent.report = Some(report.clone());
        self.tell(News::Outcome { report, is_new });
        if is_new && self.agent.settings.mode.is_daemon() {
            self.publish();
        }
    }
}

// === impl Turn: the line ===

impl Turn<'_> {
    pub(super) fn join_line(&mut self) {
        if self.agent.is_queued || !self.agent.settings.mode.is_daemon() {
            return;
        }
        let Some(session) = self.agent.session.clone() else {
            return;
        };
        self.agent.is_queued = true;
        self.agent.unleft_line = None;
        let identity = &self.agent.settings.identity;
        let (node, instance) = (identity.node.clone(), identity.instance.clone());
        let ticket = Ticket {
            number: 0,
            node,
            instance,
            session,
            since: self.wall_text(),
        };
        let group = self.agent.settings.group.clone();
        self.write(Tag::Join, Write::Join { group, ticket });
    }

    pub(super) fn joined(&mut self, result: &Result<Written, Trouble>) {
        if result.is_err() {
            self.agent.is_queued = false; // the next pass tries again
            // It may stand all the same, and must not be in others' way.
            self.agent.unleft_line = Some(self.agent.settings.group.clone());
        } else if self.agent.stage == Stage::Resting && self.agent.pass.is_none() {
            // A slot may have come free before the ticket stood.
            self.begin_pass(Purpose::Peek, Evidence::default());
        }
        self.complain("join the line", result);
    }

    pub(super) fn leave_line(&mut self) {
        if std::mem::take(&mut self.agent.is_queued) {
            self.write_leave(self.agent.settings.group.clone());
        }
    }

    fn write_leave(&mut self, group: GroupName) {
        self.agent.unleft_line = Some(group.clone());
        let node = self.agent.settings.identity.node.clone();
        self.write(Tag::Leave, Write::Leave { group, node });
    }

    pub(super) fn left_line(&mut self, result: &Result<Written, Trouble>) {
        if result.is_ok() {
            self.agent.unleft_line = None;
        }
        self.complain("leave the line", result);
    }

    /// A ticket that may still stand though we left would hold up everybody behind it.
    pub(super) fn leave_line_again(&mut self) {
        if let Some(group) = self.agent.unleft_line.clone()
            && !self.agent.is_queued
        {
            self.write_leave(group);
        }
    }
}

// === impl Turn: no slot ===

impl Turn<'_> {
    /// What the refusal of a claim means. A diagnostic pass asks though it saw that there is no
    /// slot; then it saw more than it hears.
    pub(super) fn refused_claim(&self, refusal: &Refusal) -> Report {
        match (refusal, self.agent.evidence.findings()) {
            (Refusal::Full { .. } | Refusal::OthersWait { .. }, Some(found)) if !found.may_try => {
                contended(found)
            }
            _ => report_of(refusal),
        }
    }
}

/// The report of a node that waits for a slot.
fn contended(findings: &Findings) -> Report {
    let message = findings.contention.clone();
    let blockers = vec![Blocker::shared(Outcome::LockUnavailable, message.clone())];
    Report {
        outcome: Outcome::LockUnavailable,
        message,
        blockers,
    }
}
