//! Arguments of the operator commands: `lock` and `fleet`.

use super::arguments::{Command, STYLES};
use super::{Cli, LogArgs};
use crate::config::DEFAULT_PATH;
use clap::{Args, Parser, Subcommand, ValueEnum};
use jiff::Timestamp;
use reboot_core::id::{BadName, GroupName};
use reboot_core::reason::reason;
use std::path::PathBuf;

/// How `lock status` prints.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub enum LockFormat {
    /// As the old command did
    #[default]
    Text,
    /// A table with node, phase, since when and more
    Wide,
    /// For programs
    Json,
}

/// How `fleet list` prints.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub enum FleetFormat {
    /// For people
    #[default]
    Text,
    /// With hold, activity, reboots of the last day, last report and boot
    Wide,
    /// For programs
    Json,
}

/// Shows who holds a reboot slot, breaks a hold, changes the slots, pauses and resumes.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "rebootlockctl",
    version,
    styles = STYLES,
    max_term_width = 100,
    args_override_self = true,
    after_help = "The same as `clusterrebootd lock`, with the daemon's own configuration. Long \
                  flags are also taken with one dash: -config FILE."
)]
pub(super) struct Rebootlockctl {
    #[command(flatten)]
    lock: LockArgs,
}

impl From<Rebootlockctl> for Cli {
    fn from(called: Rebootlockctl) -> Self {
        Self {
            command: Command::Lock(called.lock),
            log: LogArgs::default(),
        }
    }
}

/// Arguments of `lock`.
#[derive(Args, Clone, Debug)]
#[command(args_override_self = true)]
pub struct LockArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: LockCommand,
    /// The configuration file that names the store
    #[arg(long, global = true, value_name = "FILE", default_value = DEFAULT_PATH)]
    pub config: PathBuf,
    /// The group, instead of the configuration's
    #[arg(long, global = true, value_name = "GROUP", value_parser = group_name)]
    pub group: Option<GroupName>,
}

/// What to do with the slots.
#[derive(Clone, Debug, Subcommand)]
pub enum LockCommand {
    /// Show the slots and who holds them
    Status {
        /// Every group, not only one
        #[arg(long)]
        all_groups: bool,
        /// Shape of the report
        #[arg(short, long, value_name = "FORMAT", value_enum, default_value_t)]
        output: LockFormat,
        /// Go on, and print the status anew whenever it changes; with -o json one document a line
        #[arg(long)]
        watch: bool,
    },
    /// Break the hold of a machine that went away for good
    Unlock {
        /// The node's name or its machine id
        id: String,
        /// Why; it is recorded
        #[arg(long, value_name = "TEXT", value_parser = reason)]
        reason: Option<String>,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Change the number of slots; 0 pauses the group
    SetMax {
        /// The new number
        #[arg(value_name = "N")]
        max: u32,
    },
    /// Stop the fleet, or with --group one group: no claim and no reboot begins
    Pause {
        /// Why; every node shows it
        #[arg(long, value_name = "TEXT", value_parser = reason)]
        reason: String,
        /// Until when, such as 2026-12-24T06:00:00Z; without it, until `resume`
        #[arg(long, value_name = "TIME", value_parser = until)]
        until: Option<String>,
    },
    /// Let the fleet and its paused groups go on, or with --group that one
    Resume,
}

/// Arguments of `fleet`.
#[derive(Args, Clone, Debug)]
#[command(args_override_self = true)]
pub struct FleetArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: FleetCommand,
    /// The configuration file that names the store
    #[arg(long, global = true, value_name = "FILE", default_value = DEFAULT_PATH)]
    pub config: PathBuf,
}

/// What to do with the fleet.
#[derive(Clone, Debug, Subcommand)]
pub enum FleetCommand {
    /// Show every node: health, what it does, what it waits for
    List {
        /// Shape of the report
        #[arg(short, long, value_name = "FORMAT", value_enum, default_value_t)]
        output: FleetFormat,
    },
    /// Keep one node from rebooting, whatever it needs; one that is down comes back all the same
    HoldBack {
        /// The node's name
        node: String,
        /// Why; the node shows it
        #[arg(long, value_name = "TEXT", value_parser = reason)]
        reason: String,
        /// Until when, such as 2026-12-24T06:00:00Z; without it, until `let-go`
        #[arg(long, value_name = "TIME", value_parser = until)]
        until: Option<String>,
        /// Its group, where the node has not reported yet
        #[arg(long, value_name = "GROUP", value_parser = group_name)]
        group: Option<GroupName>,
    },
    /// Hold a node back no longer
    LetGo {
        /// The node's name
        node: String,
    },
    /// Ask one node to reboot, through every gate like any other reboot; once, and fulfilled by
    /// whatever reboots it
    Reboot {
        /// The node's name
        node: String,
        /// Why; the node shows it
        #[arg(long, value_name = "TEXT", value_parser = reason,
            required_unless_present = "cancel")]
        reason: Option<String>,
        /// Not before this time, such as 2026-12-24T06:00:00Z; without it, as soon as it may
        #[arg(long, value_name = "TIME", value_parser = moment, conflicts_with = "cancel")]
        at: Option<Timestamp>,
        /// Take back what was asked
        #[arg(long, conflicts_with = "reason")]
        cancel: bool,
    },
    /// Forget a node that was removed: its record blocks the others no longer
    Forget {
        /// The node's name
        node: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

pub(super) fn group_name(text: &str) -> Result<GroupName, BadName> {
    GroupName::new(text)
}

fn moment(text: &str) -> Result<Timestamp, &'static str> {
    until(text)?.parse().map_err(|_| "that is no time")
}

/// Kept as the operator wrote it.
fn until(text: &str) -> Result<String, &'static str> {
    match text.parse::<Timestamp>() {
        Ok(until) if until <= Timestamp::now() => Err("that is over: name a time to come"),
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err("write it like 2026-12-24T06:00:00Z"),
    }
}
