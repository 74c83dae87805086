//! A daemon's life: from its configuration to its exit code.

use super::failpoints::failpoints;
use super::observe::Teller;
use super::reach::Notice;
use super::signals::{Signals, Wish};
use super::systemd::ServiceManager;
use super::{
    CONTROLS_MAX, agent_settings, identify, node, open_as_daemon, read_notebook, take_lock,
};
use crate::cli::RunArgs;
use crate::config::{LogLevel, Settings};
use crate::exit::ExitCode;
use crate::logs::{Event, Fields, Log};
use crate::metrics::{Listener, Metrics};
use anyhow::{Context, Result};
use reboot_agent::{Control, Node, Shell};
use reboot_core::agent::{self, Agent, Mode};
use reboot_core::group::Identity;
use reboot_host::journal::NodeLock;
use serde_json::json;
use std::path::Path;
use std::time::Duration;
use tokio::sync::mpsc;

/// How long a stop may take before the process ends anyway: everything that must be on disk is.
const STOP_LIMIT: Duration = Duration::from_secs(8);

/// What does not change while the daemon runs.
struct Fixed {
    identity: Identity,
    place: String,
    endpoint: Option<String>,
    log: Log,
}

/// Runs the daemon until it is told to stop; the exit code is that of its last outcome.
///
/// # Errors
/// What keeps it from starting.
pub(crate) async fn serve(settings: Settings, args: &RunArgs, log: Log) -> Result<ExitCode> {
    let mut signals = Signals::listen()?;
    let metrics = Metrics::new();
    let endpoint = listen(&settings, &metrics, &log).await?;
    let identity = identify(&settings).await?;
    let (_lock, dead_former): (NodeLock, _) = take_lock(&settings.state_dir, &identity).await?;
    let store = open_as_daemon(&settings.store)?;
    let fixed = Fixed {
        identity,
        place: store.describe(),
        endpoint,
        log: log.clone(),
    };
    let (mut told, machine) = parts(&settings, &fixed)?;
    told.dead_former = dead_former;
    let notebook = read_notebook(&settings.state_dir)?;
    let agent = Agent::new(told, notebook, seed());
    for warning in settings
        .warnings()
        .into_iter()
        .chain(settings.warnings_here())
    {
        log.event(
            Event::ConfigWarning,
            LogLevel::Warn,
            &warning,
            Fields::new(),
        );
    }
    let notice = Notice::new(&settings.run_dir);
    let observer = Box::new(Teller::new(log.clone(), metrics, notice));
    let (controls, inbox) = mpsc::channel(CONTROLS_MAX);
    let life = Shell::new(agent, machine, store, observer, failpoints()?).run(inbox);
    log.event(
        Event::DaemonStarted,
        LogLevel::Info,
        "started",
        started_fields(&fixed),
    );
    ServiceManager::ready();
    tokio::spawn(ServiceManager::feed_watchdog());
    let agent = tokio::select! {
        agent = life => agent,
        () = mind(&mut signals, settings, args, &fixed, controls) => {
            let (level, message) = (LogLevel::Error, "the stop took too long");
            log.event(Event::InternalError, level, message, Fields::new());
            return Ok(ExitCode::RuntimeFailure);
        }
    };
    Ok(exit_code(&agent))
}

/// The code of the last outcome, success before the first.
pub(super) fn exit_code(agent: &Agent) -> ExitCode {
    let code = agent
        .report
        .as_ref()
        .map_or(0, |report| report.outcome.exit_code());
    ExitCode::from_code(code).unwrap_or(ExitCode::RuntimeFailure)
}

