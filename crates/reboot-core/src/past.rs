//! Past reboots, as the lines of a group's history tell, and when its line will be done if the
//! next ones are like them.

use crate::group::HistoryEntry;
use crate::id::NodeName;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// A reboot that came to its good end, and when its parts began by the clocks of that time.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PastReboot {
    /// Who rebooted.
    pub node: NodeName,
    /// When it took its slot.
    pub claimed: Option<Timestamp>,
    /// When it might go down.
    pub fenced: Option<Timestamp>,
    /// When it was back; a client without an agent does not tell.
    pub returned: Option<Timestamp>,
    /// When it gave the slot back.
    pub released: Option<Timestamp>,
}

/// When a group's line will be done, and what that stands on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Estimate {
    /// In how many milliseconds.
    pub left_ms: u64,
    /// How many take a slot one after the other.
    pub rounds: u64,
    /// For how long half of the past reboots took a slot at most, in milliseconds.
    pub median_ms: u64,
    /// How many past reboots that is of.
    pub reboots: usize,
}

// === impl PastReboot ===

impl PastReboot {
    /// For how long it took a slot, in milliseconds; unknown when a clock was set back.
    pub fn held_ms(&self) -> Option<u64> {
        between_ms(self.claimed?, self.released?)
    }
}

// === impl Estimate ===

impl Estimate {
    /// An estimate for so many that hold or wait; `None` without a past reboot, or without slots.
    /// Those that hold count in full. Windows, pauses, cooldowns and obstacles do not count.
    pub fn of(past: &[PastReboot], before_and_in_line: usize, slots: u32) -> Option<Self> {
        let held: Vec<u64> = past.iter().filter_map(PastReboot::held_ms).collect();
        let (reboots, median_ms) = (held.len(), median(held)?);
        if slots == 0 {
            return None;
        }
        let rounds = (before_and_in_line as u64).div_ceil(slots.into());
        Some(Self {
            left_ms: median_ms.saturating_mul(rounds),
            rounds,
            median_ms,
            reboots,
        })
    }
}

/// The finished reboots of one group's history, oldest line first; what was broken or given back
/// is none.
pub fn past_reboots(history: &[HistoryEntry]) -> Vec<PastReboot> {
    let mut under_way: BTreeMap<u64, PastReboot> = BTreeMap::new();
    let mut past = Vec::new();
    for entry in history {
        let (Some(number), Some(node)) = (entry.number, &entry.node) else {
            continue;
        };
        let at = entry.at.parse().ok();
        let reboot = under_way.entry(number).or_insert_with(|| PastReboot {
            node: node.clone(),
            claimed: None,
            fenced: None,
            returned: None,
            released: None,
        });
        match (entry.event.as_str(), entry.detail.as_str()) {
            ("claim", _) => reboot.claimed = at,
            ("admit", _) => (reboot.claimed, reboot.fenced) = (at, at),
            ("fence", _) => reboot.fenced = reboot.fenced.or(at),
            ("return", _) => reboot.returned = reboot.returned.or(at),
            ("release", "returned" | "says it is steady") => {
                reboot.released = at;
                past.extend(under_way.remove(&number));
            }
            _ => {}
        }
    }
    past
}

/// How long it was from one moment to another; unknown when a clock was set back between them.
pub fn between_ms(from: Timestamp, to: Timestamp) -> Option<u64> {
    u64::try_from(to.duration_since(from).as_millis()).ok()
}

/// The middle one, or of two the longer one.
pub fn median(mut all: Vec<u64>) -> Option<u64> {
    all.sort_unstable();
    all.get(all.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(secs: u64, event: &str, number: u64, detail: &str) -> HistoryEntry {
        HistoryEntry {
            at: format!("2026-11-21T06:{:02}:{:02}Z", secs / 60, secs % 60),
            event: event.to_owned(),
            node: NodeName::new(format!("n{number}")).ok(),
            number: Some(number),
            detail: detail.to_owned(),
        }
    }

    /// One after the other, each taking a slot for so long.
    fn history(held_secs: &[u64]) -> Vec<HistoryEntry> {
        let mut at = 0;
        let one = |(number, secs): (u64, &u64)| {
            let claim = line(at, "claim", number, "");
            at += secs;
            [claim, line(at, "release", number, "returned")]
        };
        (1..).zip(held_secs).flat_map(one).collect()
    }

    #[test]
    fn a_line_is_done_in_rounds_of_the_median() {
        let past = past_reboots(&history(&[60, 600, 120]));
        for (many, slots, rounds) in [(0, 1, 0), (1, 1, 1), (5, 2, 3), (4, 2, 2), (3, 9, 1)] {
            let estimate = Estimate::of(&past, many, slots).unwrap();
            let told = (estimate.rounds, estimate.left_ms, estimate.reboots);
            assert_eq!(told, (rounds, rounds * 120_000, 3), "{many} with {slots}");
        }
        assert_eq!(Estimate::of(&past, 3, 0), None, "nobody goes without slots");
        assert_eq!(Estimate::of(&[], 3, 1), None, "nothing is known");
    }

    #[test]
    fn a_client_without_an_agent_counts_from_its_admission() {
        let lines = [
            line(0, "admit", 1, "fleetlock"),
            line(90, "release", 1, "says it is steady"),
        ];
        let past = past_reboots(&lines);
        assert_eq!(past[0].held_ms(), Some(90_000));
        assert_eq!(past[0].returned, None);
    }

    #[test]
    fn what_was_broken_given_back_or_is_unfinished_is_no_past_reboot() {
        let claim = line(0, "claim", 1, "");
        for end in ["break", "expire", "return"] {
            assert_eq!(past_reboots(&[claim.clone(), line(9, end, 1, "")]), []);
        }
        let given_back = line(9, "release", 1, "given back");
        assert_eq!(past_reboots(&[claim.clone(), given_back]), []);
        let mut early = line(9, "release", 1, "returned");
        early.at = "2026-11-20T06:00:00Z".to_owned();
        let backwards = past_reboots(&[claim, early]);
        assert_eq!(backwards[0].held_ms(), None, "a clock was set back");
        assert_eq!(Estimate::of(&backwards, 1, 1), None);
    }
}
