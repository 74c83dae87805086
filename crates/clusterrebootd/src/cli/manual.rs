//! Manual pages: one for the program, one for each command, one for each configuration file.

use super::fleetlock::FLAGS;
use super::teach::{Lesson, lesson};
use crate::called::Called;
use crate::config::{
    DEFAULT_PATH, Default, Key, NODE_KEYS, NODE_MANUAL, SERVER_MANUAL, SERVER_PATH, server_keys,
};
use roff::{Roff, bold, italic, roman};
use std::io;

const SOURCE: &str = concat!("clusterrebootd ", env!("CARGO_PKG_VERSION"));
const MANUAL: &str = "System Administration";

/// A manual page.
#[derive(Clone, Debug)]
pub struct Page {
    /// Its file name, such as `clusterrebootd-run.8`.
    pub name: String,
    /// Its text, for man(1).
    pub text: Vec<u8>,
}

/// Every manual page, the program's own first.
///
/// # Errors
/// None that can happen while writing to memory; passed on all the same.
pub fn pages() -> io::Result<Vec<Page>> {
    let called = Called::Clusterrebootd;
    let definition = definition_of(called);
    let program = called.name();
    let mut pages = vec![command_page(&definition, lesson(program), program, called)?];
    for command in definition.get_subcommands() {
        let (name, lesson) = (command.get_name(), lesson(command.get_name()));
        let line = format!("{program} {name}");
        pages.extend(pages_below(command, lesson, &line, called)?);
    }
    let called = Called::Rebootlockctl;
    let line = Called::Clusterrebootd.lock();
    pages.extend(pages_below(
        &definition_of(called),
        lesson("lock"),
        line,
        called,
    )?);
    pages.extend([fleetlock_page()?, node_page()?, server_page()?]);
    Ok(pages)
}

fn definition_of(called: Called) -> clap::Command {
    let mut definition = without_help_commands(super::command_of(called));
    definition.build();
    definition
}

/// The page of a command, and those of its own commands.
fn pages_below(
    command: &clap::Command,
    lesson: Option<&Lesson>,
    line: &str,
    called: Called,
) -> io::Result<Vec<Page>> {
    let mut pages = vec![command_page(command, lesson, line, called)?];
    for inner in command.get_subcommands() {
        let line = format!("{line} {}", inner.get_name());
        pages.push(command_page(inner, lesson, &line, called)?);
    }
    Ok(pages)
}

/// `help` is no command to write a page about, nor to refer to.
fn without_help_commands(command: clap::Command) -> clap::Command {
    command
        .disable_help_subcommand(true)
        .mut_subcommands(without_help_commands)
}

/// A page; its examples are those of the lesson that begin with `line`, spelt as the program is
/// `called`.
fn command_page(
    command: &clap::Command,
    lesson: Option<&Lesson>,
    line: &str,
    called: Called,
) -> io::Result<Page> {
    let title = called.spell(line).replace(' ', "-");
    let man = clap_mangen::Man::new(command.clone().after_help(""))
        .title(title.to_uppercase())
        .section("8")
        .source(SOURCE)
        .manual(MANUAL);
    let mut text = Vec::new();
    man.render_title(&mut text)?;
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    man.render_options_section(&mut text)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut text)?;
    }
    if let Some(lesson) = lesson {
        lesson_sections(lesson, line, called).to_writer(&mut text)?;
    }
    see_also(&title).to_writer(&mut text)?;
    Ok(Page {
        name: format!("{title}.8"),
        text,
    })
}

fn lesson_sections(lesson: &Lesson, line: &str, called: Called) -> Roff {
    let mut page = Roff::new();
    page.control("SH", ["EXIT STATUS"]);
    for exit in lesson.exits {
        page.control("TP", []);
        page.text([bold(exit.code().to_string())]);
        page.text([roman(exit.doc())]);
    }
    page.control("SH", ["EXAMPLES"]);
    for example in lesson.examples_of(line) {
        page.control("TP", []);
        page.text([bold(called.spell(example.line))]);
        page.text([roman(example.says)]);
    }
    page
}

