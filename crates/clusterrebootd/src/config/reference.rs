//! The reference of all keys for the documentation, from the table.

use super::schema::Key;
use std::fmt::Write;

/// The keys as a Markdown table: key, what it holds, default, rule, purpose.
pub fn reference(keys: &[Key]) -> String {
    let mut table =
        String::from("| key | holds | default | rule | purpose |\n|---|---|---|---|---|\n");
    for key in keys {
        // Writing into a string cannot fail.
        let _ = writeln!(
            table,
            "| `{}` | {} | {} | {} | {} |",
            key.path,
            key.kind.noun(),
            cell(&key.default.text()),
            cell(&key.rules()),
            cell(key.doc),
        );
    }
    table
}

/// A bar would end the cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::NODE_KEYS;

    #[test]
    fn every_key_has_a_row_of_five_cells() {
        let table = reference(NODE_KEYS);
        assert_eq!(table.lines().count(), NODE_KEYS.len() + 2);
        assert!(
            table
                .lines()
                .all(|line| line.replace("\\|", "").matches('|').count() == 6)
        );
    }
}
