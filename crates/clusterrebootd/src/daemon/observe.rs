//! What the agent does, as log events and metrics: the one place that knows both.

use super::reach::{Change, Notice, Reach};
use super::systemd::ServiceManager;
use crate::config::LogLevel;
use crate::logs::{Event, Fields, Log};
use crate::metrics::{
    Activity, CheckResult, Claim, Finding, Health, HealthState, Metrics, Phase, Publication,
    Reading, Switch, WindowState,
};
use crate::report::{detector_json, other_max_text, script_json};
use jiff::Timestamp;
use reboot_agent::{Errand, Observer};
use reboot_core::agent::{Agent, Ending, Half, News, ScriptPhase, Stage, Step};
use reboot_core::id::GroupName;
use reboot_core::need::Detection;
use reboot_core::order::Order;
use reboot_core::outcome::{Outcome, Report};
use reboot_core::policy::Standing;
use reboot_core::window::Verdict;
use reboot_core::write::Trouble;
use reboot_host::detector::{DetectorReport, DetectorResult};
use reboot_host::script::HealthRun;
use serde_json::{Value, json};
use std::time::Instant;

/// Tells logs, metrics and the service manager.
pub(crate) struct Teller {
    log: Log,
    metrics: Metrics,
    manager: ServiceManager,
    reach: Reach,
    notice: Notice,
    detectors: Vec<Value>,
    /// When a slot was asked for, or given back, and no answer has come yet.
    asked: Option<Instant>,
}

// === impl Teller ===

impl Teller {
    pub(crate) fn new(log: Log, metrics: Metrics, notice: Notice) -> Self {
        Self {
            log,
            metrics,
            manager: ServiceManager::default(),
            reach: Reach::default(),
            notice,
            detectors: Vec::new(),
            asked: None,
        }
    }

    fn info(&self, event: Event, message: &str, fields: Value) {
        self.log
            .event(event, LogLevel::Info, message, fields_of(fields));
    }

    fn warn(&self, event: Event, message: &str, fields: Value) {
        self.log
            .event(event, LogLevel::Warn, message, fields_of(fields));
    }

    fn waited_secs(&mut self) -> f64 {
        self.asked
            .take()
            .map_or(0.0, |since| since.elapsed().as_secs_f64())
    }
}

impl Observer for Teller {
    fn told(&mut self, news: &News, agent: &Agent) {
        match news {
            News::KillSwitch { half, result } => self.kill_switch(*half, result),
            News::Window(verdict) => self.window(verdict),
            News::Detectors { half, detection } => self.detectors(*half, detection),
            News::Ordered(order) => self.ordered(order.as_ref()),
            News::OrderDone(order) => self.order_done(order),
            News::ClusterHealth { half, result } => self.cluster_health(*half, result),
            News::HealthPublished {
                phase,
                healthy,
                result,
            } => {
                self.published(*phase, *healthy, result);
            }
            News::Peer { node, standing } => self.peer(node.as_str(), standing.as_ref()),
            News::Cooldown { half, active } => self.cooldown(*half, active.as_deref()),
            News::CooldownStarted { secs } => {
                self.metrics
                    .cooldown_changed(Activity::Started, CheckResult::Success);
                self.info(
                    Event::CooldownStarted,
                    "a cooldown began",
                    json!({"seconds": secs}),
                );
            }
            News::CooldownCleared => {
                self.metrics
                    .cooldown_changed(Activity::Cleared, CheckResult::Success);
                self.info(Event::CooldownCleared, "the cooldown ended", json!({}));
            }
            News::ClaimTried { attempt } => {
                self.asked = Some(Instant::now());
                self.info(
                    Event::LockAttempt,
                    "asks for a slot",
                    json!({"attempt": attempt}),
                );
            }
            News::Claimed(ending) => self.claimed(ending, agent),
            News::BackedOff { delay_ms } => {
                self.info(
                    Event::LockBackoff,
                    "waits before the next try",
                    json!({"delay_ms": delay_ms}),
                );
            }
            News::Released(ending) => self.released(ending),
            News::Step { name, message } => self.step(name, message, agent),
            News::OtherMax {
                group,
                max,
                written,
            } => self.other_max(group, *max, *written),
            News::Trouble { what, error } => self.trouble(what, error),
            News::Reloaded(Ok(())) => {
                self.info(
                    Event::ConfigReloaded,
                    "the configuration was taken over",
                    json!({}),
                );
            }
            News::Reloaded(Err(why)) => {
                self.warn(Event::ConfigRefused, why, json!({"error": why}));
            }
            News::Outcome { report, .. } => self.outcome(report, agent),
        }
    }

