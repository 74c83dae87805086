//! `serve`: the coordination server.

use super::{complain, validate};
use crate::cli::{LogArgs, ServeArgs};
use crate::exit::ExitCode;
use crate::logs::Log;
use crate::server;

/// Runs the command.
pub(super) fn run(args: &ServeArgs, log: LogArgs) -> ExitCode {
    let mut settings = match server::load(args) {
        Ok(settings) => settings,
        Err(problems) => return validate::refuse(&problems),
    };
    settings.log_format = log.log_format.unwrap_or(settings.log_format);
    settings.log_level = log.log_level.unwrap_or(settings.log_level);
    let log = Log::to_stderr(server::NAME, settings.log_format, settings.log_level);
    match server::serve(&settings, args, &log) {
        Ok(()) => ExitCode::Success,
        Err(error) => {
            complain(&format!("serve: {error:#}"));
            ExitCode::RuntimeFailure
        }
    }
}
