//! What the documentation has people type, a test types: each block of commands because the test
//! reads it there, each command of another program in running text by its words.

use crate::documents::{Page, Script, pages, repository};
use crate::ledger::{COMMANDS, SCRIPTS, Typed};
use std::collections::BTreeMap;
use std::fs;

/// Programs of others that begin a command in running text.
const OTHERS: &[&str] = &[
    "apt",
    "apt-get",
    "busctl",
    "cargo",
    "cat",
    "chmod",
    "chown",
    "cosign",
    "cp",
    "curl",
    "dpkg",
    "etcdctl",
    "git",
    "install",
    "journalctl",
    "kill",
    "kubectl",
    "ln",
    "loginctl",
    "make",
    "minisign",
    "mkdir",
    "mv",
    "nginx",
    "openssl",
    "podman",
    "promtool",
    "rm",
    "rpm",
    "rustup",
    "sed",
    "shutdown",
    "skopeo",
    "sqlite3",
    "systemctl",
    "systemd-analyze",
    "systemd-id128",
    "systemd-inhibit",
    "systemd-run",
    "tee",
    "touch",
];

/// What stands before a command, and is none.
const BEFORE: &[&str] = &["sudo", "env", "exec"];

/// Of what has changed long ago nothing is typed any more.
const PAST: &str = "CHANGELOG.md";

/// What is amiss with the ledger, and which of its entries were of use.
#[derive(Default)]
struct Audit {
    wrong: Vec<String>,
    used: BTreeMap<(&'static str, &'static str), usize>,
    count: usize,
}

/// Whether it is the project's own automation, whose commands are checked beside it.
fn is_of_the_house(line: &str) -> bool {
    let words = line.split_whitespace();
    let mut words = words.skip_while(|word| word.contains('='));
    let is_cargo = words.next() == Some("cargo");
    let own = ["xtask", "test", "build", "fmt", "clippy", "doc"];
    let is_alone = !line.contains(['&', '|', ';', '$', '(']);
    is_cargo && is_alone && words.next().is_none_or(|word| own.contains(&word))
}

/// The commands of other programs in running text.
fn others(span: &str) -> Vec<String> {
    let words: Vec<&str> = span.split_whitespace().collect();
    let ends = |word: &&str| matches!(*word, "&&" | "||" | "|" | ";" | "&");
    let commands = words.split(ends).filter_map(|words| {
        let is_before = |word: &&&str| BEFORE.contains(word) || word.contains('=');
        let words: Vec<&str> = words.iter().skip_while(is_before).copied().collect();
        let is_one = words.len() > 1 && OTHERS.contains(&words[0]);
        is_one.then(|| words.join(" "))
    });
    commands.filter(|line| !is_of_the_house(line)).collect()
}

// === impl Audit ===

impl Audit {
    fn of(pages: &[Page]) -> Self {
        let mut audit = Self::default();
        for page in pages.iter().filter(|page| page.name != PAST) {
            page.scripts.iter().for_each(|script| audit.script(script));
            for span in &page.spans {
                for command in others(span) {
                    audit.command(&page.name, &command);
                }
            }
        }
        audit
    }

    fn script(&mut self, script: &Script) {
        if script.lines.iter().all(|line| is_of_the_house(line)) {
            return;
        }
        self.count += 1;
        let is_it = |(document, words, typed): &&(&str, &str, Typed)| {
            let is_there = match typed {
                Typed::Section(..) => script.headings.iter().any(|heading| heading == words),
                _ => script.before.contains(words),
            };
            *document == script.document && is_there
        };
        let Some((document, words, typed)) = SCRIPTS.iter().find(is_it) else {
            let what = format!("{}: no test types the block of", script.document);
            self.wrong.push(format!("{what} `{}`", script.lines[0]));
            return;
        };
        *self.used.entry((document, words)).or_default() += 1;
        let problem = match typed {
            Typed::In(file) | Typed::Section(file, _) => reads(file, document, words).err(),
            Typed::As(file) => script.lines.iter().find_map(|line| has(file, line).err()),
            Typed::Nowhere(why) => told(&script.lines[0], why),
        };
        self.wrong.extend(problem);
    }

