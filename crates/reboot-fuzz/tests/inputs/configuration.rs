//! The configuration file, from bytes to checked settings, or to a report of what is wrong.

use clusterrebootd_cli::config::{ConfigProblems, NODE_KEYS, Settings};
use reboot_core::window::Window;
use reboot_fuzz::{Input, Limit, fuzz_test};
use serde_json::Value;
use std::io::Write;
use std::path::Path;

/// No duration that follows from others is longer: four times the sum of two of ten years.
const SECONDS_MAX: u64 = 8 * 315_360_000;

/// What the file's grammar is made of, beside the keys themselves.
const GRAMMAR: &[&str] = &[
    "&a ",
    "*a",
    "<<: ",
    "!!str ",
    "!custom ",
    "%YAML 1.2\n---\n",
    "---\n",
    "...\n",
    "? ",
    "- ",
    ": ",
    "|\n",
    ">-\n",
    "|9\n",
    "# ",
    "[]",
    "{}",
    "~",
    "null",
    "true",
    "yes",
    "\"\\u0000\"",
    "'",
    "\"",
    "@",
    "`",
    "\t",
    "Mon 00:00-Mon 00:00",
    "Europe/Berlin",
    "debian",
    "command",
];

fuzz_test!(
    configuration,
    Input {
        name: "configuration",
        words: &words(),
        runs: 1500,
        limit: Limit::default(),
        check: &check,
    }
);

/// Each key of the table as a line of its own, and the grammar.
fn words() -> Vec<&'static str> {
    let keys = NODE_KEYS
        .iter()
        .map(|key| &*format!("\n{}: ", key.name()).leak());
    GRAMMAR.iter().copied().chain(keys).collect()
}

/// The whole way of a file.
pub(crate) fn check(bytes: &[u8]) {
    let path = Path::new("config.yaml");
    let read = match std::str::from_utf8(bytes) {
        Ok(text) => Settings::parse(path, text),
        Err(_) => load(bytes),
    };
    match read {
        Ok(settings) => check_settings(&settings),
        Err(problems) => check_report(&problems, bytes),
    }
}

fn load(bytes: &[u8]) -> Result<Settings, ConfigProblems> {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file can be made");
    file.write_all(bytes).expect("it can be written");
    Settings::load(file.path())
}

fn check_settings(settings: &Settings) {
    let windows = settings.windows.allow.iter().chain(&settings.windows.deny);
    windows.for_each(|text| assert!(Window::parse(text).is_ok(), "{text:?} was let through"));
    assert!(!settings.detectors.is_empty() && !settings.reboot_command.is_empty());
    assert!(settings.lock_ttl_secs > settings.health_timeout_secs);
    assert!(settings.backoff_max_secs >= settings.backoff_min_secs);
    for (key, value) in settings.listing() {
        let fits = value.as_u64().is_none_or(|number| number <= SECONDS_MAX);
        assert!(fits, "{key} is {value}");
    }
    assert_eq!(settings.diff(settings), []);
    let environment = settings.static_environment(None);
    let has_zero = |(_, value): &(String, String)| value.contains('\0');
    assert!(!environment.iter().any(has_zero), "{environment:?}");
    settings.warnings();
}

fn check_report(problems: &ConfigProblems, bytes: &[u8]) {
    assert!(!problems.problems.is_empty(), "refused without a reason");
    let lines = bytes.iter().filter(|byte| **byte == b'\n').count() + 2;
    for problem in &problems.problems {
        let is_there = problem.place.line <= lines || problem.place.line == 0;
        // YAML breaks lines at carriage returns too.
        assert!(is_there || bytes.contains(&b'\r'), "{problem:?}");
        assert!(!problem.cause.is_empty() && !problem.remedy.is_empty());
    }
    let report = problems.render(false);
    assert!(problems.render(true).len() > report.len());
    assert_eq!(problems.to_json()["valid"], Value::Bool(false));
}