fn see_also(title: &str) -> Roff {
    let others = [
        ("clusterrebootd", "(8)"),
        ("rebootlockctl", "(8)"),
        ("fleetlock", "(8)"),
        (NODE_MANUAL, "(5)"),
        (SERVER_MANUAL, "(5)"),
    ];
    let mut inlines = Vec::new();
    for (name, section) in others.into_iter().filter(|(name, _)| *name != title) {
        if !inlines.is_empty() {
            inlines.push(roman(", "));
        }
        inlines.extend([bold(name), roman(section)]);
    }
    let mut page = Roff::new();
    page.control("SH", ["SEE ALSO"]);
    page.text(inlines);
    page
}

/// The program in the place of the original `fleetlock`, whose flags are no definition of clap's.
fn fleetlock_page() -> io::Result<Page> {
    let mut page = Roff::new();
    page.control("TH", ["FLEETLOCK", "8", "", SOURCE, MANUAL]);
    page.control("SH", ["NAME"]);
    page.text([roman(
        "fleetlock - clusterrebootd's coordination server by the flags of the original fleetlock",
    )]);
    page.control("SH", ["SYNOPSIS"]);
    let mut synopsis = vec![bold("fleetlock")];
    for (flag, value, _) in FLAGS {
        synopsis.push(roman(format!(" [{flag}{}{value}]", spaced(value))));
    }
    page.text(synopsis);
    page.control("SH", ["DESCRIPTION"]);
    page.text([
        roman("Serves Zincati and other FleetLock clients, as "),
        bold("clusterrebootd serve"),
        roman(" does without a configuration. One machine of a group reboots at a time."),
    ]);
    page.control("SH", ["OPTIONS"]);
    for (flag, value, says) in FLAGS {
        page.control("TP", []);
        page.text([bold(*flag), roman(spaced(value)), italic(*value)]);
        page.text([roman(*says)]);
    }
    let mut text = Vec::new();
    page.to_writer(&mut text)?;
    see_also("fleetlock").to_writer(&mut text)?;
    Ok(Page {
        name: "fleetlock.8".to_owned(),
        text,
    })
}

/// What stands between a flag and its value.
fn spaced(value: &str) -> &'static str {
    if value.is_empty() { "" } else { " " }
}

fn node_page() -> io::Result<Page> {
    config_page(&ConfigFile {
        manual: NODE_MANUAL,
        what: "configuration of clusterrebootd",
        path: DEFAULT_PATH,
        check: "clusterrebootd validate-config",
        keys: NODE_KEYS,
    })
}

fn server_page() -> io::Result<Page> {
    config_page(&ConfigFile {
        manual: SERVER_MANUAL,
        what: "configuration of clusterrebootd's coordination server",
        path: SERVER_PATH,
        check: "clusterrebootd serve --check",
        keys: server_keys(),
    })
}

/// A configuration file and what its page says of it.
struct ConfigFile {
    manual: &'static str,
    what: &'static str,
    path: &'static str,
    check: &'static str,
    keys: &'static [Key],
}

fn config_page(file: &ConfigFile) -> io::Result<Page> {
    let mut page = Roff::new();
    let title = file.manual.to_uppercase();
    page.control("TH", [title.as_str(), "5", "", SOURCE, MANUAL]);
    page.control("SH", ["NAME"]);
    page.text([roman(format!("{} - {}", file.manual, file.what))]);
    page.control("SH", ["DESCRIPTION"]);
    page.text([
        roman("The file is YAML, by default "),
        italic(file.path),
        roman(
            ". Unknown keys are errors. Times are whole seconds. A key without a value, or null, \
             means its default; so does 0 where 0 is out of range. ",
        ),
        bold(file.check),
        roman(" lists every problem at once."),
    ]);
    page.control("SH", ["KEYS"]);
    for key in file.keys {
        key_paragraph(&mut page, key);
    }
    let mut text = Vec::new();
    page.to_writer(&mut text)?;
    see_also(file.manual).to_writer(&mut text)?;
    Ok(Page {
        name: format!("{}.5", file.manual),
        text: without_unicode(&text),
    })
}

