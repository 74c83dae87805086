//! Maintenance windows against a model that knows nothing of the code: a list of minutes, each
//! with what the clock on the wall reads.
#![allow(clippy::unwrap_used, missing_docs)] // a test fails best where it fails

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use reboot_core::window::{Verdict, WINDOW_BYTES_MAX, Window, Windows};
use std::sync::LazyLock;

const DAY: i64 = 24 * 60;
const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// Zones with a moment at which something happens to their clocks, or nothing.
const PLACES: [(&str, &str); 15] = [
    ("UTC", "2026-03-01T00:00Z"),
    ("Asia/Kolkata", "2026-03-01T00:00Z"),
    ("Europe/Berlin", "2026-03-29T01:00Z"),
    ("Europe/Berlin", "2026-10-25T01:00Z"),
    ("America/New_York", "2026-03-08T07:00Z"),
    ("America/New_York", "2026-11-01T06:00Z"),
    ("Australia/Lord_Howe", "2026-04-04T15:00Z"),
    ("Australia/Lord_Howe", "2026-10-03T15:30Z"),
    ("America/Santiago", "2026-04-05T03:00Z"),
    ("America/Santiago", "2026-09-06T04:00Z"),
    // One minute past midnight the clock was turned back into the day before.
    ("America/St_Johns", "2010-11-07T02:31Z"),
    ("Africa/Cairo", "2026-04-23T22:00Z"),
    ("Africa/Casablanca", "2026-03-22T02:00Z"),
    ("Pacific/Apia", "2011-12-30T10:00Z"),
    // The whole first day of the zone comes twice: a clock change of nearly a day, backwards.
    ("Pacific/Kwajalein", "1969-09-30T13:00Z"),
];

/// A stretch of minutes around a clock change.
struct Place {
    name: &'static str,
    zone: TimeZone,
    first: Timestamp,
    /// What the wall clock reads in each minute, in minutes since 1970 began there.
    clock: Vec<i64>,
}

/// Ten days before the moment of interest, and more than five weeks after it.
const BEFORE: i64 = 10 * DAY;
const AFTER: i64 = 40 * DAY;

static GRIDS: LazyLock<Vec<Place>> = LazyLock::new(|| {
    PLACES
        .iter()
        .map(|(zone, moment)| Place::new(zone, moment))
        .collect()
});

// === impl Place ===

impl Place {
    fn new(name: &'static str, moment: &str) -> Self {
        let zone = TimeZone::get(name).unwrap();
        let first: Timestamp = moment.parse().unwrap();
        let first = first - SignedDuration::from_mins(BEFORE);
        let clock = (0..BEFORE + AFTER)
            .map(|minute| {
                let second = first.as_second() + minute * 60;
                let offset = zone.to_offset(Timestamp::from_second(second).unwrap());
                (second + i64::from(offset.seconds())).div_euclid(60)
            })
            .collect();
        Self {
            name,
            zone,
            first,
            clock,
        }
    }

    fn moment(&self, minute: usize) -> Timestamp {
        self.first + SignedDuration::from_mins(i64::try_from(minute).unwrap())
    }

    /// Which minutes the window holds: for every start the minutes from the first to the last at
    /// which the clock reads inside.
    fn held(&self, spec: &Spec) -> Vec<bool> {
        let mut held = vec![false; self.clock.len()];
        let (earliest, latest) = (
            self.clock[0] / DAY - 9,
            self.clock.last().unwrap() / DAY + 2,
        );
        for date in earliest..=latest {
            // 1970 began on a Thursday.
            let weekday = (date + 4).rem_euclid(7) as usize;
            if spec.starts_on(weekday) {
                let start = date * DAY + spec.start;
                self.hold(&mut held, start..start + spec.length(weekday));
            }
        }
        held
    }

    fn hold(&self, held: &mut [bool], readings: std::ops::Range<i64>) {
        // Where these readings can be: no clock is off by more than a day.
        let base = self.first.as_second().div_euclid(60);
        let index = |reading: i64| (reading - base).clamp(0, self.clock.len() as i64) as usize;
        let (from, to) = (index(readings.start - DAY), index(readings.end + DAY));
        let mut inside = (from..to).filter(|i| readings.contains(&self.clock[*i]));
        if let Some(first) = inside.next() {
            let last = inside.next_back().unwrap_or(first);
            held[first..=last].fill(true);
        }
    }
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} from {}", self.name, self.first)
    }
}

/// A window in numbers, and how to spell it.
#[derive(Clone, Debug)]
struct Spec {
    /// First and last day of each item; empty is every day.
    days: Vec<(usize, usize)>,
    start: i64,
    end_day: Option<usize>,
    end: i64,
    spelling: usize,
}

// === impl Spec ===

