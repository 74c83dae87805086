//! What goes on beside the passes: session, health record, heartbeat, reload, farewell.

use super::hold::local_report;
use super::step::Turn;
use super::{Effect, Half, Look, News, Purpose, ScriptPhase, Settings, SlotState, Stage, Step};
use super::{Tag, Timer};
use crate::agent::Sight;
use crate::fleet::{Health, NodeRecord};
use crate::gates::{Evidence, Findings, ScriptVerdict};
use crate::group::{Phase, Refusal};
use crate::id::SessionId;
use crate::outcome::{Blocker, Outcome, Report};
use crate::policy::Peer;
use crate::write::{Trouble, Write, Written};
use serde_json::Map;
use std::collections::BTreeMap;

/// The pass number of heartbeat runs, which belong to no pass.
pub const NO_PASS: u64 = 0;

// === impl Turn: the session ===

impl Turn<'_> {
    pub(super) fn start(&mut self) {
        if self.agent.stage != Stage::New {
            return;
        }
        self.agent.started_ms = self.now.boot_ms;
        if !self.agent.settings.mode.is_daemon() {
            self.agent.stage = Stage::Resting;
            return self.find();
        }
        self.set_timer(Timer::Heartbeat, self.agent.settings.publish_interval_ms);
        self.remember_command();
        if let Some(instance) = self.agent.settings.dead_former.take() {
            self.write(Tag::EndFormer, Write::EndInstance { instance });
        }
        self.agent.stage = Stage::Opening;
        self.open_session();
    }

    pub(super) fn open_session(&mut self) {
        let number = self.next_number();
        let text = format!("{}.{number}", self.agent.settings.identity.instance);
        let Ok(session) = SessionId::new(text) else {
            return;
        }; // an instance has these characters
        self.agent.session = Some(session.clone());
        let identity = self.agent.settings.identity.clone();
        let ttl_ms = self.agent.settings.lock_ttl_ms;
        self.write(
            Tag::OpenSession,
            Write::OpenSession {
                session,
                identity,
                ttl_ms,
            },
        );
    }

    /// Notes that a claim was sent more than once: another copy may arrive yet, and would take a
    /// slot that nobody wants.
    pub(super) fn doubt_session(&mut self) {
        let tries = self.agent.asked.as_ref().map_or(0, |asked| asked.tries);
        let is_claim = self.agent.stage == Stage::Claiming;
        self.agent.is_session_doubtful |= is_claim && tries > 1;
    }

    /// Ends the session on which such a copy would stand, once no hold needs it. A place in line
    /// goes over to the next session first.
    pub(super) fn leave_doubtful_session(&mut self) {
        let is_daemon = self.agent.settings.mode.is_daemon();
        if !std::mem::take(&mut self.agent.is_session_doubtful) || !is_daemon {
            return;
        }
        let former = self.agent.session.take();
        self.agent.is_session_open = false;
        self.open_session();
        if std::mem::take(&mut self.agent.is_queued) {
            self.join_line();
        }
        if let Some(session) = former {
            self.write(Tag::EndSession, Write::EndSession { session });
        }
    }

    pub(super) fn session_opened(&mut self, result: Result<Written, Trouble>) {
        match result {
            Ok(_) => {
                self.agent.is_session_open = true;
                self.agent.failures = 0;
                self.set_timer(Timer::Session, self.agent.settings.lock_ttl_ms / 3);
                match self.agent.stage {
                    // Without a session nothing was heard: the store may have been put back.
                    Stage::Opening | Stage::Resting | Stage::Passing => self.settle(),
                    Stage::Claiming => self.claim(),
                    _ => {}
                }
            }
            Err(trouble) => self.session_failed(&trouble),
        }
    }

    fn session_failed(&mut self, trouble: &Trouble) {
        self.tell(News::Trouble {
            what: "open a session",
            error: trouble.to_string(),
        });
        let message = format!("the store is out of reach: {trouble}");
        let blocker = Blocker::shared(Outcome::LockUnavailable, message.clone());
        let blockers = vec![blocker];
        let report = Report {
            outcome: Outcome::LockUnavailable,
            message,
            blockers,
        };
        if !self.agent.settings.mode.is_daemon() {
            return self.finish(report);
        }
        self.tell_outcome(report);
        match self.agent.stage {
            Stage::Opening => {
                self.retry_later();
            }
            _ => {
                let delay_ms = self.backoff_ms();
                self.set_timer(Timer::Session, delay_ms);
            }
        }
    }

    pub(super) fn renew_session(&mut self) {
        match (&self.agent.session, self.agent.is_session_open) {
            (Some(session), true) => {
                let session = session.clone();
                self.write(Tag::KeepSession, Write::KeepSession { session });
            }
            _ => self.open_session(),
        }
    }

    pub(super) fn session_renewed(&mut self, result: Result<Written, Trouble>) {
        let third_ms = self.agent.settings.lock_ttl_ms / 3;
        match result {
            Ok(_) => self.set_timer(Timer::Session, third_ms),
            Err(Trouble::Refused(Refusal::SessionEnded)) => self.session_lost(),
            Err(trouble) => {
                self.tell(News::Trouble {
                    what: "renew the session",
                    error: trouble.to_string(),
                });
                let delay_ms = self.backoff_ms().min(third_ms);
                self.set_timer(Timer::Session, delay_ms);
            }
        }
    }

    /// The lease ended while we were away: the claim and the place in line are gone with it. A
    /// durable hold is not: it stands on no lease.
    pub(super) fn session_lost(&mut self) {
        if self.agent.stage == Stage::Leaving {
            return; // a late word: it ended because we end it
        }
        let error = "it ended while this process was held up: opening a new one".to_owned();
        self.tell(News::Trouble {
            what: "renew the session",
            error,
        });
        self.agent.is_session_open = false;
        self.agent.is_session_doubtful = false;
        self.agent.is_queued = false;
        self.agent.unleft_line = None;
        if !self.agent.settings.mode.is_daemon() {
            return self.end_diagnosis("the session ended while this process was held up");
        }
        if !self
            .agent
            .hold
            .as_ref()
            .is_some_and(|hold| hold.phase.is_durable())
        {
            self.agent.hold = None;
            self.agent.pass = None;
            self.agent.asked = None;
            self.agent.stage = Stage::Opening;
        }
        self.open_session();
    }

    /// A diagnostic run that cannot go on: its session's end gives its own claim back.
    pub(super) fn end_diagnosis(&mut self, why: &str) {
        self.tell_outcome(local_report(Outcome::LockUnavailable, why));
        self.leave();
    }

    /// The farewell. Ending the session gives a claim and a ticket back; a durable hold stays.
    pub(super) fn leave(&mut self) {
        self.agent.pass = None;
        self.agent.asked = None;
        match (self.agent.session.clone(), self.agent.is_session_open) {
            (Some(session), true) => {
                self.agent.stage = Stage::Leaving;
                self.write(Tag::EndSession, Write::EndSession { session });
            }
            _ => self.be_gone(),
        }
    }

    pub(super) fn session_ended(&mut self) {
        if self.agent.stage == Stage::Leaving {
            self.be_gone();
        }
    }

    fn be_gone(&mut self) {
        self.agent.stage = Stage::Gone;
        self.emit(Effect::Exit);
    }
}

