//! What is wrong with a window's text, where, and how to mend it.

use crate::window::WINDOW_BYTES_MAX;
use std::fmt;

/// What is wrong with a piece of a window's text.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum WindowFault {
    /// More bytes than [`WINDOW_BYTES_MAX`].
    TooLong,
    /// Nothing but spaces.
    Empty,
    /// Not the name of a day.
    UnknownDay {
        /// The day that was probably meant.
        nearest: Option<&'static str>,
    },
    /// A dash that is not `-`.
    OddDash,
    /// Not of the form `HH:MM`.
    NotATime,
    /// `24:00`, which some use for the end of a day.
    TwentyFour,
    /// An hour past 23 or a minute past 59.
    OutOfRange,
    /// Something else should stand here.
    Expected {
        /// What should.
        what: &'static str,
    },
    /// `*` beside other days.
    StarNotAlone,
    /// Several days before the start of a window that names its end's day.
    SeveralStarts,
    /// Several days before the end.
    SeveralEnds,
    /// More text after the end.
    LeftOver,
}

/// Why a text is not a window.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct WindowError {
    /// What is wrong.
    pub fault: WindowFault,
    /// Where the wrong piece starts, in bytes from the start of the text.
    pub start: usize,
    /// How long it is, in bytes; 0 at the end of the text, where something is missing.
    pub len: usize,
    /// The piece itself, at most [`WINDOW_BYTES_MAX`] bytes of it.
    pub found: String,
}

// === impl WindowError ===

impl WindowError {
    /// The kind of fault, as a word for logs.
    pub fn kind(&self) -> &'static str {
        match self.fault {
            WindowFault::TooLong => "too_long",
            WindowFault::Empty => "empty",
            WindowFault::UnknownDay { .. } => "unknown_day",
            WindowFault::OddDash => "odd_dash",
            WindowFault::NotATime => "not_a_time",
            WindowFault::TwentyFour => "twenty_four",
            WindowFault::OutOfRange => "out_of_range",
            WindowFault::Expected { .. } => "unexpected",
            WindowFault::StarNotAlone => "star_not_alone",
            WindowFault::SeveralStarts => "several_starts",
            WindowFault::SeveralEnds => "several_ends",
            WindowFault::LeftOver => "left_over",
        }
    }

    /// What is wrong with which piece.
    pub fn cause(&self) -> String {
        let what = match self.fault {
            WindowFault::TooLong => {
                return format!("the window is longer than {WINDOW_BYTES_MAX} bytes");
            }
            WindowFault::Empty => return "the window is empty".to_owned(),
            WindowFault::SeveralStarts if self.len == 0 => {
                return "no day before the start is every day, but the end names its own day"
                    .into();
            }
            WindowFault::Expected { what } if self.len == 0 => {
                return format!("the window ends where {what} should follow");
            }
            WindowFault::Expected { what } => {
                return format!("`{}` stands where {what} should", self.found);
            }
            WindowFault::UnknownDay { .. } => "is not a day of the week",
            WindowFault::OddDash => "has a dash that is not `-`",
            WindowFault::NotATime => "is not a time of day",
            WindowFault::TwentyFour => "is no time of day: the last minute is `23:59`",
            WindowFault::OutOfRange => "is past the end of the day or of the hour",
            WindowFault::StarNotAlone => "stands beside other days",
            WindowFault::SeveralStarts => "is more than one day, but the end names its own day",
            WindowFault::SeveralEnds => "is more than one day to end on",
            WindowFault::LeftOver => "follows the end of the window",
        };
        format!("`{}` {what}", self.found)
    }

    /// What to write instead.
    pub fn remedy(&self) -> String {
        let remedy = match self.fault {
            WindowFault::TooLong => "split it into several windows",
            WindowFault::UnknownDay { nearest: Some(day) } => {
                return format!("did you mean `{day}`?");
            }
            WindowFault::UnknownDay { nearest: None } => {
                "use mon, tue, wed, thu, fri, sat, sun or the full English names"
            }
            WindowFault::OddDash => "write a plain hyphen `-`",
            WindowFault::NotATime => {
                "write `HH:MM` on the 24-hour clock, such as `8:00` or `23:30`"
            }
            WindowFault::TwentyFour => {
                "write `00:00`: without an end day it is the next midnight, with an end day name \
                 the day after"
            }
            WindowFault::OutOfRange => "hours go from 0 to 23, minutes from 00 to 59",
            WindowFault::Empty | WindowFault::Expected { .. } => {
                "write it like `Mon-Fri 22:00-04:00` or `Fri 18:00-Mon 08:00`"
            }
            WindowFault::StarNotAlone => "use `*` alone, or name the days",
            WindowFault::SeveralStarts => {
                "start on a single day such as `Fri 18:00-Mon 08:00`, or leave the end day out"
            }
            WindowFault::SeveralEnds => "end on a single day such as `Fri 18:00-Mon 08:00`",
            WindowFault::LeftOver => "remove it, or write it as a window of its own",
        };
        remedy.to_owned()
    }
}

impl fmt::Display for WindowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.cause(), self.remedy())
    }
}

impl std::error::Error for WindowError {}
