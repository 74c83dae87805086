//! What a table of keys consists of.
//!
//! The table is the single source of what a key may hold, of its default, of the suggestion for a
//! mistyped key, and of the reference in the manual page and the documentation.

use super::texts::Complaint;

/// The longest time a key may give, in seconds: ten years. Longer ones are typing mistakes.
pub const SECONDS_MAX: u64 = 315_360_000;

/// One key of a configuration file.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its path; `[]` stands for each item of a list, or each name.
    pub path: &'static str,
    /// What it may hold.
    pub kind: Kind,
    /// What holds when it is not given.
    pub default: Default,
    /// Further rules, in words; empty when the kind says all.
    pub rule: &'static str,
    /// What it is for: one or two sentences for operators.
    pub doc: &'static str,
}

/// Tells what is wrong with a text.
pub type Check = fn(&str) -> Result<(), Complaint>;

/// What a key may hold.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A section of keys.
    Section,
    /// A section that is chosen by being there, even when empty.
    Choice,
    /// A list of sections.
    Sections,
    /// A section of sections, each under a name of the operator's that is checked.
    Named(Check),
    /// A text.
    Text(Check),
    /// A list of texts.
    Texts(Check),
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A whole number within a range. Where 0 is below the range it means the default.
    Whole {
        /// The smallest.
        min: u64,
        /// The largest.
        max: u64,
    },
    /// A list of exit codes, 0–255.
    ExitCodes,
    /// A number above 0, up to 1.
    Fraction,
    /// `true` or `false`.
    Flag,
}

/// What holds when a key is not given.
#[derive(Clone, Copy, Debug)]
pub enum Default {
    /// It must be given.
    Required,
    /// Nothing holds then.
    Nothing,
    /// This text.
    Text(&'static str),
    /// This number.
    Whole(u64),
    /// This flag.
    Flag(bool),
    /// These texts.
    Texts(&'static [&'static str]),
    /// What follows from other settings, in words.
    Computed(&'static str),
}

// === impl Key ===

impl Key {
    /// The path without the last name: where its siblings stand; empty at the top.
    pub fn parent(&self) -> &'static str {
        self.path.rsplit_once('.').map_or("", |(parent, _)| parent)
    }

    /// The last name of the path.
    pub fn name(&self) -> &'static str {
        self.path
            .rsplit_once('.')
            .map_or(self.path, |(_, name)| name)
    }

    /// Whether it holds a value of its own, rather than further keys.
    pub fn is_leaf(&self) -> bool {
        !matches!(
            self.kind,
            Kind::Section | Kind::Choice | Kind::Sections | Kind::Named(_)
        )
    }

    /// The rule of its kind and its own, for the reference.
    pub fn rules(&self) -> String {
        let of_kind = self.kind.rule();
        match (of_kind.is_empty(), self.rule.is_empty()) {
            (_, true) => of_kind,
            (true, false) => self.rule.to_owned(),
            (false, false) => format!("{of_kind}; {}", self.rule),
        }
    }
}

// === impl Kind ===

impl Kind {
    /// What to write, for messages: `a whole number`.
    pub fn noun(&self) -> &'static str {
        match self {
            Kind::Section | Kind::Choice => "a section of keys",
            Kind::Sections => "a list of sections",
            Kind::Named(_) => "a section for each name",
            Kind::Text(_) => "a text",
            Kind::Texts(_) => "a list of texts",
            Kind::OneOf(_) => "one word",
            Kind::Whole { .. } => "a whole number",
            Kind::ExitCodes => "a list of exit codes",
            Kind::Fraction => "a number above 0, up to 1",
            Kind::Flag => "true or false",
        }
    }

    fn rule(&self) -> String {
        match self {
            Kind::OneOf(words) => words.join(", "),
            Kind::Whole {
                min: 1,
                max: SECONDS_MAX,
            } => "> 0".to_owned(),
            Kind::Whole {
                min,
                max: SECONDS_MAX,
            } => format!("≥ {min}"),
            Kind::Whole { min, max } => format!("{min}–{max}"),
            Kind::ExitCodes => "0–255 each".to_owned(),
            Kind::Fraction => "above 0, up to 1".to_owned(),
            _ => String::new(),
        }
    }
}

// === impl Default ===

impl Default {
    /// The default as it would be written in the file; a dash where there is none.
    pub fn text(&self) -> String {
        match self {
            Default::Required => "(required)".to_owned(),
            Default::Nothing => "–".to_owned(),
            Default::Text("") => "\"\"".to_owned(),
            Default::Text(text) | Default::Computed(text) => (*text).to_owned(),
            Default::Whole(number) => number.to_string(),
            Default::Flag(flag) => flag.to_string(),
            Default::Texts(texts) => {
                let quoted: Vec<String> = texts.iter().map(|text| format!("{text:?}")).collect();
                format!("[{}]", quoted.join(", "))
            }
        }
    }
}
