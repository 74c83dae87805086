//! What the demo says in the end.

use super::judge::Judge;
use jiff::Timestamp;
use reboot_core::group::HistoryEntry;
use std::fmt::Write;
use std::time::Duration;

/// The summary: what happened, how fast, and whether it was safe.
pub(super) fn text(judge: &Judge, history: &[HistoryEntry], elapsed: Duration) -> String {
    let mut text = format!(
        "\n{} machines rebooted and came back in {:.1} s\n\
         at most {} down at once, {} allowed\n",
        judge.rebooted(),
        elapsed.as_secs_f64(),
        judge.most_down(),
        judge.slots()
    );
    let mut gaps = hand_overs(history);
    gaps.sort_unstable();
    if let (Some(least), Some(most)) = (gaps.first(), gaps.last()) {
        let middle = gaps[gaps.len() / 2];
        let _ = writeln!(
            text,
            "hand-over, release to next claim: {least} ms least, {middle} ms median, {most} ms most"
        );
    }
    match judge.is_content() {
        true => text.push_str("every invariant held"),
        false => {
            for fault in judge.faults() {
                let _ = writeln!(text, "FAULT: {fault}");
            }
        }
    }
    text
}

/// From each release to the claim that follows it, in milliseconds.
fn hand_overs(history: &[HistoryEntry]) -> Vec<i64> {
    let at = |entry: &HistoryEntry| entry.at.parse::<Timestamp>().ok();
    let mut gaps = Vec::new();
    let mut released: Option<Timestamp> = None;
    for entry in history {
        match entry.event.as_str() {
            "release" => released = at(entry),
            "claim" => {
                if let (Some(before), Some(after)) = (released.take(), at(entry)) {
                    gaps.push(after.as_millisecond() - before.as_millisecond());
                }
            }
            _ => {}
        }
    }
    gaps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(at: &str, event: &str) -> HistoryEntry {
        let at = format!("2026-03-07T11:45:{at}Z");
        HistoryEntry {
            at,
            event: event.to_owned(),
            node: None,
            number: None,
            detail: String::new(),
        }
    }

    #[test]
    fn a_hand_over_is_from_a_release_to_the_next_claim() {
        let history = [
            entry("01.000", "claim"),
            entry("02.000", "fence"),
            entry("03.000", "release"),
            entry("03.004", "claim"),
            entry("05.000", "release"),
        ];
        assert_eq!(hand_overs(&history), [4]);
    }
}
