//! `status`: what a pass would find now, without publishing and without a reboot.

use super::{complain, print_then, validate};
use crate::cli::StatusArgs;
use crate::config::Settings;
use crate::daemon;
use crate::exit::ExitCode;
use reboot_core::agent::Mode;

/// Runs the command.
pub(super) fn run(args: &StatusArgs) -> ExitCode {
    let mut settings = match Settings::load(&args.config.config) {
        Ok(settings) => settings,
        Err(problems) => return validate::refuse(&problems),
    };
    settings.dry_run = true;
    pass(&settings, args).unwrap_or_else(|error| {
        complain(&format!("status: {error:#}"));
        ExitCode::RuntimeFailure
    })
}

fn pass(settings: &Settings, args: &StatusArgs) -> anyhow::Result<ExitCode> {
    let mode = Mode::Diagnostic {
        skip_health: args.skip_health,
        skip_lock: args.skip_lock,
        publishes: false,
    };
    let pass = daemon::diagnose(settings, mode, args.output);
    let (report, exit) = daemon::block_on(pass)?;
    Ok(print_then(report.as_bytes(), exit))
}
