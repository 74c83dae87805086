//! What is said of a text that is not a maintenance window, and where it points.
#![allow(clippy::unwrap_used, missing_docs)] // a test fails best where it fails

use reboot_core::window::{WINDOW_BYTES_MAX, Window, WindowError, WindowFault};

fn error_of(text: &str) -> WindowError {
    let result = Window::parse(text);
    result.map_or_else(|error| error, |window| panic!("{window} was taken"))
}

/// The text, the wrong piece, the kind of fault, a word of the remedy.
const WRONG: &[(&str, &str, &str, &str)] = &[
    ("Mon 24:00-Tue 06:00", "24:00", "twenty_four", "`00:00`"),
    ("Mon 18:00-24:00", "24:00", "twenty_four", "next midnight"),
    ("Mon 18:00-25:00", "25:00", "out_of_range", "0 to 23"),
    ("Mon 24:01-25:00", "24:01", "out_of_range", "0 to 23"),
    ("Mon 18:60-19:00", "18:60", "out_of_range", "00 to 59"),
    ("Mon 8:5-9:00", "8:5", "not_a_time", "`HH:MM`"),
    ("Mon 8-9", "8", "not_a_time", "`HH:MM`"),
    ("Mon 008:00-9:00", "008:00", "not_a_time", "`HH:MM`"),
    ("Mon 08:00:00-9:00", "08:00:00", "not_a_time", "`HH:MM`"),
    ("Mon 8am-9am", "8am", "not_a_time", "24-hour"),
    ("Mon +8:00-9:00", "+8:00", "not_a_time", "`HH:MM`"),
    ("Mon ٠٨:00-9:00", "٠٨:00", "not_a_time", "`HH:MM`"),
    ("Mond 8:00-9:00", "Mond", "unknown_day", "`mon`"),
    ("Wedn,Mon 8:00-9:00", "Wedn", "unknown_day", "`wed`"),
    ("Mo 8:00-9:00", "Mo", "unknown_day", "`mon`"),
    ("Mi 8:00-9:00", "Mi", "unknown_day", "English"),
    ("ä 8:00-9:00", "ä", "unknown_day", "English"),
    ("daily 8:00-9:00", "daily", "unknown_day", "English"),
    ("Fri 18:00-Mondy 08:00", "Mondy", "unknown_day", "`mon`"),
    ("Fri–Mon 18:00-20:00", "Fri–Mon", "odd_dash", "hyphen"),
    ("Fri 18:00–20:00", "18:00–20:00", "odd_dash", "hyphen"),
    ("Fri 18:00 — 20:00", "—", "odd_dash", "hyphen"),
    ("Mon Tue 8:00-9:00", "Tue", "unexpected", "Mon-Fri"),
    ("Mon,8:00-9:00", "8:00", "unexpected", "Mon-Fri"),
    ("Mon,,Tue 8:00-9:00", ",", "unexpected", "Mon-Fri"),
    ("-8:00-9:00", "-", "unexpected", "Mon-Fri"),
    ("Mon 8:00 9:00", "9:00", "unexpected", "Mon-Fri"),
    ("Mon 8:00--9:00", "-", "unexpected", "Mon-Fri"),
    ("Mon *-9:00", "*", "unexpected", "Mon-Fri"),
    ("*,Mon 8:00-9:00", "*", "star_not_alone", "alone"),
    ("* Mon 8:00-9:00", "*", "star_not_alone", "alone"),
    ("Mon,* 8:00-9:00", "*", "star_not_alone", "alone"),
    (
        "Mon-Tue 8:00-Wed 9:00",
        "Mon-Tue",
        "several_starts",
        "Fri 18:00-Mon 08:00",
    ),
    (
        "mon, tue 8:00-Wed 9:00",
        "mon, tue",
        "several_starts",
        "Fri 18:00-Mon 08:00",
    ),
    (
        "* 8:00-Wed 9:00",
        "*",
        "several_starts",
        "leave the end day out",
    ),
    ("Mon 8:00-Wed,Thu 9:00", "Wed", "several_ends", "single day"),
    ("Mon 8:00-Wed-Thu 9:00", "Wed", "several_ends", "single day"),
    ("Mon 8:00-* 9:00", "*", "several_ends", "single day"),
    (
        "Mon 8:00-9:00 Europe/Berlin ",
        "Europe/Berlin",
        "left_over",
        "of its own",
    ),
    (
        "Mon 8:00-9:00, Tue 9:00-10:00",
        ", Tue 9:00-10:00",
        "left_over",
        "of its own",
    ),
];

#[test]
fn errors_point_at_the_piece_that_is_wrong() {
    for (text, piece, kind, remedy) in WRONG {
        let error = error_of(text);
        assert_eq!(error.kind(), *kind, "{text}: {error}");
        assert_eq!(
            &text[error.start..error.start + error.len],
            *piece,
            "{text}: {error}"
        );
        assert_eq!(error.found, *piece, "{text}");
        assert!(error.remedy().contains(remedy), "{text}: {error}");
        assert!(
            error.to_string().contains(&format!("`{piece}`")),
            "{text}: {error}"
        );
    }
}

#[test]
fn the_second_of_two_dashes_is_the_wrong_one() {
    assert_eq!(error_of("Mon 8:00--9:00").start, 9);
}

#[test]
fn errors_say_what_is_missing() {
    let table = [
        ("", 0, "the window is empty"),
        ("Mon", 3, "the window ends where a time should follow"),
        ("Mon,", 4, "the window ends where a day should follow"),
        ("Mon-", 4, "the window ends where a day should follow"),
        ("8:00", 4, "the window ends where `-` should follow"),
        ("8:00 - ", 7, "the window ends where a time should follow"),
        ("8:00-Tue", 8, "the window ends where a time should follow"),
        (" 8:00-Tue 9:00", 1, "no day before the start is every day"),
    ];
    for (text, start, cause) in table {
        let error = error_of(text);
        assert_eq!((error.start, error.len), (start, 0), "{text:?}: {error}");
        assert!(error.to_string().starts_with(cause), "{text:?}: {error}");
    }
    assert_eq!(error_of(" \t ").fault, WindowFault::Empty);
}

#[test]
fn the_length_of_an_entry_is_bounded() {
    let padded = |bytes: usize| format!("{:<bytes$}", "Mon 8:00-9:00");
    assert!(Window::parse(&padded(WINDOW_BYTES_MAX)).is_ok());
    let error = error_of(&padded(WINDOW_BYTES_MAX + 1));
    assert_eq!(error.fault, WindowFault::TooLong);
    assert_eq!(error.len, WINDOW_BYTES_MAX + 1);
    let cut = error_of(&"ä€".repeat(10_000));
    assert!(cut.found.len() <= WINDOW_BYTES_MAX && cut.len == 50_000);
    assert!(
        cut.to_string().contains("256 bytes") && cut.to_string().len() < 200,
        "{cut}"
    );
}
