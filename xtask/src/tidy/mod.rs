//! The house rules as a test: every violation at once, each with how to mend it.
//!
//! A rule is a function from the tree to violations; nothing here knows a rule's insides. What
//! the compiler, clippy or rustfmt can check is left to them.

mod arrows;
mod bans;
mod habits;
mod limits;
mod links;
mod manifest;
mod purity;
mod source;
#[cfg(test)]
mod tests;
mod tree;
mod visit;
mod words;

use std::fmt;
use std::path::Path;

use source::Source;
use tree::Tree;

/// One broken rule, at one place.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Violation {
    path: String,
    line: usize,
    what: String,
    mend: String,
}

/// What a look at the whole tree found.
struct Findings {
    violations: Vec<Violation>,
    summary: String,
}

/// Checks the tree at `root`, prints what it found and tells whether the house is tidy.
///
/// # Errors
/// When the tree cannot be listed.
pub(crate) fn run(root: &Path) -> anyhow::Result<bool> {
    let findings = check(&Tree::load(root)?);
    for violation in &findings.violations {
        println!("{violation}");
    }
    println!(
        "tidy: {}; violations: {}",
        findings.summary,
        findings.violations.len()
    );
    Ok(findings.violations.is_empty())
}

fn check(tree: &Tree) -> Findings {
    let mut violations = Vec::new();
    let sources = Source::parse_all(tree, &mut violations);
    violations.extend(arrows::check(tree));
    violations.extend(purity::check(tree, &sources));
    violations.extend(limits::check(&sources));
    violations.extend(habits::check(&sources));
    violations.extend(words::check(tree));
    violations.extend(links::check(tree));
    violations.extend(bans::check(tree));
    violations.sort();
    Findings {
        violations,
        summary: limits::summary(&sources),
    }
}

// === impl Violation ===

impl Violation {
    fn new(path: &str, line: usize, what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line,
            what: what.into(),
            mend: mend.into(),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}: {}: {}",
            self.path, self.line, self.what, self.mend
        )
    }
}
