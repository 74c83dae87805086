//! House automation: `cargo xtask tidy` checks the house rules, `cargo xtask test` everything,
//! `cargo xtask prove` proves the rules, `cargo xtask faults` strikes a real etcd, `cargo xtask
//! bench` measures, `cargo xtask gen` makes the code that is made.
//!
//! It is Rust, not shell, so that it is itself formatted, linted and tested.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod bench;
#[cfg(test)]
mod documented;
mod faults;
mod generate;
mod install;
mod package;
mod stats;
mod test;
mod tidy;
mod vm;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;

/// House automation of clusterrebootd.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Command {
    /// Check the house rules and list every violation at once.
    Tidy,
    /// Install what the tests need, then run every check a change must pass.
    Test,
    /// Explore the model, hunt the known bad designs, and play fleets drawn from seeds, on the
    /// rules that ship. `cargo xtask prove --help` shows what each can do.
    #[command(disable_help_flag = true)]
    Prove {
        /// What `prove` is told.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Strike a real etcd of three members with every fault, over and over, while nodes reboot on
    /// it, and judge the history. Wants root, for a small disk.
    Faults(faults::Length),
    /// Make Rust of the `.proto` files. A test sees that what is committed is what this makes.
    Gen,
    /// Compile the program for this machine, needing nothing of its system, into `dist`.
    Build {
        /// The build profile.
        #[arg(long, default_value = "release")]
        profile: String,
    },
    /// Make the packages of this commit, with their check sums: .deb, .rpm, .apk, tarballs, image.
    Package(package::Order),
    /// Try the packages in fresh systems: installed, upgraded, removed, purged. Wants root.
    PackageTest(install::Order),
    /// Install the package on three virtual machines and have them reboot, in every way that can go
    /// wrong. Wants root, and no hardware acceleration.
    VmTest(vm::Order),
    /// Build for release, measure, and print a table of ratios and goals. Never fails for time.
    Bench(bench::Order),
}

fn main() -> ExitCode {
    match run(Command::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("xtask stands outside the workspace: run it from a checkout")?;
    let passed = match command {
        Command::Tidy => tidy::run(root)?,
        Command::Test => test::run(root)?,
        Command::Prove { arguments } => test::prove(root, &arguments)?,
        Command::Faults(length) => faults::run(root, &length)?,
        Command::Gen => generate::run(root).map(|()| true)?,
        Command::Build { profile } => package::build(root, &profile).map(|()| true)?,
        Command::Package(order) => package::run(root, &order).map(|()| true)?,
        Command::PackageTest(order) => install::run(root, &order).map(|()| true)?,
        Command::VmTest(order) => vm::run(root, &order)?,
        Command::Bench(order) => bench::run(root, &order).map(|()| true)?,
    };
    Ok(if passed {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
