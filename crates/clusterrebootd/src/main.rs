//! The binary: reads the command line and hands over to the command.

use clusterrebootd_cli::{cli, commands};
use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::parse(std::env::args_os()) {
        Ok(cli) => commands::run(cli).into(),
        Err(usage) => {
            usage.print();
            usage.exit.into()
        }
    }
}
