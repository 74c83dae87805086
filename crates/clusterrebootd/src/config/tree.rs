//! The fragment: a YAML file as it was written, every value with its place.
//!
//! Source of the rules: YAML 1.2 core schema, with the spellings of YAML 1.1 that files written
//! for the original daemon may hold (`yes`, `on`, merge keys).

use super::problem::Problem;
use granit_parser::{Event, Marker, Parser, ScalarStyle, Tag, options};
use std::collections::HashMap;

/// The deepest nesting of lists and sections a file may have.
const DEPTH_MAX: usize = 16;
/// The most values a file may have, with aliases counted where they are used.
const NODES_MAX: usize = 20_000;

/// Where something stands in a file.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Place {
    /// Line, from 1; 0 when the file as a whole is meant.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Characters it covers on its first line, at least 1 where something stands.
    pub width: usize,
}

// === impl Place ===

impl Place {
    /// Where a piece of a text stands that stands here, as start and length in bytes; this place
    /// itself where the text was written with escapes or over several lines.
    pub(super) fn of_piece(self, text: &str, (start, len): (usize, usize)) -> Self {
        let quotes = self.width.checked_sub(text.chars().count());
        let (Some(quotes @ (0 | 2)), Some(before)) = (quotes, text.get(..start)) else {
            return self;
        };
        let piece = text.get(start..start + len).unwrap_or_default();
        Self {
            line: self.line,
            column: self.column + quotes / 2 + before.chars().count(),
            width: piece.chars().count().max(1),
        }
    }
}

/// One value of the file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) value: Value,
    pub(crate) place: Place,
}

/// What kind of value, and its content.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// Nothing, `~` or `null`.
    Null,
    /// A text; `plain` when it stands without quotes, so that it may be a number or a flag.
    Scalar { text: String, plain: bool },
    /// A list.
    List(Vec<Node>),
    /// A section: keys in the order of the file, each once.
    Section(Vec<Entry>),
}

/// A key of a section with its value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) place: Place,
    pub(crate) value: Node,
}

/// Reads the one document of `text`; problems of the notation are added to `problems`.
/// `None` when the text is not YAML at all, or holds nothing.
pub(crate) fn parse(text: &str, problems: &mut Vec<Problem>) -> Option<Node> {
    let options = options! {
        emit_comments: false,
        block_nesting_limit: DEPTH_MAX,
        flow_nesting_limit: DEPTH_MAX,
    };
    let parser = Parser::new_from_str_with_options(text, options);
    let mut builder = Builder {
        parser,
        text,
        anchors: HashMap::new(),
        nodes: 0,
        problems,
    };
    match builder.document() {
        Ok(node) => node.filter(|node| node.value != Value::Null),
        Err(problem) => {
            problems.push(problem);
            None
        }
    }
}

struct Builder<'text, 'problems> {
    parser: Parser<'text, granit_parser::StrInput<'text>>,
    text: &'text str,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    problems: &'problems mut Vec<Problem>,
}

type Step<'text> = (Event<'text>, granit_parser::Span);

// === impl Builder ===

