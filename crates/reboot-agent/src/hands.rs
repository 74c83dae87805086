//! The effects on the machine itself: each runs as a task and reports its result.

use crate::failpoints::{Failpoints, look_name};
use crate::node::{Method, Node};
use crate::report::{Report, send};
use jiff::Timestamp;
use reboot_core::agent::{Event, Half, Issue, Look, Notebook, ScriptPhase, Sight, SlotState};
use reboot_core::gates::{Local, ScriptVerdict};
use reboot_core::need::Detection;
use reboot_core::undo::Undo;
use reboot_host::HostError;
use reboot_host::command::Issued;
use reboot_host::detector::{DetectorReport, DetectorResult};
use reboot_host::process::Exit;
use reboot_host::script::{HealthRun, Verdict};
use reboot_host::{command, detector, hooks, journal, killswitch};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// How long a bus may take, twice, to say who asks to wait, where a command reboots without it: a
/// machine whose bus hangs is one that needs its reboot.
const BUS_PATIENCE: Duration = Duration::from_secs(2);
/// How much of a script's last line goes into the reason.
const LAST_WORDS_CHARS_MAX: usize = 200;

/// Does what the agent wants done on this machine.
pub(crate) struct Hands {
    node: Arc<Node>,
    reports: mpsc::Sender<Report>,
    failpoints: Failpoints,
    /// What the detectors said last. Without a need nobody is asked who wants the node to wait.
    is_needed: Arc<AtomicBool>,
}

type Variables = Vec<(String, String)>;

// === impl Hands: looking ===

impl Hands {
    pub(crate) fn new(
        node: Arc<Node>,
        reports: mpsc::Sender<Report>,
        failpoints: Failpoints,
    ) -> Self {
        Self {
            node,
            reports,
            failpoints,
            is_needed: Arc::default(),
        }
    }

    /// Starts a look; the answer comes as `Saw`.
    pub(crate) fn look(
        &self,
        tasks: &mut JoinSet<()>,
        pass: u64,
        look: Look,
        (slot, half): (SlotState, Half),
    ) {
        let (node, reports, failpoints) = self.parts();
        let is_needed = Arc::clone(&self.is_needed);
        tasks.spawn(async move {
            failpoints.before(look_name(look));
            let sight = match look {
                Look::Local => {
                    let matters = half == Half::PostLock || is_needed.load(Ordering::Relaxed);
                    Sight::Local(look_locally(&node, matters).await)
                }
                Look::Detectors => {
                    let detection = detect(&node, half, &reports).await;
                    is_needed.store(!detection.fired.is_empty(), Ordering::Relaxed);
                    Sight::Detection(detection)
                }
                Look::Health(phase) => Sight::Health(check(&node, phase, slot, &reports).await),
                Look::Fleet => return, // the shell's, not ours
            };
            failpoints.after(look_name(look));
            send(&reports, Event::Saw { pass, look, sight }).await;
        });
    }

    /// What a task takes with it.
    fn parts(&self) -> (Arc<Node>, mpsc::Sender<Report>, Failpoints) {
        let node = Arc::clone(&self.node);
        (node, self.reports.clone(), self.failpoints.clone())
    }

    fn variables(&self, phase: &str) -> Variables {
        with(&self.node.environment, [("RC_PHASE", phase.to_owned())])
    }
}

fn with<const N: usize>(fixed: &[(String, String)], more: [(&str, String); N]) -> Variables {
    let more = more
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value));
    fixed.iter().cloned().chain(more).collect()
}

async fn look_locally(node: &Node, matters: bool) -> Local {
    let kill_switch = killswitch::active(&node.kill_switch_file).map_err(|error| error.to_string());
    let inhibitors = match matters {
        true => inhibitors(node).await,
        false => Vec::new(),
    };
    Local {
        kill_switch,
        inhibitors,
    }
}

/// Who asks to wait: a package manager amid its work, a user.
async fn inhibitors(node: &Node) -> Vec<String> {
    if node.method.overrides_inhibitors() {
        return Vec::new();
    }
    let bus = match node.method {
        Method::Command(_) => &node.bus.as_ref().clone().with_deadline(BUS_PATIENCE),
        Method::Logind | Method::Soft => node.bus.as_ref(),
    };
    match (bus.inhibitors().await, &node.method) {
        (Ok(found), _) => found
            .iter()
            .map(|it| format!("{} asks to wait: {}", it.who, it.why))
            .collect(),
        // Where there is no logind, or it hangs, a command reboots all the same.
        (Err(_), Method::Command(_)) => Vec::new(),
        (Err(error), Method::Logind | Method::Soft) => {
            vec![format!("who inhibits a shutdown cannot be told: {error}")]
        }
    }
}

