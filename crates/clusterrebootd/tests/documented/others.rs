//! Every command line of another program that the documentation shows is typed by a test: by the
//! same words, or because the test reads them there.

use crate::documents::{Shown, everything, repository};
use crate::ledger::{COMMANDS, SCRIPTS, Typed};
use std::collections::BTreeSet;
use std::fs;

/// Programs of others. A script may have any; in running text these begin a command.
const OTHERS: &[&str] = &[
    "apt-get",
    "cosign",
    "curl",
    "dpkg",
    "etcdctl",
    "git",
    "install",
    "journalctl",
    "kubectl",
    "ln",
    "make",
    "nginx",
    "openssl",
    "podman",
    "promtool",
    "rpm",
    "rustup",
    "shutdown",
    "skopeo",
    "sqlite3",
    "systemctl",
    "systemd-analyze",
    "systemd-inhibit",
    "touch",
];

/// What stands before a command, and is none.
const BEFORE: &[&str] = &["sudo", "-u", "env", "do", "then", "if", "!"];

/// Of what has changed long ago nothing is typed any more.
const PAST: &str = "CHANGELOG.md";

/// What is amiss with the ledger, and which of its entries were of use.
#[derive(Default)]
struct Audit {
    wrong: Vec<String>,
    used: BTreeSet<(&'static str, &'static str)>,
    count: usize,
}

// === impl Shown ===

impl Shown {
    /// The command of another program that begins it, without what stands before it.
    fn other(&self) -> Option<String> {
        let words = shlex::split(&self.line)?;
        let is_before = |word: &&String| BEFORE.contains(&word.as_str()) || word.contains('=');
        let words: Vec<_> = words.iter().skip_while(is_before).cloned().collect();
        let first = words.first()?.as_str();
        let is_own = ["clusterrebootd", "rebootlockctl", "fleetlock", "cargo"].contains(&first);
        let is_other = match &self.script {
            Some(_) => !is_own,
            None => OTHERS.contains(&first) && words.len() > 1,
        };
        is_other.then(|| words.join(" "))
    }
}

// === impl Audit ===

impl Audit {
    fn of(shown: &[Shown]) -> Self {
        let mut audit = Self::default();
        for it in shown.iter().filter(|it| it.document != PAST) {
            if let Some(command) = it.other() {
                audit.count += 1;
                audit.look_up(it, &command);
            }
        }
        audit
    }

    /// A script is in the ledger by its document and its first line, a command in running text by
    /// itself.
    fn look_up(&mut self, shown: &Shown, command: &str) {
        let (list, document, words) = match &shown.script {
            Some(first) => (SCRIPTS, shown.document.as_str(), first.as_str()),
            None => (COMMANDS, "", command),
        };
        let is_it = |it: &&(&'static str, &'static str, Typed)| {
            it.0 == document
                && (it.1 == words || (shown.script.is_some() && words.starts_with(it.1)))
        };
        let Some((document, words, typed)) = list.iter().find(is_it) else {
            let what = format!("{}: no test types `{command}`", shown.document);
            self.wrong
                .push(format!("{what}; have one do so, and tell ledger.rs"));
            return;
        };
        self.used.insert((document, words));
        match typed {
            Typed::In(file) => self.wrong.extend(is_typed(file, document, words).err()),
            Typed::Nowhere(why) => println!("no test types `{words}`: {why}"),
        }
    }

    fn idle(&self) -> Vec<&'static str> {
        let all = SCRIPTS.iter().chain(COMMANDS);
        let idle = all.filter(|(document, words, _)| !self.used.contains(&(*document, *words)));
        idle.map(|(_, words, _)| *words).collect()
    }
}

/// The file reads the document, or has every word of the command.
fn is_typed(file: &str, document: &str, command: &str) -> Result<(), String> {
    let text = fs::read_to_string(repository().join(file));
    let text = text.map_err(|error| format!("{file}: {error}"))?;
    let reads = !document.is_empty() && text.contains(document);
    let has_all = command.split_whitespace().all(|word| text.contains(word));
    match reads || has_all {
        true => Ok(()),
        false => Err(format!(
            "{file} neither reads {document} nor types `{command}`"
        )),
    }
}

#[test]
fn every_command_of_another_program_in_the_documents_is_typed_by_a_test() {
    let audit = Audit::of(&everything());
    assert!(audit.wrong.is_empty(), "{}", audit.wrong.join("\n"));
    assert_eq!(audit.idle(), [""; 0], "no document shows these any more");
    assert!(audit.count > 90, "only {} were found", audit.count);
}

#[test]
fn a_command_that_no_test_types_is_found() {
    let shown = |line: &str, script: Option<&str>| Shown {
        document: "operations.md".to_owned(),
        line: line.to_owned(),
        script: script.map(str::to_owned),
    };
    for (line, script) in [
        ("systemctl enable --now another", None),
        ("sudo mkfs.ext4 /dev/sda", Some("sudo mkfs.ext4 /dev/sda")),
        ("FAST=1 systemctl stop x", Some("true")),
    ] {
        let audit = Audit::of(&[shown(line, script)]);
        assert_eq!(audit.wrong.len(), 1, "{line}: {:?}", audit.wrong);
    }
    assert!(is_typed("docs/operations.md", "", "systemctl mkfs.ext4").is_err());
    assert!(is_typed("docs/gone.md", "", "systemctl").is_err());
}