impl Spec {
    fn starts_on(&self, weekday: usize) -> bool {
        let holds =
            |(first, last): &(usize, usize)| (weekday + 7 - first) % 7 <= (last + 7 - first) % 7;
        self.days.is_empty() || self.days.iter().any(holds)
    }

    /// Minutes on the clock from the start to the end.
    fn length(&self, weekday: usize) -> i64 {
        let days = self.end_day.map_or(0, |day| (day + 7 - weekday) % 7) as i64;
        let length = days * DAY + self.end - self.start;
        let again = if self.end_day.is_some() { 7 * DAY } else { DAY };
        if length > 0 { length } else { length + again }
    }

    fn text(&self) -> String {
        let space = ["", " ", "  "][self.spelling % 3];
        let range = |(first, last): &(usize, usize)| {
            if first == last {
                self.day(*first)
            } else {
                format!("{}{space}-{space}{}", self.day(*first), self.day(*last))
            }
        };
        let days: Vec<String> = self.days.iter().map(range).collect();
        let days = match (days.is_empty(), self.spelling % 2) {
            (true, 0) => "*".to_owned(),
            _ => days.join(&format!(",{space}")),
        };
        let end_day = self
            .end_day
            .map_or(String::new(), |day| self.day(day) + " ");
        let (start, end) = (self.time(self.start), self.time(self.end));
        format!("{space}{days} {start}{space}-{space}{end_day}{end}{space}")
    }

    fn day(&self, day: usize) -> String {
        match self.spelling % 4 {
            0 => DAYS[day].to_owned(),
            1 => DAYS[day].to_uppercase(),
            2 => [
                "Sunday", "Monday", "Tues", "Weds", "Thurs", "Friday", "Saturday",
            ][day]
                .to_owned(),
            _ => ["Sun", "Mon", "Tuesday", "Wednesday", "Thur", "Fri", "Sat"][day].to_owned(),
        }
    }

    fn time(&self, minutes: i64) -> String {
        let (hour, minute) = (minutes / 60, minutes % 60);
        match self.spelling % 5 {
            0 => format!("{hour}:{minute:02}"),
            _ => format!("{hour:02}:{minute:02}"),
        }
    }

    fn window(&self) -> Window {
        Window::parse(&self.text()).unwrap()
    }
}

/// Times of day, often in the small hours in which clocks are changed.
fn times() -> impl Strategy<Value = i64> {
    prop_oneof![
        (0..20_i64).prop_map(|quarter| quarter * 15),
        0..240_i64,
        (0..24_i64).prop_map(|hour| hour * 60),
        0..DAY,
    ]
}

fn specs() -> impl Strategy<Value = Spec> {
    let list = proptest::collection::vec((0..7_usize, 0..7_usize), 0..4);
    let ends = proptest::option::of((0..7_usize, 0..7_usize));
    (list, ends, times(), times(), 0..60_usize).prop_map(|(list, ends, start, end, spelling)| {
        let (days, end_day) = match ends {
            Some((first, last)) => (vec![(first, first)], Some(last)),
            None => (list, None),
        };
        Spec {
            days,
            start,
            end_day,
            end,
            spelling,
        }
    })
}

fn spec_lists() -> impl Strategy<Value = (Vec<Spec>, Vec<Spec>)> {
    let list = |most: usize| proptest::collection::vec(specs(), 0..=most);
    (list(3), list(3))
}

fn windows(deny: &[Spec], allow: &[Spec]) -> Windows {
    Windows {
        deny: deny.iter().map(Spec::window).collect(),
        allow: allow.iter().map(Spec::window).collect(),
    }
}

/// What the model says of each minute.
fn verdicts(place: &Place, deny: &[Spec], allow: &[Spec]) -> Vec<&'static str> {
    let held = |specs: &[Spec]| {
        specs
            .iter()
            .map(|spec| place.held(spec))
            .collect::<Vec<_>>()
    };
    let (denied, allowed) = (held(deny), held(allow));
    (0..place.clock.len())
        .map(|minute| {
            if denied.iter().any(|held| held[minute]) {
                "deny"
            } else if allowed.is_empty() || allowed.iter().any(|held| held[minute]) {
                "allowed"
            } else {
                "outside_allow"
            }
        })
        .collect()
}

fn places() -> impl Strategy<Value = &'static Place> {
    (0..PLACES.len()).prop_map(|index| &GRIDS[index])
}

/// Minutes near the change, from two days before it to three after.
fn near() -> std::ops::Range<usize> {
    let near = BEFORE - 2 * DAY..BEFORE + 3 * DAY;
    near.start as usize..near.end as usize
}