// === impl Turn: health ===

impl Turn<'_> {
    pub(super) fn heartbeat(&mut self) {
        self.set_timer(Timer::Heartbeat, self.agent.settings.publish_interval_ms);
        self.publish(); // on time, even while a script runs
        let is_running = self.agent.is_heartbeat_running
            || self
                .agent
                .pass
                .as_ref()
                .is_some_and(|pass| matches!(pass.looking, Some(Look::Health(_))));
        if !is_running {
            self.agent.is_heartbeat_running = true;
            let look = Look::Health(ScriptPhase::Heartbeat);
            let slot = self.slot_state();
            self.emit(Effect::Look {
                pass: NO_PASS,
                look,
                slot,
            });
        }
        self.leave_line_again();
        self.clear_order();
        self.watch_hold();
    }

    /// While a durable hold waits for something, looks whether an operator broke it.
    fn watch_hold(&mut self) {
        if self.is_hold_at_rest() && self.agent.pass.is_none() {
            self.begin_pass(Purpose::Peek, Evidence::default());
        }
    }

    /// Whether the hold waits for something that takes its time.
    fn is_hold_at_rest(&self) -> bool {
        matches!(
            self.agent.stage,
            Stage::Holding(
                Step::Issued
                    | Step::Overdue
                    | Step::PostFailed
                    | Step::UndoFailed(_)
                    | Step::Soaking
            )
        )
    }

    /// While a hold waits: is it still ours? When it moved on meanwhile, the look is too old.
    pub(super) fn peeked_at_hold(&mut self, evidence: &Evidence) {
        let Some(findings) = evidence.findings() else {
            return;
        };
        if !self.is_hold_at_rest() && !self.is_waiting_out() {
            return;
        }
        let number = self.agent.hold.as_ref().map(|hold| hold.number);
        let found = findings.own_hold.as_ref().map(|(_, hold)| hold.number);
        if found != number {
            self.lose_hold("it is no longer in the record: an operator broke it");
        } else if self.is_waiting_out() {
            self.set_timer(Timer::Retry, 0);
        }
    }

    pub(super) fn heard_heartbeat(&mut self, sight: Sight) {
        self.agent.is_heartbeat_running = false;
        let Sight::Health(verdict) = sight else {
            return;
        };
        let is_healthy = verdict == ScriptVerdict::Pass;
        self.learn_health(ScriptPhase::Heartbeat, &verdict);
        if !is_healthy && self.agent.stage == Stage::Holding(Step::Soaking) {
            self.after_reboot_failed(Outcome::HealthBlocked, "unhealthy while soaking");
        }
    }

    /// Takes the script's verdict as this node's health and publishes it.
    pub(super) fn learn_health(&mut self, phase: ScriptPhase, verdict: &ScriptVerdict) {
        let reason = match verdict {
            ScriptVerdict::Pass => String::new(),
            ScriptVerdict::Blocked(why) | ScriptVerdict::Failed(why) => why.clone(),
        };
        let healthy = reason.is_empty();
        self.agent.health = Some(Health {
            healthy,
            stage: phase.name().to_owned(),
            reason,
        });
        self.publish();
    }

    /// Publishes this node's record, once there is a verdict.
    pub(super) fn publish(&mut self) {
        if !self.agent.settings.mode.publishes() || self.agent.stage == Stage::Leaving {
            return;
        }
        let Some(health) = self.agent.health.clone() else {
            return;
        };
        let record = Box::new(self.record(health));
        let stale_after_ms = self.agent.settings.stale_after_ms;
        self.write(
            Tag::Publish,
            Write::Publish {
                record,
                stale_after_ms,
            },
        );
    }

    fn record(&self, health: Health) -> NodeRecord {
        let agent = &*self.agent;
        let identity = agent.settings.identity.clone();
        let blockers = agent.report.iter().flat_map(|report| &report.blockers);
        NodeRecord {
            node: identity.node,
            machine_id: identity.machine_id,
            boot: identity.boot,
            instance: identity.instance,
            group: agent
                .hold
                .as_ref()
                .map_or(&agent.settings.group, |hold| &hold.group)
                .clone(),
            health,
            reported_at: self.wall_text(),
            activity: agent.activity().to_owned(),
            need: self.need_words(),
            waiting_for: blockers.map(|blocker| blocker.message.clone()).collect(),
            hold: agent.hold.as_ref().map(|hold| hold.number),
            extra: Map::new(),
        }
    }

    pub(super) fn published(&mut self, result: &Result<Written, Trouble>) {
        let health = self.agent.health.as_ref();
        let healthy = health.is_some_and(|health| health.healthy);
        let phase = health.and_then(|health| ScriptPhase::named(&health.stage));
        let phase = phase.unwrap_or(ScriptPhase::Heartbeat);
        let result = result.as_ref().map(|_| ()).map_err(ToString::to_string);
        self.tell(News::HealthPublished {
            phase,
            healthy,
            result,
        });
    }

    pub(super) fn slot_state(&self) -> SlotState {
        SlotState {
            is_enabled: !self.agent.settings.mode.skips_lock(),
            is_held: self.agent.hold.is_some(),
            attempts: self.agent.attempts,
        }
    }
}

