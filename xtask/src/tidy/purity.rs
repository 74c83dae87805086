//! `reboot-core` decides and does nothing: no I/O, no clock, no randomness, no async, no logging.

use super::source::Source;
use super::{Tree, Violation};

/// Paths that act on the world or ask it something, each with what to do instead.
const IMPURE: &[(&str, &str)] = &[
    ("std::env", "pass the setting in"),
    ("std::fs", "return an effect, take the content as an input"),
    ("std::io", "return an effect, take the content as an input"),
    ("std::net", "return an effect, take the answer as an input"),
    (
        "std::process",
        "return an effect, take the result as an input",
    ),
    ("std::thread", "let the shell run things side by side"),
    ("std::time::Instant", "take the time from the input"),
    ("std::time::SystemTime", "take the time from the input"),
    (
        "std::collections::HashMap",
        "use a BTreeMap, ordered in every run",
    ),
    (
        "std::collections::HashSet",
        "use a BTreeSet, ordered in every run",
    ),
    (
        "std::hash::RandomState",
        "use a BTreeMap, ordered in every run",
    ),
    ("tokio", "leave waiting to the shell"),
    ("tracing", "return what happened, the shell logs it"),
    ("rand", "take the random number from the input"),
];

const PRINTING: &[&str] = &["print", "println", "eprint", "eprintln"];

/// Checks the sources of `reboot-core`, outside its tests.
pub(crate) fn check(tree: &Tree, sources: &[Source<'_>]) -> Vec<Violation> {
    let mut violations = Vec::new();
    if !tree.has("crates/reboot-core/src") {
        let mend = "tell tidy the new place (xtask/src/tidy/purity.rs)";
        let what = "the rules' crate is gone";
        violations.push(Violation::new("crates/reboot-core", 1, what, mend));
    }
    let core = sources
        .iter()
        .filter(|source| source.path.starts_with("crates/reboot-core/src/"));
    for source in core {
        let found = check_paths(source).into_iter().chain(check_tokens(source));
        violations.extend(
            found
                .filter(|(line, ..)| !source.is_test(*line))
                .map(|(line, what, mend)| Violation::new(source.path, line, what, mend)),
        );
    }
    violations
}

type Found = (usize, String, &'static str);

fn check_paths(source: &Source<'_>) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    for (path, line) in source.paths() {
        let impure = IMPURE.iter().find(|(impure, _)| is_below(&path, impure));
        let mend = match impure {
            Some((_, mend)) => mend,
            None if path.ends_with("::now") => "take the time from the input",
            None => continue,
        };
        found.push((line, format!("reboot-core may not use {path}"), mend));
    }
    found
}

/// Whether a path is `parent` or something in it.
fn is_below(path: &str, parent: &str) -> bool {
    path.strip_prefix(parent)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn check_tokens(source: &Source<'_>) -> Vec<Found> {
    let waits = source
        .tokens
        .iter()
        .filter(|token| token.text == "async")
        .map(|token| {
            let what = "reboot-core may not be async".to_owned();
            (
                token.line,
                what,
                "make it a plain function: it has nothing to wait for",
            )
        });
    let prints = source
        .macros()
        .filter(|token| PRINTING.contains(&token.text.as_str()));
    let prints = prints.map(|token| {
        let what = format!("reboot-core may not print ({}!)", token.text);
        (token.line, what, "return the text, the shell prints it")
    });
    waits.chain(prints).collect()
}
