//! When windows keep reboots off, as stretches of time.

use jiff::{SignedDuration, Timestamp};
use reboot_core::agent::Zone;
use reboot_core::window::Windows;

/// Windows open and close on whole minutes.
const MINUTE_SECS: i64 = 60;

/// A stretch of time, the end not included.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Stretch {
    /// Its start.
    pub from: Timestamp,
    /// Its end.
    pub to: Timestamp,
}

/// The stretches in which these windows allow no reboot.
pub fn closed_between(
    windows: &Windows,
    zone: &Zone,
    from: Timestamp,
    to: Timestamp,
) -> Vec<Stretch> {
    let mut closed = Vec::new();
    if windows.allow.is_empty() && windows.deny.is_empty() {
        return closed;
    }
    let mut at = from;
    while at < to {
        let opens = windows
            .next_open(at, &zone.rules)
            .map_or(to, |it| it.min(to));
        if opens > at {
            closed.push(Stretch {
                from: at,
                to: opens,
            });
        }
        at = closes_after(windows, zone, opens, to);
    }
    closed
}

/// The first whole minute after `from` that is not allowed, or `to`.
fn closes_after(windows: &Windows, zone: &Zone, from: Timestamp, to: Timestamp) -> Timestamp {
    let mut at = from;
    while at < to && windows.verdict(at, &zone.rules).is_allowed() {
        let into_minute = at.as_second().rem_euclid(MINUTE_SECS);
        let step = SignedDuration::from_secs(MINUTE_SECS - into_minute);
        let whole = at.checked_add(step).unwrap_or(Timestamp::MAX);
        at = Timestamp::from_second(whole.as_second()).unwrap_or(whole);
    }
    at.min(to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use reboot_core::window::Window;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn windows(allow: &[&str], deny: &[&str]) -> Windows {
        let parse = |texts: &[&str]| texts.iter().map(|it| Window::parse(it).unwrap()).collect();
        Windows {
            allow: parse(allow),
            deny: parse(deny),
        }
    }

    #[test]
    fn between_two_nights_it_is_closed() {
        let nights = windows(&["Sat,Sun 22:00-23:30"], &[]);
        let (from, to) = (at("2026-11-21T10:07:30Z"), at("2026-11-22T22:10:00Z"));
        let closed = closed_between(&nights, &Zone::utc(), from, to);
        let stretch = |from: &str, to: &str| Stretch {
            from: at(from),
            to: at(to),
        };
        assert_eq!(
            closed,
            [
                stretch("2026-11-21T10:07:30Z", "2026-11-21T22:00:00Z"),
                stretch("2026-11-21T23:30:00Z", "2026-11-22T22:00:00Z"),
            ]
        );
    }

    #[test]
    fn a_deny_window_cuts_into_an_open_day() {
        let lunch = windows(&[], &["Sat 12:00-13:00"]);
        let (from, to) = (at("2026-11-21T11:00:00Z"), at("2026-11-21T15:00:00Z"));
        let closed = closed_between(&lunch, &Zone::utc(), from, to);
        let lengths: Vec<i64> = closed
            .iter()
            .map(|it| it.to.as_second() - it.from.as_second())
            .collect();
        assert_eq!(lengths, [3600]);
    }

    #[test]
    fn without_windows_nothing_is_closed_and_with_no_opening_all_of_it() {
        let (from, to) = (at("2026-11-21T11:00:00Z"), at("2026-11-22T11:00:00Z"));
        let none = closed_between(&Windows::default(), &Zone::utc(), from, to);
        assert_eq!(none, []);
        let never = windows(&["Sun 12:00-13:00"], &["Sun 11:00-14:00"]);
        let closed = closed_between(&never, &Zone::utc(), from, to);
        assert_eq!(closed, [Stretch { from, to }]);
    }
}
