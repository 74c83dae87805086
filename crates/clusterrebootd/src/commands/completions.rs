//! `completions`: for bash, zsh and fish, from the definition of the command line.

use super::print;
use crate::cli::{CompletionsArgs, command_of};
use crate::exit::ExitCode;

/// Runs the command.
pub(super) fn run(args: &CompletionsArgs) -> ExitCode {
    let mut script = Vec::new();
    let mut definition = command_of(args.name);
    clap_complete::generate(args.shell, &mut definition, args.name.name(), &mut script);
    print(&script)
}
