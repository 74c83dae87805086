//! `plan`: when would the fleet be through with its reboots, in which order, and what blocks?

mod durations;
mod picture;
mod question;
mod scale;
mod text;
mod words;

use super::operator::with_settings;
use crate::cli::{PlanArgs, PlanFormat};
use crate::config::Settings;
use crate::console::print_then;
use crate::daemon;
use crate::exit::ExitCode;
use crate::plain::plain_lines;
use anyhow::{Context, Result, anyhow};
use jiff::tz::TimeZone;
use question::Asked;
use reboot_core::agent::Zone;
use reboot_sim::plan::{Plan, Progress, Stretch, answer, closed_between};
use std::io::{IsTerminal, Write, stderr};
use std::path::Path;
use std::time::{Duration, Instant};

/// Shorter plans show no progress.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often progress is shown.
const BEAT: Duration = Duration::from_millis(200);

/// A plan with all that is shown of it.
struct Shown {
    plan: Plan,
    /// When windows keep reboots off, as far as the plan goes.
    closed: Vec<Stretch>,
    /// In which the times are shown.
    zone: Zone,
    assumptions: Vec<String>,
}

/// Runs the command.
pub(super) fn run(args: &PlanArgs) -> ExitCode {
    with_settings(&args.config.config, |settings| {
        let asked = daemon::block_on(question::ask(settings, args))?;
        let shown = solve(settings, asked)?;
        let text = match args.output {
            PlanFormat::Table => plain_lines(&text::table(&shown)),
            PlanFormat::Json => format!("{:#}\n", text::json(&shown)),
            PlanFormat::Svg => picture::draw(&shown),
        };
        match &args.to {
            None => Ok(print_then(text.as_bytes(), ExitCode::Success)),
            Some(path) => write(path, &text),
        }
    })
}

fn solve(settings: &Settings, asked: Asked) -> Result<Shown> {
    let agent = asked.question.nodes.first();
    let zone = agent.map_or_else(Zone::utc, |node| node.settings.zone.clone());
    let windows = agent.map(|node| node.settings.windows.clone());
    let mut meter = Meter::new(zone.rules.clone());
    let plan = answer(&asked.question, &mut |progress| meter.show(progress)).map_err(|broken| {
        anyhow!("the plan cannot be trusted, which is a bug: please report it: {broken}")
    })?;
    meter.clear();
    let end = plan.end.unwrap_or(plan.horizon);
    let closed = closed_between(&windows.unwrap_or_default(), &zone, plan.start, end);
    let mut assumptions = asked.assumptions;
    assumptions.extend(plan.assumptions.iter().cloned());
    if settings.dry_run {
        assumptions.push("dry_run is set, and planned as if it were not".to_owned());
    }
    Ok(Shown {
        plan,
        closed,
        zone,
        assumptions,
    })
}

fn write(path: &Path, text: &str) -> Result<ExitCode> {
    std::fs::write(path, text).with_context(|| {
        let path = path.display();
        format!("{path} cannot be written: name a file in a directory you may write to")
    })?;
    Ok(ExitCode::Success)
}

/// Shows on a terminal how far a long plan has come.
struct Meter {
    zone: TimeZone,
    is_terminal: bool,
    began: Instant,
    next: Duration,
    is_shown: bool,
}

// === impl Meter ===

impl Meter {
    fn new(zone: TimeZone) -> Self {
        Self {
            zone,
            is_terminal: stderr().is_terminal(),
            began: Instant::now(),
            next: PATIENCE,
            is_shown: false,
        }
    }

    fn show(&mut self, progress: Progress) {
        let elapsed = self.began.elapsed();
        if !self.is_terminal || elapsed < self.next {
            return;
        }
        self.next = elapsed + BEAT;
        self.is_shown = true;
        let now = words::moment(progress.now, &self.zone);
        let Progress { done, of, .. } = progress;
        // Nothing is lost when a terminal does not take it.
        let _ = write!(stderr(), "\r\x1b[Kplanning: {done} of {of} done by {now}");
    }

    fn clear(&self) {
        if self.is_shown {
            let _ = write!(stderr(), "\r\x1b[K");
        }
    }
}
