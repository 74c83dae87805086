//! What every help and manual page teaches beyond the flags: examples and exit codes.

use crate::called::Called;
use crate::exit::ExitCode;
use clap::builder::StyledStr;
use std::fmt::Write;

/// A command line and what it does.
#[derive(Clone, Copy, Debug)]
pub struct Example {
    /// The command line.
    pub line: &'static str,
    /// What it does.
    pub says: &'static str,
}

/// What there is to learn about one command.
#[derive(Clone, Copy, Debug)]
pub struct Lesson {
    /// The command's name.
    pub command: &'static str,
    /// How it is used.
    pub examples: &'static [Example],
    /// How it can end.
    pub exits: &'static [ExitCode],
}

const fn example(line: &'static str, says: &'static str) -> Example {
    Example { line, says }
}

use ExitCode::{
    DetectorFailed, HealthBlocked, InvalidConfig, KillSwitch, NoSlot, RuntimeFailure, Success,
    Usage,
};

const PASS: &[ExitCode] = &[
    Success,
    RuntimeFailure,
    InvalidConfig,
    HealthBlocked,
    NoSlot,
    KillSwitch,
    Usage,
];

/// Every command's lesson; the first is the program's own.
const LESSONS: &[Lesson] = &[
    Lesson {
        command: "clusterrebootd",
        examples: &[
            example(
                "clusterrebootd validate-config",
                "check the configuration first",
            ),
            example("clusterrebootd simulate", "see whether the detectors work"),
            example(
                "clusterrebootd status",
                "see what a pass would find, without a reboot",
            ),
            example(
                "clusterrebootd run --dry-run",
                "run the daemon, but never reboot",
            ),
            example("clusterrebootd demo", "watch a pretended fleet roll"),
        ],
        exits: ExitCode::ALL,
    },
    Lesson {
        command: "run",
        examples: &[
            example(
                "clusterrebootd run",
                "the daemon, as the systemd unit starts it",
            ),
            example("clusterrebootd run --dry-run", "everything but the reboot"),
            example(
                "clusterrebootd run --once",
                "one pass that gives its slot back",
            ),
            example(
                "clusterrebootd run --dry-run=false",
                "overrule dry_run of the file",
            ),
        ],
        exits: PASS,
    },
    Lesson {
        command: "serve",
        examples: &[
            example(
                "clusterrebootd serve",
                "serve this machine, with one slot and a store of its own",
            ),
            example(
                "clusterrebootd serve --check",
                "check the installed server.yaml, without serving",
            ),
            example(
                "clusterrebootd serve --listen 0.0.0.0:8080",
                "serve the network too",
            ),
            example(
                "clusterrebootd serve hash-secret n1 node:n1 --token-file n1.token",
                "a token for n1, and the line for auth.tokens_file",
            ),
        ],
        exits: &[Success, RuntimeFailure, InvalidConfig, Usage],
    },
    Lesson {
        command: "status",
        examples: &[
            example(
                "clusterrebootd status",
                "one pass, reported; nothing is published",
            ),
            example(
                "clusterrebootd status --skip-lock",
                "leave the fleet out of it",
            ),
            example("clusterrebootd status -o json", "the same for programs"),
        ],
        exits: PASS,
    },
    Lesson {
        command: "simulate",
        examples: &[
            example("clusterrebootd simulate", "run every detector once"),
            example("clusterrebootd simulate -o json", "the same for programs"),
        ],
        exits: &[
            Success,
            RuntimeFailure,
            InvalidConfig,
            DetectorFailed,
            Usage,
        ],
    },
    Lesson {
        command: "validate-config",
        examples: &[
            example(
                "clusterrebootd validate-config",
                "check the installed configuration",
            ),
            example(
                "clusterrebootd validate-config --config new.yaml",
                "check another file",
            ),
            example(
                "clusterrebootd validate-config -o json",
                "problems for programs",
            ),
        ],
        exits: &[Success, InvalidConfig, Usage],
    },
    Lesson {
        command: "plan",
        examples: &[
            example(
                "clusterrebootd plan",
                "if every node needed a reboot now: when is it over?",
            ),
            example(
                "clusterrebootd plan --node node-3 --node node-7",
                "if these two did",
            ),
            example(
                "clusterrebootd plan --max 4 --interval 10m",
                "would four slots and a cooldown of ten minutes do?",
            ),
            example(
                "clusterrebootd plan --nodes 200 --at 2026-11-21T18:00:00Z --down-time 4m",
                "a fleet that is not there yet",
            ),
            example(
                "clusterrebootd plan -o svg --to plan.svg",
                "a picture for the change request",
            ),
            example("clusterrebootd plan -o json", "the same for programs"),
        ],
        exits: &[Success, RuntimeFailure, InvalidConfig, Usage],
    },
    Lesson {
        command: "history",
        examples: &[
            example(
                "clusterrebootd history --limit 5",
                "the five newest entries",
            ),
            example(
                "clusterrebootd history --group databases",
                "of another group than the configuration's",
            ),
        ],
        exits: &[Success, RuntimeFailure, InvalidConfig, Usage],
    },
    Lesson {
        command: "lock",
        examples: &[
            example(
                "clusterrebootd lock status",
                "how many slots, and who holds them",
            ),
            example(
                "clusterrebootd lock status -o wide",
                "with phase, place in line and more",
            ),
            example(
                "clusterrebootd lock unlock node-3",
                "once that machine is surely off",
            ),
            example("clusterrebootd lock set-max 4", "four may be down at once"),
            example(
                "clusterrebootd lock pause --reason release",
                "no reboot begins",
            ),
            example(
                "clusterrebootd lock pause --group db --reason index",
                "only in one group",
            ),
            example("clusterrebootd lock resume", "let the fleet go on"),
            example(
                "clusterrebootd lock status --all-groups -o json",
                "the same for programs",
            ),
            example(
                "clusterrebootd lock status --watch -o json",
                "a document a line, at every change",
            ),
            example(
                "clusterrebootd lock unlock node-3 --yes --reason scrapped",
                "without being asked, with a reason for the history",
            ),
        ],
        exits: &[Success, RuntimeFailure, InvalidConfig, Usage],
    },
    Lesson {
        command: "fleet",
        examples: &[
            example(
                "clusterrebootd fleet list",
                "every node, and what it waits for",
            ),
            example(
                "clusterrebootd fleet list -o wide",
                "with hold, last report, boot and more",
            ),
            example(
                "clusterrebootd fleet hold-back node-3 --reason trial",
                "it does not reboot until it is let go",
            ),
            example("clusterrebootd fleet let-go node-3", "it may again"),
            example(
                "clusterrebootd fleet reboot node-3 --reason 'new disk'",
                "it reboots as soon as every gate is open",
            ),
            example(
                "clusterrebootd fleet forget node-3",
                "it was removed for good",
            ),
        ],
        exits: &[Success, RuntimeFailure, InvalidConfig, Usage],
    },
    Lesson {
        command: "store",
        examples: &[
            example("clusterrebootd store dump", "what the store holds, as JSON"),
            example("clusterrebootd store check", "whether it is sound"),
            example(
                "clusterrebootd store backup fleet.bak",
                "copy it while daemons go on",
            ),
            example(
                "clusterrebootd store new-epoch --reason snapshot-of-monday",
                "etcd was restored: everybody waits until you say who is down",
            ),
            example(
                "clusterrebootd store restore fleet.bak",
                "put the copy in its place",
            ),
        ],
        exits: &[Success, RuntimeFailure, InvalidConfig, Usage],
    },
    Lesson {
        command: "demo",
        examples: &[
            example("clusterrebootd demo", "five machines, one slot"),
            example("clusterrebootd demo --nodes 9 --slots 3", "three at a time"),
            example(
                "clusterrebootd demo --fail node-2",
                "one does not come back",
            ),
        ],
        exits: &[Success, RuntimeFailure, Usage],
    },
    Lesson {
        command: "version",
        examples: &[example("clusterrebootd version -o json", "for programs")],
        exits: &[Success, Usage],
    },
    Lesson {
        command: "completions",
        examples: &[
            example(
                "clusterrebootd completions bash > /etc/bash_completion.d/clusterrebootd",
                "for every bash of this machine",
            ),
            example(
                "clusterrebootd completions fish rebootlockctl",
                "for the program's other name",
            ),
        ],
        exits: &[Success, RuntimeFailure, Usage],
    },
    Lesson {
        command: "man",
        examples: &[
            example("clusterrebootd man | man -l -", "read the manual page"),
            example(
                "clusterrebootd man clusterrebootd.yaml.5 | man -l -",
                "every key",
            ),
            example(
                "clusterrebootd man clusterrebootd-server.yaml.5 | man -l -",
                "every key of the server",
            ),
            example(
                "clusterrebootd man --out /usr/local/share/man",
                "write all pages",
            ),
        ],
        exits: &[Success, RuntimeFailure, Usage],
    },
];

