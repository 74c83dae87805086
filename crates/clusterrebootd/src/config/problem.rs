//! Problems of a configuration: where each stands, what is wrong, and how to mend it.

use super::tree::Place;
use std::fmt;
use std::path::{Path, PathBuf};

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
    source: String,
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
            format!("{}: ", self.key)
        };
        let found = self
            .found
            .as_ref()
            .map_or(String::new(), |found| format!("{found} "));
        format!("{key}{found}{}: {}", self.cause, self.remedy)
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
            source: source.to_owned(),
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
            .map(|problem| self.render_one(problem, &paint))
            .collect();
        report.push(match self.problems.len() {
            1 => "1 problem".to_owned(),
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
        let Some(line) = self
            .source
            .lines()
            .nth(place.line - 1)
            .filter(|_| place.width > 0)
        else {
            return head;
        };
        let number = place.line.to_string();
        let margin = " ".repeat(number.len());
        // A tab before the caret stays a tab, so that the two line up.
        let before: String = line.chars().take(place.column - 1).map(blank).collect();
        let room = line.chars().count().saturating_sub(place.column - 1);
        let caret = paint.red(&"^".repeat(place.width.min(room).max(1)));
        format!("{head}\n  {number} | {line}\n  {margin} | {before}{caret}")
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
