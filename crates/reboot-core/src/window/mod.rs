//! Maintenance windows: when a node may reboot, as operators write it.
//!
//! A window is `DAY[,DAY|DAY-DAY…] HH:MM-[DAY ]HH:MM` on the wall clock of one time zone, repeated
//! every week. Its start is inside, its end is not. On a day when the clock is changed it is the
//! shortest stretch of time that holds every moment at which the clock reads inside it: it opens
//! when the clock first reaches the start and closes when the clock reads before the end for the
//! last time. So a start or an end that the clock skips takes effect at the first moment after the
//! skip, a window wholly inside the skip does not happen, and a window never closes and opens
//! again because an hour is repeated.

mod day;
mod error;
mod parse;
mod stretch;

pub use error::{WindowError, WindowFault};

use day::Days;
use jiff::Timestamp;
use jiff::civil::Time;
use jiff::tz::TimeZone;
use std::fmt;
use stretch::{free_from, merged, week_after};

/// The longest text of one window, in bytes.
pub const WINDOW_BYTES_MAX: usize = 256;

/// How many weeks [`Windows::next_open`] looks ahead.
///
/// Windows repeat every week, so one week would do but for clock changes: each can swallow an
/// opening in its own week only, and no zone changes its clock at the same hour of the week five
/// weeks in a row.
const SEARCH_WEEKS: usize = 5;

/// One window as an operator wrote it.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Window {
    text: String,
    days: Days,
    start: Time,
    end: Time,
    /// Days from the start's date to the end's, 0 to 7.
    span_days: u8,
}

/// Every window of a node.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Windows {
    /// Never inside one of these.
    pub deny: Vec<Window>,
    /// When there are any: only inside one of these.
    pub allow: Vec<Window>,
}

/// What the windows say of one moment.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Verdict {
    /// A reboot may start now.
    Allowed,
    /// Inside a deny window, which wins over every allow window.
    Deny {
        /// The first such window in the order written.
        window: Window,
        /// When the clock leaves that window; `None` when it never does. Another window may then
        /// still be in the way: [`Windows::next_open`] tells.
        until: Option<Timestamp>,
    },
    /// There are allow windows, and none holds this moment.
    OutsideAllow {
        /// The next moment that is allowed; `None` when there is none.
        opens: Option<Timestamp>,
    },
}

// === impl Window ===

impl Window {
    /// Reads one window. The text is kept as it is, for [`fmt::Display`].
    ///
    /// # Errors
    /// [`WindowError`] names the piece of the text that is wrong, where it stands, and how to mend
    /// it.
    pub fn parse(text: &str) -> Result<Self, WindowError> {
        parse::window(text)
    }

    /// Whether the moment lies inside.
    pub fn covers(&self, now: Timestamp, zone: &TimeZone) -> bool {
        self.stretches(zone, now, now).next().is_some()
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

// === impl Windows ===

impl Windows {
    /// Judges one moment by the wall clock of `zone`.
    pub fn verdict(&self, now: Timestamp, zone: &TimeZone) -> Verdict {
        if let Some(window) = self.deny.iter().find(|window| window.covers(now, zone)) {
            return Verdict::Deny {
                window: window.clone(),
                until: next_open(std::slice::from_ref(window), &[], now, zone),
            };
        }
        if self.allow.is_empty() || self.allow.iter().any(|window| window.covers(now, zone)) {
            return Verdict::Allowed;
        }
        Verdict::OutsideAllow {
            opens: self.next_open(now, zone),
        }
    }

    /// The first moment, `now` included, whose verdict is [`Verdict::Allowed`]; `None` when no
    /// moment of any week is.
    pub fn next_open(&self, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        next_open(&self.deny, &self.allow, now, zone)
    }
}

fn next_open(
    deny: &[Window],
    allow: &[Window],
    now: Timestamp,
    zone: &TimeZone,
) -> Option<Timestamp> {
    let mut from = now;
    for _ in 0..SEARCH_WEEKS {
        let to = week_after(from);
        let found = open_between(deny, allow, zone, from, to);
        if found.is_some() {
            return found;
        }
        from = to;
    }
    None
}

/// The first allowed moment from `from` to `to`, both included.
fn open_between(
    deny: &[Window],
    allow: &[Window],
    zone: &TimeZone,
    from: Timestamp,
    to: Timestamp,
) -> Option<Timestamp> {
    let denied = merged(deny, zone, from, to);
    if allow.is_empty() {
        return Some(free_from(&denied, from)).filter(|at| *at <= to);
    }
    merged(allow, zone, from, to)
        .iter()
        .map(|allowed| (free_from(&denied, from.max(allowed.opens)), allowed.closes))
        .find(|(at, closes)| at < closes)
        .map(|(at, _)| at)
        // Denials that open after `to` are not in the list, so a later moment is not certain.
        .filter(|at| *at <= to)
}

// === impl Verdict ===

impl Verdict {
    /// Whether a reboot may start.
    pub fn is_allowed(&self) -> bool {
        *self == Self::Allowed
    }

    /// The verdict's name in metrics and logs.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Deny { .. } => "deny",
            Self::OutsideAllow { .. } => "outside_allow",
        }
    }
}
