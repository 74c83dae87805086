//! What we changed on a node and must put right before its hold ends.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The names of our changes on one node, oldest first, each once.
///
/// A change is recorded before it is made, so the list may name one that never happened:
/// undoing must be harmless then.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Undo(Vec<String>);

// === impl Undo ===

impl Undo {
    /// A list of these changes, oldest first; repeated names are kept once.
    pub fn of(names: impl IntoIterator<Item = String>) -> Self {
        let mut undo = Self::default();
        names.into_iter().for_each(|name| undo.record(name));
        undo
    }

    /// Adds a change at the end, unless it is there already.
    pub fn record(&mut self, name: String) {
        if !self.0.contains(&name) {
            self.0.push(name);
        }
    }

    /// Adds all of another list, in its order.
    pub fn merge(&mut self, other: &Self) {
        other.0.iter().cloned().for_each(|name| self.record(name));
    }

    /// The names, newest first: the order in which they are undone.
    pub fn newest_first(&self) -> impl Iterator<Item = &str> {
        self.0.iter().rev().map(String::as_str)
    }

    /// The names that `undone` does not list.
    pub fn left_after(&self, undone: &Self) -> Self {
        let done: BTreeSet<&String> = undone.0.iter().collect();
        Self(
            self.0
                .iter()
                .filter(|name| !done.contains(name))
                .cloned()
                .collect(),
        )
    }

    /// Whether nothing is to be undone.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_undone_newest_first_and_each_once() {
        let mut undo = Undo::of(["cordon".to_owned(), "10-lb".to_owned(), "cordon".to_owned()]);
        assert_eq!(undo.newest_first().collect::<Vec<_>>(), ["10-lb", "cordon"]);
        undo.merge(&Undo::of(["20-vip".to_owned(), "10-lb".to_owned()]));
        assert_eq!(
            undo.newest_first().collect::<Vec<_>>(),
            ["20-vip", "10-lb", "cordon"]
        );
        let left = undo.left_after(&Undo::of(["20-vip".to_owned(), "cordon".to_owned()]));
        assert_eq!(left, Undo::of(["10-lb".to_owned()]));
    }
}
