//! What others wrote, shown so that it cannot steer the terminal of whoever reads it: names,
//! reasons and activities come from any node and any operator of a fleet.

use std::fmt::Write;

/// A text on one line. Control characters, line ends among them, and what turns the direction of
/// writing around become visible escapes.
pub(crate) fn plain(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match is_steering(character) {
            // Writing into a text cannot fail.
            true => drop(write!(shown, "{}", character.escape_default())),
            false => shown.push(character),
        }
    }
    shown
}

/// The same of each line of a text that has several, and keeps them.
pub(crate) fn plain_lines(text: &str) -> String {
    let lines: Vec<String> = text.split('\n').map(plain).collect();
    lines.join("\n")
}

/// Control characters of both sets, marks and overrides of direction, and the line ends of
/// Unicode.
pub(crate) fn is_steering(character: char) -> bool {
    let is_turning = matches!(
        character,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    let is_line_end = matches!(character, '\u{2028}' | '\u{2029}');
    character.is_control() || is_turning || is_line_end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_steers_a_terminal_is_left() {
        for (text, shown) in [
            (
                "\u{1b}[2J\u{1b}]0;pwned\u{7}",
                "\\u{1b}[2J\\u{1b}]0;pwned\\u{7}",
            ),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("one\r\ntwo\tthree\u{7f}", "one\\r\\ntwo\\tthree\\u{7f}"),
            (
                "a\u{202e}b\u{2066}c\u{2069}",
                "a\\u{202e}b\\u{2066}c\\u{2069}",
            ),
            ("a\u{2028}b\u{200f}", "a\\u{2028}b\\u{200f}"),
            ("Über-Knoten 日本 é", "Über-Knoten 日本 é"),
        ] {
            assert_eq!(plain(text), shown);
            assert_eq!(plain(shown), shown, "nothing is escaped twice");
        }
        assert_eq!(plain_lines("one\n\u{1b}two\n"), "one\n\\u{1b}two\n");
    }
}
