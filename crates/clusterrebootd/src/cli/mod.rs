//! The command line: what it takes, what it teaches, and how a wrong one ends.
//!
//! Help, completions and manual pages come from the same definitions.

mod arguments;
mod fleetlock;
mod manual;
mod operators;
mod planning;
mod spelling;
mod teach;

pub use arguments::{
    Cli, Command, CompletionsArgs, ConfigArgs, DemoArgs, HashSecretArgs, HistoryArgs, LogArgs,
    ManArgs, OutputFormat, RunArgs, ServeArgs, ServeCommand, SimulateArgs, StatusArgs, StoreArgs,
    StoreCommand, ValidateArgs, VersionArgs,
};
pub use fleetlock::{BadFlags, FleetlockArgs, fleetlock_usage, is_fleetlock};
pub use manual::{Page, pages};
pub use operators::{FleetArgs, FleetCommand, FleetFormat, LockArgs, LockCommand, LockFormat};
pub use planning::{PlanArgs, PlanFormat};
pub use spelling::normalise;
pub use teach::{Example, Lesson, lesson};

use crate::called::Called;
use crate::exit::ExitCode;
use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches};
use operators::Rebootlockctl;
use std::ffi::OsString;

/// A command line that ends the process at once: help that was asked for, or a usage error.
#[derive(Debug)]
pub struct UsageExit {
    /// 0 for help and version, 64 for everything else.
    pub exit: ExitCode,
    error: clap::Error,
}

// === impl UsageExit ===

impl UsageExit {
    fn new(error: clap::Error) -> Self {
        let exit = match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::Success,
            _ => ExitCode::Usage,
        };
        Self { exit, error }
    }

    /// Shows it: help on stdout, errors on stderr; colours on terminals only. Nothing is left to
    /// tell if that fails.
    pub fn print(&self) {
        let _ = self.error.print();
    }
}

impl std::fmt::Display for UsageExit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.error.fmt(f)
    }
}

/// The whole definition, with examples and exit codes in every help.
pub fn command() -> clap::Command {
    command_of(Called::Clusterrebootd)
}

/// What the program takes when it is called by this name.
pub fn command_of(called: Called) -> clap::Command {
    match called {
        Called::Clusterrebootd => teach::taught(Cli::command()),
        Called::Rebootlockctl => teach::taught_alone(Rebootlockctl::command(), called),
    }
}

/// Reads a command line; the first of `args` is the program's name, and tells by which of its
/// names it was called.
///
/// # Errors
/// Help that was asked for, and every usage error.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Cli, UsageExit> {
    let args: Vec<OsString> = args.into_iter().collect();
    let called = args.first().map_or(Called::default(), |it| Called::of(it));
    let definition = command_of(called);
    let args = normalise(&args, &definition).map_err(|misplaced| {
        UsageExit::new(
            definition
                .clone()
                .error(ErrorKind::UnknownArgument, misplaced),
        )
    })?;
    let matches = definition
        .try_get_matches_from(args)
        .map_err(UsageExit::new)?;
    let cli = match called {
        Called::Clusterrebootd => Cli::from_arg_matches(&matches),
        Called::Rebootlockctl => Rebootlockctl::from_arg_matches(&matches).map(Cli::from),
    };
    cli.map_err(UsageExit::new)
}