async fn detect(node: &Node, half: Half, reports: &mpsc::Sender<Report>) -> Detection {
    let mut detection = Detection::default();
    let mut prints = Vec::new();
    for spec in &node.detectors {
        let report = detector::evaluate(spec).await;
        read_report(&report, &mut detection, &mut prints);
        // The loop outlives its tasks; when it is gone nobody needs the report.
        let _ = reports.send(Report::Detector(half, Box::new(report))).await;
    }
    detection.fingerprint = prints.join(",");
    detection
}

fn read_report(report: &DetectorReport, detection: &mut Detection, prints: &mut Vec<String>) {
    match &report.result {
        DetectorResult::Clear => {}
        DetectorResult::RebootRequired => {
            detection.fired.push(report.name.clone());
            prints.push(format!("{}={}", report.name, report.fingerprint));
        }
        DetectorResult::Error(error) => {
            detection
                .failed
                .push(format!("detector {}: {error}", report.name));
        }
    }
}

async fn check(
    node: &Node,
    phase: ScriptPhase,
    slot: SlotState,
    reports: &mpsc::Sender<Report>,
) -> ScriptVerdict {
    let variables = with(
        &node.environment,
        [
            ("RC_PHASE", phase.name().to_owned()),
            ("RC_LOCK_ENABLED", slot.is_enabled.to_string()),
            ("RC_LOCK_HELD", slot.is_held.to_string()),
            ("RC_LOCK_ATTEMPTS", slot.attempts.to_string()),
        ],
    );
    let run = node.health_script.run(&variables).await;
    let verdict = match &run.verdict {
        Verdict::Pass => ScriptVerdict::Pass,
        Verdict::Blocked(why) => ScriptVerdict::Blocked(with_last_words(why, &run)),
        Verdict::Error(why) => ScriptVerdict::Failed(with_last_words(why, &run)),
    };
    let _ = reports.send(Report::Script(phase, Box::new(run))).await; // as above
    verdict
}

/// The reason, and the last line the script printed: what its author wanted to be read.
fn with_last_words(why: &str, run: &HealthRun) -> String {
    let mut lines = run.finished.output.lines().map(str::trim);
    match lines.rfind(|line| !line.is_empty()) {
        Some(line) => {
            let words: String = line.chars().take(LAST_WORDS_CHARS_MAX).collect();
            format!("{why} ({words})")
        }
        None => why.to_owned(),
    }
}

// === impl Hands: changing ===

impl Hands {
    /// Puts the notebook on disk before it returns.
    pub(crate) fn save(&self, notebook: &Notebook) -> Result<(), String> {
        self.failpoints.before("save");
        let saved = journal::save(&self.node.state_dir, notebook);
        self.failpoints.after("save");
        saved.map_err(|error| error.to_string())
    }

    /// The names of the pre-reboot hooks.
    pub(crate) fn plan_hooks(&self) -> Result<Vec<String>, String> {
        self.failpoints.before("plan-hooks");
        let names = hook_names(&self.node.hooks_dir.join("pre-reboot.d"));
        self.failpoints.after("plan-hooks");
        names
    }

    /// Runs the pre-reboot hooks of these names.
    pub(crate) fn run_hooks(&self, tasks: &mut JoinSet<()>, names: Vec<String>) {
        let (node, reports, failpoints) = self.parts();
        let variables = self.variables("pre-reboot");
        tasks.spawn(async move {
            let dir = node.hooks_dir.join("pre-reboot.d");
            let points = (&failpoints, "pre-hook");
            let result = run_named(&dir, &names, &variables, &node, points).await;
            send(&reports, Event::Hooked(result)).await;
        });
    }

    /// Undoes the named changes, newest first.
    pub(crate) fn undo(&self, tasks: &mut JoinSet<()>, undo: Undo) {
        let (node, reports, failpoints) = self.parts();
        let variables = self.variables("undo");
        tasks.spawn(async move {
            let result = undo_all(&node, &undo, &variables, &failpoints).await;
            send(&reports, Event::Undone(result)).await;
        });
    }

    /// Runs every post-reboot hook.
    pub(crate) fn run_post_hooks(&self, tasks: &mut JoinSet<()>) {
        let (node, reports, failpoints) = self.parts();
        let variables = self.variables("post-reboot");
        tasks.spawn(async move {
            let dir = node.hooks_dir.join("post-reboot.d");
            let points = (&failpoints, "post-hook");
            let result = match hook_names(&dir) {
                Ok(names) => run_named(&dir, &names, &variables, &node, points).await,
                Err(error) => Err(error),
            };
            send(&reports, Event::PostHooked(result)).await;
        });
    }

