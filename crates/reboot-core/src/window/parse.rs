//! The grammar: `[DAYS] HH:MM-[DAY ]HH:MM`, with DAYS `*` or a comma list of days and day ranges.

use crate::window::day::{self, Days};
use crate::window::{WINDOW_BYTES_MAX, Window, WindowError, WindowFault};
use jiff::civil::{Time, Weekday};

/// A stretch of the text between spaces, dashes and commas, or one dash or comma.
#[derive(Clone, Copy)]
struct Piece<'a> {
    text: &'a str,
    start: usize,
}

/// The pieces that are still to be read.
struct Pieces<'a> {
    text: &'a str,
    at: usize,
}

/// The days as written, with the place to blame when they do not fit the end.
struct Written {
    days: Days,
    start: usize,
    end: usize,
}

/// Reads a whole window.
pub(super) fn window(text: &str) -> Result<Window, WindowError> {
    check_length(text)?;
    let mut pieces = Pieces { text, at: 0 };
    let written = pieces.days()?;
    let start = pieces.time()?;
    pieces.dash()?;
    let end_day = pieces.end_day()?;
    let end = pieces.time()?;
    pieces.nothing_more()?;
    let span_days = match end_day {
        None => u8::from(end <= start),
        Some(end_day) => written.span_days(text, end_day, end <= start)?,
    };
    Ok(Window {
        text: text.to_owned(),
        days: written.days,
        start,
        end,
        span_days,
    })
}

fn check_length(text: &str) -> Result<(), WindowError> {
    let fault = if text.len() > WINDOW_BYTES_MAX {
        WindowFault::TooLong
    } else if text.trim().is_empty() {
        WindowFault::Empty
    } else {
        return Ok(());
    };
    Err(WindowError {
        fault,
        start: 0,
        len: text.len(),
        found: text[..text.floor_char_boundary(WINDOW_BYTES_MAX)].to_owned(),
    })
}

fn is_mark(c: char) -> bool {
    c == '-' || c == ','
}

/// Dashes that editors and word processors put in place of `-`.
fn is_odd_dash(c: char) -> bool {
    matches!(
        c,
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' | '\u{ff0d}'
    )
}

// === impl Piece ===

impl Piece<'_> {
    fn error(&self, fault: WindowFault) -> WindowError {
        let fault = if self.text.contains(is_odd_dash) {
            WindowFault::OddDash
        } else {
            fault
        };
        WindowError {
            fault,
            start: self.start,
            len: self.text.len(),
            found: self.text.to_owned(),
        }
    }

    fn is_word(&self) -> bool {
        !self.text.is_empty() && !self.text.starts_with(is_mark)
    }

    fn begins_with_digit(&self) -> bool {
        self.text.starts_with(|c: char| c.is_ascii_digit())
    }

    fn expect_word(&self, what: &'static str) -> Result<(), WindowError> {
        if self.is_word() {
            Ok(())
        } else {
            Err(self.error(WindowFault::Expected { what }))
        }
    }

    fn to_day(self) -> Result<Weekday, WindowError> {
        self.expect_word("a day")?;
        day::named(self.text).ok_or_else(|| {
            self.error(match self.text {
                "*" => WindowFault::StarNotAlone,
                _ if self.begins_with_digit() => WindowFault::Expected { what: "a day" },
                text => WindowFault::UnknownDay {
                    nearest: day::nearest(text),
                },
            })
        })
    }

    fn to_time(self) -> Result<Time, WindowError> {
        self.expect_word("a time")?;
        if day::named(self.text).is_some() || self.text == "*" {
            return Err(self.error(WindowFault::Expected { what: "a time" }));
        }
        let (hour, minute) = self
            .text
            .split_once(':')
            .and_then(|(hour, minute)| Some((number(hour, 1)?, number(minute, 2)?)))
            .ok_or_else(|| self.error(WindowFault::NotATime))?;
        if (hour, minute) == (24, 0) {
            return Err(self.error(WindowFault::TwentyFour));
        }
        Time::new(hour, minute, 0, 0).map_err(|_| self.error(WindowFault::OutOfRange))
    }
}

