//! Maintenance windows, one awkward case a row.
#![allow(clippy::unwrap_used, missing_docs)] // a test fails best where it fails

use jiff::Timestamp;
use jiff::tz::TimeZone;
use reboot_core::window::{Verdict, Window, Windows};

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse()
        .unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn window(text: &str) -> Window {
    Window::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn windows(deny: &[&str], allow: &[&str]) -> Windows {
    Windows {
        deny: deny.iter().map(|text| window(text)).collect(),
        allow: allow.iter().map(|text| window(text)).collect(),
    }
}

/// Edges in UTC of the week that begins on Sunday, 2026-03-01, as `DAY HH:MM`.
fn week(text: &str) -> Timestamp {
    let (day, time) = text.split_once(' ').unwrap();
    let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
    let date = 1 + days.iter().position(|known| *known == day).unwrap();
    at(&format!("2026-03-{date:02}T{time}Z"))
}

/// The window, moments inside, moments outside: ordinary days, in UTC.
const AWKWARD: &[(&str, &str, &str)] = &[
    (
        "Fri 18:00-Mon 08:00",
        "Fri 18:00, Fri 23:59:59.999, Sat 12:00, Sun 00:00, Mon 07:59:59.999",
        "Fri 17:59:59.999, Mon 08:00, Tue 20:00, Thu 19:00",
    ),
    (
        "Tue-Thu 22:00-04:00",
        "Tue 22:00, Wed 00:00, Wed 03:59, Wed 22:00, Thu 23:00, Fri 03:59",
        "Tue 03:00, Tue 21:59, Wed 04:00, Wed 12:00, Fri 04:00, Fri 23:00",
    ),
    (
        "* 23:00-06:00",
        "Sun 05:59, Sun 23:00, Sat 23:30, Sat 00:00",
        "Sun 06:00, Sun 22:59, Sat 06:00, Sat 22:59",
    ),
    (
        "23:00-6:00",
        "Sun 05:59, Sun 23:00, Sat 23:30",
        "Sun 06:00, Sat 22:59",
    ),
    (
        "Mon 00:00-Tue 00:00",
        "Mon 00:00, Mon 23:59:59.999",
        "Sun 23:59, Tue 00:00",
    ),
    (
        "Mon 00:00-00:00",
        "Mon 00:00, Mon 23:59:59.999",
        "Sun 23:59, Tue 00:00",
    ),
    (
        "Sat 22:00-02:00",
        "Sat 22:00, Sun 01:59",
        "Sat 21:59, Sun 02:00, Sat 01:00, Sun 22:30",
    ),
    (
        "Sat 23:00-Sun 01:00",
        "Sat 23:00, Sun 00:59",
        "Sat 22:59, Sun 01:00, Sat 00:30",
    ),
    (
        "Fri-Mon 10:00-11:00",
        "Fri 10:00, Sat 10:30, Sun 10:00, Mon 10:59",
        "Tue 10:30, Thu 10:30",
    ),
    (
        "Sat-Sun 10:00-11:00",
        "Sat 10:00, Sun 10:59",
        "Fri 10:30, Mon 10:30",
    ),
    ("Mon-Mon 10:00-11:00", "Mon 10:30", "Sun 10:30, Tue 10:30"),
    (
        "mon,WED,Fri-sun 8:00-9:30",
        "Mon 08:00, Wed 09:29, Fri 08:30, Sat 08:00, Sun 09:00",
        "Tue 08:30, Thu 08:30, Mon 09:30, Mon 07:59",
    ),
    (
        "tues , weds , thurs 8:00 - 9:00",
        "Tue 08:00, Wed 08:30, Thu 08:59",
        "Mon 08:30, Fri 08:30",
    ),
    ("thur 1:00 -2:00", "Thu 01:00", "Fri 01:00, Thu 13:00"),
    (
        "Sunday - tuesday 1:00- 2:00",
        "Sun 01:00, Mon 01:00, Tue 01:00",
        "Sat 01:00, Wed 01:00",
    ),
    (
        "  Saturday 18:00 - Wednesday 6:00\t",
        "Sat 18:00, Sun 01:00, Wed 05:59",
        "Wed 06:00, Sat 17:59",
    ),
    // The same day named twice: the next time that this hour comes.
    (
        "Mon 08:00-Mon 10:00",
        "Mon 08:00, Mon 09:59",
        "Mon 10:00, Mon 07:59, Sun 09:00",
    ),
    (
        "Mon 10:00-Mon 08:00",
        "Mon 10:00, Thu 09:00, Sun 09:00, Mon 07:59",
        "Mon 08:00, Mon 09:59",
    ),
    ("Mon 08:00-Mon 08:00", "Mon 08:00, Mon 07:59, Sat 00:00", ""),
    ("* 08:00-08:00", "Mon 08:00, Mon 07:59, Sat 00:00", ""),
    (
        "fri 0:00-23:59",
        "Fri 00:00, Fri 23:58:59.999",
        "Fri 23:59, Thu 23:59",
    ),
];

#[test]
fn awkward_windows_hold_what_they_should() {
    let moments = |text: &'static str| text.split(", ").filter(|moment| !moment.is_empty());
    for (text, inside, outside) in AWKWARD {
        let window = window(text);
        for moment in moments(inside) {
            assert!(
                window.covers(week(moment), &TimeZone::UTC),
                "{text} holds {moment}"
            );
        }
        for moment in moments(outside) {
            assert!(
                !window.covers(week(moment), &TimeZone::UTC),
                "{text} excludes {moment}"
            );
        }
    }
}

#[test]
fn the_zones_wall_clock_counts() {
    let evening = window("Mon 18:00-19:00");
    let table = [
        ("UTC", "2026-03-02T18:00Z"),
        ("Europe/Berlin", "2026-03-02T17:00Z"),
        ("Asia/Kolkata", "2026-03-02T12:30Z"),
        ("Pacific/Kiritimati", "2026-03-02T04:00Z"),
        ("America/Los_Angeles", "2026-03-03T02:00Z"),
        ("Pacific/Pago_Pago", "2026-03-03T05:00Z"),
    ];
    for (name, moment) in table {
        let hour = |other: &str| evening.covers(at(moment), &zone(other));
        assert!(hour(name), "{name}");
        let elsewhere = table.iter().filter(|(other, _)| *other != name);
        assert!(
            elsewhere.into_iter().all(|(other, _)| !hour(other)),
            "{name}"
        );
    }
}

/// The window, its zone, a moment before it, when it really opens and when it really closes.
const CLOCK_CHANGES: &str = "
# Berlin skips 02:00-03:00 on 2026-03-29 at 01:00Z.
Sun 01:00-04:00 | Europe/Berlin | 2026-03-28T12:00Z | 2026-03-29T00:00Z | 2026-03-29T02:00Z
Sun 02:30-04:00 | Europe/Berlin | 2026-03-28T12:00Z | 2026-03-29T01:00Z | 2026-03-29T02:00Z
Sun 02:00-04:00 | Europe/Berlin | 2026-03-28T12:00Z | 2026-03-29T01:00Z | 2026-03-29T02:00Z
Sun 01:00-02:30 | Europe/Berlin | 2026-03-28T12:00Z | 2026-03-29T00:00Z | 2026-03-29T01:00Z
Sun 01:00-02:00 | Europe/Berlin | 2026-03-28T12:00Z | 2026-03-29T00:00Z | 2026-03-29T01:00Z
Sun 01:00-03:00 | Europe/Berlin | 2026-03-28T12:00Z | 2026-03-29T00:00Z | 2026-03-29T01:00Z
Sat 22:00-Sun 02:15 | Europe/Berlin | 2026-03-28T12:00Z | 2026-03-28T21:00Z | 2026-03-29T01:00Z
# Wholly skipped: it opens the week after.
Sun 02:10-02:50 | Europe/Berlin | 2026-03-28T12:00Z | 2026-04-05T00:10Z | 2026-04-05T00:50Z
Sun 02:00-03:00 | Europe/Berlin | 2026-03-28T12:00Z | 2026-04-05T00:00Z | 2026-04-05T01:00Z
# Berlin repeats 02:00-03:00 on 2026-10-25; the change is at 01:00Z.
Sun 01:00-04:00 | Europe/Berlin | 2026-10-24T12:00Z | 2026-10-24T23:00Z | 2026-10-25T03:00Z
Sun 02:30-04:00 | Europe/Berlin | 2026-10-24T12:00Z | 2026-10-25T00:30Z | 2026-10-25T03:00Z
Sun 01:00-02:30 | Europe/Berlin | 2026-10-24T12:00Z | 2026-10-24T23:00Z | 2026-10-25T01:30Z
Sun 02:15-02:45 | Europe/Berlin | 2026-10-24T12:00Z | 2026-10-25T00:15Z | 2026-10-25T01:45Z
Sun 02:00-03:00 | Europe/Berlin | 2026-10-24T12:00Z | 2026-10-25T00:00Z | 2026-10-25T02:00Z
# The clock reads before 02:00 for the last time before the change.
Sun 01:00-02:00 | Europe/Berlin | 2026-10-24T12:00Z | 2026-10-24T23:00Z | 2026-10-25T00:00Z
Sun 03:00-04:00 | Europe/Berlin | 2026-10-24T12:00Z | 2026-10-25T02:00Z | 2026-10-25T03:00Z
# New York: skips 02:00-03:00 on 2026-03-08 at 07:00Z, repeats 01:00-02:00 on 2026-11-01.
Sun 02:30-05:00 | America/New_York | 2026-03-07T12:00Z | 2026-03-08T07:00Z | 2026-03-08T09:00Z
Sun 00:00-02:59 | America/New_York | 2026-03-07T12:00Z | 2026-03-08T05:00Z | 2026-03-08T07:00Z
Sun 01:30-01:45 | America/New_York | 2026-10-31T12:00Z | 2026-11-01T05:30Z | 2026-11-01T06:45Z
Sun 00:30-01:30 | America/New_York | 2026-10-31T12:00Z | 2026-11-01T04:30Z | 2026-11-01T06:30Z
# Half an hour (Lord Howe, 2026-04-05), and midnight itself (Santiago, 2026-09-06).
Sun 01:30-02:00 | Australia/Lord_Howe | 2026-04-04T00:00Z | 2026-04-04T14:30Z | 2026-04-04T15:30Z
Sun 00:00-04:00 | America/Santiago | 2026-09-05T12:00Z | 2026-09-06T04:00Z | 2026-09-06T07:00Z
Sat 22:00-00:00 | America/Santiago | 2026-09-05T12:00Z | 2026-09-06T02:00Z | 2026-09-06T04:00Z
# Samoa had no Friday, 2011-12-30: the day's windows wait a week, longer ones are shorter.
Fri 10:00-12:00 | Pacific/Apia | 2011-12-29T12:00Z | 2012-01-05T20:00Z | 2012-01-05T22:00Z
Fri 18:00-Mon 08:00 | Pacific/Apia | 2011-12-29T12:00Z | 2011-12-30T10:00Z | 2012-01-01T18:00Z
";

#[test]
fn clock_changes_open_and_close_windows_at_the_right_moment() {
    let rows = CLOCK_CHANGES.lines().filter(|line| line.contains('|'));
    for row in rows {
        let columns: Vec<&str> = row.split(" | ").collect();
        let [text, name, before, opens, closes] = columns[..] else {
            panic!("{row}");
        };
        let (zone, found) = (zone(name), windows(&[], &[text]));
        assert_eq!(
            found.next_open(at(before), &zone),
            Some(at(opens)),
            "{text} in {name}"
        );
        let denied = windows(&[text], &[]);
        let verdict = denied.verdict(at(opens), &zone);
        let until = Some(at(closes));
        let window = window(text);
        assert_eq!(verdict, Verdict::Deny { window, until }, "{text} in {name}");
    }
}

#[test]
fn a_clock_turned_back_into_the_day_before_closes_no_window_early() {
    // St. John's, 2010: at 02:31Z the clock went from Sunday 00:01 back to Saturday 23:01.
    let zone = zone("America/St_Johns");
    let table = [
        ("Sun 00:00-04:00", "02:30Z", "07:30Z"),
        ("Sat 22:00-23:30", "00:30Z", "03:00Z"),
        ("Sat 23:50-Sun 00:00", "02:20Z", "03:30Z"),
    ];
    for (text, opens, closes) in table {
        let window = window(text);
        let at = |time: &str| at(&format!("2010-11-07T{time}"));
        let second = jiff::SignedDuration::from_secs(1);
        for inside in [opens, "02:30Z", "02:31Z", "02:45Z"].map(at) {
            assert!(window.covers(inside, &zone), "{text} at {inside}");
        }
        assert!(window.covers(at(closes) - second, &zone), "{text}");
        assert!(!window.covers(at(closes), &zone), "{text}");
        assert!(!window.covers(at(opens) - second, &zone), "{text}");
    }
}

#[test]
fn deny_wins_and_allow_alone_is_not_enough_outside_it() {
    let both = windows(&["Wed 10:00-12:00"], &["Mon-Fri 08:00-11:00"]);
    let say = |moment| both.verdict(week(moment), &TimeZone::UTC);
    let denied = Verdict::Deny {
        window: window("Wed 10:00-12:00"),
        until: Some(week("Wed 12:00")),
    };
    let outside = |opens| Verdict::OutsideAllow {
        opens: Some(week(opens)),
    };
    let table = [
        ("Mon 08:00", Verdict::Allowed),
        ("Wed 09:59:59.999", Verdict::Allowed),
        ("Wed 10:00", denied.clone()),
        ("Wed 11:30", denied),
        ("Wed 12:00", outside("Thu 08:00")),
        ("Sun 12:00", outside("Mon 08:00")),
    ];
    for (moment, expected) in table {
        assert_eq!(say(moment), expected, "{moment}");
    }
    assert_eq!(say("Mon 08:00").kind(), "allowed");
    assert_eq!(say("Wed 10:00").kind(), "deny");
    assert_eq!(say("Sun 12:00").kind(), "outside_allow");
}

#[test]
fn no_windows_allow_every_moment() {
    let none = Windows::default();
    for moment in [Timestamp::MIN, Timestamp::UNIX_EPOCH, Timestamp::MAX] {
        assert_eq!(none.verdict(moment, &TimeZone::UTC), Verdict::Allowed);
        assert_eq!(none.next_open(moment, &TimeZone::UTC), Some(moment));
    }
}

#[test]
fn the_next_opening_is_now_or_later_or_never() {
    // Deny, allow, now, next opening; `-` is none.
    let table = [
        ("-", "Mon 10:00-12:00", "Mon 11:00", "Mon 11:00"),
        ("-", "Mon 10:00-12:00", "Sun 11:00", "Mon 10:00"),
        (
            "Mon 09:00-11:00",
            "Mon 10:00-12:00",
            "Sun 11:00",
            "Mon 11:00",
        ),
        ("Mon 09:00-11:00", "-", "Mon 10:59:59.5", "Mon 11:00"),
        (
            "Mon 09:00-11:00;Mon 11:00-13:00;Mon 12:00-12:30",
            "-",
            "Mon 09:00",
            "Mon 13:00",
        ),
        (
            "Mon 09:00-13:00",
            "Mon 10:00-12:00;Sat 10:00-12:00",
            "Mon 09:30",
            "Sat 10:00",
        ),
        (
            "Mon 09:00-11:00;Mon 11:01-12:00",
            "Mon 10:00-12:00",
            "Sun 00:00",
            "Mon 11:00",
        ),
        ("Tue 10:00-Mon 09:00", "-", "Tue 09:59", "Tue 09:59"),
        ("Sat 10:00-Sat 09:59", "-", "Sun 00:00", "Sat 09:59"),
        ("Mon 10:00-Mon 10:00", "-", "Sun 00:00", "-"),
        ("00:00-00:00", "Mon 10:00-11:00", "Sun 00:00", "-"),
        ("12:00-00:00;0:00-12:00", "-", "Sun 00:00", "-"),
        ("Mon 09:00-11:00", "Mon 09:30-10:30", "Sun 00:00", "-"),
    ];
    let list = |text: &'static str| text.split(';').filter(|entry| *entry != "-").map(window);
    for (deny, allow, now, expected) in table {
        let found = Windows {
            deny: list(deny).collect(),
            allow: list(allow).collect(),
        };
        let next = found.next_open(week(now), &TimeZone::UTC);
        let expected = (expected != "-").then(|| week(expected));
        assert_eq!(next, expected, "deny {deny}, allow {allow}, at {now}");
    }
}

#[test]
fn an_opening_just_under_a_week_away_is_found() {
    let now = week("Mon 10:00");
    let denied = windows(&["Mon 10:00-Mon 09:59"], &[]);
    assert_eq!(
        denied.next_open(now, &TimeZone::UTC),
        Some(at("2026-03-09T09:59Z"))
    );
    let allowed = windows(&[], &["Mon 09:00-10:00"]);
    assert_eq!(
        allowed.next_open(now, &TimeZone::UTC),
        Some(at("2026-03-09T09:00Z"))
    );
}

#[test]
fn a_deny_window_that_never_ends_says_so() {
    let always = windows(&["* 00:00-00:00"], &[]);
    let verdict = always.verdict(week("Wed 10:00"), &TimeZone::UTC);
    let expected = Verdict::Deny {
        window: window("* 00:00-00:00"),
        until: None,
    };
    assert_eq!(verdict, expected);
    let never = windows(&["* 00:00-00:00"], &["Mon 10:00-11:00"]);
    assert_eq!(never.next_open(week("Mon 10:30"), &TimeZone::UTC), None);
}

#[test]
fn the_first_deny_window_in_order_is_named() {
    let two = windows(&["Mon 10:00-12:00", "* 09:00-18:00"], &[]);
    let verdict = two.verdict(week("Mon 11:00"), &TimeZone::UTC);
    assert!(matches!(verdict, Verdict::Deny { window, until } if
        window.to_string() == "Mon 10:00-12:00" && until == Some(week("Mon 12:00"))));
    assert_eq!(
        two.next_open(week("Mon 11:00"), &TimeZone::UTC),
        Some(week("Mon 18:00"))
    );
}

#[test]
fn the_text_is_printed_as_it_was_written() {
    for text in [
        "Fri 18:00-Mon 08:00",
        "  tues,WEDS  8:00 - 9:00 ",
        "* 23:00-06:00",
    ] {
        assert_eq!(window(text).to_string(), text);
    }
}

#[test]
fn the_ends_of_time_are_clamped() {
    let zones = [
        "UTC",
        "Pacific/Kiritimati",
        "Pacific/Pago_Pago",
        "Europe/Berlin",
    ]
    .map(zone);
    let texts = [
        "Mon 08:00-Mon 07:00",
        "* 23:00-06:00",
        "* 00:00-00:00",
        "Fri 18:00-Mon 08:00",
    ];
    for zone in &zones {
        for text in texts {
            for moment in [Timestamp::MIN, Timestamp::MAX] {
                for found in [windows(&[text], &[]), windows(&[], &[text])] {
                    let opens = found.next_open(moment, zone);
                    assert!(
                        opens.is_none_or(|opens| opens >= moment),
                        "{text}: {opens:?}"
                    );
                    let is_open = found.verdict(moment, zone).is_allowed();
                    assert_eq!(is_open, opens == Some(moment), "{text}: {opens:?}");
                }
            }
        }
    }
}