proptest! {
    #[test]
    fn a_window_holds_the_minutes_of_the_model(place in places(), spec in specs()) {
        let (window, held) = (spec.window(), place.held(&spec));
        let is_edge = |minute: usize| {
            held[minute] != held[minute - 1] || held[minute] != held[minute + 1]
        };
        for minute in near().filter(|minute| minute % 17 == 0 || is_edge(*minute)) {
            let moment = place.moment(minute);
            let covers = window.covers(moment, &place.zone);
            prop_assert_eq!(covers, held[minute], "{} at {}", window, moment);
        }
    }

    #[test]
    fn verdict_and_next_opening_agree_with_the_model(
        place in places(),
        (deny, allow) in spec_lists(),
        seconds in 0..60_i64,
        offset in 0..397_usize,
    ) {
        let (found, model) = (windows(&deny, &allow), verdicts(place, &deny, &allow));
        for minute in near().skip(offset).step_by(397) {
            let within = SignedDuration::from_secs(seconds);
            let now = place.moment(minute) + within;
            let verdict = found.verdict(now, &place.zone);
            prop_assert_eq!(verdict.kind(), model[minute], "at {}", now);

            let ahead = (minute..model.len()).find(|ahead| model[*ahead] == "allowed");
            let expected = ahead.map(|ahead| place.moment(ahead).max(now));
            let opens = found.next_open(now, &place.zone);
            prop_assert_eq!(opens, expected, "from {}", now);
            if let Verdict::OutsideAllow { opens: told } = verdict {
                prop_assert_eq!(told, opens);
            }
        }
    }

    #[test]
    fn a_deny_verdict_ends_when_its_window_does(place in places(), deny in specs()) {
        let held = place.held(&deny);
        let found = windows(std::slice::from_ref(&deny), &[]);
        for minute in near().step_by(307).filter(|minute| held[*minute]) {
            let expected = (minute..held.len()).find(|ahead| !held[*ahead]);
            let verdict = found.verdict(place.moment(minute), &place.zone);
            let until = expected.map(|ahead| place.moment(ahead));
            prop_assert_eq!(verdict, Verdict::Deny { window: deny.window(), until });
        }
    }
}

proptest! {
    #[test]
    fn what_is_printed_is_read_the_same(spec in specs()) {
        let window = spec.window();
        prop_assert_eq!(window.to_string(), spec.text());
        prop_assert_eq!(Window::parse(&window.to_string()), Ok(window));
    }

    #[test]
    fn any_text_is_a_window_or_an_error_that_points_into_it(text in any_texts()) {
        match Window::parse(&text) {
            Ok(window) => prop_assert_eq!(window.to_string(), text),
            Err(error) if text.len() > WINDOW_BYTES_MAX => {
                prop_assert_eq!(error.kind(), "too_long");
            }
            Err(error) => {
                let piece = text.get(error.start..error.start + error.len);
                prop_assert_eq!(piece, Some(error.found.as_str()));
                prop_assert!(!error.cause().is_empty() && !error.remedy().is_empty());
            }
        }
    }

    #[test]
    fn any_moment_of_all_time_has_a_verdict_that_the_next_opening_agrees_with(
        (deny, allow) in spec_lists(),
        zone in proptest::sample::select(&PLACES[..]),
        second in Timestamp::MIN.as_second()..=Timestamp::MAX.as_second(),
        nanosecond in 0..1_000_000_000_i32,
        from_edge in 0..3_000_000_i64,
        edge in 0..3_u8,
    ) {
        let second = match edge {
            0 => Timestamp::MIN.as_second() + from_edge,
            1 => Timestamp::MAX.as_second() - from_edge,
            _ => second,
        };
        let now = Timestamp::new(second, nanosecond).unwrap();
        let (found, zone) = (windows(&deny, &allow), TimeZone::get(zone.0).unwrap());
        let opens = found.next_open(now, &zone);
        prop_assert_eq!(found.verdict(now, &zone).is_allowed(), opens == Some(now));
        if let Some(opens) = opens {
            prop_assert!(opens >= now);
            prop_assert!(found.verdict(opens, &zone).is_allowed(), "opens at {}", opens);
        }
    }
}

/// Text of any kind, and soups of what windows are made of.
fn any_texts() -> impl Strategy<Value = String> {
    const WORDS: &[&str] = &[
        "mon",
        "Tue",
        "*",
        ",",
        "-",
        " ",
        "\t",
        "8:00",
        "23:59",
        "24:00",
        "99:99",
        "00:00",
        ":",
        "x",
        "ä",
        "–",
        "\u{a0}",
        "Fri 18:00-Mon 08:00",
    ];
    let soup = proptest::collection::vec(proptest::sample::select(WORDS), 0..12);
    prop_oneof![
        any::<String>(),
        ".{0,300}",
        "[a-z*]{0,4} ?[0-9:]{0,5} ?- ?[a-z]{0,4} ?[0-9:]{0,5}",
        soup.prop_map(|words| words.concat()),
    ]
}
