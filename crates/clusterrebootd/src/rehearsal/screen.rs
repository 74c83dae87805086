//! What the demo shows: a table that is redrawn on a terminal, plain lines elsewhere.

use super::view::{Mood, Row};
use crate::console::is_colour_unwanted;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

/// Where the demo is shown.
pub(super) struct Screen {
    is_terminal: bool,
    has_colour: bool,
    drawn: usize,
    last: Vec<Row>,
}

// === impl Screen ===

impl Screen {
    /// Standard output, for a table of so many rows.
    pub(super) fn new(rows: usize) -> Self {
        let is_terminal = io::stdout().is_terminal();
        let has_colour = is_terminal && !is_colour_unwanted();
        Self {
            is_terminal,
            has_colour,
            drawn: 0,
            last: Vec::with_capacity(rows),
        }
    }

    /// Says something that stays.
    pub(super) fn say(&mut self, text: &str) {
        if self.drawn > 0 {
            self.last.clear(); // the table is drawn anew below
        }
        let clear = self.take_back();
        put(&format!("{clear}{text}\n"));
    }

    /// Shows how things stand.
    pub(super) fn show(&mut self, elapsed: Duration, rows: &[Row]) {
        match self.is_terminal {
            true => self.redraw(elapsed, rows),
            false => self.tell_changes(elapsed, rows),
        }
    }

    fn redraw(&mut self, elapsed: Duration, rows: &[Row]) {
        if self.last == rows {
            return;
        }
        let mut text = self.take_back();
        let _ = writeln!(text, "{:>7.1} s", elapsed.as_secs_f64());
        for row in rows {
            let (on, off) = self.colour(row.mood);
            let _ = writeln!(
                text,
                "  {:<10} {on}{:<22}{off} {}",
                row.name, row.state, row.detail
            );
        }
        put(&text);
        self.drawn = rows.len() + 1;
        self.last = rows.to_vec();
    }

    fn tell_changes(&mut self, elapsed: Duration, rows: &[Row]) {
        for row in rows {
            let known = self.last.iter().find(|known| known.name == row.name);
            if known.is_some_and(|known| known.state == row.state) {
                continue;
            }
            let detail = match (row.detail.is_empty(), row.mood) {
                (false, Mood::Waiting | Mood::Bad) => format!(" ({})", row.detail),
                _ => String::new(),
            };
            let at = elapsed.as_secs_f64();
            put(&format!(
                "{at:>7.1} s  {:<8} {}{detail}\n",
                row.name, row.state
            ));
        }
        self.last = rows.to_vec();
    }

    /// Moves the cursor back to the table's first line and clears what is below.
    fn take_back(&mut self) -> String {
        match std::mem::take(&mut self.drawn) {
            0 => String::new(),
            lines => format!("\u{1b}[{lines}A\u{1b}[J"),
        }
    }

    fn colour(&self, mood: Mood) -> (&'static str, &'static str) {
        if !self.has_colour {
            return ("", "");
        }
        let on = match mood {
            Mood::Calm => "",
            Mood::Waiting => "\u{1b}[36m",
            Mood::Busy => "\u{1b}[33m",
            Mood::Done => "\u{1b}[32m",
            Mood::Bad => "\u{1b}[31m",
        };
        (on, "\u{1b}[0m")
    }
}

/// A reader that went away does not stop the fleet from being ended in order.
fn put(text: &str) {
    let mut stdout = io::stdout().lock();
    let _ = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush());
}
