//! Every command line of ours that the documentation shows is one that the program takes.

use crate::documents::{Page, Shown, pages};
use clap::error::ErrorKind;
use clusterrebootd_cli::Called;
use clusterrebootd_cli::cli::{FleetlockArgs, command, command_of};
use std::path::Path;

/// Commands that the documentation names without the program before them.
const OWN: &[&str] = &["lock", "fleet", "store", "history", "simulate", "serve"];

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
        let is_sudo = |word: &String| word == "sudo";
        match self.is_script {
            true => before.iter().all(is_before),
            false => before.iter().all(is_sudo),
        }
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
    let pages = pages();
    let shown: Vec<Shown> = pages.iter().flat_map(Page::shown).collect();
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
    let line = |line: &str, is_script: bool| Shown {
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