/// A number of at most two digits and at least so many.
fn number(digits: &str, digits_min: usize) -> Option<i8> {
    let all_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
    let fits = (digits_min..=2).contains(&digits.len());
    (all_digits && fits).then(|| digits.parse().ok()).flatten()
}

// === impl Pieces ===

impl<'a> Pieces<'a> {
    /// The next piece, left where it is; at the end of the text an empty one.
    fn peek(&self) -> Piece<'a> {
        let rest = &self.text[self.at..];
        let trimmed = rest.trim_start();
        let len = match trimmed.chars().next() {
            Some(c) if is_mark(c) => c.len_utf8(),
            _ => trimmed
                .find(|c: char| c.is_whitespace() || is_mark(c))
                .unwrap_or(trimmed.len()),
        };
        Piece {
            text: &trimmed[..len],
            start: self.at + rest.len() - trimmed.len(),
        }
    }

    fn take(&mut self) -> Piece<'a> {
        let piece = self.peek();
        self.at = piece.start + piece.text.len();
        piece
    }

    fn take_if(&mut self, mark: &str) -> bool {
        let is_next = self.peek().text == mark;
        if is_next {
            self.take();
        }
        is_next
    }

    /// The days before the start; none or `*` is every day.
    fn days(&mut self) -> Result<Written, WindowError> {
        let first = self.peek();
        let days = if first.begins_with_digit() {
            Days::ALL
        } else if first.text == "*" {
            self.star()?
        } else {
            self.day_list()?
        };
        Ok(Written {
            days,
            start: first.start,
            // Nothing was read when no day is written; the piece is then empty.
            end: self.at.max(first.start),
        })
    }

    fn star(&mut self) -> Result<Days, WindowError> {
        let star = self.take();
        let next = self.peek();
        if next.text.starts_with(is_mark) || day::named(next.text).is_some() {
            return Err(star.error(WindowFault::StarNotAlone));
        }
        Ok(Days::ALL)
    }

    fn day_list(&mut self) -> Result<Days, WindowError> {
        let mut days = self.day_range()?;
        while self.take_if(",") {
            days = days.union(self.day_range()?);
        }
        Ok(days)
    }

    fn day_range(&mut self) -> Result<Days, WindowError> {
        let first = self.take().to_day()?;
        let last = if self.take_if("-") {
            self.take().to_day()?
        } else {
            first
        };
        Ok(day::range(first, last))
    }

    fn end_day(&mut self) -> Result<Option<Weekday>, WindowError> {
        let piece = self.peek();
        if !piece.is_word() || piece.begins_with_digit() {
            return Ok(None);
        }
        if piece.text == "*" {
            return Err(piece.error(WindowFault::SeveralEnds));
        }
        let end_day = self.take().to_day()?;
        if self.peek().text.starts_with(is_mark) {
            return Err(piece.error(WindowFault::SeveralEnds));
        }
        Ok(Some(end_day))
    }

    fn time(&mut self) -> Result<Time, WindowError> {
        self.take().to_time()
    }

    fn dash(&mut self) -> Result<(), WindowError> {
        let piece = self.take();
        match piece.text {
            "-" => Ok(()),
            _ => Err(piece.error(WindowFault::Expected { what: "`-`" })),
        }
    }

    fn nothing_more(&self) -> Result<(), WindowError> {
        let rest = Piece {
            text: self.text[self.peek().start..].trim_end(),
            start: self.peek().start,
        };
        if rest.text.is_empty() {
            Ok(())
        } else {
            Err(rest.error(WindowFault::LeftOver))
        }
    }
}

// === impl Written ===

impl Written {
    /// Days from the single start day to the end day; the same day again is a whole week away
    /// unless the end comes later on it.
    fn span_days(
        &self,
        text: &str,
        end_day: Weekday,
        end_not_after: bool,
    ) -> Result<u8, WindowError> {
        let Some(start_day) = self.days.single() else {
            let written = Piece {
                text: &text[self.start..self.end],
                start: self.start,
            };
            return Err(written.error(WindowFault::SeveralStarts));
        };
        Ok(match day::days_until(start_day, end_day) {
            0 if end_not_after => 7,
            days => days,
        })
    }
}
