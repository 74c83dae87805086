//! The licences of what is linked in. Most of them ask to travel with the program.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, ensure};

use super::sbom::Linked;
use super::stage::files_below;
use super::target::{Libc, Target};
use super::{sbom, tools};

/// How the files begin in which a work has its licence, in small letters.
const NAMES: [&str; 6] = [
    "licen",
    "copying",
    "copyright",
    "notice",
    "unlicen",
    "legal",
];
/// How files end that are something else by such a name.
const SOURCES: [&str; 6] = ["rs", "c", "h", "py", "toml", "json"];
/// In the sources of the C library that a static program carries along.
const MUSL: &str = "libc/musl/COPYRIGHT";
const HEAD: &str = "\
clusterrebootd is linked with the works below. Each stands under its own licence; where a work lets
choose, its expression says between which. SQLite, which libsqlite3-sys brings, is in the public
domain.
";

/// The licences of all that is in the program which is built of this checkout for this target.
/// `tools` is where the linker is.
///
/// # Errors
/// When a crate's sources cannot be read, or one has no licence at all.
pub(super) fn of(root: &Path, target: Target, tools: &Path) -> anyhow::Result<String> {
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut bare = Vec::new();
    for linked in sbom::crates(root, target)? {
        let found = texts_of(&linked)?;
        let title = format!("{} ({})", linked.name, linked.license);
        if found.is_empty() {
            bare.push(title.clone());
        }
        for text in found {
            let crates = texts.entry(text).or_default();
            if crates.last() != Some(&title) {
                crates.push(title.clone());
            }
        }
    }
    if target.libc == Libc::Musl {
        let text = fs::read_to_string(tools::zig_library(tools)?.join(MUSL)).context(MUSL)?;
        texts.entry(text).or_default().push("musl (MIT)".to_owned());
    }
    written(&texts, &bare)
}

/// Each text once, with those that it is of.
fn written(texts: &BTreeMap<String, Vec<String>>, bare: &[String]) -> anyhow::Result<String> {
    let mut all = HEAD.to_owned();
    if !bare.is_empty() {
        writeln!(all, "\nWithout a text of their own:")?;
    }
    for title in bare {
        writeln!(all, "  {title}")?;
    }
    let mut texts: Vec<_> = texts.iter().map(|(text, crates)| (crates, text)).collect();
    texts.sort_unstable();
    for (crates, text) in texts {
        writeln!(all, "\n{}", "=".repeat(80))?;
        for title in crates {
            writeln!(all, "{title}")?;
        }
        writeln!(all, "{}\n\n{}", "-".repeat(80), text.trim_end())?;
    }
    Ok(all)
}

fn texts_of(linked: &Linked) -> anyhow::Result<BTreeSet<String>> {
    ensure!(!linked.license.is_empty(), "{} has no licence", linked.name);
    let mut texts = BTreeSet::new();
    // Works may have brought others along, each with its own.
    for file in files_below(&linked.folder)? {
        if is_licence(&file) {
            let text = fs::read(file)?;
            texts.insert(String::from_utf8_lossy(&text).replace("\r\n", "\n"));
        }
    }
    Ok(texts)
}

fn is_licence(file: &Path) -> bool {
    let small = |name: Option<&OsStr>| name.map(|it| it.to_string_lossy().to_lowercase());
    let name = small(file.file_name()).unwrap_or_default();
    let is_source = small(file.extension()).is_some_and(|it| SOURCES.contains(&it.as_str()));
    !is_source && NAMES.iter().any(|begin| name.starts_with(begin))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::target::Arch;

    #[test]
    fn everything_linked_in_is_named_with_its_text() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let (arch, libc) = (Arch::own().unwrap(), Libc::Gnu);
        let all = of(root, Target { arch, libc }, root).unwrap();
        for linked in ["tokio 1.", "ring 0.", "libsqlite3-sys 0.", "rustls 0."] {
            assert!(all.contains(&format!("\n{linked}")), "{linked}");
        }
        for text in [
            "Permission is hereby granted",
            "Apache License",
            "BoringSSL",
            "fiat-crypto",
        ] {
            assert!(all.contains(text), "{text}");
        }
        assert!(!all.contains("\nreboot-core "), "our own has its own file");
        assert!(!all.contains("\nassert_cmd "), "what only tests need");
    }

    #[test]
    fn a_text_of_several_stands_once() {
        let of = |names: &[&str]| Vec::from_iter(names.iter().map(|it| (*it).to_owned()));
        let texts = BTreeMap::from([("the same".to_owned(), of(&["a 1 (MIT)", "b 2 (MIT)"]))]);
        let all = written(&texts, &of(&["c 3 (MIT)"])).unwrap();
        assert_eq!(all.matches("the same").count(), 1);
        assert!(all.contains("a 1 (MIT)\nb 2 (MIT)\n---"), "{all}");
        assert!(all.contains("their own:\n  c 3 (MIT)\n"), "{all}");
    }
}
