//! The documents, and what they show.

use std::fs;
use std::path::{Path, PathBuf};

/// A command line as a document has it.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) document: String,
    pub(crate) line: String,
    /// The first line of the script that it stands in, which is to be typed. A name in running text
    /// may stand for all of its forms.
    pub(crate) script: Option<String>,
}

pub(crate) fn repository() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize().unwrap()
}

/// Everything that all documents show.
pub(crate) fn everything() -> Vec<Shown> {
    let root = repository();
    let below = |folder: &Path| {
        let entries = fs::read_dir(folder).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        paths.filter(|path| path.extension().is_some_and(|it| it == "md"))
    };
    let mut all: Vec<_> = below(&root).chain(below(&root.join("docs"))).collect();
    all.sort();
    all.iter().flat_map(|path| shown(path)).collect()
}

/// What is to be typed in a document's blocks, and what stands between backticks in its text.
fn shown(path: &Path) -> Vec<Shown> {
    let text = fs::read_to_string(path).unwrap();
    let document = path.file_name().unwrap().to_string_lossy();
    let mut all = Vec::new();
    for (at, part) in text.split("```").enumerate() {
        let (kind, body) = part.split_once('\n').unwrap_or(("", part));
        let is_text = at % 2 == 0;
        let lines = match kind.trim() {
            _ if is_text => spans(part),
            "sh" => scripts(body),
            "console" => typed(&scripts(body)),
            "text" => commands(&scripts(body)),
            _ => Vec::new(),
        };
        let first = lines.first().cloned().filter(|_| !is_text);
        all.extend(lines.into_iter().map(|line| Shown {
            document: document.clone().into_owned(),
            line,
            script: first.clone(),
        }));
    }
    all
}

/// The text between single backticks, on one line.
fn spans(text: &str) -> Vec<String> {
    let odd = |line: &str| {
        let spans = line.split('`').skip(1).step_by(2).map(str::to_owned);
        spans.collect::<Vec<_>>()
    };
    text.lines().flat_map(odd).collect()
}

/// The lines of a script, with those that a backslash goes on in one.
fn scripts(body: &str) -> Vec<String> {
    let joined = body.replace("\\\n", " ");
    joined.lines().map(|line| line.trim().to_owned()).collect()
}

/// What stands behind a prompt.
fn typed(lines: &[String]) -> Vec<String> {
    let typed = lines.iter().filter_map(|line| line.strip_prefix("$ "));
    typed.map(str::to_owned).collect()
}

/// What is a command among the lines of a block that says it is text.
fn commands(lines: &[String]) -> Vec<String> {
    let is_command = |line: &&String| {
        let first = line.split_whitespace().next();
        matches!(first, Some("cargo" | "etcdctl"))
    };
    lines.iter().filter(is_command).cloned().collect()
}
