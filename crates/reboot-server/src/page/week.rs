//! A week's windows as a picture: for each day the stretches in which a reboot may begin.

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan};
use reboot_core::window::Windows;

/// A day has so many parts; windows are written in minutes, the picture is not.
const PARTS: u16 = 96;

/// One day of the picture.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Day {
    /// `Mon 9`.
    pub(super) name: String,
    /// Whether it is today.
    pub(super) is_today: bool,
    /// When a reboot may begin, for who cannot see it: `02:00 to 05:00`, or `never`.
    pub(super) words: String,
    /// The stretches, in parts of the day.
    pub(super) stretches: Vec<Stretch>,
}

/// From one part of a day to another.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Stretch {
    from: u16,
    to: u16,
}

// === impl Stretch ===

impl Stretch {
    /// Where it begins, of a picture 960 wide.
    pub(super) fn left(&self) -> u16 {
        self.from * 10
    }

    /// How wide it is.
    pub(super) fn width(&self) -> u16 {
        (self.to - self.from) * 10
    }
}

/// The seven days from today; `None` when a reboot may begin at any time.
pub(super) fn week(windows: &Windows, zone: &TimeZone, now: Timestamp) -> Option<Vec<Day>> {
    if windows.allow.is_empty() && windows.deny.is_empty() {
        return None;
    }
    let today = now.to_zoned(zone.clone()).date();
    let dates = (0..7).filter_map(|day| today.checked_add(day.days()).ok());
    Some(dates.map(|date| day(windows, zone, date, today)).collect())
}

fn day(windows: &Windows, zone: &TimeZone, date: Date, today: Date) -> Day {
    let stretches = stretches(|part| is_open(windows, zone, date, part));
    Day {
        name: format!("{} {}", name_of(date.weekday()), date.day()),
        is_today: date == today,
        words: words(&stretches),
        stretches,
    }
}

fn is_open(windows: &Windows, zone: &TimeZone, date: Date, part: u16) -> bool {
    let minutes = Span::new().minutes(i64::from(part) * 15);
    let at = date.at(0, 0, 0, 0).checked_add(minutes);
    let at = at.and_then(|at| at.to_zoned(zone.clone()));
    let Ok(at) = at.map(|at| at.timestamp()) else {
        return false;
    };
    let covers = |all: &[reboot_core::window::Window]| all.iter().any(|it| it.covers(at, zone));
    !covers(&windows.deny) && (windows.allow.is_empty() || covers(&windows.allow))
}

fn stretches(is_open: impl Fn(u16) -> bool) -> Vec<Stretch> {
    let mut found: Vec<Stretch> = Vec::new();
    for part in (0..PARTS).filter(|part| is_open(*part)) {
        match found.last_mut().filter(|last| last.to == part) {
            Some(last) => last.to = part + 1,
            None => found.push(Stretch {
                from: part,
                to: part + 1,
            }),
        }
    }
    found
}

fn words(stretches: &[Stretch]) -> String {
    let clock = |part: u16| format!("{:02}:{:02}", part / 4, part % 4 * 15);
    let one = |it: &Stretch| format!("{} to {}", clock(it.from), clock(it.to));
    match stretches {
        [] => "never".to_owned(),
        all => all.iter().map(one).collect::<Vec<_>>().join(", "),
    }
}

fn name_of(day: Weekday) -> &'static str {
    match day {
        Weekday::Monday => "Mon",
        Weekday::Tuesday => "Tue",
        Weekday::Wednesday => "Wed",
        Weekday::Thursday => "Thu",
        Weekday::Friday => "Fri",
        Weekday::Saturday => "Sat",
        Weekday::Sunday => "Sun",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reboot_core::window::Window;

    fn windows(allow: &[&str], deny: &[&str]) -> Windows {
        let all = |texts: &[&str]| texts.iter().map(|it| Window::parse(it).unwrap()).collect();
        Windows {
            allow: all(allow),
            deny: all(deny),
        }
    }

    #[test]
    fn a_week_shows_when_a_reboot_may_begin() {
        let now = "2026-03-07T10:00:00Z".parse().unwrap();
        let windows = windows(
            &["Sat,Sun 02:00-05:00", "Mon 22:30-01:00"],
            &["Sun 03:00-04:00"],
        );
        let week = week(&windows, &TimeZone::UTC, now).unwrap();
        let told: Vec<_> = week
            .iter()
            .map(|day| (day.name.as_str(), day.words.as_str()))
            .collect();
        assert_eq!(
            told,
            [
                ("Sat 7", "02:00 to 05:00"),
                ("Sun 8", "02:00 to 03:00, 04:00 to 05:00"),
                ("Mon 9", "22:30 to 24:00"),
                ("Tue 10", "00:00 to 01:00"),
                ("Wed 11", "never"),
                ("Thu 12", "never"),
                ("Fri 13", "never"),
            ]
        );
        assert!(week[0].is_today && !week[1].is_today);
        let first = week[0].stretches[0];
        assert_eq!((first.left(), first.width()), (80, 120));
    }

    #[test]
    fn without_windows_there_is_no_picture() {
        let now = "2026-03-07T10:00:00Z".parse().unwrap();
        assert_eq!(week(&Windows::default(), &TimeZone::UTC, now), None);
    }
}
