//! Windows: the grammar, and what they say of any instant in any time zone.

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use reboot_core::window::{Verdict, Window, Windows};
use reboot_fuzz::{Input, Limit, fuzz_test};

const GRAMMAR: &[&str] = &[
    "mon",
    "Tue",
    "wednesday",
    "thu",
    "FRI",
    "sat",
    "sun",
    "*",
    "-",
    ",",
    "00:00",
    "23:59",
    "24:00",
    "02:30",
    "allow ",
    "deny ",
    "zone ",
    "at ",
    "–",
    " ",
    "\u{2003}",
    "Mon-Fri 22:00-04:00",
    "Fri 18:00-Mon 08:00",
    "\nallow ",
    "\ndeny ",
];

/// The ends of time, and moments around clock changes, date lines and leap days.
const INSTANTS: &[&str] = &[
    "\nat -377705023201",
    "\nat 253402207200",
    "\nat 0",
    "\nat -1",
    "\nat 951782400",
    "\nat 1774746000",
    "\nat 1792893600",
    "\nat 1325239200",
    "\nat 1767225599",
    "\nat -2524521600",
];

fuzz_test!(
    windows,
    Input {
        name: "windows",
        words: &words(),
        runs: 2500,
        limit: Limit::default(),
        check: &check,
    }
);

/// The grammar, the instants, and every zone there is.
fn words() -> Vec<&'static str> {
    let zones = jiff::tz::db()
        .available()
        .map(|zone| &*format!("\nzone {zone}").leak());
    let rest = GRAMMAR.iter().chain(INSTANTS).copied();
    zones.chain(rest.cycle().take(300)).collect()
}

/// What one text asks: its windows, in these zones, at these instants.
#[derive(Default)]
struct Question {
    windows: Windows,
    zones: Vec<TimeZone>,
    instants: Vec<Timestamp>,
}

/// Lines of `zone NAME`, `at SECONDS`, `deny WINDOW` and `allow WINDOW`; others are windows that
/// need not be any.
fn check(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut question = Question::default();
    text.lines().take(40).for_each(|line| question.read(line));
    for zone in question.zones.iter().take(4) {
        for at in question.instants.iter().take(8) {
            check_verdict(&question.windows, *at, zone);
        }
    }
}

// === impl Question ===

impl Question {
    fn read(&mut self, line: &str) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "zone" => self.zones.extend(TimeZone::get(rest)),
            "at" => self.instants.extend(instant(rest)),
            "deny" => self.windows.deny.extend(parsed(rest)),
            "allow" => self.windows.allow.extend(parsed(rest)),
            _ => drop(parsed(line)),
        }
    }
}

fn instant(text: &str) -> Option<Timestamp> {
    Timestamp::from_second(text.trim().parse().ok()?).ok()
}

/// A window is shown as it was written; an error names a piece of what was written.
fn parsed(text: &str) -> Option<Window> {
    match Window::parse(text) {
        Ok(window) => {
            assert_eq!(Window::parse(&window.to_string()), Ok(window.clone()));
            Some(window)
        }
        Err(error) => {
            let piece = text.get(error.start..error.start + error.len);
            assert!(
                piece.is_some_and(|piece| piece.starts_with(&error.found)),
                "{text:?}: {error:?}"
            );
            assert!(!error.cause().is_empty() && !error.remedy().is_empty());
            None
        }
    }
}

/// The verdict, when it ends and the next opening agree with each other.
fn check_verdict(windows: &Windows, now: Timestamp, zone: &TimeZone) {
    let told = || format!("{windows:?} at {now} in {:?}", zone.iana_name());
    let opens = windows.next_open(now, zone);
    match windows.verdict(now, zone) {
        Verdict::Allowed => assert_eq!(opens, Some(now), "{}", told()),
        Verdict::Deny { window, until } => {
            assert!(window.covers(now, zone), "{}", told());
            assert!(until.is_none_or(|until| until > now), "{}", told());
            assert!(
                until.is_none_or(|until| !window.covers(until, zone)),
                "{}",
                told()
            );
        }
        Verdict::OutsideAllow { opens: said } => assert_eq!(said, opens, "{}", told()),
    }
    let Some(opens) = opens else { return };
    assert!(opens >= now, "{}", told());
    assert!(
        windows.verdict(opens, zone).is_allowed(),
        "not open at {opens}: {}",
        told()
    );
    let before = opens.checked_sub(1.nanosecond());
    if let Ok(before) = before
        && before >= now
    {
        assert!(
            !windows.verdict(before, zone).is_allowed(),
            "open before {opens}: {}",
            told()
        );
    }
}