/// The few characters beyond ASCII by their groff_char(7) names, for every version of man.
fn without_unicode(text: &[u8]) -> Vec<u8> {
    let names = [('≥', "\\(>="), ('×', "\\(mu"), ('–', "\\(en")];
    let mut text = String::from_utf8_lossy(text).into_owned();
    for (character, name) in names {
        text = text.replace(character, name);
    }
    text.into_bytes()
}

fn key_paragraph(page: &mut Roff, key: &Key) {
    page.control("TP", []);
    page.text([
        bold(key.path),
        roman(" ("),
        italic(key.kind.noun()),
        roman(")"),
    ]);
    let rules = key.rules();
    let rule = if rules.is_empty() {
        String::new()
    } else {
        format!(" Rule: {rules}.")
    };
    let default = match key.default {
        Default::Nothing => String::new(),
        Default::Required => " Required.".to_owned(),
        default => format!(" Default: {}.", default.text()),
    };
    page.text([roman(format!("{}{rule}{default}", key.doc))]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(name: &str) -> String {
        let page = pages()
            .unwrap()
            .into_iter()
            .find(|page| page.name == name)
            .unwrap();
        String::from_utf8(page.text).unwrap()
    }

    #[test]
    fn there_is_a_page_for_every_command() {
        let names: Vec<String> = pages().unwrap().into_iter().map(|page| page.name).collect();
        for command in super::super::command().get_subcommands() {
            let name = format!("clusterrebootd-{}.8", command.get_name());
            assert!(names.contains(&name), "{name} is missing of {names:?}");
        }
    }

    #[test]
    fn every_page_that_a_page_refers_to_is_there() {
        let pages = pages().unwrap();
        for page in &pages {
            let text = String::from_utf8(page.text.clone()).unwrap();
            let (_, commands) = text.split_once(".SH SUBCOMMANDS").unwrap_or_default();
            for name in commands.lines().filter_map(|line| line.strip_suffix("(8)")) {
                let name = format!("{}.8", name.replace("\\-", "-"));
                assert!(pages.iter().any(|page| page.name == name), "{name}");
            }
        }
        let unlock = page("clusterrebootd-lock-unlock.8").replace("\\-", "-");
        for flag in ["--reason", "--yes", "lock unlock node-3"] {
            assert!(unlock.contains(flag), "{flag}: {unlock}");
        }
        assert!(!unlock.contains("lock pause"), "{unlock}");
    }

    #[test]
    fn the_configuration_pages_have_every_key_with_its_default() {
        // The roff notation writes a dash as \- and keeps the rest.
        for (manual, keys, default) in [
            (NODE_MANUAL, NODE_KEYS, "Default: 90."),
            (SERVER_MANUAL, server_keys(), "Default: 20000."),
        ] {
            let text = page(&format!("{manual}.5")).replace("\\-", "-");
            for key in keys {
                assert!(text.contains(key.path), "{}", key.path);
            }
            assert!(text.contains(default), "{text}");
            assert!(text.is_ascii(), "every version of man can show it");
        }
    }

    #[test]
    fn the_page_of_fleetlock_has_every_flag_that_its_usage_has() {
        let text = page("fleetlock.8").replace("\\-", "-");
        let usage = super::super::fleetlock_usage("fleetlock");
        let flags = usage.lines().filter_map(|line| line.strip_prefix("  -"));
        let flags: Vec<&str> = flags.filter_map(|line| line.split(' ').next()).collect();
        assert_eq!(flags.len(), FLAGS.len(), "{usage}");
        for flag in flags {
            assert!(text.contains(&format!("-{flag}")), "{flag}: {text}");
        }
    }

    #[test]
    fn a_command_page_tells_how_it_ends() {
        let text = page("clusterrebootd-simulate.8");
        assert!(
            text.contains("EXIT STATUS") && text.contains("a detector failed"),
            "{text}"
        );
        assert!(
            !page("clusterrebootd.8").contains('\u{1b}'),
            "no colours in a page"
        );
    }
}