// === impl Turn: peers, settings ===

impl Turn<'_> {
    /// Tells what changed among the peers since the last look, once.
    pub(super) fn compare_peers(&mut self, peers: Vec<Peer>) {
        let now: BTreeMap<_, _> = peers
            .into_iter()
            .map(|peer| (peer.node, peer.standing))
            .collect();
        let before = std::mem::take(&mut self.agent.peers);
        for (node, standing) in &now {
            if before.get(node) != Some(standing) {
                self.tell(News::Peer {
                    node: node.clone(),
                    standing: Some(standing.clone()),
                });
            }
        }
        for node in before.keys().filter(|node| !now.contains_key(*node)) {
            self.tell(News::Peer {
                node: node.clone(),
                standing: None,
            });
        }
        self.agent.peers = now;
    }

    /// Says once that the record's number of slots is not the file's.
    pub(super) fn compare_max(&mut self, findings: &Findings) {
        let written = self.agent.settings.max_as_written;
        let other = findings.other_max.zip(written);
        if std::mem::replace(&mut self.agent.told_max, other) == other {
            return;
        }
        if let Some((max, written)) = other {
            let group = self.agent.settings.group.clone();
            self.tell(News::OtherMax {
                group,
                max,
                written,
            });
        }
    }

    pub(super) fn reload(&mut self, settings: Settings) {
        let is_holding = self.agent.hold.is_some() || self.agent.stage == Stage::Claiming;
        let verdict = self.agent.settings.refuse_reload(&settings, is_holding);
        if verdict.is_ok() {
            let identity = self.agent.settings.identity.clone();
            if self.agent.is_queued && self.agent.settings.group != settings.group {
                self.leave_line();
            }
            self.agent.settings = Settings {
                identity,
                dead_former: None,
                ..settings
            };
        }
        self.tell(News::Reloaded(verdict));
        self.need_hinted();
    }

    /// In which half of the pass we are.
    pub(super) fn half(&self) -> Half {
        match self.agent.hold.as_ref().map(|hold| hold.phase) {
            Some(Phase::Claimed | Phase::Draining | Phase::Rebooting | Phase::Returned) => {
                Half::PostLock
            }
            None => Half::PreLock,
        }
    }
}