async fn listen(settings: &Settings, metrics: &Metrics, log: &Log) -> Result<Option<String>> {
    if !settings.metrics.enabled {
        return Ok(None);
    }
    let address = &settings.metrics.listen;
    let listener = Listener::bind(address).await.with_context(|| {
        format!("metrics.listen: {address} cannot be bound: free it, or choose another")
    })?;
    let endpoint = listener.address().to_string();
    let fields = json!({"address": endpoint})
        .as_object()
        .cloned()
        .unwrap_or_default();
    log.event(
        Event::MetricsListening,
        LogLevel::Info,
        "serves metrics",
        fields,
    );
    tokio::spawn(listener.serve(metrics.clone()));
    Ok(Some(endpoint))
}

fn parts(settings: &Settings, fixed: &Fixed) -> Result<(agent::Settings, Node)> {
    let environment = settings.static_environment(fixed.endpoint.as_deref());
    let identity = fixed.identity.clone();
    let told = agent_settings(settings, identity, Mode::Daemon, fixed.place.clone())?;
    Ok((told, node(settings, environment)?))
}

fn started_fields(fixed: &Fixed) -> Fields {
    let fields = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "pid": std::process::id(),
        "boot": fixed.identity.boot.to_string(),
        "store": fixed.place,
    });
    fields.as_object().cloned().unwrap_or_default()
}

/// Jitter needs no secret, only a difference between nodes.
fn seed() -> u64 {
    uuid::Uuid::new_v4().as_u64_pair().0
}

/// Minds the signals; returns only when a stop took too long.
async fn mind(
    signals: &mut Signals,
    mut settings: Settings,
    args: &RunArgs,
    fixed: &Fixed,
    controls: mpsc::Sender<Control>,
) {
    loop {
        match signals.next().await {
            Wish::Stop => break,
            Wish::Reload => {
                if let Some((next, control)) = reread(&settings, args, fixed) {
                    settings = next;
                    // The agent ends only after this function is told to stop.
                    let _ = controls.send(control).await;
                }
            }
        }
    }
    fixed.log.event(
        Event::DaemonStopping,
        LogLevel::Info,
        "stopping",
        Fields::new(),
    );
    ServiceManager::stopping();
    let _ = controls.send(Control::Terminate).await; // as above
    tokio::time::sleep(STOP_LIMIT).await;
}

/// Reads the configuration again. What cannot change while the daemon runs is refused whole.
fn reread(current: &Settings, args: &RunArgs, fixed: &Fixed) -> Option<(Settings, Control)> {
    let refuse = |why: &str| {
        let message = format!("{why}: the former configuration stays");
        fixed.log.event(
            Event::ConfigRefused,
            LogLevel::Error,
            &message,
            Fields::new(),
        );
        None
    };
    let path: &Path = &args.config.config;
    let mut next = match Settings::load(path) {
        Ok(next) => next,
        Err(problems) => return refuse(&problems.to_string()),
    };
    next.dry_run = args.dry_run.unwrap_or(next.dry_run);
    if let Some(key) = fixed_key(current, &next) {
        return refuse(&format!(
            "{key} cannot change while the daemon runs, restart it"
        ));
    }
    for changed in current.diff(&next) {
        let fields = json!({"key": changed.key, "before": changed.before, "after": changed.after});
        let fields = fields.as_object().cloned().unwrap_or_default();
        let message = format!(
            "{} changes from {} to {}",
            changed.key, changed.before, changed.after
        );
        fixed
            .log
            .event(Event::ConfigReloaded, LogLevel::Info, &message, fields);
    }
    match parts(&next, fixed) {
        Ok((told, node)) => Some((next, Control::Reload(Box::new(told), Box::new(node)))),
        Err(error) => refuse(&format!("{error:#}")),
    }
}

/// The first key that differs and cannot.
fn fixed_key(current: &Settings, next: &Settings) -> Option<&'static str> {
    let pairs = [
        ("node_name", current.node_name != next.node_name),
        ("store", current.store != next.store),
        ("lock_key", current.lock_key != next.lock_key),
        ("state_dir", current.state_dir != next.state_dir),
        ("metrics", current.metrics != next.metrics),
    ];
    pairs
        .into_iter()
        .find(|(_, differs)| *differs)
        .map(|(key, _)| key)
}