    fn store_answered(&mut self, errand: Errand, answer: Result<(), &Trouble>) {
        let change = self.reach.answered(errand, answer, Timestamp::now());
        self.store_changed(change);
        if self.reach.trouble().is_none() {
            self.metrics.store_reached();
        }
    }

    fn detector_ran(&mut self, half: Half, report: &DetectorReport) {
        let finding = match &report.result {
            DetectorResult::Clear => Finding::Clear,
            DetectorResult::RebootRequired => Finding::Requires,
            DetectorResult::Error(_) => Finding::Error,
        };
        self.metrics
            .detector_evaluated(phase(half), finding, report.duration.as_secs_f64());
        self.detectors.push(detector_json(report));
    }

    fn script_ran(&mut self, phase: ScriptPhase, run: &HealthRun) {
        let result = match run.verdict.kind() {
            "pass" => Health::Pass,
            "blocked" => Health::Blocked,
            _ => Health::Error,
        };
        self.metrics.health_checked(
            script_phase(phase),
            result,
            run.finished.duration.as_secs_f64(),
        );
        let fields = script_json(phase, run);
        match run.verdict.reason() {
            None => self.info(Event::HealthCheck, "the health script allows", fields),
            Some(why) => {
                self.warn(
                    Event::HealthCheck,
                    &format!("the health script blocks: {why}"),
                    fields,
                );
            }
        }
    }

    fn stepped(&mut self, agent: &Agent) {
        let is_releasing = matches!(agent.stage, Stage::Holding(Step::Releasing(_)));
        if is_releasing && self.asked.is_none() {
            self.asked = Some(Instant::now());
        }
        self.manager.tell(agent, self.reach.trouble());
    }
}

// === impl Teller: one method an event ===

impl Teller {
    fn other_max(&self, group: &GroupName, max: u32, written: u32) {
        let text = other_max_text(group, max, written);
        let fields = json!({"group": group, "max": max, "max_in_configuration": written});
        self.warn(Event::ConfigWarning, &text, fields);
    }

    fn trouble(&self, what: &str, error: &str) {
        let fields = json!({"what": what, "error": error});
        let message = format!("could not {what}: {error}");
        self.warn(Event::InternalError, &message, fields);
    }

    fn kill_switch(&self, half: Half, result: &Result<bool, String>) {
        let switch = match result {
            Ok(true) => Switch::Active,
            Ok(false) => Switch::Inactive,
            Err(_) => Switch::Error,
        };
        self.metrics.kill_switch_checked(phase(half), switch);
        let fields = json!({"stage": phase(half).as_str(), "active": result.as_ref().ok()});
        match result {
            Ok(false) => self.log.event_if_new(
                Event::KillSwitch,
                "",
                LogLevel::Info,
                "absent",
                Fields::new(),
            ),
            Ok(true) => {
                self.log.forget(Event::KillSwitch, "");
                self.warn(Event::KillSwitch, "the kill switch is present", fields);
                true
            }
            Err(error) => {
                self.warn(Event::KillSwitch, error, fields);
                true
            }
        };
    }

    fn window(&self, verdict: &Verdict) {
        let (state, message) = match verdict {
            Verdict::Allowed => (WindowState::Allowed, "reboots are allowed now".to_owned()),
            Verdict::Deny { window, .. } => {
                (WindowState::Deny, format!("inside deny window {window}"))
            }
            Verdict::OutsideAllow { .. } => (
                WindowState::OutsideAllow,
                "outside every allow window".to_owned(),
            ),
        };
        self.metrics.window_evaluated(state);
        let fields = fields_of(json!({"result": state.as_str()}));
        self.log.event_if_new(
            Event::MaintenanceWindow,
            "",
            LogLevel::Info,
            &message,
            fields,
        );
    }

