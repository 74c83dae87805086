//! Reading typed values by path, with the table's defaults beneath.
//!
//! A value that was refused has a problem already, so whatever is read in its place is never used:
//! with any problem there are no settings.

use super::problem::Problem;
use super::schema::{Default, Key};
use super::shape::{Typed, Values};
use super::tree::Place;
use std::path::PathBuf;

/// The values of one file while its settings are built.
pub(super) struct Fields<'problems> {
    table: &'static [Key],
    values: Values,
    problems: &'problems mut Vec<Problem>,
}

// === impl Fields ===

impl<'problems> Fields<'problems> {
    pub(super) fn new(
        table: &'static [Key],
        values: Values,
        problems: &'problems mut Vec<Problem>,
    ) -> Self {
        Self {
            table,
            values,
            problems,
        }
    }

    pub(super) fn is_given(&self, path: &str) -> bool {
        self.values.contains_key(path)
    }

    /// How many items a list of sections has.
    pub(super) fn count(&self, path: &str) -> usize {
        match self.values.get(path) {
            Some((Typed::Given(count), _)) => *count,
            _ => 0,
        }
    }

    pub(super) fn text(&self, path: &str) -> Option<String> {
        match self.values.get(path) {
            Some((Typed::Text(text), _)) => Some(text.clone()),
            _ => None,
        }
    }

    pub(super) fn text_or_default(&self, path: &str) -> String {
        self.text(path).unwrap_or_else(|| match self.default(path) {
            Default::Text(text) => text.to_owned(),
            _ => String::new(),
        })
    }

    pub(super) fn path(&self, path: &str) -> Option<PathBuf> {
        self.text(path).map(PathBuf::from)
    }

    pub(super) fn path_or_default(&self, path: &str) -> PathBuf {
        self.text_or_default(path).into()
    }

    pub(super) fn texts(&self, path: &str) -> Vec<String> {
        match (self.values.get(path), self.default(path)) {
            (Some((Typed::Texts(texts), _)), _) => texts.clone(),
            (_, Default::Texts(texts)) => texts.iter().map(|text| (*text).to_owned()).collect(),
            _ => Vec::new(),
        }
    }

    pub(super) fn whole(&self, path: &str) -> Option<u64> {
        match self.values.get(path) {
            Some((Typed::Whole(number), _)) => Some(*number),
            _ => None,
        }
    }

    pub(super) fn whole_or_default(&self, path: &str) -> u64 {
        self.whole(path)
            .unwrap_or_else(|| match self.default(path) {
                Default::Whole(number) => number,
                _ => 0,
            })
    }

    pub(super) fn exit_codes(&self, path: &str) -> Vec<i32> {
        match self.values.get(path) {
            Some((Typed::ExitCodes(codes), _)) => codes.clone(),
            _ => Vec::new(),
        }
    }

    pub(super) fn fraction(&self, path: &str) -> Option<f64> {
        match self.values.get(path) {
            Some((Typed::Fraction(fraction), _)) => Some(*fraction),
            _ => None,
        }
    }

    pub(super) fn flag(&self, path: &str) -> bool {
        match (self.values.get(path), self.default(path)) {
            (Some((Typed::Flag(flag), _)), _) => *flag,
            (_, Default::Flag(flag)) => flag,
            _ => false,
        }
    }

    /// Adds a problem of the first of these keys that is given, where it stands; failing all, of
    /// the first, in the file as a whole.
    pub(super) fn complain(&mut self, paths: &[&str], cause: &str, remedy: &str) {
        let given = paths.iter().find(|path| self.is_given(path));
        let path = given.or(paths.first()).copied().unwrap_or_default();
        let place = self.place(path);
        self.problems
            .push(Problem::at(place, cause, remedy).of_key(path));
    }

    /// Where a key's value stands, or what contains it; the file's beginning failing that.
    pub(super) fn place(&self, path: &str) -> Place {
        match (self.values.get(path), path.rfind(['.', '['])) {
            (Some((_, place)), _) => *place,
            (None, Some(end)) => Place {
                width: 0,
                ..self.place(&path[..end])
            },
            (None, None) => Place {
                line: 1,
                column: 1,
                width: 0,
            },
        }
    }

    /// Whether the key was refused already, so that nothing more need be said of it.
    pub(super) fn is_refused(&self, path: &str) -> bool {
        self.problems
            .iter()
            .any(|problem| problem.key.starts_with(path))
    }

    fn default(&self, path: &str) -> Default {
        let pattern = pattern(path);
        let key = self.table.iter().find(|key| key.path == pattern);
        key.map_or(Default::Nothing, |key| key.default)
    }
}

/// The path as the table has it: without what stands between brackets.
fn pattern(path: &str) -> String {
    let mut pattern = String::with_capacity(path.len());
    let mut is_inside = false;
    for c in path.chars() {
        is_inside = is_inside && c != ']';
        if !is_inside {
            pattern.push(c);
        }
        is_inside = is_inside || c == '[';
    }
    pattern
}
