//! The time since the machine booted, which runs through suspend and never jumps; and the time
//! of day, for people.

use jiff::Timestamp;
use nix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// A moment of the boot-time clock.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Moment(Duration);

// === impl Moment ===

impl Moment {
    /// This moment.
    pub(crate) fn now() -> Self {
        match clock_gettime(ClockId::CLOCK_BOOTTIME) {
            Ok(time) => Self(Duration::from(time)),
            Err(_) => unreachable!("every Linux since 2.6.39 has this clock"),
        }
    }

    /// How long ago it was.
    pub(crate) fn age(self) -> Duration {
        Self::now().0.saturating_sub(self.0)
    }
}

/// The time of day in RFC 3339, for people.
pub(crate) fn time_of_day() -> String {
    Timestamp::now().to_string()
}
