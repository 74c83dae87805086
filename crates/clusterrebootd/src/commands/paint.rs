//! Colours for people at a terminal, and for nobody else.

use crate::console::is_colour_unwanted;
use crate::plain::plain;
use clap::builder::styling::{AnsiColor, Style};
use std::io::{IsTerminal, stdout};

/// What a line is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Tone {
    /// The titles of a table.
    Title,
    /// Worth a look.
    Warning,
    /// Somebody must do something.
    Alarm,
}

/// Whether colours are wanted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paint(bool);

// === impl Paint ===

impl Paint {
    /// Colours when stdout is a terminal whose owner has not asked for none.
    pub(super) fn of_stdout() -> Self {
        Self(stdout().is_terminal() && !is_colour_unwanted())
    }

    /// A line in its tone, and nothing in it that would break the line or steer the terminal.
    pub(super) fn line(self, tone: Tone, line: &str) -> String {
        let line = plain(line);
        if !self.0 {
            return line;
        }
        let style = match tone {
            Tone::Title => Style::new().bold(),
            Tone::Warning => AnsiColor::Yellow.on_default(),
            Tone::Alarm => AnsiColor::Red.on_default().bold(),
        };
        format!("{style}{line}{style:#}")
    }

    /// A table, its titles and rows in their tones; rows count from 0.
    pub(super) fn table(self, table: &str, tone: impl Fn(usize) -> Option<Tone>) -> String {
        let line = |(at, line): (usize, &str)| {
            let tone = match at.checked_sub(1) {
                None => Some(Tone::Title),
                Some(row) => tone(row),
            };
            tone.map_or(line.to_owned(), |tone| self.line(tone, line)) + "\n"
        };
        table.lines().enumerate().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_wants_colours_gets_them() {
        let table = "NODE\na\nb\n";
        let tone = |row| (row == 1).then_some(Tone::Alarm);
        assert_eq!(Paint(false).table(table, tone), table);
        let painted = Paint(true).table(table, tone);
        let expected = "\u{1b}[1mNODE\u{1b}[0m\na\n\u{1b}[1m\u{1b}[31mb\u{1b}[0m\n";
        assert_eq!(painted, expected);
        assert_eq!(
            Paint(false).line(Tone::Alarm, "a\n\u{1b}[31mb"),
            "a\\n\\u{1b}[31mb"
        );
    }
}
