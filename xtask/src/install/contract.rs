//! The layout that docs/packaging.md promises, and where a system differs from it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, bail, ensure};

use super::snapshot::{Entry, Kind, Snapshot};

/// Where the table stands.
const DOCUMENT: &str = "docs/packaging.md";
/// How a path ends that speaks for every file below a folder.
const BELOW: &str = "/**";
/// How a folder looks that holds files of several packages, or a folder in a folder of ours.
const COMMON: (&str, &str) = ("root:root", "0755");

/// The table.
#[derive(Debug)]
pub(super) struct Contract {
    rows: Vec<Row>,
}

/// A line of it.
#[derive(Debug)]
struct Row {
    path: String,
    kind: Kind,
    owner: String,
    mode: String,
    /// With which of these.
    comes: Vec<Comes>,
}

/// With what a file comes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Comes {
    /// With every package.
    All,
    /// With .deb only.
    Deb,
    /// With .rpm only.
    Rpm,
    /// With .apk only.
    Apk,
    /// From systemd-tmpfiles, at installation.
    Tmpfiles,
    /// Not before a service starts.
    Start,
}

// === impl Comes ===

impl Comes {
    fn parse(word: &str) -> anyhow::Result<Self> {
        Ok(match word {
            "all" => Self::All,
            ".deb" => Self::Deb,
            ".rpm" => Self::Rpm,
            ".apk" => Self::Apk,
            "tmpfiles" => Self::Tmpfiles,
            "start" => Self::Start,
            other => bail!("`{other}`: write all, .deb, .rpm, .apk, tmpfiles or start"),
        })
    }
}

// === impl Row ===

impl Row {
    /// Reads a line, unless it is none of the table.
    fn parse(line: &str) -> anyhow::Result<Option<Self>> {
        let Some(cells) = line.strip_prefix("| `/") else {
            return Ok(None);
        };
        let cells: Vec<&str> = cells
            .split('|')
            .map(|it| it.trim().trim_matches('`'))
            .collect();
        ensure!(cells.len() == 6, "write five columns");
        let path = format!("/{}", cells[0]);
        let kind = match (path.ends_with('/'), cells[2]) {
            (_, "link") => Kind::Link,
            (true, _) => Kind::Directory,
            (false, _) => Kind::File,
        };
        let comes = cells[3].split(", ").map(Comes::parse);
        Ok(Some(Self {
            path: path.trim_end_matches('/').to_owned(),
            kind,
            owner: cells[1].to_owned(),
            mode: cells[2].to_owned(),
            comes: comes.collect::<anyhow::Result<_>>()?,
        }))
    }

    fn is_of(&self, entry: &Entry) -> bool {
        let same_mode = self.kind == Kind::Link || self.mode == entry.mode;
        self.kind == entry.kind && self.owner == entry.owner && same_mode
    }

    /// Whether it speaks for a path, and how precisely.
    fn speaks_for(&self, path: &str) -> Option<usize> {
        let is_it = match self.path.strip_suffix(BELOW) {
            Some(folder) => path.strip_prefix(folder)?.starts_with('/'),
            None => self.path == path,
        };
        is_it.then_some(self.path.len())
    }
}

// === impl Contract ===

impl Contract {
    /// Reads the table of the document.
    ///
    /// # Errors
    /// A line that cannot be understood; no line at all.
    pub(super) fn read(root: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(root.join(DOCUMENT)).context(DOCUMENT)?;
        Self::parse(&text).context(DOCUMENT)
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        let mut rows = Vec::new();
        for line in text.lines() {
            rows.extend(Row::parse(line).with_context(|| format!("in `{line}`"))?);
        }
        ensure!(!rows.is_empty(), "the table of files is gone");
        Ok(Self { rows })
    }

    /// Where what an installation added differs from what is promised to come with these.
    ///
    /// # Errors
    /// Every difference, one a line.
    pub(super) fn check(&self, added: &Snapshot, comes: &[Comes]) -> anyhow::Result<()> {
        let rows: Vec<&Row> = self
            .rows
            .iter()
            .filter(|row| row.comes.iter().any(|it| comes.contains(it)))
            .collect();
        let mut wrong: Vec<String> = missing(&rows, &added.0);
        wrong.extend(
            added
                .0
                .iter()
                .filter_map(|(path, entry)| strange(&rows, path, entry)),
        );
        ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
        Ok(())
    }
}

/// The promised files that did not come.
fn missing(rows: &[&Row], added: &BTreeMap<String, Entry>) -> Vec<String> {
    let has = |row: &&&Row| added.keys().any(|path| row.speaks_for(path).is_some());
    let missing = rows.iter().filter(|row| !has(row));
    missing
        .map(|row| format!("{}: promised, but not there", row.path))
        .collect()
}

