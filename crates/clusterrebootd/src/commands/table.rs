//! Tables for people: as wide as what is in them.

use crate::plain::plain;
use jiff::{Timestamp, Unit};
use std::fmt::Write;

/// Lines up rows under their titles; the last column is as long as it likes. No cell can break its
/// line or steer the terminal.
pub(super) fn table<const N: usize>(titles: [&str; N], rows: &[[String; N]]) -> String {
    let titles = titles.map(str::to_owned);
    let rows: Vec<[String; N]> = rows
        .iter()
        .map(|row| std::array::from_fn(|at| plain(&row[at])))
        .collect();
    let widths: [usize; N] = std::array::from_fn(|at| {
        let cells = rows.iter().chain([&titles]).map(|row| &row[at]);
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    });
    let mut text = String::new();
    for row in [&titles].into_iter().chain(&rows) {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            let _ = write!(line, "{cell:<width$}  "); // into a string: cannot fail
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// A recorded time to the second; what is no time is shown as it is.
pub(super) fn seconds(at: &str) -> String {
    let rounded = at.parse().and_then(|at: Timestamp| at.round(Unit::Second));
    rounded.map_or(at.to_owned(), |at| at.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [
            ["über-node".to_owned(), "1".to_owned()],
            ["b".to_owned(), String::new()],
        ];
        let text = table(["NODE", "HOLD"], &rows);
        assert_eq!(text, "NODE       HOLD\nüber-node  1\nb\n");
    }

    #[test]
    fn a_cell_cannot_make_a_row_or_steer_the_terminal() {
        let rows = [
            ["a\nb\u{1b}[2J".to_owned(), "x".to_owned()],
            ["c".to_owned(), "\u{202e}y".to_owned()],
        ];
        let text = table(["NODE", "NEED"], &rows);
        let expected = "\
NODE           NEED
a\\nb\\u{1b}[2J  x
c              \\u{202e}y
";
        assert_eq!(text, expected);
    }

    #[test]
    fn times_are_shown_to_the_second() {
        assert_eq!(
            seconds("2026-11-21T06:39:44.382737771Z"),
            "2026-11-21T06:39:44Z"
        );
        assert_eq!(seconds("long ago"), "long ago");
    }
}
