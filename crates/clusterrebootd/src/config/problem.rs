//! Problems of a configuration: where each stands, what is wrong, and how to mend it.

use super::tree::Place;
use std::fmt;
use std::path::{Path, PathBuf};

/// The most problems that a report for people shows.
const SHOWN_MAX: usize = 100;
/// The longest piece of a message, in characters.
const PIECE_CHARS_MAX: usize = 400;
/// How much of a line of the file is shown before and after the place, in characters.
const BEFORE_CHARS: usize = 80;
const AFTER_CHARS: usize = 120;

/// One problem of a configuration file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// The key's path, such as `reboot_required_detectors[2].timeout_sec`; empty when the file as
    /// a whole is meant.
    pub key: String,
    /// Where the offending text stands.
    pub place: Place,
    /// The offending text, where there is one.
    pub found: Option<String>,
    /// What is wrong, in words that follow the key.
    pub cause: String,
    /// What to do about it.
    pub remedy: String,
}

/// Every problem of one file, with what is needed to show them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConfigProblems {
    /// The file.
    pub path: PathBuf,
    /// What was wrong, in the order of the file; never empty.
    pub problems: Vec<Problem>,
    /// The file's text; none when it could not be read.
    source: Option<String>,
}

// === impl Problem ===

impl Problem {
    /// A problem of the file as a whole.
    pub(crate) fn of_file(cause: &str, remedy: &str) -> Self {
        Self::at(Place::default(), cause, remedy)
    }

    /// A problem at a place, without a key.
    pub(crate) fn at(place: Place, cause: &str, remedy: &str) -> Self {
        Self {
            key: String::new(),
            place,
            found: None,
            cause: cause.to_owned(),
            remedy: remedy.to_owned(),
        }
    }

    /// The same problem, said of a key.
    pub(crate) fn of_key(self, key: &str) -> Self {
        Self {
            key: key.to_owned(),
            ..self
        }
    }

    /// The same problem, with the text it is about.
    pub(crate) fn with_found(self, found: &str) -> Self {
        Self {
            found: Some(found.to_owned()),
            ..self
        }
    }

    /// `KEY: FOUND CAUSE: REMEDY`, without the place.
    pub fn message(&self) -> String {
        let key = if self.key.is_empty() {
            String::new()
        } else {
            format!("{}: ", printable(&self.key))
        };
        let found = self
            .found
            .as_ref()
            .map_or(String::new(), |found| format!("{} ", printable(found)));
        let (cause, remedy) = (printable(&self.cause), printable(&self.remedy));
        format!("{key}{found}{cause}: {remedy}")
    }
}

// === impl ConfigProblems ===

impl ConfigProblems {
    /// The problems of a file whose text is `source`, put into the order of the file.
    pub(crate) fn new(path: &Path, source: &str, mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|problem| (problem.place.line, problem.place.column));
        Self {
            path: path.to_owned(),
            problems,
            source: Some(source.to_owned()),
        }
    }

    /// The one problem of a file that could not be read.
    pub(crate) fn unread(path: &Path, problem: Problem) -> Self {
        Self {
            path: path.to_owned(),
            problems: vec![problem],
            source: None,
        }
    }

    /// What is the matter, in words that stand above the report.
    pub fn headline(&self) -> &'static str {
        match self.source {
            Some(_) => "invalid configuration",
            None => "cannot read the configuration",
        }
    }

    /// A name for logs and replies.
    pub fn kind(&self) -> &'static str {
        "invalid_config"
    }

    /// The report for people: each problem with its line of the file and a caret beneath;
    /// `colour` for a terminal.
    pub fn render(&self, colour: bool) -> String {
        let paint = Paint { colour };
        let mut report: Vec<String> = self
            .problems
            .iter()
            .take(SHOWN_MAX)
            .map(|problem| self.render_one(problem, &paint))
            .collect();
        report.push(match self.problems.len() {
            1 => "1 problem".to_owned(),
            count if count > SHOWN_MAX => format!("{count} problems, the first {SHOWN_MAX} shown"),
            count => format!("{count} problems"),
        });
        report.join("\n")
    }

    /// The report for programs.
    pub fn to_json(&self) -> serde_json::Value {
        let problems = self.problems.iter().map(|problem| {
            serde_json::json!({
                "key": problem.key,
                "line": problem.place.line,
                "column": problem.place.column,
                "found": problem.found,
                "cause": problem.cause,
                "remedy": problem.remedy,
            })
        });
        serde_json::json!({
            "file": self.path,
            "readable": self.source.is_some(),
            "valid": false,
            "problems": problems.collect::<Vec<_>>(),
        })
    }

    fn render_one(&self, problem: &Problem, paint: &Paint) -> String {
        let place = problem.place;
        let file = self.path.display();
        if place.line == 0 {
            return format!("{}: {}", paint.bold(&file.to_string()), problem.message());
        }
        let head = paint.bold(&format!("{file}:{}:{}", place.line, place.column));
        let head = format!("{head}: {}", problem.message());
        let source = self.source.as_deref().unwrap_or_default();
        let line = source.lines().nth(place.line - 1);
        let Some(line) = line.filter(|_| place.width > 0) else {
            return head;
        };
        let number = place.line.to_string();
        let margin = " ".repeat(number.len());
        let excerpt = Excerpt::of(line, place);
        let caret = paint.red(&"^".repeat(excerpt.width));
        let (text, before) = (excerpt.text, excerpt.before);
        format!("{head}\n  {number} | {text}\n  {margin} | {before}{caret}")
    }
}

/// A text on one line, no longer than a reader can take, that does nothing to a terminal.
fn printable(text: &str) -> String {
    let mut printable: String = text.chars().take(PIECE_CHARS_MAX).map(visible).collect();
    if text.chars().nth(PIECE_CHARS_MAX).is_some() {
        printable.push('…');
    }
    printable
}

/// The part of a line that shows a place.
struct Excerpt {
    text: String,
    /// What stands before the caret beneath it.
    before: String,
    /// How many carets.
    width: usize,
}

// === impl Excerpt ===

impl Excerpt {
    fn of(line: &str, place: Place) -> Self {
        let column = place.column.saturating_sub(1);
        let start = column.saturating_sub(BEFORE_CHARS);
        let cut = if start > 0 { "…" } else { "" };
        let shown: String = line
            .chars()
            .skip(start)
            .take(column - start + AFTER_CHARS)
            .map(visible)
            .collect();
        // A tab before the caret stays a tab, so that the two line up.
        let before = cut.chars().chain(shown.chars().take(column - start));
        let before: String = before.map(blank).collect();
        let room = shown.chars().count().saturating_sub(column - start);
        let is_cut = line.chars().nth(column + AFTER_CHARS).is_some();
        let end = if is_cut { "…" } else { "" };
        Self {
            text: format!("{cut}{shown}{end}"),
            before,
            width: place.width.min(room).max(1),
        }
    }
}

fn visible(character: char) -> char {
    match character {
        '\t' => '\t',
        c if c.is_control() => '\u{fffd}',
        c => c,
    }
}

fn blank(character: char) -> char {
    if character == '\t' { '\t' } else { ' ' }
}

impl fmt::Display for ConfigProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for ConfigProblems {}

struct Paint {
    colour: bool,
}

// === impl Paint ===

impl Paint {
    fn bold(&self, text: &str) -> String {
        self.code("1", text)
    }

    fn red(&self, text: &str) -> String {
        self.code("31", text)
    }

    fn code(&self, code: &str, text: &str) -> String {
        if self.colour {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}
