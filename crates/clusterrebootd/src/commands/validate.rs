//! `validate-config`: every problem of a configuration at once.

use super::{complain, print_json, print_then};
use crate::cli::{OutputFormat, ValidateArgs};
use crate::config::{ConfigProblems, Settings};
use crate::exit::ExitCode;
use serde_json::json;
use std::io::{IsTerminal, Write};

/// Runs the command.
pub(super) fn run(args: &ValidateArgs) -> ExitCode {
    match (Settings::load(&args.config.config), args.output) {
        (Ok(settings), OutputFormat::Text) => valid(args, &settings),
        (Ok(settings), OutputFormat::Json) => print_json(
            &json!({
                "file": args.config.config,
                "readable": true,
                "valid": true,
                "problems": [],
                "warnings": warnings(&settings),
            }),
            ExitCode::Success,
        ),
        (Err(problems), OutputFormat::Text) => refuse(&problems),
        (Err(problems), OutputFormat::Json) => {
            print_json(&problems.to_json(), ExitCode::InvalidConfig)
        }
    }
}

fn valid(args: &ValidateArgs, settings: &Settings) -> ExitCode {
    for warning in warnings(settings) {
        complain(&format!("warning: {warning}"));
    }
    let report = format!("{}: configuration is valid\n", args.config.config.display());
    print_then(report.as_bytes(), ExitCode::Success)
}

fn warnings(settings: &Settings) -> Vec<String> {
    settings
        .warnings()
        .into_iter()
        .chain(settings.warnings_here())
        .collect()
}

/// Shows a configuration's problems on stderr: what every command does that cannot start for them.
pub(crate) fn refuse(problems: &ConfigProblems) -> ExitCode {
    let mut stderr = std::io::stderr().lock();
    let colour = stderr.is_terminal() && !crate::console::is_colour_unwanted();
    // Nothing is left to tell if this fails; the exit code says it all the same.
    let _ = writeln!(
        stderr,
        "{}\n{}",
        problems.headline(),
        problems.render(colour)
    );
    ExitCode::InvalidConfig
}
