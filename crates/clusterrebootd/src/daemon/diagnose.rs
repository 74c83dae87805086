//! One diagnostic pass, and its report: what `status` and `run --once` print.

use super::reach::{Notice, StoreTrouble};
use super::unreachable::Unreachable;
use super::{agent_settings, identify, node, open_store, run};
use crate::cli::OutputFormat;
use crate::config::{Settings, StoreSettings};
use crate::exit::ExitCode;
use crate::plain::plain;
use crate::report::{detector_json, detector_text, other_max_text, script_json, script_text};
use anyhow::Result;
use reboot_agent::{Errand, Failpoints, Method, Observer, Shell};
use reboot_core::agent::{Agent, Ending, Half, Mode, News, Notebook, ScriptPhase};
use reboot_core::group::Identity;
use reboot_core::order::Order;
use reboot_core::outcome::{Outcome, Report};
use reboot_core::write::Trouble;
use reboot_host::detector::DetectorReport;
use reboot_host::script::HealthRun;
use reboot_store::Store;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// How long the store may take to tell of an order.
const LOOK_TIMEOUT: Duration = Duration::from_secs(10);

/// What the pass saw.
#[derive(Clone, Debug, Default)]
struct Findings {
    detectors: Vec<DetectorReport>,
    health: Vec<(ScriptPhase, HealthRun)>,
    lock: Option<String>,
    blockers: Vec<String>,
    troubles: Vec<String>,
    warnings: Vec<String>,
    /// What the store has of this node: an operator's order, and a slot that it holds.
    own: Own,
    /// What the daemon that runs on this node says of the store.
    daemon: Option<StoreTrouble>,
}

/// What a store has of this node.
#[derive(Clone, Debug, Default)]
struct Own {
    order: Option<String>,
    hold: Option<String>,
}

#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Findings>>);

/// Runs one diagnostic pass and returns its report and exit code.
///
/// # Errors
/// What keeps the pass from starting.
pub(crate) async fn diagnose(
    settings: &Settings,
    mode: Mode,
    output: OutputFormat,
) -> Result<(String, ExitCode)> {
    let mut environment = settings.static_environment(None);
    if mode.skips_health() {
        environment.push(("RC_SKIP_HEALTH".to_owned(), "true".to_owned()));
    }
    if mode.skips_lock() {
        environment.push(("RC_SKIP_LOCK".to_owned(), "true".to_owned()));
    }
    let identity = identify(settings).await?;
    let machine = node(settings, environment)?;
    let store = open_or_report(&settings.store)?;
    let (beside, me) = (Arc::clone(&store), identity.clone());
    let told = agent_settings(settings, identity, mode, store.describe())?;
    let notebook =
        super::read_notebook(&settings.state_dir).unwrap_or_else(|_| Notebook::default());
    let planned = planned_command(&machine.method);
    let collector = Collector::default();
    let observer = Box::new(collector.clone());
    let (_controls, inbox) = mpsc::channel(1);
    let agent = Agent::new(told, notebook, 0);
    let failpoints = Failpoints::default();
    let shell = Shell::new(agent, machine, store, observer, failpoints);
    let agent = shell.run(inbox).await;
    let exit = run::exit_code(&agent);
    let Some(report) = &agent.report else {
        return Ok((String::new(), exit));
    };
    let mut findings = collector
        .0
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    findings.daemon = Notice::read(&settings.run_dir);
    if !mode.skips_lock() && report.outcome != Outcome::LockUnavailable {
        findings.own = Own::of(beside.as_ref(), &me).await.unwrap_or_default();
    }
    let text = match output {
        OutputFormat::Text => as_text(&findings, report, &planned),
        OutputFormat::Json => as_json(&findings, report, &planned, exit),
    };
    Ok((text, exit))
}

/// A store that is there but cannot be used is an outcome of the pass, not the end of it.
fn open_or_report(settings: &StoreSettings) -> Result<Arc<dyn Store>> {
    match open_store(settings) {
        Err(error) if settings.own_file().is_some() => {
            Ok(Arc::new(Unreachable(format!("{error:#}"))))
        }
        opened => opened,
    }
}

fn planned_command(method: &Method) -> String {
    match method {
        Method::Command(argv) => argv.join(" "),
        Method::Logind => "systemd-logind: Reboot".to_owned(),
        Method::Soft => "systemd-logind: RebootWithFlags (soft reboot)".to_owned(),
    }
}

