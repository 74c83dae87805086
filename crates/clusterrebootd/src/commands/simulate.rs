//! `simulate`: every detector once, without store and health script.

use super::{complain, print_json, print_then, validate};
use crate::cli::{OutputFormat, SimulateArgs};
use crate::config::Settings;
use crate::daemon::detectors;
use crate::exit::ExitCode;
use crate::report::{detector_json, detector_text};
use reboot_host::detector::{DetectorReport, DetectorResult, DetectorSpec, evaluate};
use serde_json::{Value, json};
use std::io;
use tokio::signal::unix::{SignalKind, signal};

/// Runs the command.
pub(super) fn run(args: &SimulateArgs) -> ExitCode {
    let settings = match Settings::load(&args.config.config) {
        Ok(settings) => settings,
        Err(problems) => return validate::refuse(&problems),
    };
    let specs = detectors(&settings.detectors).map_err(|error| format!("{error:#}"));
    match specs.and_then(|specs| reports(&specs)) {
        Ok(reports) => show(&reports, args.output),
        Err(why) => {
            complain(&format!("simulate: {why}"));
            ExitCode::RuntimeFailure
        }
    }
}

fn reports(specs: &[DetectorSpec]) -> Result<Vec<DetectorReport>, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let reports = runtime.and_then(|runtime| runtime.block_on(evaluate_all(specs)));
    reports.map_err(|error| format!("the detectors cannot be run: {error}"))
}

/// One after the other, so that none disturbs another. A signal drops the one under way, which
/// ends its processes.
async fn evaluate_all(specs: &[DetectorSpec]) -> io::Result<Vec<DetectorReport>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut reports = Vec::new();
    for spec in specs {
        tokio::select! {
            report = evaluate(spec) => reports.push(report),
            _ = interrupt.recv() => return Err(io::ErrorKind::Interrupted.into()),
            _ = terminate.recv() => return Err(io::ErrorKind::Interrupted.into()),
        }
    }
    Ok(reports)
}

fn show(reports: &[DetectorReport], output: OutputFormat) -> ExitCode {
    let has_failed = reports
        .iter()
        .any(|report| matches!(report.result, DetectorResult::Error(_)));
    let exit = if has_failed {
        ExitCode::DetectorFailed
    } else {
        ExitCode::Success
    };
    match output {
        OutputFormat::Text => print_then(text(reports).as_bytes(), exit),
        OutputFormat::Json => print_json(&json(reports), exit),
    }
}

fn is_required(reports: &[DetectorReport]) -> bool {
    reports
        .iter()
        .any(|report| report.result == DetectorResult::RebootRequired)
}

fn text(reports: &[DetectorReport]) -> String {
    let mut text: String = reports.iter().map(detector_text).collect();
    text.push_str(match is_required(reports) {
        true => "reboot required: yes\n",
        false => "reboot required: no\n",
    });
    text
}

fn json(reports: &[DetectorReport]) -> Value {
    json!({
        "reboot_required": is_required(reports),
        "detectors": reports.iter().map(detector_json).collect::<Vec<_>>(),
    })
}
