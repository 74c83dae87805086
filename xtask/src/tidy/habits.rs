//! Habits that the compiler allows and the house does not.

use super::Violation;
use super::source::{Attribute, Source};

const UNFINISHED: &[&str] = &["todo", "dbg", "unimplemented"];

const SLEEPS: &[&str] = &[
    "thread::sleep",
    "thread::park_timeout",
    "time::sleep",
    "time::sleep_until",
];

/// Checks every source for lint allowances without a reason, unfinished code, tests that are
/// skipped or sleep, and `unsafe`.
pub(crate) fn check(sources: &[Source<'_>]) -> Vec<Violation> {
    sources
        .iter()
        .flat_map(|source| {
            let mut violations = check_attributes(source);
            violations.extend(check_words(source));
            violations.extend(check_sleeps(source));
            violations.extend(check_examples(source));
            violations
        })
        .collect()
}

fn check_attributes(source: &Source<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    for attribute in source.attributes() {
        if skips_test(&attribute) {
            let mend = "make it run everywhere, or delete it";
            let line = attribute.lines.0;
            violations.push(Violation::new(source.path, line, "a skipped test", mend));
        }
        if silences_lint(&attribute) && !has_reason(source, &attribute) {
            let what = "a lint is silenced without a reason";
            let mend = "say why in a comment above, or in `reason = \"…\"`";
            violations.push(Violation::new(source.path, attribute.lines.0, what, mend));
        }
    }
    violations
}

fn skips_test(attribute: &Attribute<'_>) -> bool {
    attribute.name == "ignore"
        || attribute.name == "cfg_attr" && attribute.words.contains(&"ignore")
}

/// `cfg_attr(test, allow(…))` is the house's own line for `unwrap` in tests and needs no comment.
fn silences_lint(attribute: &Attribute<'_>) -> bool {
    let silences = attribute
        .words
        .iter()
        .any(|word| matches!(*word, "allow" | "expect"));
    match attribute.name {
        "allow" | "expect" => true,
        "cfg_attr" => silences && attribute.words.get(2) != Some(&"test"),
        _ => false,
    }
}

fn has_reason(source: &Source<'_>, attribute: &Attribute<'_>) -> bool {
    let (first, last) = attribute.lines;
    let line = |number: usize| {
        source
            .lines
            .get(number.wrapping_sub(1))
            .copied()
            .unwrap_or("")
    };
    let above = line(first - 1).trim_start();
    let is_docs = above.starts_with("///") || above.starts_with("//!");
    above.starts_with("//") && !is_docs
        || (first..=last).any(|number| line(number).contains("//"))
        || attribute.words.contains(&"reason")
}

fn check_words(source: &Source<'_>) -> Vec<Violation> {
    let unfinished = source
        .macros()
        .filter(|token| UNFINISHED.contains(&token.text.as_str()));
    let unfinished = unfinished.map(|token| {
        let what = format!("{}! is left in", token.text);
        Violation::new(source.path, token.line, what, "finish it or take it out")
    });
    let unsafe_code = source
        .tokens
        .iter()
        .filter(|token| token.text == "unsafe")
        .map(|token| {
            let mend = "use a safe interface (nix, std)";
            Violation::new(source.path, token.line, "unsafe code", mend)
        });
    unfinished.chain(unsafe_code).collect()
}

fn check_sleeps(source: &Source<'_>) -> Vec<Violation> {
    let mut lines = Vec::new();
    for (path, line) in source.paths() {
        let sleeps = SLEEPS.iter().any(|sleep| {
            path.strip_suffix(sleep)
                .is_some_and(|rest| rest.is_empty() || rest.ends_with("::"))
        });
        if sleeps && source.is_test(line) && !lines.contains(&line) {
            lines.push(line);
        }
    }
    let mend = "wait for the event itself (a channel, a file, an exit), or pass the time in";
    let violation = |line| Violation::new(source.path, line, "a test sleeps", mend);
    lines.into_iter().map(violation).collect()
}

/// An example in the docs that is not even compiled is a skipped test.
fn check_examples(source: &Source<'_>) -> Vec<Violation> {
    let is_skipped = |line: &str| {
        let doc = line.trim_start();
        let doc = doc.strip_prefix("///").or_else(|| doc.strip_prefix("//!"));
        doc.is_some_and(|text| {
            text.trim_start()
                .strip_prefix("```")
                .is_some_and(|info| info.contains("ignore"))
        })
    };
    let skipped = (1..)
        .zip(&source.lines)
        .filter(|(_, line)| is_skipped(line));
    let mend = "let it compile, or mark it `text`";
    skipped
        .map(|(line, _)| Violation::new(source.path, line, "a skipped example", mend))
        .collect()
}
