//! `deny.toml`'s bans and sources hold for `Cargo.lock`, without a tool to install first.

use super::manifest::{line_of, parse};
use super::tree::TextFile;
use super::{Tree, Violation};

const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// A crate that must not be in the tree.
struct Ban {
    name: String,
    reason: String,
    /// Those who may depend on it all the same, as cargo-deny has it.
    wrappers: Vec<String>,
}

/// A package of `Cargo.lock`.
struct Package<'t> {
    name: &'t str,
    line: usize,
    source: Option<(usize, &'t str)>,
    dependencies: Vec<&'t str>,
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
                wrappers: wrappers(table),
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

fn wrappers(ban: Option<&toml_edit::InlineTable>) -> Vec<String> {
    let listed = ban.and_then(|ban| ban.get("wrappers"));
    let listed = listed.and_then(|wrappers| wrappers.as_array());
    let names = listed.into_iter().flatten();
    names
        .filter_map(|name| name.as_str().map(str::to_owned))
        .collect()
}

fn check_lock(lock: &TextFile, bans: &[Ban]) -> Vec<Violation> {
    let packages = packages(&lock.text);
    let mut violations = Vec::new();
    for package in &packages {
        if let Some(ban) = bans.iter().find(|ban| ban.name == package.name)
            && !is_wrapped(ban, &packages)
        {
            let what = format!("{} is banned ({})", ban.name, ban.reason);
            let mend = "find who brings it in with `cargo tree -i`, and drop the feature";
            violations.push(Violation::new(&lock.path, package.line, what, mend));
        }
        if let Some((line, source)) = package.source.filter(|(_, source)| *source != REGISTRY) {
            let mend = "depend on a released version from crates.io";
            let what = format!("source {source}");
            violations.push(Violation::new(&lock.path, line, what, mend));
        }
    }
    violations
}

/// Whether nobody but its wrappers depends on it, and somebody may.
fn is_wrapped(ban: &Ban, packages: &[Package<'_>]) -> bool {
    let needs_it = |package: &&Package<'_>| package.dependencies.contains(&ban.name.as_str());
    let mut dependents = packages.iter().filter(needs_it);
    let is_wrapper = |package: &Package<'_>| ban.wrappers.iter().any(|name| name == package.name);
    !ban.wrappers.is_empty() && dependents.all(is_wrapper)
}

/// The lock file is written by Cargo, one field a line: no parser is needed to read it.
fn packages(text: &str) -> Vec<Package<'_>> {
    let mut packages: Vec<Package<'_>> = Vec::new();
    for (line, text) in (1..).zip(text.lines()) {
        if let Some(name) = field(text, "name") {
            packages.push(Package {
                name,
                line,
                source: None,
                dependencies: Vec::new(),
            });
        }
        let Some(package) = packages.last_mut() else {
            continue;
        };
        if let Some(source) = field(text, "source") {
            package.source = Some((line, source));
        }
        package.dependencies.extend(dependency(text));
    }
    packages
}

/// A line of a list of dependencies: the name, and where that is not enough, the version.
fn dependency(line: &str) -> Option<&str> {
    let listed = line.strip_prefix(" \"")?.strip_suffix("\",")?;
    listed.split(' ').next()
}

fn field<'t>(line: &'t str, name: &str) -> Option<&'t str> {
    line.strip_prefix(name)?
        .strip_prefix(" = \"")?
        .strip_suffix('"')
}
