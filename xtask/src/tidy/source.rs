//! A Rust file as the rules see it: tokens with their lines, functions, and what is a test.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use super::visit::{self, Outline};
use super::{Tree, Violation};

/// A word, sign or bracket of a file. Comments are not tokens, texts are the empty word.
pub(crate) struct Token {
    /// What is written.
    pub(crate) text: String,
    /// The line it is on, from 1.
    pub(crate) line: usize,
}

/// An attribute, `#[…]` or `#![…]`.
pub(crate) struct Attribute<'s> {
    /// First token inside the brackets.
    pub(crate) name: &'s str,
    /// Every token inside the brackets.
    pub(crate) words: Vec<&'s str>,
    /// First and last line, from 1.
    pub(crate) lines: (usize, usize),
}

/// One parsed file.
pub(crate) struct Source<'t> {
    /// Path below the root.
    pub(crate) path: &'t str,
    /// The lines as written.
    pub(crate) lines: Vec<&'t str>,
    /// The file's tokens in order.
    pub(crate) tokens: Vec<Token>,
    /// What the syntax tree told.
    pub(crate) outline: Outline,
    all_is_test: bool,
}

// === impl Source ===

impl<'t> Source<'t> {
    /// Parses every Rust file below `crates/` and `xtask/`; a file that does not parse is a
    /// violation.
    pub(crate) fn parse_all(tree: &'t Tree, violations: &mut Vec<Violation>) -> Vec<Self> {
        let mut sources = Vec::new();
        for file in tree.texts.iter().filter(|file| is_checked(&file.path)) {
            match Self::parse(&file.path, &file.text) {
                Ok(source) => sources.push(source),
                Err(error) => violations.push(Violation::new(
                    &file.path,
                    error.span().start().line,
                    format!("does not parse ({error})"),
                    "mend the syntax",
                )),
            }
        }
        mark_test_modules(&mut sources);
        sources
    }

    fn parse(path: &'t str, text: &'t str) -> syn::Result<Self> {
        let stream: TokenStream = text.parse()?;
        let mut tokens = Vec::new();
        flatten(stream.clone(), &mut tokens);
        let outline = visit::outline(&syn::parse2(stream)?);
        let lines = text.lines().collect();
        Ok(Self {
            path,
            lines,
            tokens,
            outline,
            all_is_test: path.contains("/tests/"),
        })
    }

    /// Whether a line belongs to tests only.
    pub(crate) fn is_test(&self, line: usize) -> bool {
        let inside = |&(first, last): &(usize, usize)| (first..=last).contains(&line);
        self.all_is_test || self.outline.test_spans.iter().any(inside)
    }

    /// Every path with its line: `std::fs::read` as written, and each leaf of a `use`.
    pub(crate) fn paths(&self) -> Vec<(String, usize)> {
        let mut paths = self.outline.uses.clone();
        let mut at = 0;
        while at < self.tokens.len() {
            let (segments, next) = self.path_at(at);
            if !segments.is_empty() {
                paths.push((segments.join("::"), self.tokens[at].line));
            }
            at = next;
        }
        paths.sort();
        paths.dedup();
        paths
    }

    /// The segments of the path that starts at a token, and where to look next.
    fn path_at(&self, start: usize) -> (Vec<&str>, usize) {
        let word = |at: usize| self.tokens.get(at).map_or("", |token| token.text.as_str());
        let mut segments = Vec::new();
        let mut at = start;
        while is_word(word(at)) {
            segments.push(word(at));
            if word(at + 1) != ":" || word(at + 2) != ":" {
                return (segments, at + 1);
            }
            at += 3;
        }
        (segments, at.max(start + 1))
    }

    /// The words before a `!`: macros by name, with their lines.
    pub(crate) fn macros(&self) -> impl Iterator<Item = &Token> {
        let pairs = self.tokens.windows(2);
        pairs
            .filter(|pair| pair[1].text == "!" && is_word(&pair[0].text))
            .map(|pair| &pair[0])
    }

    /// Every attribute, those inside macro calls included.
    pub(crate) fn attributes(&self) -> Vec<Attribute<'_>> {
        let text = |at: usize| self.tokens.get(at).map_or("", |token| token.text.as_str());
        let hashes = (0..self.tokens.len()).filter(|&at| text(at) == "#");
        hashes
            .filter_map(|hash| {
                let open = if text(hash + 1) == "!" {
                    hash + 2
                } else {
                    hash + 1
                };
                (text(open) == "[").then(|| self.attribute(open))
            })
            .collect()
    }

    fn attribute(&self, open: usize) -> Attribute<'_> {
        let mut depth = 0_usize;
        let inside = self.tokens[open..].iter().take_while(|token| {
            match token.text.as_str() {
                "[" => depth += 1,
                "]" => depth -= 1,
                _ => {}
            }
            depth > 0
        });
        let inside: Vec<_> = inside.skip(1).collect();
        let first = self.tokens[open].line;
        Attribute {
            name: inside.first().map_or("", |token| token.text.as_str()),
            words: inside.iter().map(|token| token.text.as_str()).collect(),
            lines: (first, inside.last().map_or(first, |token| token.line)),
        }
    }
}

fn is_checked(path: &str) -> bool {
    path.ends_with(".rs") && (path.starts_with("crates/") || path.starts_with("xtask/"))
}

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

fn flatten(stream: TokenStream, tokens: &mut Vec<Token>) {
    for tree in stream {
        let line = tree.span().start().line;
        match tree {
            TokenTree::Group(group) => {
                let (open, close) = brackets(group.delimiter());
                tokens.push(Token {
                    text: open.to_owned(),
                    line,
                });
                flatten(group.stream(), tokens);
                let line = group.span_close().end().line;
                tokens.push(Token {
                    text: close.to_owned(),
                    line,
                });
            }
            TokenTree::Ident(ident) => tokens.push(Token {
                text: ident.to_string(),
                line,
            }),
            TokenTree::Punct(punct) => tokens.push(Token {
                text: punct.to_string(),
                line,
            }),
            TokenTree::Literal(_) => tokens.push(Token {
                text: String::new(),
                line,
            }),
        }
    }
}

fn brackets(delimiter: Delimiter) -> (&'static str, &'static str) {
    match delimiter {
        Delimiter::Parenthesis => ("(", ")"),
        Delimiter::Brace => ("{", "}"),
        Delimiter::Bracket => ("[", "]"),
        Delimiter::None => ("", ""),
    }
}

/// `#[cfg(test)] mod name;` makes another file, and all below it, a test.
fn mark_test_modules(sources: &mut [Source<'_>]) {
    let modules: Vec<String> = sources
        .iter()
        .flat_map(|source| {
            let base = module_directory(source.path);
            source
                .outline
                .test_modules
                .iter()
                .map(move |name| format!("{base}/{name}"))
        })
        .collect();
    for source in sources {
        let stem = source.path.trim_end_matches(".rs");
        source.all_is_test |= modules.iter().any(|module| {
            stem.strip_prefix(module.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        });
    }
}

/// Where the modules that a file declares have their files.
fn module_directory(path: &str) -> &str {
    let stem = path.trim_end_matches(".rs");
    let (directory, name) = stem.rsplit_once('/').unwrap_or(("", stem));
    if matches!(name, "lib" | "main" | "mod") {
        directory
    } else {
        stem
    }
}
