//! The files of who may come in: a line for each, `NAME ROLE HASH`.

use super::role::Role;
use super::secret::Secret;
use std::collections::HashMap;
use std::fs;
use std::path::Path;

/// In place of a hash: the client certificate of this common name.
const CERTIFICATE: &str = "certificate";

/// Somebody who may come in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) role: Role,
    pub(super) proof: Proof,
}

/// What shows that it is them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Proof {
    Secret(Secret),
    Certificate,
}

/// Everybody who may come in by one file.
#[derive(Debug, Default)]
pub(super) struct List {
    entries: Vec<Entry>,
    /// Tokens by the beginning of their hash.
    by_token: HashMap<[u8; 8], Vec<usize>>,
}

// === impl List ===

impl List {
    /// Reads a file; the error names it, the line, and what to do.
    pub(super) fn read(file: &Path) -> Result<Self, String> {
        let name = file.display();
        let text = fs::read_to_string(file).map_err(|error| {
            format!("cannot read {name}: {error}; check the path and who may read it")
        })?;
        Self::parse(&text).map_err(|problem| format!("{name}, {problem}"))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut list = Self::default();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if !line.is_empty() && !line.starts_with('#') {
                let entry =
                    Entry::parse(line).map_err(|cause| format!("line {number}: {cause}"))?;
                list.add(entry);
            }
        }
        Ok(list)
    }

    fn add(&mut self, entry: Entry) {
        if let Proof::Secret(Secret::Token(hash)) = &entry.proof {
            let places = self.by_token.entry(beginning(hash)).or_default();
            places.push(self.entries.len());
        }
        self.entries.push(entry);
    }

    /// Whose token has this hash; the entry still decides whether it is the token.
    pub(super) fn of_token(&self, hash: &[u8; 32]) -> impl Iterator<Item = &Entry> {
        let places = self.by_token.get(&beginning(hash));
        places
            .into_iter()
            .flatten()
            .map(|place| &self.entries[*place])
    }

    /// Those of a name: somebody may have an old and a new password for a while.
    pub(super) fn named(&self, name: &str) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| entry.name == name)
    }

    /// Whose name and password this is, and at which place; slow.
    pub(super) fn of_password(&self, pair: &str) -> Option<(usize, &Entry)> {
        let (name, password) = pair.split_once(':')?;
        let named = |(_, entry): &(usize, &Entry)| entry.name == name;
        let mut entries = self.entries.iter().enumerate().filter(named).peekable();
        if entries.peek().is_none() {
            // As slow for a name that nobody has: the time does not tell names.
            let _ = self.slowest().map(|entry| entry.is_secret(password));
        }
        entries.find(|(_, entry)| entry.is_secret(password))
    }

    /// One with a password, if there is any.
    fn slowest(&self) -> Option<&Entry> {
        let is_password =
            |entry: &&Entry| matches!(entry.proof, Proof::Secret(Secret::Password { .. }));
        self.entries.iter().find(is_password)
    }
}

fn beginning(hash: &[u8; 32]) -> [u8; 8] {
    let mut first = [0; 8];
    first.copy_from_slice(&hash[..8]);
    first
}

// === impl Entry ===

impl Entry {
    fn parse(line: &str) -> Result<Self, String> {
        let [name, role, proof] = line.split_whitespace().collect::<Vec<_>>()[..] else {
            return Err("write NAME ROLE HASH, with spaces between".to_owned());
        };
        if name.contains(':') {
            return Err(format!(
                "the name {name} has a colon: no client can send that"
            ));
        }
        let role = role.parse().map_err(|error| format!("{error}"))?;
        let proof = match proof {
            CERTIFICATE => Proof::Certificate,
            hash => Proof::Secret(hash.parse().map_err(|error| format!("{error}"))?),
        };
        Ok(Self {
            name: name.to_owned(),
            role,
            proof,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_a_line_for_each() {
        let (token, hash) = Secret::new_token().unwrap();
        let text = format!("# fleet\n\nn1  node:n1 {hash}\nalice operator certificate\n");
        let list = List::parse(&text).unwrap();
        let found: Vec<_> = list
            .of_token(&super::super::secret::token_hash(&token))
            .collect();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].name, "n1");
        assert_eq!(list.named("alice").count(), 1);
        assert_eq!(list.named("bob").count(), 0);
    }

    #[test]
    fn a_bad_line_is_named() {
        let problem = |text: &str| List::parse(text).unwrap_err();
        assert!(problem("\nn1 node:n1").starts_with("line 2: write NAME ROLE HASH"));
        assert!(problem("n1 root certificate").contains("`root` is no role"));
        assert!(problem("n1 read secret").contains("hash-secret"));
        assert!(problem("a:b read certificate").contains("colon"));
        assert!(problem("n1 node: certificate").contains("no role"));
    }
}
