//! The fragment: a YAML file as it was written, every value with its place.
//!
//! Source of the rules: YAML 1.2 core schema, with the spellings of YAML 1.1 that files written
//! for the original daemon may hold (`yes`, `on`, merge keys).

use super::problem::Problem;
use granit_parser::{ErrorKind, Event, Marker, Parser, ScalarStyle, Tag, options};
use std::collections::HashMap;

/// The deepest nesting of lists and sections a file may have.
const DEPTH_MAX: usize = 16;
/// The most values a file may have, with aliases counted where they are used.
const NODES_MAX: usize = 20_000;
/// The longest that all its texts may be, in bytes, with aliases counted where they are used.
const TEXT_BYTES_MAX: usize = 2 * super::FILE_BYTES_MAX as usize;

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
        weight: Weight::default(),
        depth: 0,
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
    weight: Weight,
    depth: usize,
    problems: &'problems mut Vec<Problem>,
}

/// How much of a file something is.
#[derive(Clone, Copy, Debug, Default)]
struct Weight {
    nodes: usize,
    text_bytes: usize,
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
        let (value, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_custom_tag(tag.as_deref(), place);
                self.count(place, Weight::of_text(&text))?;
                (scalar(&text, style, tag.as_deref()), anchor)
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.refuse_custom_tag(tag.as_deref(), place);
                (self.deeper(place, Self::list)?, anchor)
            }
            Event::MappingStart(_, anchor, tag) => {
                self.refuse_custom_tag(tag.as_deref(), place);
                (self.deeper(place, Self::section)?, anchor)
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
        let weight = self.anchors.get(&id).map(Weight::of).ok_or_else(|| {
            Problem::at(
                place,
                "the alias stands inside its own anchor",
                "write the value out",
            )
        })?;
        // Before the copy is made: a short file may mean a long one.
        self.count(place, weight)?;
        Ok(self.anchors[&id].clone())
    }

    /// Reads a list or section. The parser's own limits do not see every way of nesting
    /// (`[a: b: c: …`), and each level takes some of our stack.
    fn deeper(
        &mut self,
        place: Place,
        read: fn(&mut Self) -> Result<Value, Problem>,
    ) -> Result<Value, Problem> {
        self.count(place, Weight::of_text(""))?;
        if self.depth == DEPTH_MAX {
            return Err(depth_problem(place));
        }
        self.depth += 1;
        let value = read(self);
        self.depth -= 1;
        value
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
        let mut first_lines = HashMap::new();
        let mut merged = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                merged.retain(|entry: &Entry| is_new(&mut first_lines, entry).is_ok());
                entries.extend(merged);
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
                continue;
            }
            let entry = Entry {
                key: text,
                place: key.place,
                value,
            };
            match is_new(&mut first_lines, &entry) {
                Ok(()) => entries.push(entry),
                Err(line) => self.given_twice(&entry, line),
            }
        }
    }

    fn given_twice(&mut self, entry: &Entry, first_line: usize) {
        let cause = format!("is given twice, first in line {first_line}");
        let problem = Problem::at(entry.place, &cause, "keep one of the two");
        self.problems.push(problem.of_key(&entry.key));
    }

    fn refuse_custom_tag(&mut self, tag: Option<&Tag>, place: Place) {
        if let Some(tag) = tag.filter(|tag| tag.is_custom()) {
            let cause = format!("the tag {} has no meaning here", tag.original());
            self.problems
                .push(Problem::at(place, &cause, "remove the tag"));
        }
    }

    fn count(&mut self, place: Place, more: Weight) -> Result<(), Problem> {
        self.weight = self.weight + more;
        let cause = if self.weight.nodes > NODES_MAX {
            format!("the file holds more than {NODES_MAX} values")
        } else if self.weight.text_bytes > TEXT_BYTES_MAX {
            format!("the file's texts are longer than {TEXT_BYTES_MAX} bytes")
        } else {
            return Ok(());
        };
        let remedy = "use fewer aliases, or shorten the lists";
        Err(Problem::at(place, &cause, remedy))
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

fn depth_problem(place: Place) -> Problem {
    let cause = format!("more than {DEPTH_MAX} lists and sections stand in each other");
    Problem::at(place, &cause, "write it flatter, no key needs so many")
}

fn syntax_problem(error: &granit_parser::ScanError) -> Problem {
    if *error.kind() == ErrorKind::RecursionLimitExceeded {
        return depth_problem(marker_place(error.marker()));
    }
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

/// What a merge key brings in: one section, or a list of them, the earlier ones first.
fn merged_entries(node: Node) -> Vec<Entry> {
    match node.value {
        Value::Section(entries) => entries,
        Value::List(items) => items.into_iter().flat_map(merged_entries).collect(),
        Value::Null | Value::Scalar { .. } => Vec::new(),
    }
}

/// Keeps the line of a key that was not there before; else the error is the first one's line.
/// Merged keys come last, so that a section's own keys win over them.
fn is_new(first_lines: &mut HashMap<String, usize>, entry: &Entry) -> Result<(), usize> {
    match first_lines.get(&entry.key) {
        Some(line) => Err(*line),
        None => {
            first_lines.insert(entry.key.clone(), entry.place.line);
            Ok(())
        }
    }
}

// === impl Weight ===

impl Weight {
    fn of_text(text: &str) -> Self {
        Self {
            nodes: 1,
            text_bytes: text.len(),
        }
    }

    fn of(node: &Node) -> Self {
        let beneath = Self::of_text("");
        match &node.value {
            Value::Null => beneath,
            Value::Scalar { text, .. } => Self::of_text(text),
            Value::List(items) => items.iter().fold(beneath, |sum, item| sum + Self::of(item)),
            Value::Section(entries) => entries.iter().fold(beneath, |sum, entry| {
                sum + Self::of_text(&entry.key) + Self::of(&entry.value)
            }),
        }
    }
}

impl std::ops::Add for Weight {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            nodes: self.nodes + other.nodes,
            text_bytes: self.text_bytes + other.text_bytes,
        }
    }
}
