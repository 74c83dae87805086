//! Commands and flags.

use super::operators::{FleetArgs, LockArgs, group_name};
use super::planning::PlanArgs;
use crate::called::Called;
use crate::config::{DEFAULT_PATH, LogFormat, LogLevel};
use clap::builder::styling::{AnsiColor, Style, Styles};
use clap::{Args, Parser, Subcommand, ValueEnum};
use reboot_core::id::GroupName;
use reboot_core::reason::reason;
use std::path::PathBuf;

pub(super) const STYLES: Styles = Styles::styled()
    .header(Style::new().bold())
    .usage(Style::new().bold())
    .literal(AnsiColor::Cyan.on_default())
    .placeholder(AnsiColor::Green.on_default());

/// Reboots fleets of Linux machines safely, one slot at a time.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "clusterrebootd",
    version,
    styles = STYLES,
    max_term_width = 100,
    args_override_self = true,
    disable_help_subcommand = false,
    after_help = "Long flags are also taken with one dash: -config FILE, -dry-run=false."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// How to log.
    #[command(flatten)]
    pub log: LogArgs,
}

/// What to do.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Run the daemon: reboot this node when it needs it and the fleet allows it
    Run(RunArgs),
    /// Run the coordination server: slots for Zincati, scripts and daemons without etcd
    Serve(ServeArgs),
    /// Show what a pass would find now: detectors, health, slot and outcome
    Status(StatusArgs),
    /// Try every detector once; no store, no health script
    Simulate(SimulateArgs),
    /// Check a configuration file, listing every problem at once
    ValidateConfig(ValidateArgs),
    /// Tell when the fleet would be through with its reboots, and what blocks
    Plan(PlanArgs),
    /// Show what happened to the group: who rebooted, when and why
    History(HistoryArgs),
    /// Show the slots, break a hold, change their number, pause and resume
    Lock(LockArgs),
    /// Show every node, or forget one that was removed
    Fleet(FleetArgs),
    /// Look into, check, back up or restore the embedded store
    Store(StoreArgs),
    /// Roll a small fleet of pretended machines on this one
    Demo(DemoArgs),
    /// Print the build metadata
    Version(VersionArgs),
    /// Print completions for a shell
    Completions(CompletionsArgs),
    /// Print the manual page, or write all of them
    Man(ManArgs),
}

/// How to log.
#[derive(Args, Clone, Copy, Debug, Default)]
#[command(next_help_heading = "Logging")]
pub struct LogArgs {
    /// Shape of the log on stderr: json, text, or auto for text on a terminal
    #[arg(long, global = true, value_name = "FORMAT", value_parser = log_format)]
    pub log_format: Option<LogFormat>,
    /// Least important level to log: error, warn, info or debug
    #[arg(long, global = true, value_name = "LEVEL", value_parser = log_level)]
    pub log_level: Option<LogLevel>,
}

/// Which configuration.
#[derive(Args, Clone, Debug)]
pub struct ConfigArgs {
    /// The configuration file
    #[arg(long, value_name = "FILE", default_value = DEFAULT_PATH)]
    pub config: PathBuf,
}

/// How to print a report.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub enum OutputFormat {
    /// For people
    #[default]
    Text,
    /// For programs
    Json,
}

/// Arguments of `run`.
#[derive(Args, Clone, Debug)]
#[command(args_override_self = true)]
pub struct RunArgs {
    /// Which configuration.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Do everything but the reboot
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
        default_missing_value = "true", value_parser = flag)]
    pub dry_run: Option<bool>,
    /// One diagnostic pass with slot and health gating; never reboots
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
        default_missing_value = "true", default_value = "false", hide_default_value = true,
        value_parser = flag)]
    pub once: bool,
}

/// Arguments of `serve`.
#[derive(Args, Clone, Debug)]
#[command(args_override_self = true, args_conflicts_with_subcommands = true)]
pub struct ServeArgs {
    /// The server's configuration file; /etc/clusterrebootd/server.yaml, when it is there
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where to listen, instead of the file's address
    #[arg(long, value_name = "HOST:PORT")]
    pub listen: Option<String>,
    /// Check the configuration, every problem at once, instead of serving
    #[arg(long)]
    pub check: bool,
    /// Something else than to serve
    #[command(subcommand)]
    pub command: Option<ServeCommand>,
}

/// What `serve` does besides serving.
#[derive(Clone, Debug, Subcommand)]
pub enum ServeCommand {
    /// Make a secret for somebody, and the line with its hash for the server's list
    HashSecret(HashSecretArgs),
}

/// Arguments of `serve hash-secret`.
#[derive(Args, Clone, Debug)]
#[command(args_override_self = true)]
pub struct HashSecretArgs {
    /// Whose: a name for people; of a password, the user's
    pub name: String,
    /// read, node:NAME, node:* or operator
    pub role: String,
    /// Hash the password on standard input, for auth.basic_file, instead of making a token
    #[arg(long, conflicts_with = "token_file")]
    pub password: bool,
    /// Write the new token into this file, which must not be there yet; else to standard error
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
}

/// Arguments of `status`.
#[derive(Args, Clone, Debug)]
#[command(args_override_self = true)]
pub struct StatusArgs {
    /// Which configuration.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Do not run the health script
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
        default_missing_value = "true", default_value = "false", hide_default_value = true,
        value_parser = flag)]
    pub skip_health: bool,
    /// Do not try for a slot, and skip cluster health and policies
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
        default_missing_value = "true", default_value = "false", hide_default_value = true,
        value_parser = flag)]
    pub skip_lock: bool,
    /// Shape of the report
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value_t)]
    pub output: OutputFormat,
}

