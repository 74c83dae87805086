//! From the wall clock to stretches of time, right across clock changes and at the ends of time.

use crate::window::Window;
use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use jiff::{Timestamp, ToSpan};

const WEEK_SECS: i64 = 7 * 24 * 60 * 60;

/// No clock change turns the clock further than this (a zone that crosses the date line).
const CLOCK_CHANGE_DAYS: i64 = 2;

/// One occurrence of a window: from `opens`, inside, to `closes`, outside.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Stretch {
    pub(super) opens: Timestamp,
    pub(super) closes: Timestamp,
}

// === impl Window ===

impl Window {
    /// The occurrences that hold a moment from `from` to `to`, both included.
    pub(super) fn stretches(
        &self,
        zone: &TimeZone,
        from: Timestamp,
        to: Timestamp,
    ) -> impl Iterator<Item = Stretch> {
        let reach_days = i64::from(self.span_days) + CLOCK_CHANGE_DAYS;
        let first = zone
            .to_datetime(from)
            .date()
            .saturating_sub(reach_days.days());
        let last = zone
            .to_datetime(to)
            .date()
            .saturating_add(CLOCK_CHANGE_DAYS.days());
        first
            .series(1.day())
            .take_while(move |date| *date <= last)
            .filter(|date| self.days.contains(date.weekday()))
            .map(|date| self.stretch(zone, date))
            .filter(move |stretch| stretch.opens <= to && from < stretch.closes)
    }

    /// The occurrence that starts on this date.
    fn stretch(&self, zone: &TimeZone, date: Date) -> Stretch {
        let end_date = date.checked_add(i64::from(self.span_days).days());
        Stretch {
            opens: opens_at(zone, date.to_datetime(self.start)),
            closes: end_date.map_or(Timestamp::MAX, |date| {
                closes_at(zone, date.to_datetime(self.end))
            }),
        }
    }
}

/// The first moment at which the clock has reached `at`.
fn opens_at(zone: &TimeZone, at: DateTime) -> Timestamp {
    match zone.to_ambiguous_timestamp(at).offset() {
        AmbiguousOffset::Unambiguous { offset } | AmbiguousOffset::Fold { before: offset, .. } => {
            moment(at, offset)
        }
        AmbiguousOffset::Gap { before, after } => end_of_gap(zone, at, before, after),
    }
}

/// The end of the last second at which the clock reads before `at`.
fn closes_at(zone: &TimeZone, at: DateTime) -> Timestamp {
    // Clock changes are on whole seconds, so this second tells of the whole moment before `at`.
    let last_inside = at.saturating_sub(1.second());
    match zone.to_ambiguous_timestamp(last_inside).offset() {
        AmbiguousOffset::Unambiguous { offset } | AmbiguousOffset::Fold { after: offset, .. } => {
            moment(at, offset)
        }
        AmbiguousOffset::Gap { before, after } => end_of_gap(zone, last_inside, before, after),
    }
}

/// The moment of the clock change that skips `at`, by halving the time in which it must lie.
fn end_of_gap(zone: &TimeZone, at: DateTime, before: Offset, after: Offset) -> Timestamp {
    let mut too_early = moment(at, after).as_second();
    let mut late_enough = moment(at, before).as_second();
    while late_enough.saturating_sub(too_early) > 1 {
        let middle = too_early.midpoint(late_enough);
        if zone.to_datetime(clamped(middle)) > at {
            late_enough = middle;
        } else {
            too_early = middle;
        }
    }
    clamped(late_enough)
}

/// The moment at which a clock with this offset reads `at`, clamped to the ends of time.
fn moment(at: DateTime, offset: Offset) -> Timestamp {
    offset.to_timestamp(at).unwrap_or(if at.year() < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    })
}

fn clamped(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap_or(if second < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    })
}

/// A week later, or the end of time.
pub(super) fn week_after(from: Timestamp) -> Timestamp {
    // Up to the next whole second, so that the search never falls short of a week.
    clamped(from.as_second().saturating_add(WEEK_SECS + 1))
}

/// The occurrences of all windows as stretches in order that neither touch nor overlap.
pub(super) fn merged(
    windows: &[Window],
    zone: &TimeZone,
    from: Timestamp,
    to: Timestamp,
) -> Vec<Stretch> {
    let all = windows
        .iter()
        .flat_map(|window| window.stretches(zone, from, to));
    let mut all: Vec<Stretch> = all.collect();
    all.sort_by_key(|stretch| stretch.opens);
    let mut merged: Vec<Stretch> = Vec::new();
    for stretch in all {
        match merged.last_mut() {
            Some(last) if stretch.opens <= last.closes => {
                last.closes = last.closes.max(stretch.closes);
            }
            _ => merged.push(stretch),
        }
    }
    merged
}

/// The first moment from `from` on that is in none of the merged stretches.
pub(super) fn free_from(merged: &[Stretch], from: Timestamp) -> Timestamp {
    let next = merged.partition_point(|stretch| stretch.closes <= from);
    match merged.get(next) {
        Some(stretch) if stretch.opens <= from => stretch.closes,
        _ => from,
    }
}
