//! When a group's line will be done, for people and for programs.

use crate::desk::Desk;
use jiff::{SignedDuration, Timestamp};
use reboot_core::fleet::{Fleet, GroupEntry};
use reboot_core::group::HistoryEntry;
use reboot_core::id::GroupName;
use reboot_core::past::{Estimate, past_reboots};

/// So many lines of a group's history are learned from.
pub(crate) const LINES_MAX: usize = 400;

/// When nobody of a group will hold or wait any more, if all goes as it did.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Outlook {
    /// Nobody holds, nobody waits.
    Idle,
    /// It stands still until somebody does something, because of this.
    Stopped(&'static str),
    /// No reboot of the group has come to its end yet, as far as the history tells.
    Unknown,
    /// By then.
    By(Coming),
}

/// When a line will be done.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Coming {
    /// By then.
    pub(crate) at: Timestamp,
    /// In so many seconds.
    pub(crate) left_secs: u64,
    /// When the server's window opens, where it is shut.
    opens: Option<Timestamp>,
    estimate: Estimate,
}

// === impl Outlook ===

impl Outlook {
    /// By these lines of the group's history.
    pub(crate) fn of(
        (desk, name): (&Desk, &GroupName),
        (fleet, entry): (&Fleet, &GroupEntry),
        lines: &[HistoryEntry],
        now: Timestamp,
    ) -> Self {
        let group = &entry.group;
        let (_, clients) = desk.queue(name, 0);
        let overdue = group.holds.iter().filter(|hold| entry.is_overdue(hold));
        let overdue = overdue.count();
        let taken = group.holds.len() + entry.foreign.len();
        let many = taken + entry.line.tickets().len() + clients;
        if many == 0 {
            return Self::Idle;
        }
        if group.pause.is_some() || fleet.pause.is_some() {
            return Self::Stopped("it is paused");
        }
        if group.max == 0 {
            return Self::Stopped("it has no slots");
        }
        // Whoever is overdue may never give its slot back.
        let slots = group
            .max
            .saturating_sub(u32::try_from(overdue).unwrap_or(u32::MAX));
        if slots == 0 {
            return Self::Stopped("who did not come back in time has every slot");
        }
        if many == overdue {
            return Self::Stopped("nobody waits, and who holds did not come back in time");
        }
        let settings = desk.settings();
        let shut = settings.rules_of(name).filter(|rules| rules.is_shut(now));
        let opens = shut.map(|rules| rules.windows.next_open(now, &rules.zone));
        if opens == Some(None) {
            return Self::Stopped("no window ever opens");
        }
        let estimate = Estimate::of(&past_reboots(lines), many - overdue, slots);
        let coming = estimate.and_then(|it| Coming::of(it, opens.flatten(), now));
        coming.map_or(Self::Unknown, Self::By)
    }

    /// What it stands on, in a sentence; empty when nobody holds or waits.
    pub(crate) fn basis(&self) -> String {
        match self {
            Self::Idle => String::new(),
            Self::Stopped(why) => format!("no estimate while {why}"),
            Self::Unknown => "no estimate yet: no finished reboot is in the history".to_owned(),
            Self::By(coming) => coming.basis(),
        }
    }
}

// === impl Coming ===

impl Coming {
    fn of(estimate: Estimate, opens: Option<Timestamp>, now: Timestamp) -> Option<Self> {
        let left = SignedDuration::from_millis(i64::try_from(estimate.left_ms).ok()?);
        let at = opens.unwrap_or(now).checked_add(left).ok()?;
        Some(Self {
            at,
            left_secs: u64::try_from(at.duration_since(now).as_secs()).ok()?,
            opens,
            estimate,
        })
    }

    fn basis(&self) -> String {
        let it = &self.estimate;
        let opens = self.opens.map_or(String::new(), |opens| {
            format!("the window opens at {opens}, then ")
        });
        format!(
            "{opens}{} of {}, the median of {}; windows that shut, pauses, cooldowns and \
             obstacles do not count",
            counted(it.rounds, "round"),
            length(it.median_ms),
            counted(it.reboots as u64, "past reboot")
        )
    }
}

fn counted(count: u64, word: &str) -> String {
    match count {
        1 => format!("1 {word}"),
        _ => format!("{count} {word}s"),
    }
}

fn length(ms: u64) -> String {
    match ms.div_ceil(1_000) {
        secs @ 0..120 => format!("{secs} s"),
        secs => format!("{} min", secs.div_ceil(60)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_estimate_stands_on_is_told() {
        let told = |rounds, median_ms, reboots, opens: Option<&str>| {
            let left_ms = rounds * median_ms;
            let estimate = Estimate {
                left_ms,
                rounds,
                median_ms,
                reboots,
            };
            let (now, opens) = (Timestamp::UNIX_EPOCH, opens.map(|it| it.parse().unwrap()));
            let coming = Coming::of(estimate, opens, now).unwrap();
            (coming.left_secs, coming.basis())
        };
        let rest = "windows that shut, pauses, cooldowns and obstacles do not count";
        let one = format!("1 round of 90 s, the median of 1 past reboot; {rest}");
        assert_eq!(told(1, 90_000, 1, None), (90, one.clone()));
        let many = format!("3 rounds of 5 min, the median of 12 past reboots; {rest}");
        assert_eq!(told(3, 240_001, 12, None), (720, many));
        let opens = "1970-01-01T00:10:00Z";
        let later = format!("the window opens at {opens}, then {one}");
        assert_eq!(told(1, 90_000, 1, Some(opens)), (690, later));
    }
}
