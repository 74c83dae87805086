//! `history`: what happened to a group.

use super::operator::{in_words as told, known_group, look, open, with_settings};
use super::table::{seconds, table};
use crate::cli::{HistoryArgs, OutputFormat};
use crate::config::Settings;
use crate::console::{print_json, print_text};
use crate::daemon;
use crate::exit::ExitCode;
use anyhow::Result;
use jiff::Timestamp;
use reboot_core::group::{HistoryEntry, MAX_SLOTS};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// So many lines before the shown ones may hold the fence of a reboot that is shown: every slot's
/// claim, drain, fence and return.
const LOOK_BACK: usize = 4 * MAX_SLOTS as usize;

/// Runs the command.
pub(super) fn run(args: &HistoryArgs) -> ExitCode {
    with_settings(&args.config.config, |settings| {
        daemon::block_on(show(settings, args))
    })
}

async fn show(settings: &Settings, args: &HistoryArgs) -> Result<ExitCode> {
    let store = open(settings)?;
    let group = args.group.as_ref().unwrap_or(&settings.group);
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let history = store.history(group, limit.saturating_add(LOOK_BACK)).await;
    let history = history.map_err(told)?;
    if history.is_empty() && *group != settings.group {
        known_group(&look(store.as_ref()).await?, group)?;
    }
    let lines = timed(history);
    let newest = &lines[lines.len().saturating_sub(limit)..];
    Ok(match args.output {
        OutputFormat::Json => {
            let lines: Vec<Value> = newest.iter().map(as_json).collect();
            print_json(
                &json!({"group": group, "history": lines}),
                ExitCode::Success,
            )
        }
        OutputFormat::Text => print_text(&as_table(newest), ExitCode::Success),
    })
}

/// A line of history; the end of a reboot with the time since its fence, in milliseconds.
type Timed = (HistoryEntry, Option<u64>);

/// Finds out how long each finished reboot took.
fn timed(history: Vec<HistoryEntry>) -> Vec<Timed> {
    let mut fences: BTreeMap<u64, Timestamp> = BTreeMap::new();
    let mut returned = BTreeMap::new();
    let mut timed = Vec::new();
    for entry in history {
        let (number, at) = (entry.number.unwrap_or(0), entry.at.parse().ok());
        let mut took_ms = None;
        match (entry.event.as_str(), at) {
            ("fence", Some(at)) => drop(fences.insert(number, at)),
            ("return", _) => returned.extend(fences.remove_entry(&number)),
            ("release" | "break", at) => {
                fences.remove(&number);
                let fence = returned.remove(&number);
                took_ms = fence.zip(at.filter(|_| entry.event == "release"));
            }
            _ => {}
        }
        let took_ms = took_ms.and_then(|(fence, end)| millis_between(fence, end));
        timed.push((entry, took_ms));
    }
    timed
}

/// Both times are the node's own; when its clock was set back between them, nothing is known.
fn millis_between(fence: Timestamp, end: Timestamp) -> Option<u64> {
    u64::try_from(end.duration_since(fence).as_millis()).ok()
}

fn as_json((entry, took_ms): &Timed) -> Value {
    let mut value = serde_json::to_value(entry).unwrap_or_default();
    if let Some(took_ms) = took_ms {
        value["took_ms"] = json!(took_ms);
    }
    value
}

fn as_table(history: &[Timed]) -> String {
    let dash = || "-".to_owned();
    let row = |(entry, took_ms): &Timed| {
        [
            seconds(&entry.at),
            entry.event.clone(),
            entry.node.as_ref().map_or_else(dash, ToString::to_string),
            entry.number.map_or_else(dash, |number| number.to_string()),
            took_ms.map_or_else(dash, in_words),
            entry.detail.clone(),
        ]
    };
    let rows: Vec<[String; 6]> = history.iter().map(row).collect();
    table(["TIME", "EVENT", "NODE", "HOLD", "TOOK", "DETAIL"], &rows)
}

fn in_words(millis: u64) -> String {
    let (hours, minutes) = (millis / 3_600_000, millis / 60_000 % 60);
    match (hours, minutes) {
        (0, 0) => format!("{}.{} s", millis / 1000, millis % 1000 / 100),
        (0, _) => format!("{minutes} min {} s", millis / 1000 % 60),
        _ => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(at: &str, event: &str, number: u64) -> HistoryEntry {
        HistoryEntry {
            at: at.to_owned(),
            event: event.to_owned(),
            node: None,
            number: Some(number),
            detail: String::new(),
        }
    }

    fn took(lines: &[(&str, &str, u64)]) -> Option<u64> {
        let lines = lines
            .iter()
            .map(|(at, event, number)| line(&format!("2026-11-21T06:{at}Z"), event, *number));
        timed(lines.collect()).last().unwrap().1
    }

    #[test]
    fn a_reboot_took_from_its_fence_to_its_release() {
        let (fence, back) = (("00:00", "fence", 1), ("01:00", "return", 1));
        let end = ("01:30.5", "release", 1);
        let other = ("00:30", "fence", 2);
        assert_eq!(took(&[fence, other, back, end]), Some(90_500));
    }

    #[test]
    fn what_is_not_known_to_be_a_finished_reboot_took_no_time() {
        let (fence, back) = (("10:00", "fence", 1), ("11:00", "return", 1));
        let end = ("11:30", "release", 1);
        let unfinished: [&[_]; 5] = [
            &[back, end],
            &[fence, end],
            &[fence, ("11:00", "return", 2), end],
            &[fence, back, ("11:30", "break", 1)],
            &[fence, back, ("09:00", "release", 1)],
        ];
        for lines in unfinished {
            assert_eq!(took(lines), None, "{lines:?}");
        }
    }

    #[test]
    fn durations_are_short_words() {
        for (millis, words) in [
            (950, "0.9 s"),
            (59_999, "59.9 s"),
            (61_000, "1 min 1 s"),
            (7_260_000, "2 h 1 min"),
        ] {
            assert_eq!(in_words(millis), words);
        }
    }
}
