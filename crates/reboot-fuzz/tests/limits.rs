//! A limit that cannot be exceeded proves nothing. In a process of its own, since everything that
//! the process does counts.

use reboot_fuzz::{Limit, held};
use std::panic::catch_unwind;
use std::time::Duration;

const TIGHT: Limit = Limit {
    base_bytes: 1_000_000,
    bytes_per_byte: 1000,
    base_time: Duration::from_millis(300),
    time_per_byte: Duration::ZERO,
};

/// What is said when something costs too much; nothing when it does not.
fn verdict(len: usize, work: fn()) -> String {
    match catch_unwind(|| held(&TIGHT, || vec![0; len], |_| work())) {
        Ok(()) => String::new(),
        Err(panic) => *panic.downcast::<String>().expect("a panic with a message"),
    }
}

fn take_two_megabytes() {
    std::hint::black_box(vec![1_u8; 2_000_000]);
}

fn count_for_long() {
    let end = std::time::Instant::now() + Duration::from_secs(2);
    while std::time::Instant::now() < end {
        std::hint::black_box(end);
    }
}

#[test]
fn what_is_within_the_limits_passes_and_what_is_not_is_told() {
    assert_eq!(verdict(0, || ()), "");
    let said = verdict(0, take_two_megabytes);
    assert!(said.contains("bytes of memory"), "{said}");
    assert_eq!(verdict(2000, take_two_megabytes), "", "a longer text");
    let said = verdict(0, count_for_long);
    assert!(said.contains("processor time"), "{said}");
}