/// The lesson about a command, `clusterrebootd` for the program itself.
pub fn lesson(command: &str) -> Option<&'static Lesson> {
    LESSONS.iter().find(|lesson| lesson.command == command)
}

/// Adds the lessons to the help of the program, its commands and theirs.
pub(super) fn taught(definition: clap::Command) -> clap::Command {
    let note = definition.get_after_help().map(ToString::to_string);
    let called = Called::Clusterrebootd;
    let name = definition.get_name().to_owned();
    let Some(own) = lesson(&name) else {
        return definition;
    };
    with_lesson(definition, own, (&name, called), note.as_deref()).mut_subcommands(|command| {
        let Some(lesson) = lesson(command.get_name()) else {
            return command;
        };
        let line = format!("{name} {}", command.get_name());
        with_lesson(command, lesson, (&line, called), None).mut_subcommands(|inner| {
            let line = format!("{line} {}", inner.get_name());
            with_lesson(inner, lesson, (&line, called), None)
        })
    })
}

/// Adds the lesson about `lock` to the help of the program that is only that, under its own name.
pub(super) fn taught_alone(definition: clap::Command, called: Called) -> clap::Command {
    let Some(lesson) = lesson("lock") else {
        return definition;
    };
    let note = definition.get_after_help().map(ToString::to_string);
    let line = Called::Clusterrebootd.lock();
    with_lesson(definition, lesson, (line, called), note.as_deref()).mut_subcommands(|inner| {
        let line = format!("{line} {}", inner.get_name());
        with_lesson(inner, lesson, (&line, called), None)
    })
}

