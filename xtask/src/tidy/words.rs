//! Texts speak to every reader: nothing of the machine or the bench they were written at.

use super::{Tree, Violation};

/// Each is spelled in two halves, so that this file passes its own rule.
const MACHINE: &[&str] = &[
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("/Us", "ers/"),
    concat!("far", "m-"),
    concat!("helper ", "agent"),
    concat!("sub", "agent"),
    concat!("language ", "model"),
];

/// Checks every text file for words that only mean something where it was written.
pub(crate) fn check(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in &tree.texts {
        for (line, text) in (1..).zip(file.text.lines()) {
            violations.extend(MACHINE.iter().filter(|word| names(text, word)).map(|word| {
                let what = format!("{word:?} means nothing to other readers");
                let mend = "say it without naming a machine or who worked there";
                Violation::new(&file.path, line, what, mend)
            }));
        }
    }
    violations
}

/// Whether a text has the word on its own: not inside a longer path or word.
fn names(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '}' | '>'))
    })
}