    fn detectors(&mut self, half: Half, detection: &Detection) {
        let fields = json!({
            "phase": phase(half).as_str(),
            "requires_reboot": detection.is_needed(),
            "detectors": std::mem::take(&mut self.detectors),
        });
        match detection.failed.is_empty() {
            true if detection.is_needed() => {
                let message = format!("a reboot is needed: {}", detection.fired.join(", "));
                self.info(Event::DetectorsEvaluated, &message, fields);
            }
            true => self.info(Event::DetectorsEvaluated, "no reboot is needed", fields),
            false => {
                let message = detection.failed.join("; ");
                self.warn(Event::DetectorsEvaluated, &message, fields);
            }
        }
    }

    fn ordered(&self, order: Option<&Order>) {
        match order {
            Some(order) => {
                let message = format!("a reboot is {}", order.words());
                let start = order.not_before.map(|start| start.to_string());
                let fields = json!({"by": order.by, "reason": order.reason, "not_before": start});
                self.info(Event::RebootOrdered, &message, fields);
            }
            None => self.info(Event::OrderCancelled, "the order was taken back", json!({})),
        }
    }

    fn order_done(&self, order: &Order) {
        let message = format!("the machine has rebooted since: {}", order.words());
        self.info(Event::OrderDone, &message, json!({}));
    }

    fn cluster_health(&self, half: Half, result: &Result<Vec<String>, String>) {
        let (reading, message) = match result {
            Ok(blocks) if blocks.is_empty() => (Reading::Healthy, "the cluster is well".to_owned()),
            Ok(blocks) => (Reading::Unhealthy, blocks.join("; ")),
            Err(error) => (Reading::Error, error.clone()),
        };
        self.metrics.cluster_health_checked(phase(half), reading);
        let fields = fields_of(json!({"phase": phase(half).as_str(), "result": reading.as_str()}));
        let level = if reading == Reading::Healthy {
            LogLevel::Info
        } else {
            LogLevel::Warn
        };
        self.log
            .event_if_new(Event::ClusterHealthStatus, "", level, &message, fields);
    }

    fn published(&self, phase: ScriptPhase, healthy: bool, result: &Result<(), String>) {
        let state = if healthy {
            HealthState::Healthy
        } else {
            HealthState::Unhealthy
        };
        let publication = match result {
            Ok(()) => Publication::Success,
            Err(_) => Publication::Error,
        };
        self.metrics
            .cluster_health_updated(script_phase(phase), state, publication);
        let fields = fields_of(json!({"healthy": healthy, "result": publication.as_str()}));
        let (level, message) = match result {
            Ok(()) => (LogLevel::Info, "this node's health is published"),
            Err(error) => (LogLevel::Warn, error.as_str()),
        };
        self.log
            .event_if_new(Event::ClusterHealthUpdate, "", level, message, fields);
    }

    fn peer(&self, node: &str, standing: Option<&Standing>) {
        let state = standing_name(standing);
        let fields = fields_of(json!({"peer": node, "state": state}));
        let is_well = matches!(standing, Some(Standing::Healthy | Standing::Down));
        let level = if is_well {
            LogLevel::Info
        } else {
            LogLevel::Warn
        };
        let message = format!("{node} is {state}");
        self.log
            .event_if_new(Event::ClusterPeerStatus, node, level, &message, fields);
    }

    fn cooldown(&self, half: Half, active: Option<&str>) {
        let switch = if active.is_some() {
            Switch::Active
        } else {
            Switch::Inactive
        };
        self.metrics.cooldown_checked(phase(half), switch);
        match active {
            Some(text) => {
                let message = format!("a cooldown runs: {text}");
                self.info(Event::CooldownStatus, &message, json!({"active": true}));
            }
            None => {
                let fields = fields_of(json!({"active": false}));
                let level = LogLevel::Debug;
                self.log
                    .event(Event::CooldownStatus, level, "no cooldown runs", fields);
            }
        }
    }

    fn claimed(&mut self, ending: &Ending, agent: &Agent) {
        let waited = self.waited_secs();
        match ending {
            Ending::Success => {
                self.metrics.lock_attempted(Claim::Success, waited);
                let number = agent.hold.as_ref().map(|hold| hold.number);
                let fields = json!({"group": agent.settings.group, "hold": number});
                self.info(Event::LockAcquired, "has a slot", fields);
            }
            Ending::Refused(why) => {
                self.metrics.lock_attempted(Claim::Contended, waited);
                self.info(Event::LockFailed, why, json!({"reason": "contended"}));
            }
            Ending::Error(why) => {
                self.metrics.lock_attempted(Claim::Error, waited);
                self.warn(Event::LockFailed, why, json!({"reason": "error"}));
            }
        }
    }

