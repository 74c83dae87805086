//! The first look at a fragment: is every key known, and does it hold what it may hold?
//!
//! Driven by a table of keys alone. What it lets through is handed on as typed values; what it does
//! not is a problem, and the walk goes on, so that all problems come at once.

use super::numbers;
use super::problem::Problem;
use super::schema::{Check, Default, Key, Kind};
use super::tree::{Entry, Node, Place, Value};
use std::collections::BTreeMap;

/// A value that is what its key may hold.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Typed {
    Text(String),
    Texts(Vec<String>),
    Whole(u64),
    ExitCodes(Vec<i32>),
    Fraction(f64),
    Flag(bool),
    /// A section that is there, or a list of so many sections.
    Given(usize),
}

/// The typed values of a file by their whole path, each with its place.
pub(crate) type Values = BTreeMap<String, (Typed, Place)>;

/// Walks the fragment along the table, which the manual page lists.
pub(crate) fn check(
    (table, manual): (&'static [Key], &'static str),
    root: Option<&Node>,
    problems: &mut Vec<Problem>,
) -> Values {
    let mut walk = Walk {
        table,
        manual,
        values: Values::new(),
        problems,
    };
    match root.map(|node| (&node.value, node)) {
        None => walk.section(
            "",
            "",
            &[],
            Place {
                line: 1,
                column: 1,
                width: 0,
            },
        ),
        Some((Value::Section(entries), node)) => {
            walk.section(
                "",
                "",
                entries,
                Place {
                    width: 0,
                    ..node.place
                },
            );
        }
        Some((_, node)) => walk.problems.push(Problem::at(
            node.place,
            "the file must hold keys with values",
            "write `key: value` lines; examples/config.yaml shows them",
        )),
    }
    walk.values
}

struct Walk<'problems> {
    table: &'static [Key],
    manual: &'static str,
    values: Values,
    problems: &'problems mut Vec<Problem>,
}

// === impl Walk ===