/// Arguments of `simulate`.
#[derive(Args, Clone, Debug)]
#[command(args_override_self = true)]
pub struct SimulateArgs {
    /// Which configuration.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Shape of the report
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value_t)]
    pub output: OutputFormat,
}

/// Arguments of `validate-config`.
#[derive(Args, Clone, Debug)]
#[command(args_override_self = true)]
pub struct ValidateArgs {
    /// Which configuration.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Shape of the report
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value_t)]
    pub output: OutputFormat,
}

/// Arguments of `version`.
#[derive(Args, Clone, Debug)]
#[command(args_override_self = true)]
pub struct VersionArgs {
    /// Shape of the report
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value_t)]
    pub output: OutputFormat,
}

/// Arguments of `history`.
#[derive(Args, Clone, Debug)]
#[command(args_override_self = true)]
pub struct HistoryArgs {
    /// Which configuration.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// The group, instead of the configuration's
    #[arg(long, value_name = "GROUP", value_parser = group_name)]
    pub group: Option<GroupName>,
    /// The newest so many entries
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub limit: u32,
    /// Shape of the report
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value_t)]
    pub output: OutputFormat,
}

/// Arguments of `store`.
#[derive(Args, Clone, Debug)]
#[command(args_override_self = true)]
pub struct StoreArgs {
    /// What to do with the store.
    #[command(subcommand)]
    pub command: StoreCommand,
    /// The configuration file that names the store
    #[arg(long, global = true, value_name = "FILE", default_value = DEFAULT_PATH)]
    pub config: PathBuf,
    /// The store's file itself, without any configuration
    #[arg(long, global = true, value_name = "DB", conflicts_with = "config")]
    pub path: Option<PathBuf>,
}

/// What to do with the store.
#[derive(Clone, Debug, Subcommand)]
pub enum StoreCommand {
    /// Print every record as JSON
    Dump,
    /// Check the file and every record in it
    Check,
    /// Copy the store into a new file while daemons go on
    Backup {
        /// Where to write the copy; must not exist
        file: PathBuf,
    },
    /// Put a backup in the store's place; starts a new epoch, paused
    Restore {
        /// The backup
        file: PathBuf,
        /// Do not ask
        #[arg(long)]
        yes: bool,
        /// Why; it is recorded
        #[arg(long, value_name = "TEXT", value_parser = reason,
            default_value = "no reason given")]
        reason: String,
    },
    /// After etcd was restored from a snapshot: start a new epoch, paused
    NewEpoch {
        /// Do not ask
        #[arg(long)]
        yes: bool,
        /// Why; it is recorded
        #[arg(long, value_name = "TEXT", value_parser = reason,
            default_value = "no reason given")]
        reason: String,
    },
}

/// Arguments of `demo`.
#[derive(Args, Clone, Debug)]
#[command(args_override_self = true)]
pub struct DemoArgs {
    /// How many machines to pretend
    #[arg(long, value_name = "N", default_value_t = 5,
        value_parser = clap::value_parser!(u32).range(1..=100))]
    pub nodes: u32,
    /// How many may be down at once
    #[arg(long, value_name = "N", default_value_t = 1,
        value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub slots: u32,
    /// A machine that does not come back, such as node-3
    #[arg(long, value_name = "NODE")]
    pub fail: Option<String>,
    /// How long a pretended reboot takes
    #[arg(long, value_name = "SECONDS", default_value_t = 2,
        value_parser = clap::value_parser!(u64).range(1..=600))]
    pub seconds: u64,
    /// Leave the directory behind, to look into it
    #[arg(long, hide = true)]
    pub keep: bool,
}

/// Arguments of `completions`.
#[derive(Args, Clone, Debug)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_parser = shell, value_name = "bash|zsh|fish")]
    pub shell: clap_complete::Shell,
    /// The name to complete: clusterrebootd or rebootlockctl
    #[arg(value_name = "NAME", default_value = "clusterrebootd", value_parser = called)]
    pub name: Called,
}

/// Arguments of `man`.
#[derive(Args, Clone, Debug)]
#[command(args_override_self = true)]
pub struct ManArgs {
    /// The page to print, such as clusterrebootd-run.8
    #[arg(
        value_name = "PAGE",
        default_value = "clusterrebootd.8",
        conflicts_with = "out"
    )]
    pub page: String,
    /// Write every page into this directory
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// The spellings of Go's flag package, which scripts for the original daemon may use.
fn flag(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("write true or false".to_owned()),
    }
}

fn log_format(word: &str) -> Result<LogFormat, &'static str> {
    LogFormat::from_word(word).ok_or("write json, text or auto")
}

fn log_level(word: &str) -> Result<LogLevel, &'static str> {
    LogLevel::from_word(word).ok_or("write error, warn, info or debug")
}

fn called(word: &str) -> Result<Called, &'static str> {
    let is_it = |called: &&Called| called.name() == word;
    let called = Called::ALL.iter().find(is_it).copied();
    called.ok_or("write clusterrebootd or rebootlockctl")
}

fn shell(word: &str) -> Result<clap_complete::Shell, &'static str> {
    match word {
        "bash" => Ok(clap_complete::Shell::Bash),
        "zsh" => Ok(clap_complete::Shell::Zsh),
        "fish" => Ok(clap_complete::Shell::Fish),
        _ => Err("write bash, zsh or fish"),
    }
}
