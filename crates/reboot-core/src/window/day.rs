//! Days of the week, and their names as operators write them.

use jiff::civil::Weekday;

/// Every day with the names it is known by; the first is the one to suggest.
const NAMES: [(Weekday, &[&str]); 7] = [
    (Weekday::Monday, &["mon", "monday"]),
    (Weekday::Tuesday, &["tue", "tues", "tuesday"]),
    (Weekday::Wednesday, &["wed", "weds", "wednesday"]),
    (Weekday::Thursday, &["thu", "thur", "thurs", "thursday"]),
    (Weekday::Friday, &["fri", "friday"]),
    (Weekday::Saturday, &["sat", "saturday"]),
    (Weekday::Sunday, &["sun", "sunday"]),
];

/// The day of this name, in any case.
pub(super) fn named(name: &str) -> Option<Weekday> {
    let is_named = |names: &[&str]| names.iter().any(|known| known.eq_ignore_ascii_case(name));
    NAMES
        .iter()
        .find(|(_, names)| is_named(names))
        .map(|(day, _)| *day)
}

/// The day that a misspelt name probably means: the one that begins with the same two letters.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    let begin = name.get(..2)?;
    let is_near = |known: &str| {
        known
            .get(..2)
            .is_some_and(|two| two.eq_ignore_ascii_case(begin))
    };
    NAMES
        .iter()
        .map(|(_, names)| names[0])
        .find(|known| is_near(known))
}

/// The days from the first to the last, both included, which may wrap (`Fri-Mon`).
pub(super) fn range(first: Weekday, last: Weekday) -> Days {
    let count = 1 + usize::from(days_until(first, last));
    let mut days = Days::default();
    for day in first.cycle_forward().take(count) {
        days.insert(day);
    }
    days
}

/// How many days after `from` the next `to` is, 0 to 6.
pub(super) fn days_until(from: Weekday, to: Weekday) -> u8 {
    // Never negative and below 7, as the function promises.
    from.until(to).unsigned_abs()
}

/// A set of days.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub(super) struct Days(u8);

// === impl Days ===

impl Days {
    pub(super) const ALL: Self = Self(0b111_1111);

    pub(super) fn contains(self, day: Weekday) -> bool {
        self.0 & bit(day) != 0
    }

    pub(super) fn insert(&mut self, day: Weekday) {
        self.0 |= bit(day);
    }

    pub(super) fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The day, when there is exactly one.
    pub(super) fn single(self) -> Option<Weekday> {
        let mut days = NAMES
            .iter()
            .map(|(day, _)| *day)
            .filter(|day| self.contains(*day));
        let first = days.next()?;
        days.next().is_none().then_some(first)
    }
}

fn bit(day: Weekday) -> u8 {
    1 << day.to_monday_zero_offset()
}
