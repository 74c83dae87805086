//! Pieces of reports that several commands show.

use crate::called::Called;
use crate::plain::plain;
use reboot_core::agent::ScriptPhase;
use reboot_core::id::GroupName;
use reboot_host::detector::{DetectorReport, DetectorResult};
use reboot_host::script::HealthRun;
use serde_json::{Value, json};

/// A detector's result for people: a line, and what it printed beneath.
pub(crate) fn detector_text(report: &DetectorReport) -> String {
    let code = report
        .exit_code
        .map_or(String::new(), |code| format!(", exit code {code}"));
    let seconds = report.duration.as_secs_f64();
    let why = match &report.result {
        DetectorResult::Error(why) => format!(": {}", printable(why)),
        _ => String::new(),
    };
    let result = detector_result(&report.result);
    let name = printable(&report.name);
    let head = format!("detector {name}: {result} ({seconds:.3} s{code}){why}\n");
    head + &indented(&report.output)
}

/// A detector's result for programs.
pub(crate) fn detector_json(report: &DetectorReport) -> Value {
    let error = match &report.result {
        DetectorResult::Error(why) => Some(why),
        _ => None,
    };
    json!({
        "name": report.name,
        "result": detector_result(&report.result),
        "error": error,
        "duration_sec": report.duration.as_secs_f64(),
        "exit_code": report.exit_code,
        "output": report.output,
    })
}

/// A run of the health script for people: a line, and what it printed beneath.
pub(crate) fn script_text(phase: ScriptPhase, run: &HealthRun) -> String {
    let finished = &run.finished;
    let code = finished
        .exit_code()
        .map_or(String::new(), |code| format!(", exit code {code}"));
    let why = run
        .verdict
        .reason()
        .map_or(String::new(), |why| format!(": {}", printable(why)));
    let (result, seconds) = (run.verdict.kind(), finished.duration.as_secs_f64());
    format!("health {phase}: {result} ({seconds:.3} s{code}){why}\n") + &indented(&finished.output)
}

/// A run of the health script for programs.
pub(crate) fn script_json(phase: ScriptPhase, run: &HealthRun) -> Value {
    json!({
        "phase": phase.name(),
        "result": run.verdict.kind(),
        "reason": run.verdict.reason(),
        "duration_sec": run.finished.duration.as_secs_f64(),
        "exit_code": run.finished.exit_code(),
        "output": run.finished.output,
    })
}

/// What a program printed, set in, and harmless to a terminal.
pub(crate) fn indented(output: &str) -> String {
    let lines = output
        .lines()
        .map(|line| format!("    {}\n", printable(line.trim_end())));
    lines.collect()
}

fn detector_result(result: &DetectorResult) -> &'static str {
    match result {
        DetectorResult::Clear => "clear",
        DetectorResult::RebootRequired => "reboot-required",
        DetectorResult::Error(_) => "error",
    }
}

/// On one line, and harmless to a terminal; tabs stay.
fn printable(text: &str) -> String {
    let pieces: Vec<String> = text.split('\t').map(plain).collect();
    pieces.join("\t")
}

/// Both numbers of slots, where the group has others than the configuration names.
pub(crate) fn other_max_text(group: &GroupName, max: u32, written: u32) -> String {
    let lock = Called::now().lock();
    format!(
        "group {group} has {max} slots, this configuration says {written}: the group's number \
         counts; `{lock} set-max {written} --group {group}` changes it, or mend the file"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn what_a_program_printed_cannot_steer_the_terminal() {
        let report = DetectorReport {
            name: "kernel".to_owned(),
            result: DetectorResult::RebootRequired,
            duration: Duration::from_millis(1500),
            exit_code: Some(1),
            output: "one\n\u{1b}[2Jtwo\r\n".to_owned(),
            fingerprint: String::new(),
        };
        let head = "detector kernel: reboot-required (1.500 s, exit code 1)";
        assert_eq!(
            detector_text(&report),
            format!("{head}\n    one\n    \\u{{1b}}[2Jtwo\n")
        );
    }
}
