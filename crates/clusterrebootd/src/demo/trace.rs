//! What happened, from two witnesses that know nothing of each other: the supervisor, which has
//! its hand on every machine's power, and the store.

use std::collections::BTreeSet;

/// One thing that happened.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Fact {
    /// The supervisor: this machine's reboot command was issued. From here on it counts as down.
    Down(String),
    /// The supervisor: it boots again.
    Up(String),
    /// The supervisor: its daemon ended though nobody told it to.
    Died(String, String),
    /// The operator ended its hold.
    Unlocked(String),
    /// The store: these hold durably, and maybe others before they disturb anything.
    Holders(BTreeSet<String>),
}

/// All that happened, in order.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Trace {
    facts: Vec<Fact>,
}

// === impl Trace ===

impl Trace {
    /// Adds a fact, unless the very same was the last. Returns whether it is news.
    pub(super) fn add(&mut self, fact: Fact) -> bool {
        let is_news = self.facts.last() != Some(&fact);
        if is_news {
            self.facts.push(fact);
        }
        is_news
    }

    /// The facts, oldest first.
    pub(super) fn facts(&self) -> &[Fact] {
        &self.facts
    }

    /// Who is down after so many facts, those left out whose hold an operator ended: the
    /// operator has answered for them.
    pub(super) fn down_after(&self, count: usize) -> BTreeSet<&str> {
        let mut down = BTreeSet::new();
        for fact in self.facts.iter().take(count) {
            match fact {
                Fact::Down(name) => down.insert(name.as_str()),
                Fact::Up(name) | Fact::Unlocked(name) => down.remove(name.as_str()),
                Fact::Died(..) | Fact::Holders(_) => false,
            };
        }
        down
    }

    /// The most machines that were down at once.
    pub(super) fn most_down(&self) -> usize {
        let counts = (0..=self.facts.len()).map(|count| self.down_after(count).len());
        counts.max().unwrap_or_default()
    }
}
