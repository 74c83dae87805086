//! The binary: reads the command line and hands over to the command.

use clusterrebootd_cli::{cli, commands};
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().collect();
    if args.first().is_some_and(|first| cli::is_fleetlock(first)) {
        return commands::fleetlock(&args).into();
    }
    match cli::parse(args) {
        Ok(cli) => commands::run(cli).into(),
        Err(usage) => {
            usage.print();
            usage.exit.into()
        }
    }
}
