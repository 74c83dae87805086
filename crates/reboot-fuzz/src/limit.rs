//! What reading a text may cost, at most.

use nix::time::{ClockId, clock_gettime};
use peak_alloc::PeakAlloc;
use std::fmt;
use std::time::Duration;

/// Counts what is allocated, in every program that links this crate.
#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// A limit of memory and of processor time that grows with the text.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// Memory for any text, in bytes.
    pub base_bytes: usize,
    /// Memory for each byte of the text, in bytes.
    pub bytes_per_byte: usize,
    /// Processor time for any text.
    pub base_time: Duration,
    /// Processor time for each byte of the text.
    pub time_per_byte: Duration,
}

/// A limit was not kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Exceeded {
    what: &'static str,
    used: String,
    allowed: String,
}

/// Memory and processor time before something ran.
struct Before {
    bytes: usize,
    time: Duration,
}

// === impl Limit ===

impl Default for Limit {
    fn default() -> Self {
        Self {
            base_bytes: 1024 * 1024,
            bytes_per_byte: 400,
            base_time: Duration::from_millis(500),
            time_per_byte: Duration::from_micros(20),
        }
    }
}

impl Limit {
    /// Runs something with a text of this length; tells what came of it, and the limit that was
    /// not kept. Everything the process does counts, so only one may run at a time:
    /// [`crate::fuzz`] and [`crate::held`] see to that.
    pub(crate) fn hold<T>(&self, len: usize, work: impl FnOnce() -> T) -> (T, Option<Exceeded>) {
        let before = Before::now();
        let done = work();
        let (bytes, time) = before.since();
        (done, self.exceeded(len, bytes, time))
    }

    fn exceeded(&self, len: usize, bytes: usize, time: Duration) -> Option<Exceeded> {
        let bytes_max = self.base_bytes + len * self.bytes_per_byte;
        let len = u32::try_from(len).unwrap_or(u32::MAX);
        let time_max = self.base_time + self.time_per_byte * len;
        let (what, used, allowed) = if bytes > bytes_max {
            (
                "memory",
                format!("{bytes} bytes"),
                format!("{bytes_max} bytes"),
            )
        // An engine that counts coverage slows everything down, and has a timeout of its own.
        } else if time > time_max && !cfg!(feature = "guided") {
            (
                "processor time",
                format!("{time:?}"),
                format!("{time_max:?}"),
            )
        } else {
            return None;
        };
        Some(Exceeded {
            what,
            used,
            allowed,
        })
    }
}

// === impl Before ===

impl Before {
    fn now() -> Self {
        MEMORY.reset_peak_usage();
        Self {
            bytes: MEMORY.current_usage(),
            time: processor_time(),
        }
    }

    /// The most memory at once, and the processor time, since then.
    fn since(&self) -> (usize, Duration) {
        let bytes = MEMORY.peak_usage().saturating_sub(self.bytes);
        (bytes, processor_time().saturating_sub(self.time))
    }
}

/// Busy neighbours do not count, and neither does waiting.
fn processor_time() -> Duration {
    clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}

// === impl Exceeded ===

impl fmt::Display for Exceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            what,
            used,
            allowed,
        } = self;
        write!(f, "it took {used} of {what}, {allowed} are allowed")
    }
}
