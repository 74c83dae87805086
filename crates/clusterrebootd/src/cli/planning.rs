//! Arguments of `plan`.

use super::ConfigArgs;
use clap::{Args, ValueEnum};
use jiff::{SignedDuration, Timestamp};
use reboot_core::group::MAX_SLOTS;
use reboot_core::id::{BadName, NodeName};
use std::path::PathBuf;
use std::time::Duration;

/// The most made-up nodes.
const NODES_MAX: u32 = 10_000;
/// The furthest look ahead.
const HORIZON_MAX: Duration = Duration::from_secs(366 * 86_400);

/// How a plan is shown.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub enum PlanFormat {
    /// For people
    #[default]
    #[value(alias = "text")]
    Table,
    /// For programs
    Json,
    /// A picture: nodes over time
    Svg,
}

/// Arguments of `plan`.
#[derive(Args, Clone, Debug)]
#[command(args_override_self = true)]
pub struct PlanArgs {
    /// Which configuration.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Plan for so many made-up nodes, instead of those the store knows
    #[arg(long, value_name = "N", conflicts_with = "node",
        value_parser = clap::value_parser!(u32).range(1..=i64::from(NODES_MAX)))]
    pub nodes: Option<u32>,
    /// Only this node needs a reboot; may be given several times
    #[arg(long, value_name = "NAME", value_parser = node_name, action = clap::ArgAction::Append)]
    pub node: Vec<NodeName>,
    /// When the needs appear, such as 2026-11-21T22:00:00Z, instead of now
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub at: Option<Timestamp>,
    /// How far to look ahead
    #[arg(long, value_name = "DURATION", default_value = "7d", value_parser = horizon)]
    pub horizon: Duration,
    /// Take every node the store knows as healthy and reporting
    #[arg(long)]
    pub assume_healthy: bool,
    /// What if so many may be down at once, in every group
    #[arg(long, value_name = "N", help_heading = "What if",
        value_parser = clap::value_parser!(u32).range(0..=i64::from(MAX_SLOTS)))]
    pub max: Option<u32>,
    /// What if reboots of a group are so far apart (min_reboot_interval_sec)
    #[arg(long, value_name = "DURATION", help_heading = "What if", value_parser = duration)]
    pub interval: Option<Duration>,
    /// What if draining takes so long, instead of what the history tells
    #[arg(long, value_name = "DURATION", help_heading = "What if", value_parser = duration)]
    pub drain_time: Option<Duration>,
    /// What if a machine is down for so long, instead of what the history tells
    #[arg(long, value_name = "DURATION", help_heading = "What if", value_parser = duration)]
    pub down_time: Option<Duration>,
    /// What if the checks afterwards take so long, instead of what the history tells
    #[arg(long, value_name = "DURATION", help_heading = "What if", value_parser = duration)]
    pub check_time: Option<Duration>,
    /// Shape of the plan
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value_t)]
    pub output: PlanFormat,
    /// Write the plan into this file instead of stdout
    #[arg(long, value_name = "FILE")]
    pub to: Option<PathBuf>,
}

fn node_name(text: &str) -> Result<NodeName, BadName> {
    NodeName::new(text)
}

fn moment(text: &str) -> Result<Timestamp, &'static str> {
    let wrong = "write it like 2026-11-21T22:00:00Z";
    let at: Timestamp = text.parse().map_err(|_| wrong)?;
    // Plans reach a year ahead, and windows some weeks more.
    let latest = Timestamp::MAX - SignedDuration::from_hours(24 * 800);
    match at < latest {
        true => Ok(at),
        false => Err("that is too far away"),
    }
}

fn horizon(text: &str) -> Result<Duration, &'static str> {
    match duration(text)? {
        Duration::ZERO => Err("look ahead at least a second"),
        far if far > HORIZON_MAX => Err("look ahead at most 366d"),
        far => Ok(far),
    }
}

/// A whole number with a unit.
fn duration(text: &str) -> Result<Duration, &'static str> {
    let wrong = "write it like 90s, 15m, 12h or 7d";
    let unit_at = text.find(|c: char| !c.is_ascii_digit()).ok_or(wrong)?;
    let (count, unit) = text.split_at(unit_at);
    let secs: u64 = match unit {
        "s" => 1,
        "m" | "min" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(wrong),
    };
    let count: u64 = count.parse().map_err(|_| wrong)?;
    let total = count.checked_mul(secs).map(Duration::from_secs);
    total
        .filter(|it| *it <= HORIZON_MAX)
        .ok_or("that is longer than 366d")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_a_number_with_a_unit() {
        for (text, secs) in [("90s", 90), ("15m", 900), ("2min", 120), ("7d", 604_800)] {
            assert_eq!(duration(text), Ok(Duration::from_secs(secs)), "{text}");
        }
        for text in [
            "",
            "90",
            "s",
            "1.5h",
            "-3s",
            "3 d",
            "7w",
            "99999999999999999999s",
            "367d",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
        assert!(horizon("0s").is_err());
    }

    #[test]
    fn a_moment_is_neither_vague_nor_at_the_end_of_time() {
        assert!(moment("2026-11-21T22:00:00Z").is_ok());
        assert!(moment("tonight").is_err());
        assert!(moment("9999-12-01T00:00:00Z").is_err());
    }
}