    /// Tells the users.
    pub(crate) fn wall(&self, tasks: &mut JoinSet<()>, delay_secs: u64) {
        let message = format!("This machine will be rebooted in {delay_secs} seconds.");
        let failpoints = self.failpoints.clone();
        tasks.spawn(async move {
            failpoints.before("wall");
            drop(command::wall(&message).await);
            failpoints.after("wall");
        });
    }

    /// Starts the reboot.
    pub(crate) fn issue_reboot(&self, tasks: &mut JoinSet<()>) {
        let (node, reports, failpoints) = self.parts();
        tasks.spawn(async move {
            failpoints.before("issue-reboot");
            let answer = match &node.method {
                Method::Command(argv) => return run_command(argv, &reports, &failpoints).await,
                Method::Logind => node.bus.reboot().await,
                Method::Soft => node.bus.soft_reboot().await,
            };
            failpoints.after("issue-reboot");
            tell_bus(answer, &reports).await;
        });
    }

    /// Leaves the marker of a finished reboot.
    pub(crate) fn mark_returned(&self, need: &str, number: u64) -> Result<(), String> {
        let at = Timestamp::now().to_string();
        let marker = serde_json::json!({ "at": at, "need": need, "hold": number });
        self.failpoints.before("mark-returned");
        let marked = journal::mark(&self.node.run_dir, "rebooted", &marker);
        self.failpoints.after("mark-returned");
        marked.map_err(|error| error.to_string())
    }
}

fn hook_names(dir: &Path) -> Result<Vec<String>, String> {
    let found = hooks::list(dir).map_err(|error| error.to_string())?;
    Ok(found.into_iter().map(|hook| hook.name).collect())
}

async fn run_named(
    dir: &Path,
    names: &[String],
    variables: &Variables,
    node: &Node,
    (failpoints, effect): (&Failpoints, &'static str),
) -> Result<(), String> {
    let found = hooks::list(dir).map_err(|error| error.to_string())?;
    for name in names {
        let Some(hook) = found.iter().find(|hook| &hook.name == name) else {
            return Err(format!("hook {name} has vanished from {}", dir.display()));
        };
        failpoints.before(effect);
        let finished = hooks::run_one(hook, variables, node.hook_timeout).await;
        failpoints.after(effect);
        if !finished.is_success() {
            let said = finished.output.trim();
            let path = hook.path.display();
            return Err(format!(
                "hook {path} failed: {} ({said})",
                finished.reason()
            ));
        }
    }
    Ok(())
}

async fn undo_all(
    node: &Node,
    undo: &Undo,
    variables: &Variables,
    failpoints: &Failpoints,
) -> Result<(), String> {
    let dir = node.hooks_dir.join("pre-reboot.d");
    let mut failed = Vec::new();
    for name in undo.newest_first() {
        failpoints.before("undo");
        let name = [name.to_owned()];
        let (_, not_undone) = hooks::undo_all(&dir, &name, variables, node.hook_timeout).await;
        failpoints.after("undo");
        let told = not_undone.into_iter();
        failed.extend(told.map(|(name, why)| format!("{name}: {why}")));
    }
    match failed.is_empty() {
        true => Ok(()),
        false => Err(format!(
            "undoing failed, the slot is kept: {}",
            failed.join("; ")
        )),
    }
}

async fn run_command(argv: &[String], reports: &mpsc::Sender<Report>, failpoints: &Failpoints) {
    let issued = command::issue(argv).await;
    failpoints.after("issue-reboot");
    match issued {
        Issued::NotStarted(why) => send(reports, Event::Issued(Issue::NotStarted(why))).await,
        Issued::Started { exit, .. } => {
            send(reports, Event::Issued(Issue::Started)).await;
            let Ok(exit) = exit.await else { return };
            failpoints.after("await-command");
            let is_success = exit == Exit::Code(0);
            let how = format!("the reboot command ended: {exit}");
            send(reports, Event::Issued(Issue::Ended { is_success, how })).await;
        }
    }
}

async fn tell_bus(result: Result<(), HostError>, reports: &mpsc::Sender<Report>) {
    let how = match result {
        Ok(()) => Issue::Started,
        Err(error) if !matches!(error, HostError::BusUnknown { .. }) => {
            Issue::NotStarted(error.to_string())
        }
        Err(error) => {
            // It may have been taken all the same: it counts as issued.
            send(reports, Event::Issued(Issue::Started)).await;
            Issue::Ended {
                is_success: false,
                how: error.to_string(),
            }
        }
    };
    send(reports, Event::Issued(how)).await;
}