fn as_json(findings: &Findings, report: &Report, planned: &str, exit: ExitCode) -> String {
    let reasons: Vec<Value> = report
        .blockers
        .iter()
        .map(|it| json!({"status": it.outcome.name(), "message": it.message}))
        .collect();
    let runs: Vec<Value> = findings
        .health
        .iter()
        .map(|(phase, run)| script_json(*phase, run))
        .collect();
    let mut value = json!({
        "outcome": report.outcome.name(),
        "message": report.message,
        "exit_code": exit.code(),
        "blockers": reasons,
        "detectors": findings.detectors.iter().map(detector_json).collect::<Vec<_>>(),
        "health": runs,
        "lock": findings.lock,
        "cluster_health": findings.blockers,
        "troubles": findings.troubles,
        "warnings": findings.warnings,
        "daemon_store_trouble": findings.daemon,
        "reboot_command": planned,
        "dry_run": true,
    });
    if let Some(order) = &findings.own.order {
        value["order"] = json!(order);
    }
    if let Some(hold) = &findings.own.hold {
        value["hold"] = json!(hold);
    }
    format!("{value:#}\n")
}

fn as_text(findings: &Findings, report: &Report, planned: &str) -> String {
    let mut text: String = findings.detectors.iter().map(detector_text).collect();
    text.extend(
        findings
            .health
            .iter()
            .map(|(phase, run)| script_text(*phase, run)),
    );
    let lock = findings.lock.as_deref().unwrap_or("not asked for");
    push(&mut text, format_args!("lock: {lock}\n"));
    for blocker in &findings.blockers {
        push(
            &mut text,
            format_args!("cluster health blocker: {blocker}\n"),
        );
    }
    for trouble in &findings.troubles {
        push(&mut text, format_args!("trouble: {trouble}\n"));
    }
    if let Some(hold) = &findings.own.hold {
        push(
            &mut text,
            format_args!("this node holds a slot: {hold}; its daemon alone goes on with it\n"),
        );
    }
    if let Some(order) = &findings.own.order {
        push(
            &mut text,
            format_args!("a reboot is {order}; the daemon goes by that too\n"),
        );
    }
    for warning in &findings.warnings {
        push(&mut text, format_args!("warning: {warning}\n"));
    }
    if let Some(trouble) = &findings.daemon {
        push(
            &mut text,
            format_args!("the daemon of this node {}\n", trouble.line()),
        );
    }
    push(
        &mut text,
        format_args!("outcome: {} - {}\n", report.outcome, report.message),
    );
    for blocker in report.blockers.iter().skip(1) {
        push(
            &mut text,
            format_args!("also: {} - {}\n", blocker.outcome, blocker.message),
        );
    }
    push(
        &mut text,
        format_args!("planned reboot command: {planned}\n"),
    );
    text.push_str("dry-run: true\n");
    text
}

/// A line, whatever the words of others in it hold.
fn push(text: &mut String, line: std::fmt::Arguments<'_>) {
    let line = line.to_string();
    text.push_str(&plain(line.trim_end_matches('\n')));
    text.push('\n');
}

// === impl Own ===

impl Own {
    /// What the daemon of this node will go by, though no detector asks for it.
    async fn of(store: &dyn Store, me: &Identity) -> Option<Self> {
        let fleet = timeout(LOOK_TIMEOUT, store.look()).await.ok()?.ok()?;
        let order = fleet.orders.get(&me.node);
        let stands = |order: &&Order| !order.is_fulfilled_in(&me.boot);
        let hold = fleet.holds_of(&me.node).next();
        Some(Self {
            order: order.filter(stands).map(Order::words),
            hold: hold.map(|(group, hold)| {
                let (number, phase, since) = (hold.number, hold.phase, &hold.acquired_at);
                format!("number {number} of group {group}, {phase}, since {since}")
            }),
        })
    }
}

// === impl Collector ===

impl Collector {
    fn note(&self, write: impl FnOnce(&mut Findings)) {
        write(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Observer for Collector {
    fn told(&mut self, news: &News, _: &Agent) {
        match news {
            News::Claimed(Ending::Success) => {
                self.note(|it| it.lock = Some("acquired, and given back".to_owned()));
            }
            News::Claimed(Ending::Refused(why) | Ending::Error(why)) => {
                self.note(|it| it.lock = Some(format!("not acquired: {why}")));
            }
            News::ClusterHealth { result, .. } => {
                let blockers = result.clone().unwrap_or_else(|error| vec![error]);
                self.note(|it| it.blockers = blockers);
            }
            News::OtherMax {
                group,
                max,
                written,
            } => {
                let text = other_max_text(group, *max, *written);
                self.note(|it| it.warnings.push(text));
            }
            News::Trouble { what, error } => {
                self.note(|it| it.troubles.push(format!("could not {what}: {error}")));
            }
            _ => {}
        }
    }

    fn detector_ran(&mut self, half: Half, report: &DetectorReport) {
        if half == Half::PreLock {
            self.note(|it| it.detectors.push(report.clone()));
        }
    }

    fn script_ran(&mut self, phase: ScriptPhase, run: &HealthRun) {
        self.note(|it| it.health.push((phase, run.clone())));
    }

    fn store_answered(&mut self, _: Errand, _: Result<(), &Trouble>) {}

    fn stepped(&mut self, _: &Agent) {}
}
