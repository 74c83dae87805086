//! Every command line of ours that the documentation shows is one that the program takes.

// A test fails best where it fails, and its functions need no documentation.
#![allow(clippy::unwrap_used, missing_docs)]

use clap::error::ErrorKind;
use clusterrebootd_cli::Called;
use clusterrebootd_cli::cli::{FleetlockArgs, command, command_of};
use std::fs;
use std::path::{Path, PathBuf};

/// Commands that the documentation names without the program before them.
const OWN: &[&str] = &["lock", "fleet", "store", "history", "simulate", "serve"];

/// A command line as a document has it.
#[derive(Debug)]
struct Shown {
    document: String,
    line: String,
    /// A name in running text may stand for all of its forms; a script is to be typed.
    is_script: bool,
}

fn documents() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let below = |folder: &Path| {
        let entries = fs::read_dir(folder).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        paths.filter(|path| path.extension().is_some_and(|it| it == "md"))
    };
    let mut all: Vec<_> = below(&root).chain(below(&root.join("docs"))).collect();
    all.sort();
    all
}

/// What is to be typed in a document's blocks, and what stands between backticks in its text.
fn shown(path: &Path) -> Vec<Shown> {
    let text = fs::read_to_string(path).unwrap();
    let document = path.file_name().unwrap().to_string_lossy().into_owned();
    let mut all = Vec::new();
    let mut add = |line: String, is_script| {
        let document = document.clone();
        all.push(Shown {
            document,
            line,
            is_script,
        });
    };
    for (at, part) in text.split("```").enumerate() {
        let (kind, body) = part.split_once('\n').unwrap_or(("", part));
        match (at % 2, kind.trim()) {
            (0, _) => spans(part).into_iter().for_each(|span| add(span, false)),
            (_, "sh") => scripts(body).for_each(|line| add(line, true)),
            (_, "console") => {
                let typed = body
                    .lines()
                    .filter_map(|line| line.trim().strip_prefix("$ "));
                typed.for_each(|line| add(line.to_owned(), true));
            }
            _ => {}
        }
    }
    all
}

/// The text between single backticks, on one line.
fn spans(text: &str) -> Vec<String> {
    let odd = |line: &str| {
        let spans = line.split('`').skip(1).step_by(2).map(str::to_owned);
        spans.collect::<Vec<_>>()
    };
    text.lines().flat_map(odd).collect()
}

/// The lines of a script, with those that a backslash goes on in one.
fn scripts(body: &str) -> impl Iterator<Item = String> {
    let joined = body.replace("\\\n", " ");
    let lines: Vec<String> = joined.lines().map(str::to_owned).collect();
    lines.into_iter()
}

// === impl Shown ===

impl Shown {
    /// The words of each command of ours in it, the program's name first.
    fn commands(&self) -> Vec<Vec<String>> {
        let plain = match self.is_script {
            true => self.line.clone(),
            false => self.line.replace("\\|", "|").replace(['[', ']'], " "),
        };
        let words = shlex::split(&plain).unwrap_or_default();
        let ends = |word: &String| matches!(word.as_str(), "&&" | "||" | "|" | ";" | "&" | ">");
        let commands = words.split(ends);
        commands.filter_map(|words| self.own(words)).collect()
    }

    /// The words from the program's name on, without redirections; none of another program.
    fn own(&self, words: &[String]) -> Option<Vec<String>> {
        let ours = |word: &String| {
            let name = Path::new(word).file_name().and_then(|name| name.to_str());
            matches!(name, Some("clusterrebootd" | "rebootlockctl" | "fleetlock"))
        };
        let first = words.first()?;
        let mut own = match (words.iter().rposition(ours), self.is_script) {
            (Some(at), _) if at == 0 || self.begins(&words[..at]) => words[at..].to_vec(),
            (None, false) if OWN.contains(&first.as_str()) => {
                let named = ["clusterrebootd".to_owned()].into_iter();
                named.chain(words.iter().cloned()).collect()
            }
            _ => return None,
        };
        let is_shell = |word: &String| word.starts_with(['>', '<', '#']) || word.starts_with("2>");
        own.truncate(own.iter().position(is_shell).unwrap_or(own.len()));
        Some(own)
    }

    /// Whether what stands before a program runs it.
    fn begins(&self, before: &[String]) -> bool {
        let is_before = |word: &String| {
            matches!(
                word.as_str(),
                "sudo" | "-u" | "clusterrebootd" | "env" | "exec" | "do"
            ) || word.contains('=')
        };
        self.is_script && before.iter().all(is_before)
    }

    fn check(&self, words: &[String]) -> Result<(), String> {
        let program = Path::new(&words[0]).file_name().unwrap();
        if program == "fleetlock" {
            let arguments = FleetlockArgs::parse(words[1..].iter().cloned());
            return arguments.map(drop).map_err(|error| format!("{error:?}"));
        }
        let definition = match Called::of(program) {
            Called::Clusterrebootd => command(),
            called => command_of(called),
        };
        // What stands for a number or a time, and one of several words.
        let word = |word: &String| match word.as_str() {
            "N" => "1".to_owned(),
            "TIME" => "2099-12-24T06:00:00Z".to_owned(),
            word if word.starts_with("$(") => "1".to_owned(),
            word => word.split('|').next().unwrap_or_default().to_owned(),
        };
        match definition.try_get_matches_from(words.iter().map(word)) {
            Ok(_) => Ok(()),
            Err(error) => match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Ok(()),
                ErrorKind::MissingRequiredArgument
                | ErrorKind::MissingSubcommand
                | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
                    if !self.is_script =>
                {
                    Ok(())
                }
                _ => Err(error.to_string()),
            },
        }
    }
}

#[test]
fn every_command_line_in_the_documents_is_one_that_the_program_takes() {
    let shown: Vec<Shown> = documents().iter().flat_map(|path| shown(path)).collect();
    let mut checked = 0;
    let mut wrong = Vec::new();
    for it in &shown {
        for words in it.commands() {
            checked += 1;
            if let Err(why) = it.check(&words) {
                wrong.push(format!("{}: {}\n{why}", it.document, it.line));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(checked > 150, "only {checked} were found");
}

#[test]
fn a_command_line_that_the_program_does_not_take_is_found() {
    let line = |line: &str, is_script| Shown {
        document: "a page".to_owned(),
        line: line.to_owned(),
        is_script,
    };
    for (text, is_script) in [
        ("clusterrebootd lock staus", true),
        (
            "sudo -u clusterrebootd clusterrebootd store backp FILE",
            true,
        ),
        (
            "cat secret | clusterrebootd serve hash-secret --rle node",
            true,
        ),
        ("lock pause [--reson TEXT]", false),
        ("clusterrebootd lock unlock", true),
        ("rebootlockctl set-mx 2", true),
    ] {
        let shown = line(text, is_script);
        let commands = shown.commands();
        assert_eq!(commands.len(), 1, "{text}");
        assert!(shown.check(&commands[0]).is_err(), "{text}");
    }
}
