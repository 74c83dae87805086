//! The usual `process_*` metrics, read from proc(5) at every scrape.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use std::fmt::Error;

/// Ticks a second in proc(5): the kernel shows them to programs as 100, whatever its own clock.
const TICKS_PER_SECOND: f64 = 100.0;

/// Reads this process's figures. What proc(5) does not tell is left out.
#[derive(Debug)]
pub(super) struct ProcessCollector;

/// One figure.
#[derive(Debug, PartialEq)]
struct Figure {
    name: &'static str,
    help: &'static str,
    value: f64,
}

// === impl ProcessCollector ===

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        if let Some(seconds) = cpu_seconds() {
            let counter = ConstCounter::new(seconds);
            let metric = encoder.encode_descriptor(
                "process_cpu_seconds",
                "Total user and system CPU time spent in seconds",
                None,
                counter.metric_type(),
            )?;
            counter.encode(metric)?;
        }
        for figure in figures() {
            let gauge = ConstGauge::new(figure.value);
            let metric =
                encoder.encode_descriptor(figure.name, figure.help, None, gauge.metric_type())?;
            gauge.encode(metric)?;
        }
        Ok(())
    }
}

fn figures() -> impl Iterator<Item = Figure> {
    let status = read("/proc/self/status");
    let kibibytes = |name: &str| status.as_deref().and_then(|status| field(status, name));
    let bytes = |name: &str| kibibytes(name).map(|number| number * 1024.0);
    let limits = read("/proc/self/limits");
    let figures = [
        (
            "process_resident_memory_bytes",
            "Resident memory size in bytes",
            bytes("VmRSS:"),
        ),
        (
            "process_virtual_memory_bytes",
            "Virtual memory size in bytes",
            bytes("VmSize:"),
        ),
        (
            "process_open_fds",
            "Number of open file descriptors",
            open_files(),
        ),
        (
            "process_max_fds",
            "Maximum number of open file descriptors",
            limits
                .as_deref()
                .and_then(|limits| field(limits, "Max open files")),
        ),
        (
            "process_start_time_seconds",
            "Start time of the process since unix epoch in seconds",
            start_seconds(),
        ),
    ];
    let known =
        |(name, help, value): (_, _, Option<f64>)| value.map(|value| Figure { name, help, value });
    figures.into_iter().filter_map(known)
}

fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

/// The number that follows a name at the beginning of a line.
fn field(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// A field of `/proc/self/stat`, counted as proc(5) does. The name in the second one may hold
/// anything, so counting starts after its closing parenthesis.
fn stat_field(stat: &str, number: usize) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace()
        .nth(number.checked_sub(3)?)?
        .parse()
        .ok()
}

fn cpu_seconds() -> Option<f64> {
    let stat = read("/proc/self/stat")?;
    Some((stat_field(&stat, 14)? + stat_field(&stat, 15)?) / TICKS_PER_SECOND)
}

fn start_seconds() -> Option<f64> {
    let since_boot = stat_field(&read("/proc/self/stat")?, 22)? / TICKS_PER_SECOND;
    Some(field(&read("/proc/stat")?, "btime")? + since_boot)
}

/// The one that reads the list is in it, and closed right after.
fn open_files() -> Option<f64> {
    let count = std::fs::read_dir("/proc/self/fd").ok()?.count();
    Some(count.saturating_sub(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_whatever_the_process_is_called() {
        let fields: Vec<String> = (4..=52).map(|number| number.to_string()).collect();
        let stat = format!("1 (a) b) S {}", fields.join(" "));
        assert_eq!(stat_field(&stat, 14), Some(14.0));
        assert_eq!(stat_field(&stat, 22), Some(22.0));
        assert_eq!(stat_field("nonsense", 22), None);
        assert_eq!(field("A: 1\nVmRSS:\t  42 kB\n", "VmRSS:"), Some(42.0));
        assert_eq!(
            field("Max open files   unlimited  x", "Max open files"),
            None
        );
    }

    #[test]
    fn this_process_has_all_figures() {
        let figures: Vec<Figure> = figures().collect();
        let names: Vec<&str> = figures.iter().map(|figure| figure.name).collect();
        assert_eq!(names.len(), 5, "{names:?}");
        assert!(
            figures.iter().all(|figure| figure.value > 0.0),
            "{figures:?}"
        );
        assert!(cpu_seconds().is_some());
    }
}