impl<'text> Builder<'text, '_> {
    fn next(&mut self) -> Result<Step<'text>, Problem> {
        match self.parser.next_event() {
            Some(Ok(step)) => Ok(step),
            Some(Err(error)) => Err(syntax_problem(&error)),
            None => Err(Problem::of_file(
                "the file ends too early",
                "close what was opened last",
            )),
        }
    }

    /// The first document; another one after it is a problem, since nothing would read it.
    fn document(&mut self) -> Result<Option<Node>, Problem> {
        let mut first = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => return Ok(first),
                Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd => {}
                event => {
                    let node = self.node(event, span)?;
                    match first {
                        None => first = Some(node),
                        Some(_) if node.value == Value::Null => {}
                        Some(_) => self.problems.push(Problem::at(
                            node.place,
                            "a second document begins here, and only the first is read",
                            "remove the `---` before it, or the whole document",
                        )),
                    }
                }
            }
        }
    }

    fn node(&mut self, event: Event<'text>, span: granit_parser::Span) -> Result<Node, Problem> {
        let place = self.place(&span);
        self.count(place, 1)?;
        let (value, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_custom_tag(tag.as_deref(), place);
                (scalar(&text, style, tag.as_deref()), anchor)
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.refuse_custom_tag(tag.as_deref(), place);
                (self.list()?, anchor)
            }
            Event::MappingStart(_, anchor, tag) => {
                self.refuse_custom_tag(tag.as_deref(), place);
                (self.section()?, anchor)
            }
            Event::Alias(id) => return self.alias(id, place),
            _ => (Value::Null, 0),
        };
        let node = Node { value, place };
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn alias(&mut self, id: usize, place: Place) -> Result<Node, Problem> {
        let node = self.anchors.get(&id).cloned().ok_or_else(|| {
            Problem::at(
                place,
                "the alias stands inside its own anchor",
                "write the value out",
            )
        })?;
        self.count(place, size(&node))?;
        Ok(node)
    }

    fn list(&mut self) -> Result<Value, Problem> {
        let mut items = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::SequenceEnd {
                return Ok(Value::List(items));
            }
            items.push(self.node(event, span)?);
        }
    }

    fn section(&mut self) -> Result<Value, Problem> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut merged = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                add_missing(&mut entries, merged);
                return Ok(Value::Section(entries));
            }
            let key = self.node(event, span)?;
            let (event, span) = self.next()?;
            let value = self.node(event, span)?;
            let Value::Scalar { text, plain } = key.value else {
                self.problems.push(Problem::at(
                    key.place,
                    "a key must be a text",
                    "write `key: value`",
                ));
                continue;
            };
            if plain && text == "<<" {
                merged.extend(merged_entries(value));
            } else {
                self.add(
                    &mut entries,
                    Entry {
                        key: text,
                        place: key.place,
                        value,
                    },
                );
            }
        }
    }

    fn add(&mut self, entries: &mut Vec<Entry>, entry: Entry) {
        let Some(first) = entries.iter().find(|other| other.key == entry.key) else {
            entries.push(entry);
            return;
        };
        let cause = format!("is given twice, first in line {}", first.place.line);
        let problem = Problem::at(entry.place, &cause, "keep one of the two");
        self.problems.push(Problem {
            key: entry.key,
            ..problem
        });
    }

    fn refuse_custom_tag(&mut self, tag: Option<&Tag>, place: Place) {
        if let Some(tag) = tag.filter(|tag| tag.is_custom()) {
            let cause = format!("the tag {} has no meaning here", tag.original());
            self.problems
                .push(Problem::at(place, &cause, "remove the tag"));
        }
    }

    fn count(&mut self, place: Place, more: usize) -> Result<(), Problem> {
        self.nodes += more;
        if self.nodes <= NODES_MAX {
            return Ok(());
        }
        let cause = format!("the file holds more than {NODES_MAX} values");
        Err(Problem::at(
            place,
            &cause,
            "use fewer aliases, or shorten the lists",
        ))
    }

    fn place(&self, span: &granit_parser::Span) -> Place {
        let first_line = span.slice(self.text).and_then(|text| text.lines().next());
        let width = first_line
            .map_or(1, |line| line.trim_end().chars().count())
            .max(1);
        Place {
            width,
            ..marker_place(&span.start)
        }
    }
}

fn marker_place(marker: &Marker) -> Place {
    Place {
        line: marker.line(),
        column: marker.col() + 1,
        width: 1,
    }
}

fn syntax_problem(error: &granit_parser::ScanError) -> Problem {
    let cause = format!("the text is not valid YAML here: {}", error.info());
    let remedy = "mend the notation first; the other checks need it";
    Problem::at(marker_place(error.marker()), &cause, remedy)
}

fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Value {
    let is_text = tag.is_some_and(|tag| tag.is_yaml_core_schema_tag("str"));
    let plain = style == ScalarStyle::Plain && !is_text;
    match text {
        "" | "~" | "null" | "Null" | "NULL" if plain => Value::Null,
        _ => Value::Scalar {
            text: text.to_owned(),
            plain,
        },
    }
}

/// How many values a value consists of.
fn size(node: &Node) -> usize {
    1 + match &node.value {
        Value::Null | Value::Scalar { .. } => 0,
        Value::List(items) => items.iter().map(size).sum(),
        Value::Section(entries) => entries.iter().map(|entry| size(&entry.value)).sum(),
    }
}

/// What a merge key brings in: one section, or a list of them, the earlier ones first.
fn merged_entries(node: Node) -> Vec<Entry> {
    match node.value {
        Value::Section(entries) => entries,
        Value::List(items) => items.into_iter().flat_map(merged_entries).collect(),
        Value::Null | Value::Scalar { .. } => Vec::new(),
    }
}

/// A section's own keys win over merged ones.
fn add_missing(entries: &mut Vec<Entry>, merged: Vec<Entry>) {
    for entry in merged {
        if entries.iter().all(|other| other.key != entry.key) {
            entries.push(entry);
        }
    }
}
