//! What a `Cargo.toml` says about dependencies, with the lines it says it on.

use toml_edit::{Document, TableLike};

use super::Violation;
use super::tree::TextFile;

/// Which of Cargo's tables names a dependency.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `[dependencies]`: part of what ships.
    Normal,
    /// `[dev-dependencies]`: tests only.
    Dev,
    /// `[build-dependencies]`: runs while compiling.
    Build,
}

/// One dependency of a package.
pub(crate) struct Dependency {
    /// The package's own name, whatever it is renamed to.
    pub(crate) name: String,
    /// The table it stands in.
    pub(crate) kind: Kind,
    /// Its line, from 1.
    pub(crate) line: usize,
}

/// A package and what it stands on.
pub(crate) struct Manifest {
    /// The package's name.
    pub(crate) name: String,
    /// Its dependencies for every target.
    pub(crate) dependencies: Vec<Dependency>,
}

const TABLES: [(&str, Kind); 3] = [
    ("dependencies", Kind::Normal),
    ("dev-dependencies", Kind::Dev),
    ("build-dependencies", Kind::Build),
];

// === impl Manifest ===

impl Manifest {
    /// Reads a package's manifest; one that does not parse or has no name is a violation.
    pub(crate) fn parse(file: &TextFile) -> Result<Self, Violation> {
        let mend = "mend the manifest";
        let document = parse(file)?;
        let name = document
            .get("package")
            .and_then(|package| package.get("name"));
        let Some(name) = name.and_then(|name| name.as_str()) else {
            return Err(Violation::new(&file.path, 1, "has no package name", mend));
        };
        let mut dependencies = read_tables(document.as_table(), &file.text);
        let targets = document
            .get("target")
            .and_then(|targets| targets.as_table_like());
        for (_, target) in targets.into_iter().flat_map(TableLike::iter) {
            let tables = target
                .as_table_like()
                .map(|table| read_tables(table, &file.text));
            dependencies.extend(tables.unwrap_or_default());
        }
        Ok(Self {
            name: name.to_owned(),
            dependencies,
        })
    }
}

/// Parses any TOML file; a fault in it is a violation.
pub(crate) fn parse(file: &TextFile) -> Result<Document<String>, Violation> {
    Document::parse(file.text.clone()).map_err(|error| {
        let line = line_of(&file.text, error.span().map_or(0, |span| span.start));
        let what = format!("is not TOML ({})", error.message());
        Violation::new(&file.path, line, what, "mend the file")
    })
}

/// The line of a byte of the text, from 1.
pub(crate) fn line_of(text: &str, offset: usize) -> usize {
    text.bytes()
        .take(offset)
        .filter(|&byte| byte == b'\n')
        .count()
        + 1
}

fn read_tables(parent: &dyn TableLike, text: &str) -> Vec<Dependency> {
    let mut dependencies = Vec::new();
    for (table, kind) in TABLES {
        let table = parent.get(table).and_then(|item| item.as_table_like());
        for (key, value) in table.into_iter().flat_map(TableLike::iter) {
            let renamed = value.get("package").and_then(|package| package.as_str());
            let span = table
                .and_then(|table| table.key(key))
                .and_then(|key| key.span());
            dependencies.push(Dependency {
                name: renamed.unwrap_or(key).to_owned(),
                kind,
                line: line_of(text, span.map_or(0, |span| span.start)),
            });
        }
    }
    dependencies
}