    fn command(&mut self, document: &str, command: &str) {
        self.count += 1;
        let Some((words, typed)) = COMMANDS.iter().find(|(words, _)| *words == command) else {
            let what = format!("{document}: no test types `{command}`");
            self.wrong
                .push(format!("{what}; have one do so, and tell ledger.rs"));
            return;
        };
        self.used.insert(("", words), 1);
        let problem = match typed {
            Typed::Nowhere(why) => told(command, why),
            Typed::In(file) | Typed::As(file) | Typed::Section(file, _) => {
                types(file, command).err()
            }
        };
        self.wrong.extend(problem);
    }

    /// What entries stand for another number of blocks than they say, most of them for one.
    fn miscounted(&self) -> Vec<String> {
        let scripts = SCRIPTS.iter().map(|(document, words, typed)| match typed {
            Typed::Section(_, count) => (*document, *words, *count),
            _ => (*document, *words, 1),
        });
        let commands = COMMANDS.iter().map(|(words, _)| ("", *words, 1));
        let tell = |(document, words, expected)| {
            let found = self.used.get(&(document, words)).copied().unwrap_or(0);
            let text = format!("{document} `{words}`: {found}, not {expected}");
            (found != expected).then_some(text)
        };
        scripts.chain(commands).filter_map(tell).collect()
    }
}

fn told(command: &str, why: &str) -> Option<String> {
    println!("no test types `{command}`: {why}");
    None
}

/// The file names the document and the words before the block, by which it finds it.
fn reads(file: &str, document: &str, words: &str) -> Result<(), String> {
    let text = source(file)?;
    match text.contains(document) && text.contains(words) {
        true => Ok(()),
        false => Err(format!("{file} does not read {document} below `{words}`")),
    }
}

/// The file has the line as it is.
fn has(file: &str, line: &str) -> Result<(), String> {
    match source(file)?.contains(line) {
        true => Ok(()),
        false => Err(format!("{file} does not type `{line}`")),
    }
}

/// The file has every word of the command.
fn types(file: &str, command: &str) -> Result<(), String> {
    let text = source(file)?;
    match command.split_whitespace().all(|word| text.contains(word)) {
        true => Ok(()),
        false => Err(format!("{file} does not type `{command}`")),
    }
}

/// A file of ours, with its strings as they are meant.
fn source(file: &str) -> Result<String, String> {
    let text = fs::read_to_string(repository().join(file));
    let text = text.map_err(|error| format!("{file}: {error}"))?;
    Ok(text.replace("\\n", "\n").replace("\\\"", "\""))
}

#[test]
fn every_command_in_the_documents_is_typed_by_a_test() {
    let audit = Audit::of(&pages());
    assert!(audit.wrong.is_empty(), "{}", audit.wrong.join("\n"));
    assert_eq!(
        audit.miscounted(),
        [""; 0],
        "as often the documents show these"
    );
    assert!(audit.count > 90, "only {} were found", audit.count);
}

#[test]
fn a_command_that_no_test_types_is_found() {
    for text in [
        "Then `systemctl enable\n--now another` it.",
        "See `clusterrebootd status | sudo tee /etc/x`.",
        "`cargo install another`",
        "# A\n\n```sh\nsudo mkfs.ext4 /dev/sda\n```\n",
        "# A\n\n```sh\nclusterrebootd lock status && sudo rm -rf /\n```\n",
        "# A\n\n```console\n$ FAST=1 systemctl stop x\n```\n",
        "# A\n\n```sh\ncargo build && sudo rm -rf /\n```\n",
        "# A\n\n```text\nit says\n$ systemctl mask x\n```\n",
    ] {
        let audit = Audit::of(&[Page::of("operations.md", text)]);
        assert_eq!(audit.wrong.len(), 1, "{text}: {:?}", audit.wrong);
    }
    for unknown in ["```bash\nrm x\n```\n", "~~~\nrm x\n~~~\n"] {
        let page = || Page::of("operations.md", unknown);
        assert!(std::panic::catch_unwind(page).is_err(), "{unknown}");
    }
    let twice = "## Install a package\n\n```sh\na\n```\n".repeat(2);
    let audit = Audit::of(&[Page::of("operations.md", &twice)]);
    let text = "operations.md `## Install a package`: 2, not 1".to_owned();
    assert!(audit.miscounted().contains(&text));
    types("docs/operations.md", "systemctl mkfs.ext4").unwrap_err();
    reads("docs/operations.md", "gone.md", "## Install").unwrap_err();
}
