//! The one alarm of an agent: on the boot-time clock itself, which runs through suspend.
//!
//! A timer of the runtime wakes the process once or twice on the way to a time that is far off,
//! and stands still while the machine sleeps; timerfd_create(2) does neither.

use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use reboot_host::clock::boot_millis;
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::sleep;

/// Rings at one time at a time.
pub(crate) struct Alarm(Option<AsyncFd<Source>>);

/// What tokio needs to wait for it.
struct Source(TimerFd);

// === impl Alarm ===

impl Alarm {
    /// An alarm that is not set. Must be called within a tokio runtime.
    pub(crate) fn new() -> Self {
        Self(open().ok())
    }

    /// Waits until this many milliseconds after the boot. Without a descriptor for it, which the
    /// kernel may be out of, a timer of the runtime serves.
    pub(crate) async fn reach(&self, boot_ms: u64) {
        let left = Duration::from_millis(boot_ms.saturating_sub(boot_millis()));
        if left.is_zero() {
            return;
        }
        let rung = match &self.0 {
            Some(source) => ring(source, boot_ms).await.is_ok(),
            None => false,
        };
        if !rung {
            sleep(left).await;
        }
    }
}

fn open() -> io::Result<AsyncFd<Source>> {
    let flags = TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK;
    let timer = TimerFd::new(ClockId::CLOCK_BOOTTIME, flags)?;
    // The newer name is an unsafe function: it asks us to promise that the descriptor is ours and
    // stays the same, which `Source` sees to.
    #[allow(deprecated)]
    AsyncFd::with_interest(Source(timer), Interest::READABLE)
}

async fn ring(source: &AsyncFd<Source>, boot_ms: u64) -> io::Result<()> {
    let at = TimeSpec::from(Duration::from_millis(boot_ms));
    let at = Expiration::OneShot(at);
    let timer = &source.get_ref().0;
    timer.set(at, TimerSetTimeFlags::TFD_TIMER_ABSTIME)?;
    // Setting it forgets a former ring, so what is read is this one.
    let read = |source: &Source| Ok(source.0.wait()?);
    source.async_io(Interest::READABLE, read).await
}

// === impl Source ===

impl AsRawFd for Source {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn rings_in_time(alarm: &Alarm) {
        for delay_ms in [0, 30, 5] {
            let at_ms = boot_millis() + delay_ms;
            alarm.reach(at_ms).await;
            assert!(boot_millis() >= at_ms, "not before {delay_ms} ms");
        }
    }

    #[tokio::test]
    async fn it_never_rings_early_however_often_it_is_set() {
        let alarm = Alarm::new();
        assert!(alarm.0.is_some());
        rings_in_time(&alarm).await;
    }

    #[tokio::test]
    async fn a_time_that_was_given_up_does_not_ring_for_the_next() {
        let alarm = Alarm::new();
        let soon_ms = boot_millis() + 20;
        tokio::select! {
            biased;
            () = alarm.reach(soon_ms) => panic!("it was not polled again"),
            () = std::future::ready(()) => {}
        }
        let at_ms = boot_millis() + 60;
        alarm.reach(at_ms).await;
        assert!(boot_millis() >= at_ms);
    }

    #[tokio::test]
    async fn without_a_descriptor_the_runtime_serves() {
        rings_in_time(&Alarm(None)).await;
    }
}
