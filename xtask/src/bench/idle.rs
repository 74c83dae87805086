//! The idle daemon: its memory, and how often it wakes.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;

use super::daemon::Plan;
use super::row::{Goal, Row};
use super::{Place, pause};

/// What the original's own page says of it, in MB.
const ORIGINAL_MB: f64 = 19.8;
/// How often it is looked whether a thread has run: moments nearer to each other count as one.
const GRAIN: Duration = Duration::from_millis(20);
/// Each minute, by the defaults: four heartbeats, one pass, two renewals of the session.
const EXPECTED_A_MINUTE: f64 = 4.0 + 1.0 + 2.0;

/// Context switches by choice of each thread, proc(5).
type Switches = BTreeMap<String, u64>;

/// How often a process woke.
#[derive(Default)]
struct Wakes {
    /// Moments in which any thread ran.
    moments: u32,
    /// Context switches by choice of all threads.
    switches: u64,
}

/// Resident memory, in MB.
struct Memory {
    all: f64,
    anonymous: f64,
}

/// Ends with the value.
struct Empty(Child);

/// Measures it.
pub(crate) fn run(place: &Place) -> anyhow::Result<Vec<Row>> {
    let empty = place.example("idle_floor").stdout(Stdio::null()).spawn()?;
    let empty = Empty(empty);
    let daemon = Plan::new(place, &place.directory("idle")?)?.start()?;
    let rest = Duration::from_secs(place.count(32, 3).try_into()?);
    eprintln!("  idle: {} s of rest", rest.as_secs());
    pause(rest);
    let (own, floor) = (memory(daemon.pid())?, memory(empty.0.id())?);
    let span = Duration::from_secs(place.count(60, 6).try_into()?);
    eprintln!("  idle: {} s of counting", span.as_secs());
    let wakes = count_wakes(daemon.pid(), span)?;
    let minutes = span.as_secs_f64() / 60.0;
    let peer = "empty tokio program";
    let moments = Row::new(
        "idle: moments awake",
        f64::from(wakes.moments) / minutes,
        "/min",
    );
    let switches = wakes.switches.to_string().parse::<f64>()? / minutes;
    let due = "heartbeats, passes, renewals";
    Ok(vec![
        Row::new("idle: resident memory", own.all, "MB")
            .beside(peer, floor.all)
            .goal(Goal::AtMost(6.0)),
        Row::new("idle: resident memory", own.all, "MB").beside("the original", ORIGINAL_MB),
        Row::new("idle: anonymous memory", own.anonymous, "MB")
            .beside(peer, floor.anonymous)
            .goal(Goal::AtMost(3.0)),
        moments
            .beside(due, EXPECTED_A_MINUTE)
            .goal(Goal::TimesAtMost(1.0)),
        Row::new("idle: context switches", switches, "/min").beside(due, EXPECTED_A_MINUTE),
    ])
}

fn memory(pid: u32) -> anyhow::Result<Memory> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let find = |name| kibibytes(&text, name).context("smaps_rollup is incomplete");
    Ok(Memory {
        all: find("Rss:")? / 1024.0,
        anonymous: find("Anonymous:")? / 1024.0,
    })
}

fn kibibytes(text: &str, name: &str) -> Option<f64> {
    let mut lines = text.lines();
    let rest = lines.find_map(|line| line.strip_prefix(name))?;
    rest.trim().strip_suffix(" kB")?.parse().ok()
}

fn count_wakes(pid: u32, span: Duration) -> anyhow::Result<Wakes> {
    let mut wakes = Wakes::default();
    let mut before = switches(pid)?;
    let mut was_awake = false;
    let end = Instant::now() + span;
    while Instant::now() < end {
        pause(GRAIN);
        let now = switches(pid)?;
        let is_awake = now != before;
        wakes.moments += u32::from(is_awake && !was_awake);
        wakes.switches += added(&before, &now);
        (before, was_awake) = (now, is_awake);
    }
    Ok(wakes)
}

fn switches(pid: u32) -> anyhow::Result<Switches> {
    let mut found = Switches::new();
    for entry in fs::read_dir(format!("/proc/{pid}/task"))? {
        let entry = entry?;
        // A thread may end while it is looked at.
        let Ok(text) = fs::read_to_string(entry.path().join("status")) else {
            continue;
        };
        let count = text
            .lines()
            .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))
            .and_then(|count| count.trim().parse().ok());
        let thread = entry.file_name().to_string_lossy().into_owned();
        found.insert(thread, count.unwrap_or(0));
    }
    Ok(found)
}

/// What the threads have added; one that has ended takes its last few with it.
fn added(before: &Switches, now: &Switches) -> u64 {
    let add = |(thread, count): (&String, &u64)| {
        count.saturating_sub(before.get(thread).copied().unwrap_or(0))
    };
    now.iter().map(add).sum()
}

// === impl Empty ===

impl Drop for Empty {
    fn drop(&mut self) {
        // It waits for nothing else.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_as_proc_writes_it() {
        let text = "0-1 ---p 0 0 [rollup]\nRss:      2048 kB\nAnonymous:   512 kB\n";
        assert_eq!(kibibytes(text, "Rss:"), Some(2048.0));
        assert_eq!(kibibytes(text, "Pss:"), None);
        let own = memory(std::process::id()).unwrap();
        assert!(own.anonymous > 0.0 && own.anonymous <= own.all);
    }

    #[test]
    fn threads_that_come_and_go_count_with_what_they_added() {
        let of = |pairs: &[(&str, u64)]| -> Switches {
            pairs.iter().map(|(id, n)| ((*id).to_owned(), *n)).collect()
        };
        let (before, now) = (of(&[("1", 5), ("2", 9)]), of(&[("1", 7), ("3", 4)]));
        assert_eq!(added(&before, &now), 6);
    }
}