impl Walk<'_> {
    /// A section at `path`, whose keys stand under `pattern` in the table.
    fn section(&mut self, path: &str, pattern: &str, entries: &[Entry], place: Place) {
        for entry in entries {
            let entry_path = join(path, &entry.key);
            let entry_pattern = join(pattern, &entry.key);
            match self.table.iter().find(|key| key.path == entry_pattern) {
                Some(key) => self.value(key, &entry_path, &entry.value, entry.place),
                None => self.unknown(pattern, &entry_path, entry),
            }
        }
        for key in self.table.iter().filter(|key| key.parent() == pattern) {
            let is_given = entries
                .iter()
                .any(|entry| entry.key == key.name() && entry.value.value != Value::Null);
            if matches!(key.default, Default::Required) && !is_given {
                self.missing(key, &join(path, key.name()), place);
            }
        }
    }

    fn value(&mut self, key: &'static Key, path: &str, node: &Node, key_place: Place) {
        match (key.kind, &node.value) {
            (Kind::Choice, Value::Null) => {
                self.keep(path, Typed::Given(1), key_place);
                self.section(
                    path,
                    key.path,
                    &[],
                    Place {
                        width: 0,
                        ..key_place
                    },
                );
            }
            (_, Value::Null) => {}
            (Kind::Section | Kind::Choice, Value::Section(entries)) => {
                self.keep(path, Typed::Given(1), key_place);
                self.section(
                    path,
                    key.path,
                    entries,
                    Place {
                        width: 0,
                        ..key_place
                    },
                );
            }
            (Kind::Sections, Value::List(items)) => self.sections(key, path, items, key_place),
            (Kind::Named(check), Value::Section(entries)) => {
                self.named((key, check), path, entries, key_place);
            }
            (Kind::Section | Kind::Choice | Kind::Sections | Kind::Named(_), _) => {
                self.wrong_kind(key, path, node);
            }
            _ => self.leaf(key, path, node),
        }
    }

    fn sections(&mut self, key: &'static Key, path: &str, items: &[Node], key_place: Place) {
        self.keep(path, Typed::Given(items.len()), key_place);
        for (index, item) in items.iter().enumerate() {
            let item_path = format!("{path}[{index}]");
            let pattern = format!("{}[]", key.path);
            let place = Place {
                width: 0,
                ..item.place
            };
            match &item.value {
                Value::Section(entries) => {
                    self.keep(&item_path, Typed::Given(1), item.place);
                    self.section(&item_path, &pattern, entries, place);
                }
                Value::Null => self.section(&item_path, &pattern, &[], place),
                _ => self.wrong_kind(key, &item_path, item),
            }
        }
    }

    fn named(
        &mut self,
        (key, check): (&'static Key, Check),
        path: &str,
        entries: &[Entry],
        key_place: Place,
    ) {
        let names = entries.iter().map(|entry| entry.key.clone()).collect();
        self.keep(path, Typed::Texts(names), key_place);
        for entry in entries {
            let item_path = format!("{path}[{}]", entry.key);
            if let Err(problem) = checked(check, &item_path, &entry.key, entry.place) {
                self.problems.push(problem);
            }
            let pattern = format!("{}[]", key.path);
            let place = Place {
                width: 0,
                ..entry.place
            };
            match &entry.value.value {
                Value::Section(entries) => self.section(&item_path, &pattern, entries, place),
                Value::Null => self.section(&item_path, &pattern, &[], place),
                _ => self.wrong_kind(key, &item_path, &entry.value),
            }
        }
    }

    fn leaf(&mut self, key: &'static Key, path: &str, node: &Node) {
        if is_default(key, node) {
            return;
        }
        match read(key, path, node) {
            Ok(typed) => self.keep(path, typed, node.place),
            Err(problems) => self.problems.extend(problems),
        }
    }

    fn keep(&mut self, path: &str, typed: Typed, place: Place) {
        self.values.insert(path.to_owned(), (typed, place));
    }

    fn missing(&mut self, key: &Key, path: &str, place: Place) {
        let remedy = format!("add `{}:` with {}", key.name(), key.kind.noun());
        self.problems
            .push(Problem::at(place, "is missing", &remedy).of_key(path));
    }

    fn wrong_kind(&mut self, key: &Key, path: &str, node: &Node) {
        self.problems.push(wrong_kind(key, path, node));
    }

    fn unknown(&mut self, pattern: &str, path: &str, entry: &Entry) {
        let siblings = || self.table.iter().filter(|key| key.parent() == pattern);
        let nearest = nearest(&entry.key, siblings().map(Key::name));
        let elsewhere = self.table.iter().find(|key| key.name() == entry.key);
        let remedy = match (nearest, elsewhere) {
            (Some(name), _) => format!("did you mean `{name}`?"),
            (None, Some(key)) => format!("did you mean `{}`?", key.path),
            (None, None) => {
                let names: Vec<&str> = siblings().map(Key::name).collect();
                match names.len() {
                    0..=12 => format!("the keys here are {}", names.join(", ")),
                    _ => format!("remove it; {}(5) lists the keys", self.manual),
                }
            }
        };
        self.problems
            .push(Problem::at(entry.place, "is not a known key", &remedy).of_key(path));
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

/// The name that was probably meant.
pub(crate) fn nearest<'a>(typed: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let typed = typed.to_lowercase();
    let len = typed.chars().count();
    let typing_mistakes_max = |name: &str| (name.chars().count() / 3).max(1);
    let distance = |name: &str| strsim::damerau_levenshtein(&typed, name);
    // Comparing takes time and memory for each pair of letters, and the text may be long.
    let may_be = |name: &&str| len.abs_diff(name.chars().count()) <= typing_mistakes_max(name);
    let best = names.filter(may_be).min_by_key(|name| distance(name))?;
    (distance(best) <= typing_mistakes_max(best)).then_some(best)
}

/// An explicit 0 where 0 is out of range, and an empty text or list, mean the default.
fn is_default(key: &Key, node: &Node) -> bool {
    let has_default = !matches!(key.default, Default::Required);
    match (key.kind, &node.value) {
        (Kind::Whole { min, .. }, Value::Scalar { text, plain: true }) => {
            has_default && min > 0 && numbers::whole(text) == Some(0)
        }
        (Kind::Text(_) | Kind::OneOf(_), Value::Scalar { text, .. }) => {
            has_default && text.trim().is_empty()
        }
        (Kind::Texts(_) | Kind::ExitCodes, Value::List(items)) => has_default && items.is_empty(),
        _ => false,
    }
}

fn read(key: &Key, path: &str, node: &Node) -> Result<Typed, Vec<Problem>> {
    let typed = match (key.kind, &node.value) {
        (Kind::Text(check), Value::Scalar { text, .. }) => {
            checked(check, path, text, node.place).map(Typed::Text)
        }
        (Kind::Texts(check), Value::List(items)) => return texts(check, path, items),
        (Kind::ExitCodes, Value::List(items)) => return exit_codes(path, items),
        (Kind::OneOf(words), Value::Scalar { text, .. }) => one_of(words, path, text, node.place),
        (Kind::Whole { min, max }, Value::Scalar { text, plain: true }) => {
            numbers::checked_whole(path, text, node.place, min, max).map(Typed::Whole)
        }
        (Kind::Fraction, Value::Scalar { text, plain: true }) => {
            numbers::checked_fraction(path, text, node.place).map(Typed::Fraction)
        }
        (Kind::Flag, Value::Scalar { text, plain: true }) => flag(path, text, node.place),
        _ => Err(wrong_kind(key, path, node)),
    };
    typed.map_err(|problem| vec![problem])
}

fn checked(
    check: super::schema::Check,
    path: &str,
    text: &str,
    place: Place,
) -> Result<String, Problem> {
    let Err(complaint) = check(text) else {
        return Ok(text.to_owned());
    };
    let place = complaint
        .piece
        .map_or(place, |piece| place.of_piece(text, piece));
    let problem = Problem::at(place, &complaint.cause, &complaint.remedy).of_key(path);
    match complaint.piece {
        Some(_) => Err(problem),
        None => Err(problem.with_found(&format!("{text:?}"))),
    }
}

fn texts(check: super::schema::Check, path: &str, items: &[Node]) -> Result<Typed, Vec<Problem>> {
    let each = items.iter().enumerate().map(|(index, item)| {
        let path = format!("{path}[{index}]");
        match &item.value {
            Value::Scalar { text, .. } => checked(check, &path, text, item.place),
            _ => Err(Problem::at(item.place, "must be a text", "put it in quotes").of_key(&path)),
        }
    });
    all(each).map(Typed::Texts)
}

fn exit_codes(path: &str, items: &[Node]) -> Result<Typed, Vec<Problem>> {
    let each = items.iter().enumerate().map(|(index, item)| {
        let path = format!("{path}[{index}]");
        match &item.value {
            Value::Scalar { text, plain: true } => {
                numbers::checked_whole(&path, text, item.place, 0, 255).map(|code| code as i32)
            }
            _ => Err(Problem::at(
                item.place,
                "must be an exit code",
                "write a number from 0 to 255",
            )
            .of_key(&path)),
        }
    });
    all(each).map(Typed::ExitCodes)
}

/// All the items, or all the problems.
fn all<T>(each: impl Iterator<Item = Result<T, Problem>>) -> Result<Vec<T>, Vec<Problem>> {
    let (mut items, mut problems) = (Vec::new(), Vec::new());
    for result in each {
        match result {
            Ok(item) => items.push(item),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() {
        Ok(items)
    } else {
        Err(problems)
    }
}

fn one_of(
    words: &'static [&'static str],
    path: &str,
    text: &str,
    place: Place,
) -> Result<Typed, Problem> {
    if words.contains(&text) {
        return Ok(Typed::Text(text.to_owned()));
    }
    let remedy = match nearest(text, words.iter().copied()) {
        Some(word) => format!("did you mean {word}?"),
        None => format!("write one of {}", words.join(", ")),
    };
    Err(Problem::at(place, "is not known here", &remedy)
        .of_key(path)
        .with_found(&format!("{text:?}")))
}

/// The spellings of YAML 1.1 count, as they did for the original.
fn flag(path: &str, text: &str, place: Place) -> Result<Typed, Problem> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "y" => Ok(Typed::Flag(true)),
        "false" | "no" | "off" | "n" => Ok(Typed::Flag(false)),
        _ => Err(
            Problem::at(place, "is neither true nor false", "write true or false")
                .of_key(path)
                .with_found(text),
        ),
    }
}

fn wrong_kind(key: &Key, path: &str, node: &Node) -> Problem {
    let found = match &node.value {
        Value::Null => "nothing",
        Value::Scalar { plain: true, .. } => "a single value",
        Value::Scalar { plain: false, .. } => "a text",
        Value::List(_) => "a list",
        Value::Section(_) => "a section of keys",
    };
    let is_item = path.ends_with(']') && matches!(key.kind, Kind::Sections | Kind::Named(_));
    let noun = if is_item {
        "a section of keys"
    } else {
        key.kind.noun()
    };
    let cause = format!("must be {noun}, but is {found}");
    let remedy = match (key.kind, &node.value) {
        (Kind::Texts(_), Value::Scalar { text, .. }) => format!("write it as a list: [{text:?}]"),
        (Kind::Whole { .. } | Kind::Fraction | Kind::Flag, Value::Scalar { text, .. }) => {
            format!("write {text} without quotes")
        }
        (Kind::Section | Kind::Choice, Value::Scalar { .. }) => {
            format!("write the keys beneath `{}:`, indented", key.name())
        }
        _ => format!("write {noun}"),
    };
    Problem::at(node.place, &cause, &remedy).of_key(path)
}