/// Examples are those of the lesson that begin with `line`, spelt as the program is `called`.
fn with_lesson(
    command: clap::Command,
    lesson: &Lesson,
    (line, called): (&str, Called),
    note: Option<&str>,
) -> clap::Command {
    let header = *command.get_styles().get_header();
    let literal = *command.get_styles().get_literal();
    let mut text = StyledStr::new();
    // Writing into a string cannot fail.
    let _ = writeln!(text, "{header}Examples:{header:#}");
    for example in lesson.examples_of(line) {
        let _ = writeln!(
            text,
            "  {literal}{}{literal:#}\n      {}",
            called.spell(example.line),
            example.says
        );
    }
    let _ = write!(text, "\n{header}Exit codes:{header:#}");
    for exit in lesson.exits {
        let _ = write!(
            text,
            "\n  {literal}{:>2}{literal:#}  {}",
            exit.code(),
            exit.doc()
        );
    }
    if let Some(note) = note {
        let _ = write!(text, "\n\n{note}");
    }
    command.after_help(text)
}

// === impl Lesson ===

impl Lesson {
    /// The examples that begin with these words, such as `clusterrebootd lock status`.
    pub fn examples_of(&self, line: &str) -> impl Iterator<Item = &'static Example> {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        self.examples.iter().filter(move |example| {
            let mut of_example = example.line.split(' ');
            words.iter().all(|word| of_example.next() == Some(word))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsString;

    #[test]
    fn every_command_has_a_lesson_and_every_lesson_a_command() {
        let definition = crate::cli::command();
        for command in definition.get_subcommands() {
            assert!(
                lesson(command.get_name()).is_some(),
                "{}",
                command.get_name()
            );
        }
        for lesson in &LESSONS[1..] {
            assert!(
                definition.find_subcommand(lesson.command).is_some(),
                "{}",
                lesson.command
            );
        }
    }

    #[test]
    fn every_command_below_a_command_has_an_example() {
        let definition = crate::cli::command();
        for command in definition.get_subcommands() {
            for inner in command.get_subcommands() {
                let name = command.get_name();
                let line = format!("clusterrebootd {name} {}", inner.get_name());
                let examples = lesson(name).unwrap().examples_of(&line).count();
                assert!(examples > 0, "{line}");
            }
        }
    }

    #[test]
    fn every_example_is_a_command_line_that_parses() {
        for example in LESSONS.iter().flat_map(|lesson| lesson.examples) {
            let words = shlex::split(example.line).unwrap();
            let words = words
                .into_iter()
                .take_while(|word| !matches!(word.as_str(), "|" | ">"));
            let args: Vec<OsString> = words.map(OsString::from).collect();
            assert!(crate::cli::parse(args).is_ok(), "{}", example.line);
        }
    }
}
