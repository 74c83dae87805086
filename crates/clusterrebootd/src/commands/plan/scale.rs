//! From time to place: to scale, but for long stretches in which nothing begins or ends. Those are
//! folded, so that ten busy minutes after half a day of waiting can be seen.

use super::words::between;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::collections::BTreeSet;

/// A folded stretch is so wide, in pixels.
const FOLD_WIDTH: f64 = 72.0;
/// Shorter stretches are never folded, in milliseconds.
const FOLD_MS_MIN: u64 = 10 * 60_000;
/// A stretch is folded when it is so many times longer than all that is not.
const FOLD_RATIO: u64 = 1;
/// Ticks are at least so far apart, in pixels.
const TICK_WIDTH: f64 = 84.0;
/// How far ticks may be apart, in seconds.
const STEPS_SECS: [i64; 17] = [
    5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400,
    604_800,
];

/// A stretch of time and where it is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Piece {
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
    pub(super) left: f64,
    pub(super) width: f64,
    pub(super) is_folded: bool,
}

/// Where each moment is drawn.
#[derive(Clone, Debug)]
pub(super) struct Scale {
    pieces: Vec<Piece>,
}

// === impl Scale ===

impl Scale {
    /// A scale of this width over these moments, the first and the last among them.
    pub(super) fn of(moments: &BTreeSet<Timestamp>, left: f64, width: f64) -> Self {
        let gaps: Vec<(Timestamp, Timestamp)> = moments
            .iter()
            .zip(moments.iter().skip(1))
            .map(|(from, to)| (*from, *to))
            .collect();
        let folded = folded(&gaps);
        let busy_ms: u64 = gaps
            .iter()
            .filter(|gap| !folded.contains(gap))
            .map(|(from, to)| between(*from, *to))
            .sum();
        let busy_width = (width - FOLD_WIDTH * folded.len() as f64).max(width / 4.0);
        let mut pieces: Vec<Piece> = Vec::new();
        let mut at = left;
        for (from, to) in gaps {
            let is_folded = folded.contains(&(from, to));
            let width = match is_folded {
                true => FOLD_WIDTH,
                false => busy_width * between(from, to) as f64 / busy_ms.max(1) as f64,
            };
            match pieces.last_mut().filter(|it| !it.is_folded && !is_folded) {
                Some(last) => {
                    last.to = to;
                    last.width += width;
                }
                None => pieces.push(Piece {
                    from,
                    to,
                    left: at,
                    width,
                    is_folded,
                }),
            }
            at += width;
        }
        Self { pieces }
    }

    /// The pieces, in their order.
    pub(super) fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// Where a moment is drawn.
    pub(super) fn place(&self, at: Timestamp) -> f64 {
        let piece = self.pieces.iter().find(|piece| at < piece.to);
        match piece.or(self.pieces.last()) {
            None => 0.0,
            Some(piece) => {
                let whole = between(piece.from, piece.to).max(1) as f64;
                let part = between(piece.from, at.clamp(piece.from, piece.to)) as f64 / whole;
                piece.left + piece.width * part
            }
        }
    }
}

// === impl Piece ===

impl Piece {
    /// Round times within, by the clock of the zone.
    pub(super) fn ticks(&self, zone: &TimeZone) -> Vec<Timestamp> {
        let secs = between(self.from, self.to) as f64 / 1000.0;
        let least = secs * TICK_WIDTH / self.width.max(1.0);
        let Some(step) = STEPS_SECS.iter().find(|step| **step as f64 >= least) else {
            return Vec::new();
        };
        let off = i64::from(zone.to_offset(self.from).seconds());
        let first = (self.from.as_second() + off).div_euclid(*step) + 1;
        let ticks = (first..).map(|count| count * step - off);
        ticks
            .take_while(|second| *second < self.to.as_second())
            .filter_map(|second| Timestamp::from_second(second).ok())
            .collect()
    }
}

/// The longest stretches, as long as each is longer than all that is left to be shown.
fn folded(gaps: &[(Timestamp, Timestamp)]) -> BTreeSet<(Timestamp, Timestamp)> {
    let mut left_ms: u64 = gaps.iter().map(|(from, to)| between(*from, *to)).sum();
    let mut longest: Vec<_> = gaps.to_vec();
    longest.sort_by_key(|(from, to)| std::cmp::Reverse(between(*from, *to)));
    let mut folded = BTreeSet::new();
    for (from, to) in longest {
        let ms = between(from, to);
        left_ms -= ms;
        let is_long = ms >= FOLD_MS_MIN && ms > left_ms.saturating_mul(FOLD_RATIO);
        if !is_long || left_ms == 0 {
            break;
        }
        folded.insert((from, to));
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(texts: &[&str]) -> BTreeSet<Timestamp> {
        let at = |text: &&str| format!("2026-11-21T{text}Z").parse().unwrap();
        texts.iter().map(at).collect()
    }

    #[test]
    fn without_long_waits_it_is_to_scale() {
        let scale = Scale::of(
            &moments(&["10:00:00", "10:01:00", "10:04:00"]),
            100.0,
            400.0,
        );
        assert_eq!(scale.pieces().len(), 1);
        let place = |text| scale.place(*moments(&[text]).first().unwrap());
        assert_eq!(
            [place("10:00:00"), place("10:01:00"), place("10:04:00")],
            [100.0, 200.0, 500.0]
        );
        assert_eq!(place("23:00:00"), 500.0);
    }

    #[test]
    fn a_long_wait_is_folded_and_the_rest_fills_the_width() {
        let all = moments(&["10:00:00", "22:00:00", "22:05:00", "22:10:00"]);
        let scale = Scale::of(&all, 0.0, 472.0);
        let widths: Vec<(bool, f64)> = scale
            .pieces()
            .iter()
            .map(|it| (it.is_folded, it.width))
            .collect();
        assert_eq!(widths, [(true, FOLD_WIDTH), (false, 400.0)]);
    }

    #[test]
    fn a_plan_in_which_nothing_happens_is_not_folded_away() {
        let scale = Scale::of(&moments(&["10:00:00", "22:00:00"]), 0.0, 400.0);
        assert_eq!(scale.pieces().len(), 1);
        assert!(!scale.pieces()[0].is_folded);
    }

    #[test]
    fn ticks_are_round_by_the_zones_clock() {
        let zone = TimeZone::fixed(jiff::tz::Offset::from_seconds(20_700).unwrap());
        let scale = Scale::of(&moments(&["10:01:00", "16:00:00"]), 0.0, 700.0);
        let ticks = scale.pieces()[0].ticks(&zone);
        assert!((3..=8).contains(&ticks.len()), "{ticks:?}");
        for tick in ticks {
            assert_eq!(tick.to_zoned(zone.clone()).minute(), 0); // at +05:45
        }
    }
}
