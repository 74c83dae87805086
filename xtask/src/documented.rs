//! What the documentation has people type of the house's own: `cargo xtask`, the tests by name, and
//! the Makefile's thin names.

use std::fs;
use std::path::{Path, PathBuf};
use std::process;

use clap::Parser;

use crate::Command;

/// Words that stand for something else.
const STAND_INS: &[(&str, &str)] = &[("NAME", "roll"), ("CRATE", "reboot-core"), ("'*'", "gates")];

fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    root.canonicalize().unwrap()
}

/// The words of each command that begins so, wherever a document shows it.
fn shown(beginning: &str) -> Vec<(String, Vec<String>)> {
    let folders = [root(), root().join("docs")].map(|it| fs::read_dir(it).unwrap());
    let paths = folders.into_iter().flatten().map(|it| it.unwrap().path());
    let pages = paths.filter(|path| path.extension().is_some_and(|it| it == "md"));
    let mut all = Vec::new();
    for page in pages {
        let name = page.file_name().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&page).unwrap();
        let text = text.replace("\\\n", " ");
        let pieces = text.split(['`', '\n']).map(|piece| piece.trim_start());
        for rest in pieces.filter_map(|piece| piece.strip_prefix(beginning)) {
            all.push((name.clone(), words(rest)));
        }
    }
    all
}

fn words(text: &str) -> Vec<String> {
    let (text, _) = text.split_once(" -- ").unwrap_or((text, ""));
    let words = text.split_whitespace().filter(|word| *word != "…");
    let meant = words.map(|word| {
        let found = STAND_INS.iter().find(|it| it.0 == word);
        found.map_or(word, |it| it.1).to_owned()
    });
    meant.collect()
}

#[test]
fn every_command_of_the_house_is_one_that_it_takes() {
    let shown = shown("cargo xtask ");
    for (page, words) in &shown {
        let line = words.join(" ");
        let all = ["cargo xtask".to_owned()].into_iter().chain(words.clone());
        if let Err(error) = Command::try_parse_from(all) {
            panic!("{page} has `cargo xtask {line}`: {error}");
        }
    }
    assert!(shown.len() > 40, "only {} were found", shown.len());
}

#[test]
fn every_test_that_is_named_is_there() {
    let shown = shown("cargo test -p ");
    for (page, words) in &shown {
        let [of, rest @ ..] = &words[..] else {
            continue; // the name of a command and no more
        };
        let of = root().join("crates").join(of);
        let is_there = match rest {
            [flag, file, ..] if flag == "--test" => {
                let path = of.join("tests").join(file);
                path.is_dir() || path.with_extension("rs").is_file()
            }
            _ => of.join("Cargo.toml").is_file(),
        };
        assert!(is_there, "{page} has `cargo test -p {}`", words.join(" "));
    }
    assert!(shown.len() > 10, "only {} were found", shown.len());
}

#[test]
fn make_does_what_the_house_does() {
    for (target, command) in [
        ("build", "cargo xtask build"),
        ("test", "cargo xtask test"),
        ("package", "cargo xtask package"),
        (
            "verify",
            "packaging/scripts/verify_artifacts.sh dist/packages",
        ),
    ] {
        let mut make = process::Command::new("make");
        let output = make.args(["--dry-run", target]).current_dir(root());
        let output = output.output().unwrap_or_else(|error| {
            panic!("cannot start make ({error}): run `apt-get install make`")
        });
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), command);
    }
}