/// What is wrong with a file, if anything.
fn strange(rows: &[&Row], path: &str, entry: &Entry) -> Option<String> {
    let speakers = rows
        .iter()
        .filter_map(|row| Some((row.speaks_for(path)?, row)));
    let speaker = speakers.max_by_key(|(precision, _)| *precision);
    let is_common =
        entry.kind == Kind::Directory && (entry.owner.as_str(), entry.mode.as_str()) == COMMON;
    match speaker {
        Some((_, row)) if row.is_of(entry) => None,
        Some((_, row)) if is_common && row.path.ends_with(BELOW) => None,
        Some((_, row)) => Some(format!(
            "{path}: {entry}; promised is {} {}",
            row.owner, row.mode
        )),
        None if is_common && leads_to_a_row(rows, path) => None,
        None => Some(format!("{path}: {entry}; {DOCUMENT} does not promise it")),
    }
}

fn leads_to_a_row(rows: &[&Row], folder: &str) -> bool {
    let below = |row: &&Row| {
        row.path
            .strip_prefix(folder)
            .is_some_and(|rest| rest.starts_with('/'))
    };
    rows.iter().any(below)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
| path | owner | mode | comes with | what |
|---|---|---|---|---|
| `/etc/x/` | `root:x` | `0750` | all | configuration |
| `/usr/bin/y` | `root:root` | link | all | another name |
| `/usr/share/x/**` | `root:root` | `0644` | all | documents |
| `/usr/share/x/run/**` | `root:root` | `0755` | all | examples |
| `/var/lib/x/` | `root:root` | `0700` | tmpfiles | state |
";

    fn entry(kind: Kind, owner: &str, mode: &str) -> Entry {
        let (owner, mode) = (owner.to_owned(), mode.to_owned());
        Entry {
            kind,
            owner,
            mode,
            target: String::new(),
        }
    }

    /// What the table's own packages add.
    fn promised() -> Snapshot {
        let folder = || entry(Kind::Directory, "root:root", "0755");
        let entries = [
            ("/etc/x", entry(Kind::Directory, "root:x", "0750")),
            ("/usr/bin/y", entry(Kind::Link, "root:root", "0777")),
            ("/usr/share", folder()),
            ("/usr/share/x", folder()),
            ("/usr/share/x/a", entry(Kind::File, "root:root", "0644")),
            ("/usr/share/x/run", folder()),
            ("/usr/share/x/run/b", entry(Kind::File, "root:root", "0755")),
        ];
        Snapshot(entries.map(|(path, entry)| (path.to_owned(), entry)).into())
    }

    fn difference(change: impl FnOnce(&mut BTreeMap<String, Entry>), comes: &[Comes]) -> String {
        let mut added = promised();
        change(&mut added.0);
        let checked = Contract::parse(TABLE).unwrap().check(&added, comes);
        checked.map_or_else(|error| error.to_string(), |()| String::new())
    }

    #[test]
    fn what_is_as_promised_is_in_order() {
        assert_eq!(difference(|_| (), &[Comes::All]), "");
    }

    #[test]
    fn every_difference_is_named() {
        let missing = difference(|_| (), &[Comes::All, Comes::Tmpfiles]);
        assert_eq!(missing, "/var/lib/x: promised, but not there");
        let extra = |path: &'static str, it: Entry| {
            difference(
                |added| drop(added.insert(path.to_owned(), it)),
                &[Comes::All],
            )
        };
        let cases = [
            extra("/etc/x", entry(Kind::Directory, "root:root", "0750")),
            extra("/usr/bin/y", entry(Kind::File, "root:root", "0755")),
            extra("/usr/share/x/a", entry(Kind::File, "root:root", "0755")),
            extra("/usr/share/x/run/b", entry(Kind::File, "root:root", "0644")),
            extra("/usr/share", entry(Kind::Directory, "root:root", "0777")),
            extra("/etc/z", entry(Kind::Link, "root:root", "0777")),
            extra("/srv", entry(Kind::Directory, "root:root", "0755")),
        ];
        for (case, path) in cases.iter().zip([
            "/etc/x: directory, root:root 0750; promised is root:x 0750",
            "/usr/bin/y: file",
            "/usr/share/x/a: file, root:root 0755",
            "/usr/share/x/run/b: file, root:root 0644",
            "/usr/share: directory, root:root 0777",
            "/etc/z: link",
            "/srv: directory",
        ]) {
            assert!(case.starts_with(path), "{path}: {case}");
        }
    }

    #[test]
    fn a_table_that_cannot_be_read_is_refused() {
        let refused = |text: &str| format!("{:#}", Contract::parse(text).unwrap_err());
        assert!(refused("no table").contains("is gone"));
        assert!(refused("| `/a` | `b` | `c` |").contains("five columns"));
        assert!(refused("| `/a` | `b` | `c` | never | d |").contains("never"));
    }
}
