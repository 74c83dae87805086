//! A machine's clocks: the boot-time clock may run fast or slow, the time of day may be wrong.

use jiff::{SignedDuration, Timestamp};
use reboot_core::agent::Now;

/// The clocks of one machine, as they follow from true time.
#[derive(Clone, Debug)]
pub struct Clock {
    /// True time when the present rate began.
    since_ms: u64,
    /// What the boot-time clock read then.
    boot_ms: u64,
    /// Its rate: so many of its milliseconds in so many true ones.
    rate: (u64, u64),
    /// How far the time of day is off.
    wall_off_ms: i64,
    /// When the boot-time clock last began to run at another rate.
    rated_ms: Option<u64>,
    /// When the time of day last jumped.
    jumped_ms: Option<u64>,
}

// === impl Clock ===

impl Clock {
    /// The clocks of a machine that boots now.
    pub fn booted(now_ms: u64) -> Self {
        Self {
            since_ms: now_ms,
            boot_ms: 0,
            rate: (1, 1),
            wall_off_ms: 0,
            rated_ms: None,
            jumped_ms: None,
        }
    }

    /// A boot later on: what was wrong with the time of day stays wrong.
    pub fn reboot(&mut self, now_ms: u64) {
        let wall_off_ms = self.wall_off_ms;
        *self = Self {
            wall_off_ms,
            ..Self::booted(now_ms)
        };
    }

    /// What the boot-time clock reads.
    pub fn boot_ms(&self, now_ms: u64) -> u64 {
        let (its, true_ms) = self.rate;
        self.boot_ms + (now_ms - self.since_ms) * its / true_ms
    }

    /// The true time at which the boot-time clock reads this.
    pub fn true_ms(&self, boot_ms: u64) -> u64 {
        let (its, true_ms) = self.rate;
        let ahead_ms = boot_ms.saturating_sub(self.boot_ms);
        self.since_ms
            .saturating_add((ahead_ms.saturating_mul(true_ms)).div_ceil(its))
    }

    /// From now on the boot-time clock runs at this rate.
    pub fn set_rate(&mut self, now_ms: u64, rate: (u64, u64)) {
        self.boot_ms = self.boot_ms(now_ms);
        self.since_ms = now_ms;
        if self.rate != rate {
            self.rated_ms = Some(now_ms);
        }
        self.rate = rate;
    }

    /// Whether the boot-time clock runs true.
    pub fn is_true(&self) -> bool {
        self.rate == (1, 1)
    }

    /// Whether the boot-time clock has run true since then.
    pub fn is_true_since(&self, since_ms: u64) -> bool {
        self.is_true() && self.rated_ms.is_none_or(|at_ms| at_ms < since_ms)
    }

    /// The time of day jumps.
    pub fn jump(&mut self, now_ms: u64, by_ms: i64) {
        self.jumped_ms = Some(now_ms);
        self.wall_off_ms += by_ms;
    }

    /// Whether the time of day jumped in so many milliseconds before.
    pub fn has_jumped(&self, now_ms: u64, lately_ms: u64) -> bool {
        self.jumped_ms
            .is_some_and(|at_ms| now_ms - at_ms <= lately_ms)
    }

    /// The time of day, in a world that began at `start`.
    pub fn wall(&self, start: Timestamp, now_ms: u64) -> Timestamp {
        let elapsed_ms = now_ms.cast_signed() + self.wall_off_ms;
        let elapsed = SignedDuration::from_millis(elapsed_ms);
        start.checked_add(elapsed).unwrap_or(start)
    }

    /// The time as an agent is told it.
    pub fn now(&self, start: Timestamp, now_ms: u64) -> Now {
        Now {
            boot_ms: self.boot_ms(now_ms),
            wall: self.wall(start, now_ms),
        }
    }
}
