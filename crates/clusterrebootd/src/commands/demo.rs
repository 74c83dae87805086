//! `demo`: a pretended fleet on this machine.

use super::complain;
use crate::cli::DemoArgs;
use crate::exit::ExitCode;
use crate::{daemon, demo};

/// Runs the command.
pub(super) fn run(args: &DemoArgs) -> ExitCode {
    let plan = match demo::Plan::of(args) {
        Ok(plan) => plan,
        Err(usage) => {
            complain(&format!("demo: {usage}"));
            return ExitCode::Usage;
        }
    };
    daemon::block_on(demo::run(plan)).unwrap_or_else(|error| {
        complain(&format!("demo: {error:#}"));
        ExitCode::RuntimeFailure
    })
}
