//! Where the demo is shown: a table that is redrawn in place on a terminal, a line for every
//! change elsewhere.

use super::view::{Row, State};
use crate::console;
use std::fmt::Write;
use std::io::IsTerminal;
use std::process::{Command, Stdio};
use std::time::Duration;

/// The lines of a terminal that does not tell.
const LINES: usize = 24;
/// How many notes stay below the table.
const NOTES_MAX: usize = 12;
/// Lines of the table that are neither machines nor notes.
const FRAME_LINES: usize = 6;
/// Hides the cursor and cuts long lines off instead of wrapping them (see console_codes(4)).
const BEGIN: &str = "\x1b[?25l\x1b[?7l";
const END: &str = "\x1b[?25h\x1b[?7h";

/// The screen. A terminal is as it was when this value goes.
pub(super) struct Screen {
    is_table: bool,
    has_colour: bool,
    drawn_lines: usize,
    shown: Vec<Row>,
    notes: Vec<String>,
}

// === impl Screen ===

impl Screen {
    /// Takes stdout as it is; a terminal with too few lines gets plain lines.
    pub(super) fn new(machines: usize) -> Self {
        let is_terminal = std::io::stdout().is_terminal() && !is_dumb();
        let fits = || machines + FRAME_LINES + NOTES_MAX < terminal_lines().max(LINES);
        let is_table = is_terminal && fits();
        if is_table {
            console::print(BEGIN.as_bytes());
        }
        Self {
            is_table,
            has_colour: is_table && !console::is_colour_unwanted(),
            drawn_lines: 0,
            shown: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Says something that is about no machine alone.
    pub(super) fn note(&mut self, at: Duration, text: &str) {
        match self.is_table {
            true => self.notes.push(text.to_owned()),
            false => say(at, "", text),
        }
        let surplus = self.notes.len().saturating_sub(NOTES_MAX);
        self.notes.drain(..surplus);
    }

    /// Shows how things are.
    pub(super) fn show(&mut self, at: Duration, head: &str, rows: &[Row]) {
        match self.is_table {
            true => self.draw(at, head, rows),
            false => self.tell_changes(at, rows),
        }
        self.shown = rows.to_vec();
    }

    fn tell_changes(&self, at: Duration, rows: &[Row]) {
        for (number, row) in rows.iter().enumerate() {
            let is_new = self.shown.get(number).map(Row::gist) != Some(row.gist());
            if is_new && row.state != State::Starting {
                let text = format!("{:<12}  {}", row.state_text(), row.why);
                say(at, &row.name, text.trim_end());
            }
        }
    }

    fn draw(&mut self, at: Duration, head: &str, rows: &[Row]) {
        let mut lines = vec![format!("{head}, {:.1} s", at.as_secs_f64()), String::new()];
        lines.push(self.painted(
            1,
            &format!(
                "{:<9} {:<12} {:>7} {:>8}  WHY",
                "NODE", "STATE", "REBOOTS", "DEADLINE"
            ),
        ));
        lines.extend(rows.iter().map(|row| self.line(row)));
        lines.push(String::new());
        lines.extend(self.notes.iter().cloned());
        let mut frame = String::new();
        if self.drawn_lines > 0 {
            let _ = write!(frame, "\x1b[{}A", self.drawn_lines); // a string takes everything
        }
        for line in &lines {
            let _ = writeln!(frame, "{line}\x1b[K"); // as above
        }
        frame.push_str("\x1b[J");
        self.drawn_lines = lines.len();
        console::print(frame.as_bytes());
    }

    fn line(&self, row: &Row) -> String {
        let state = format!("{:<12}", row.state_text());
        let state = self.painted(row.state.colour(), &state);
        let left = row
            .left
            .map_or_else(String::new, |left| format!("{} s", left.as_secs()));
        let (name, reboots, why) = (&row.name, row.reboots, &row.why);
        format!("{name:<9} {state} {reboots:>7} {left:>8}  {why}")
    }

    fn painted(&self, colour: u8, text: &str) -> String {
        match self.has_colour {
            true => format!("\x1b[{colour}m{text}\x1b[0m"),
            false => text.to_owned(),
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if self.is_table {
            console::print(END.as_bytes());
        }
    }
}

fn say(at: Duration, name: &str, text: &str) {
    let line = format!("{:>6.1} s  {name:<8}  {text}\n", at.as_secs_f64());
    console::print(line.as_bytes());
}

/// How many lines the terminal has; stty(1) asks it without unsafe code of ours.
fn terminal_lines() -> usize {
    let asked = Command::new("stty")
        .arg("size")
        .stdin(Stdio::inherit())
        .output();
    let text = asked.map(|it| String::from_utf8_lossy(&it.stdout).into_owned());
    let text = text.unwrap_or_default();
    let lines = text
        .split_whitespace()
        .next()
        .and_then(|it| it.parse().ok());
    lines.unwrap_or(LINES)
}

#[allow(clippy::disallowed_methods)] // this crate is the binary, and nothing below needs to know
fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}
