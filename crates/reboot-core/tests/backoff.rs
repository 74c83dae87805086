//! The waits between attempts: bounded, growing, spread.
#![allow(clippy::unwrap_used, missing_docs)] // a test fails best where it fails

use proptest::prelude::*;
use reboot_core::backoff::{Backoff, next_seed};
use std::collections::BTreeSet;

const USUAL: Backoff = Backoff {
    min_ms: 5_000,
    max_ms: 60_000,
};

fn extremes(backoff: &Backoff, attempt: u32) -> (u64, u64) {
    let mut seed = 7;
    let mut delays = BTreeSet::new();
    for _ in 0..2_000 {
        delays.insert(backoff.delay_ms(attempt, seed));
        seed = next_seed(seed);
    }
    (*delays.first().unwrap(), *delays.last().unwrap())
}

#[test]
fn waits_double_up_to_the_longest_and_fill_the_upper_half() {
    let table = [
        (0, 5_000, 10_000),
        (1, 10_000, 20_000),
        (2, 20_000, 40_000),
        (3, 30_000, 60_000),
        (4, 30_000, 60_000),
        (63, 30_000, 60_000),
        (u32::MAX, 30_000, 60_000),
    ];
    for (attempt, floor_ms, ceiling_ms) in table {
        let (shortest, longest) = extremes(&USUAL, attempt);
        let slack = (ceiling_ms - floor_ms) / 50;
        assert!(
            (floor_ms..=floor_ms + slack).contains(&shortest),
            "{attempt}: {shortest}"
        );
        assert!(
            (ceiling_ms - slack..=ceiling_ms).contains(&longest),
            "{attempt}: {longest}"
        );
    }
}

#[test]
fn a_whole_fleet_does_not_wait_in_step_even_the_first_time() {
    let delays: BTreeSet<u64> = (0..1_000).map(|node| USUAL.delay_ms(0, node)).collect();
    assert!(delays.len() > 850, "{}", delays.len());
    let mean = (0..1_000).map(|node| USUAL.delay_ms(0, node)).sum::<u64>() / 1_000;
    assert!((7_300..7_700).contains(&mean), "{mean}");
}

#[test]
fn one_seed_draws_anew_for_every_attempt() {
    let share = |attempt| USUAL.delay_ms(attempt, 42) - 30_000;
    let shares: BTreeSet<u64> = (3..40).map(share).collect();
    assert!(shares.len() > 30, "{shares:?}");
}

#[test]
fn equal_bounds_leave_no_choice() {
    let fixed = Backoff {
        min_ms: 700,
        max_ms: 700,
    };
    assert_eq!(extremes(&fixed, 0), (700, 700));
    assert_eq!(extremes(&fixed, 9), (700, 700));
}

#[test]
fn bounds_that_make_no_sense_still_wait() {
    let none = Backoff {
        min_ms: 0,
        max_ms: 0,
    };
    assert_eq!(extremes(&none, 5), (1, 1));
    let crossed = Backoff {
        min_ms: 9,
        max_ms: 3,
    };
    assert_eq!(extremes(&crossed, 5), (9, 9));
}

proptest! {
    #[test]
    fn a_wait_is_within_its_bounds_and_the_same_again(
        min_ms in 1..=u64::MAX,
        more_ms: u64,
        attempt: u32,
        seed: u64,
    ) {
        let backoff = Backoff { min_ms, max_ms: min_ms.saturating_add(more_ms) };
        let delay_ms = backoff.delay_ms(attempt, seed);
        prop_assert!((backoff.min_ms..=backoff.max_ms).contains(&delay_ms));
        prop_assert_eq!(delay_ms, backoff.delay_ms(attempt, seed));
    }

    #[test]
    fn a_wait_is_in_the_upper_half_of_its_doubling_ceiling(
        min_ms in 1..100_000_u64,
        more_ms in 0..1_000_000_u64,
        attempt in 0..80_u32,
    ) {
        let backoff = Backoff { min_ms, max_ms: min_ms + more_ms };
        let ceiling = |attempt: u32| {
            let doubled = u128::from(min_ms) << (attempt + 1).min(64);
            u64::try_from(doubled.min(u128::from(backoff.max_ms))).unwrap()
        };
        for seed in 0..50 {
            let delay_ms = backoff.delay_ms(attempt, seed);
            prop_assert!(delay_ms >= ceiling(attempt) / 2 && delay_ms <= ceiling(attempt));
        }
    }

    #[test]
    fn seeds_do_not_come_again_soon(seed: u64) {
        let mut seen = BTreeSet::new();
        let mut next = seed;
        for _ in 0..100 {
            prop_assert!(seen.insert(next));
            next = next_seed(next);
        }
    }
}
