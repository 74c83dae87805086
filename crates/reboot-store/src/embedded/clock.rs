//! The boot-time clock: it runs through suspend, and nobody sets it.

use super::error::StoreError;
use nix::time::{ClockId, clock_gettime};
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// What the embedded store knows of time. Never the time of day.
pub(crate) trait Clock: Send + Sync {
    /// Milliseconds since the boot, suspend included.
    fn boot_millis(&self) -> i64;

    /// Which boot.
    fn boot_id(&self) -> &str;

    /// Waits until the clock shows at least this; may answer early.
    fn reach(&self, boot_ms: i64) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// `CLOCK_BOOTTIME` and the kernel's boot id, proc(5).
pub(super) struct SystemClock {
    boot_id: String,
}

// === impl SystemClock ===

impl SystemClock {
    /// Reads which boot this is.
    pub(super) fn new() -> Result<Self, StoreError> {
        let boot_id = std::fs::read_to_string(BOOT_ID)
            .map_err(StoreError::file("read", Path::new(BOOT_ID)))?;
        Ok(Self {
            boot_id: boot_id.trim().to_owned(),
        })
    }
}

impl Clock for SystemClock {
    fn boot_millis(&self) -> i64 {
        let time = clock_gettime(ClockId::CLOCK_BOOTTIME).map(Duration::from);
        let time = time.expect("Linux has had CLOCK_BOOTTIME since 2.6.39");
        i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
    }

    fn boot_id(&self) -> &str {
        &self.boot_id
    }

    fn reach(&self, boot_ms: i64) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        // One more than is left: the clock counts whole milliseconds.
        let left = boot_ms.saturating_sub(self.boot_millis()).max(0) + 1;
        let left = Duration::from_millis(left.unsigned_abs());
        Box::pin(tokio::time::sleep(left))
    }
}
