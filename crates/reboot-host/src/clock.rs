//! The boot-time clock: it runs through suspension and no administrator sets it.

use nix::time::{ClockId, clock_gettime};

/// Milliseconds since the machine was started, time asleep included: `CLOCK_BOOTTIME` of
/// clock_gettime(2).
///
/// # Panics
/// On a kernel without that clock, older than Linux 2.6.39.
pub fn boot_millis() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_BOOTTIME).expect("Linux has had this clock since 2011");
    let (secs, nanos) = (now.tv_sec().unsigned_abs(), now.tv_nsec().unsigned_abs());
    secs * 1000 + nanos / 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_agrees_with_the_kernel_s_uptime() {
        let before = boot_millis();
        let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
        let after = boot_millis();
        let uptime_secs: f64 = uptime.split(' ').next().unwrap().parse().unwrap();
        let uptime_millis = (uptime_secs * 1000.0) as u64;
        assert!(before <= uptime_millis + 10, "{before} {uptime}");
        assert!(uptime_millis <= after, "{uptime} {after}");
    }
}
