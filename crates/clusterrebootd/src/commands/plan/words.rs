//! Moments and durations as people read them.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// A moment with its day and zone.
pub(super) fn moment(at: Timestamp, zone: &TimeZone) -> String {
    let at = at.to_zoned(zone.clone());
    at.strftime("%a %F %H:%M %Z").to_string()
}

/// A moment in a table.
pub(super) fn short(at: Timestamp, zone: &TimeZone) -> String {
    let at = at.to_zoned(zone.clone());
    at.strftime("%a %d %H:%M:%S").to_string()
}

/// A duration to the second, in its two biggest units.
pub(super) fn duration(ms: u64) -> String {
    let secs = (ms + 500) / 1000;
    let (days, hours) = (secs / 86_400, secs / 3_600 % 24);
    let (minutes, secs) = (secs / 60 % 60, secs % 60);
    let parts = [(days, "d"), (hours, "h"), (minutes, "min"), (secs, "s")];
    let first = parts.iter().position(|(count, _)| *count > 0).unwrap_or(3);
    let shown = parts.iter().skip(first).take(2);
    let words = shown.filter(|(count, _)| *count > 0);
    let words: Vec<String> = words
        .map(|(count, unit)| format!("{count} {unit}"))
        .collect();
    match words.is_empty() {
        true => "0 s".to_owned(),
        false => words.join(" "),
    }
}

/// From one moment to the next, in milliseconds.
pub(super) fn between(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.duration_since(from).as_millis()).unwrap_or(0)
}

/// The first few of a list, and how many more there are.
pub(super) fn listed(items: &[&str], most: usize) -> String {
    let named = items.iter().take(most).copied();
    let named = Vec::from_iter(named).join(", ");
    match items.len().saturating_sub(most) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

/// So many of something.
pub(super) fn count(many: usize, one: &str) -> String {
    match many {
        1 => format!("1 {one}"),
        _ => format!("{many} {one}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_two_units_at_most() {
        for (ms, words) in [
            (0, "0 s"),
            (499, "0 s"),
            (59_600, "1 min"),
            (61_000, "1 min 1 s"),
            (3_600_000, "1 h"),
            (3_659_000, "1 h"),
            (90_061_000, "1 d 1 h"),
        ] {
            assert_eq!(duration(ms), words);
        }
    }
}
