//! `deny.toml`'s bans and sources hold for `Cargo.lock`, without a tool to install first.

use super::manifest::{line_of, parse};
use super::tree::TextFile;
use super::{Tree, Violation};

const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// A crate that must not be in the tree.
struct Ban {
    name: String,
    reason: String,
}

/// Checks the locked dependencies against the bans.
pub(crate) fn check(tree: &Tree) -> Vec<Violation> {
    let find = |path: &str| tree.texts.iter().find(|file| file.path == path);
    let (Some(rules), Some(lock)) = (find("deny.toml"), find("Cargo.lock")) else {
        let mend = "commit both deny.toml and Cargo.lock";
        return vec![Violation::new(
            "deny.toml",
            1,
            "no bans or no locked versions",
            mend,
        )];
    };
    match bans(rules) {
        Ok(bans) => check_lock(lock, &bans),
        Err(violation) => vec![violation],
    }
}

fn bans(rules: &TextFile) -> Result<Vec<Ban>, Violation> {
    let document = parse(rules)?;
    let listed = document.get("bans").and_then(|bans| bans.get("deny"));
    let Some(listed) = listed.and_then(|deny| deny.as_array()) else {
        let mend = "write `[bans] deny = [{ crate = \"…\", reason = \"…\" }]`";
        return Err(Violation::new(&rules.path, 1, "no bans", mend));
    };
    let read = |entry: &toml_edit::Value| {
        let table = entry.as_inline_table();
        let field = |name: &str| {
            table
                .and_then(|table| table.get(name))
                .and_then(|it| it.as_str())
        };
        let line = line_of(&rules.text, entry.span().map_or(0, |span| span.start));
        match (field("crate"), field("reason")) {
            (Some(name), Some(reason)) if !name.contains(['@', ':']) => Ok(Ban {
                name: name.to_owned(),
                reason: reason.to_owned(),
            }),
            _ => {
                let mend = "write `{ crate = \"name\", reason = \"why, and what instead\" }`";
                Err(Violation::new(
                    &rules.path,
                    line,
                    "a ban that tidy cannot check",
                    mend,
                ))
            }
        }
    };
    listed.iter().map(read).collect()
}

/// The lock file is written by Cargo, one field a line: no parser is needed to read it.
fn check_lock(lock: &TextFile, bans: &[Ban]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (line, text) in (1..).zip(lock.text.lines()) {
        let name = field(text, "name");
        if let Some(ban) = bans.iter().find(|ban| Some(ban.name.as_str()) == name) {
            let what = format!("{} is banned ({})", ban.name, ban.reason);
            let mend = "find who brings it in with `cargo tree -i`, and drop the feature";
            violations.push(Violation::new(&lock.path, line, what, mend));
        }
        if let Some(source) = field(text, "source").filter(|source| *source != REGISTRY) {
            let mend = "depend on a released version from crates.io";
            violations.push(Violation::new(
                &lock.path,
                line,
                format!("source {source}"),
                mend,
            ));
        }
    }
    violations
}

fn field<'t>(line: &'t str, name: &str) -> Option<&'t str> {
    line.strip_prefix(name)?
        .strip_prefix(" = \"")?
        .strip_suffix('"')
}
