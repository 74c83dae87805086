//! The documents, and what they show.

use std::fs;
use std::path::{Path, PathBuf};

/// A command line as a document has it.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) document: String,
    pub(crate) line: String,
    /// A name in running text may stand for all of its forms; a script is to be typed.
    pub(crate) is_script: bool,
}

/// A block of commands.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub(crate) document: String,
    /// The headings that it stands under, outermost first.
    pub(crate) headings: Vec<String>,
    /// The text between it and what was shown before.
    pub(crate) before: String,
    pub(crate) lines: Vec<String>,
}

/// A document, taken apart.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) name: String,
    /// What stands between single backticks.
    pub(crate) spans: Vec<String>,
    pub(crate) scripts: Vec<Script>,
}

pub(crate) fn repository() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize().unwrap()
}

/// All documents.
pub(crate) fn pages() -> Vec<Page> {
    let root = repository();
    let below = |folder: &Path| {
        let entries = fs::read_dir(folder).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        paths.filter(|path| path.extension().is_some_and(|it| it == "md"))
    };
    let mut all: Vec<_> = below(&root).chain(below(&root.join("docs"))).collect();
    all.sort();
    let page = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy();
        Page::of(&name, &fs::read_to_string(path).unwrap())
    };
    all.iter().map(page).collect()
}

// === impl Page ===

impl Page {
    pub(crate) fn of(name: &str, text: &str) -> Self {
        assert!(
            !text.contains("\n~~~") && !text.starts_with("~~~"),
            "{name}: use ``` instead"
        );
        let mut page = Self {
            name: name.to_owned(),
            spans: Vec::new(),
            scripts: Vec::new(),
        };
        let (mut headings, mut before) = (Vec::new(), "");
        for (at, part) in text.split("```").enumerate() {
            if at % 2 == 0 {
                before = part;
                part.lines().for_each(|line| descend(&mut headings, line));
                page.spans.extend(spans(part));
                continue;
            }
            let (kind, body) = part.split_once('\n').unwrap_or(("", part));
            let lines = commands(name, kind.trim(), body);
            if !lines.is_empty() {
                page.scripts.push(Script {
                    document: name.to_owned(),
                    headings: headings.clone(),
                    before: before.to_owned(),
                    lines,
                });
            }
        }
        page
    }

    /// All that it shows, a line each.
    pub(crate) fn shown(&self) -> impl Iterator<Item = Shown> {
        let spans = self.spans.iter().map(|line| (line, false));
        let lines = self.scripts.iter().flat_map(|script| &script.lines);
        let all = spans.chain(lines.map(|line| (line, true)));
        all.map(|(line, is_script)| Shown {
            document: self.name.clone(),
            line: line.clone(),
            is_script,
        })
    }
}

/// Goes under a heading, and out of those that are not above it.
fn descend(headings: &mut Vec<String>, line: &str) {
    let depth = |line: &str| line.bytes().take_while(|it| *it == b'#').count();
    if depth(line) > 0 && line.trim_start_matches('#').starts_with(' ') {
        headings.retain(|above| depth(above) < depth(line));
        headings.push(line.to_owned());
    }
}

/// The text between single backticks; the end of a line is a blank there.
fn spans(text: &str) -> Vec<String> {
    let paragraphs = text.split("\n\n");
    let odd = |paragraph: &str| {
        let spans = paragraph.split('`').skip(1).step_by(2);
        let words = |span: &str| span.split_whitespace().collect::<Vec<_>>().join(" ");
        spans.map(words).collect::<Vec<_>>()
    };
    paragraphs.flat_map(odd).collect()
}

/// What is to be typed of a block of this kind.
fn commands(document: &str, kind: &str, body: &str) -> Vec<String> {
    let joined = body.replace("\\\n", " ");
    let lines = joined.lines().map(str::trim);
    let all: Vec<&str> = match kind {
        "sh" => lines.collect(),
        "console" => lines.filter_map(|line| line.strip_prefix("$ ")).collect(),
        // Mostly what programs say; commands that are there by themselves are meant to be typed.
        "text" if lines.clone().all(is_command) => lines.collect(),
        "text" => lines.filter_map(|line| line.strip_prefix("$ ")).collect(),
        "yaml" | "toml" => Vec::new(),
        unknown => panic!("{document} has a block of the kind `{unknown}`: sh, console or text?"),
    };
    all.into_iter().map(str::to_owned).collect()
}

fn is_command(line: &str) -> bool {
    let first = line.split_whitespace().next().unwrap_or_default();
    ["cargo", "etcdctl", "for", "done"].contains(&first)
}
