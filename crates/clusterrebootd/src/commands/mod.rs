//! The commands, one module each. A command takes its arguments and returns the exit code; what it
//! has to say goes through `console`, so that a closed pipe ends nothing in a panic.

mod completions;
mod demo;
mod fleet;
mod fleetlock;
mod history;
mod lock;
mod man;
mod operator;
mod paint;
mod plan;
mod run;
mod serve;
mod simulate;
mod status;
mod store;
mod table;
pub(crate) mod validate;
mod version;

use crate::cli::{Cli, Command};
pub(crate) use crate::console::{complain, print, print_json, print_then};
use crate::exit::ExitCode;
pub use fleetlock::fleetlock;

/// Runs the command.
pub fn run(cli: Cli) -> ExitCode {
    match cli.command {
        Command::ValidateConfig(args) => validate::run(&args),
        Command::Version(args) => version::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
        Command::Simulate(args) => simulate::run(&args),
        Command::Run(args) => run::run(&args, cli.log),
        Command::Serve(args) => serve::run(&args, cli.log),
        Command::Status(args) => status::run(&args),
        Command::Plan(args) => plan::run(&args),
        Command::History(args) => history::run(&args),
        Command::Store(args) => store::run(&args),
        Command::Lock(args) => lock::run(&args),
        Command::Fleet(args) => fleet::run(&args),
        Command::Demo(args) => demo::run(&args),
    }
}
