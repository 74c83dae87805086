//! `run`: the daemon, or one diagnostic pass of it.

use super::{complain, print_then, validate};
use crate::cli::{LogArgs, OutputFormat, RunArgs};
use crate::config::Settings;
use crate::daemon;
use crate::exit::ExitCode;
use crate::logs::Log;
use reboot_core::agent::Mode;

/// Runs the command.
pub(super) fn run(args: &RunArgs, log: LogArgs) -> ExitCode {
    let mut settings = match Settings::load(&args.config.config) {
        Ok(settings) => settings,
        Err(problems) => return validate::refuse(&problems),
    };
    settings.dry_run = args.dry_run.unwrap_or(settings.dry_run);
    settings.log_format = log.log_format.unwrap_or(settings.log_format);
    settings.log_level = log.log_level.unwrap_or(settings.log_level);
    let result = match args.once {
        true => once(&settings),
        false => serve(settings, args),
    };
    result.unwrap_or_else(|error| {
        complain(&format!("run: {error:#}"));
        ExitCode::RuntimeFailure
    })
}

fn serve(settings: Settings, args: &RunArgs) -> anyhow::Result<ExitCode> {
    let node = settings.node_name.as_str();
    let log = Log::to_stderr(node, settings.log_format, settings.log_level);
    daemon::block_on(daemon::serve(settings, args, log))
}

fn once(settings: &Settings) -> anyhow::Result<ExitCode> {
    let mode = Mode::Diagnostic {
        skip_health: false,
        skip_lock: false,
        publishes: true,
    };
    let pass = daemon::diagnose(settings, mode, OutputFormat::Text);
    let (report, exit) = daemon::block_on(pass)?;
    Ok(print_then(report.as_bytes(), exit))
}
