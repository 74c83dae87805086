//! `demo`: a fleet on one machine.

use super::complain;
use crate::cli::DemoArgs;
use crate::exit::ExitCode;
use crate::{daemon, rehearsal};

/// Runs the command.
pub(super) fn run(args: &DemoArgs) -> ExitCode {
    if let Some(name) = unknown_machine(args) {
        complain(&format!(
            "demo: --fail {name}: the machines are node-1 to node-{}",
            args.nodes
        ));
        return ExitCode::Usage;
    }
    daemon::block_on(rehearsal::run(args)).unwrap_or_else(|error| {
        complain(&format!("demo: {error:#}"));
        ExitCode::RuntimeFailure
    })
}

fn unknown_machine(args: &DemoArgs) -> Option<&str> {
    let name = args.fail.as_deref()?;
    let is_known = (1..=args.nodes).any(|number| name == format!("node-{number}"));
    (!is_known).then_some(name)
}
