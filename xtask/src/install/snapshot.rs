//! Every file of a system with owner and mode, and what has changed between two looks.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Context, ensure};

use super::root::Root;

/// What package managers, the user database and systemd keep for themselves.
const BOOKS: [&str; 13] = [
    "/var/lib/dpkg/",
    "/var/lib/rpm",
    "/usr/lib/sysimage/rpm",
    "/var/log/",
    "/var/cache/",
    "/etc/.pwd.lock",
    "/etc/passwd",
    "/etc/group",
    "/etc/shadow",
    "/etc/gshadow",
    "/etc/subuid",
    "/etc/subgid",
    "/run/systemd",
];

/// A file, as find(1) shows it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Entry {
    pub(super) kind: Kind,
    /// `user:group`.
    pub(super) owner: String,
    /// Four octal digits; of no meaning for a link.
    pub(super) mode: String,
    /// Where a link leads.
    pub(super) target: String,
}

/// What a path names.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    File,
    Directory,
    Link,
    Other,
}

/// All files of a system, by path.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Snapshot(pub(super) BTreeMap<String, Entry>);

// === impl Entry ===

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::File => write!(f, "file, {} {}", self.owner, self.mode),
            Kind::Directory => write!(f, "directory, {} {}", self.owner, self.mode),
            Kind::Link => write!(f, "link to {}", self.target),
            Kind::Other => write!(f, "neither file, directory nor link"),
        }
    }
}

impl Entry {
    /// Reads a line of [`FORMAT`].
    fn parse(line: &str) -> anyhow::Result<(String, Self)> {
        let fields: Vec<&str> = line.split('\t').collect();
        ensure!(fields.len() == 5, "find printed `{line}`");
        let kind = match fields[1] {
            "f" => Kind::File,
            "d" => Kind::Directory,
            "l" => Kind::Link,
            _ => Kind::Other,
        };
        let entry = Self {
            kind,
            owner: fields[2].to_owned(),
            mode: format!("{:0>4}", fields[3]),
            target: fields[4].to_owned(),
        };
        Ok((fields[0].to_owned(), entry))
    }
}

/// Path, type, owner, mode, and where a link leads.
const FORMAT: &str = "%p\\t%y\\t%u:%g\\t%m\\t%l\\n";

// === impl Snapshot ===

impl Snapshot {
    /// Looks at every file but the books of package managers.
    ///
    /// # Errors
    /// When find fails.
    pub(super) fn take(root: &Root) -> anyhow::Result<Self> {
        let found = root.run(&["find", "/", "-xdev", "-mindepth", "1", "-printf", FORMAT])?;
        Self::parse(&found).context("cannot list the files")
    }

    pub(super) fn parse(found: &str) -> anyhow::Result<Self> {
        let entries = found.lines().map(Entry::parse);
        let entries = entries.filter(|it| {
            let path = it.as_ref().map_or("", |(path, _)| path);
            !BOOKS.iter().any(|book| path.starts_with(book))
        });
        Ok(Self(entries.collect::<anyhow::Result<_>>()?))
    }

    /// What is there now and was not at `before`, or is another thing.
    pub(super) fn since(&self, before: &Self) -> Self {
        let is_new = |(path, entry): &(&String, &Entry)| before.0.get(*path) != Some(*entry);
        let new = self.0.iter().filter(is_new);
        Self(
            new.map(|(path, entry)| (path.clone(), entry.clone()))
                .collect(),
        )
    }

    /// The paths, in order.
    pub(super) fn paths(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = "/etc\td\troot:root\t755\t\n/etc/passwd\tf\troot:root\t644\t\n";

    #[test]
    fn what_is_new_or_another_thing_is_seen() {
        let before = Snapshot::parse(BEFORE).unwrap();
        let after = "/etc\td\troot:root\t700\t\n/etc/passwd\tf\troot:root\t600\t\n\
            /usr/bin/x\tl\troot:root\t777\ty\n";
        let new = Snapshot::parse(after).unwrap().since(&before);
        assert_eq!(new.paths(), ["/etc", "/usr/bin/x"]);
        assert_eq!(new.0["/usr/bin/x"].to_string(), "link to y");
        assert_eq!(new.0["/etc"].to_string(), "directory, root:root 0700");
        assert_eq!(before.since(&before), Snapshot::default());
    }

    #[test]
    fn a_line_that_find_never_prints_is_refused() {
        assert!(Snapshot::parse("/etc d\n").is_err());
    }
}