    fn released(&mut self, ending: &Ending) {
        let (result, error) = match ending {
            Ending::Success => (CheckResult::Success, None),
            Ending::Refused(why) | Ending::Error(why) => (CheckResult::Error, Some(why)),
        };
        let waited = self.waited_secs();
        self.metrics.lock_released(result, waited);
        match error {
            None => self.info(Event::LockReleased, "gave the slot back", json!({})),
            Some(why) => self.warn(Event::LockReleased, why, json!({"error": why})),
        }
    }

    fn step(&self, name: &str, message: &str, agent: &Agent) {
        let event = match name {
            "fenced" => Event::RebootFenced,
            "returned" => Event::RebootReturned,
            "draining" => Event::HooksStarted,
            _ => Event::RebootIssued,
        };
        let hold = agent.hold.as_ref().map(|hold| hold.number);
        self.info(event, message, json!({"step": name, "hold": hold}));
    }

    fn store_changed(&mut self, change: Option<Change>) {
        let Some(change) = change else { return };
        let now = self.reach.trouble();
        self.notice.leave(now);
        match change {
            Change::Still(_) => {}
            Change::Lost(trouble) => {
                self.metrics.store_lost(trouble.since.as_second());
                let fields = json!({"reachable": false, "kind": trouble.kind,
                    "since": trouble.since, "error": trouble.cause});
                self.warn(Event::StoreStatus, &trouble.line(), fields);
            }
            Change::Back(trouble) => {
                let secs = Timestamp::now().duration_since(trouble.since).as_secs();
                let fields = json!({"reachable": true, "since": trouble.since, "seconds": secs});
                let message = format!("the store can be used again, after {secs} s");
                self.info(Event::StoreStatus, &message, fields);
            }
        }
    }

    fn outcome(&mut self, report: &Report, agent: &Agent) {
        let status = report.outcome.name();
        self.metrics.pass_ended(status);
        if !matches!(report.outcome, Outcome::LockUnavailable | Outcome::Error) {
            let change = self.reach.passed();
            self.store_changed(change);
        }
        let reasons: Vec<Value> = report
            .blockers
            .iter()
            .map(|it| json!({"status": it.outcome.name(), "message": it.message}))
            .collect();
        let fields = json!({
            "status": status,
            "dry_run": agent.settings.is_dry_run,
            "blockers": reasons,
        });
        let level = match report.outcome.exit_code() {
            0 => LogLevel::Info,
            1 => LogLevel::Error,
            _ => LogLevel::Warn,
        };
        let message = format!("{status}: {}", report.message);
        self.log
            .event_if_new(Event::RunOutcome, "", level, &message, fields_of(fields));
        match report.outcome {
            Outcome::RebootOverdue => {
                let fields = Fields::new();
                self.log
                    .event_if_new(Event::RebootOverdue, "", LogLevel::Error, &message, fields);
            }
            _ => self.log.forget(Event::RebootOverdue, ""),
        }
    }
}

fn standing_name(standing: Option<&Standing>) -> String {
    match standing {
        None => "missing".to_owned(),
        Some(Standing::Healthy) => "healthy".to_owned(),
        Some(Standing::Unhealthy { stage, reason }) => format!("unhealthy ({stage}: {reason})"),
        Some(Standing::Stale) => "stale".to_owned(),
        Some(Standing::Down) => "down as agreed".to_owned(),
        Some(Standing::Overdue) => "overdue".to_owned(),
    }
}

fn fields_of(value: Value) -> Fields {
    match value {
        Value::Object(fields) => fields,
        _ => Fields::new(),
    }
}

fn phase(half: Half) -> Phase {
    match half {
        Half::PreLock => Phase::PreLock,
        Half::PostLock => Phase::PostLock,
    }
}

fn script_phase(phase: ScriptPhase) -> Phase {
    match phase {
        ScriptPhase::Monitor => Phase::Monitor,
        ScriptPhase::Heartbeat => Phase::Heartbeat,
        ScriptPhase::PreLock => Phase::PreLock,
        ScriptPhase::PostLock => Phase::PostLock,
        ScriptPhase::PostReboot => Phase::PostReboot,
    }
}
