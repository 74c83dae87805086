//! `completions`: for bash, zsh and fish, from the definition of the command line.

use super::print;
use crate::cli::{CompletionsArgs, command};
use crate::exit::ExitCode;

/// Runs the command.
pub(super) fn run(args: &CompletionsArgs) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command(), "clusterrebootd", &mut script);
    print(&script)
}
