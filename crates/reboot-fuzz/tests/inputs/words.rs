//! Short texts: names, the command line, presets, the reboot command's variables.

use clusterrebootd_cli::cli;
use reboot_core::id::{GroupName, Instance, MachineId, NAME_BYTES_MAX, NodeName, SessionId};
use reboot_fuzz::{Input, Limit, fuzz_test};
use reboot_host::command::expand;
use reboot_host::preset::Preset;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

const WORDS: &[&str] = &[
    "\nrun",
    "\nlock",
    "\nstatus",
    "\nunlock",
    "\nset-max",
    "\nstore",
    "\ndump",
    "\n--config",
    "\n-config",
    "\n--config=",
    "\n-h",
    "\n--help",
    "\n--",
    "\n-",
    "\n-dry-run",
    "\n--dry-run=",
    "\n-o",
    "\njson",
    "\n--path",
    "\nhelp",
    "\nversion",
    "\nfleet",
    "$",
    "${",
    "}",
    "$NODE",
    "$$",
    "${}",
    "/",
    "..",
];

fuzz_test!(
    command_line,
    Input {
        name: "command_line",
        words: WORDS,
        runs: 250,
        limit: Limit {
            // The definition of every command, with its help.
            base_bytes: 8 * 1024 * 1024,
            ..Limit::default()
        },
        check: &check_command_line,
    }
);

fuzz_test!(
    names,
    Input {
        name: "names",
        words: WORDS,
        runs: 3000,
        limit: Limit::default(),
        check: &check_names,
    }
);

/// One argument a line; an error says something.
fn check_command_line(bytes: &[u8]) {
    let args = bytes.split(|byte| *byte == b'\n').take(30);
    let args = args.map(|arg| OsString::from_vec(arg.to_vec()));
    let program = OsString::from("clusterrebootd");
    if let Err(usage) = cli::parse(std::iter::once(program).chain(args)) {
        assert!(!usage.to_string().is_empty());
    }
}

fn check_names(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for line in text.lines().take(20) {
        let names = [
            NodeName::new(line).map(String::from),
            GroupName::new(line).map(String::from),
            MachineId::new(line).map(String::from),
            Instance::new(line).map(String::from),
            SessionId::new(line).map(String::from),
        ];
        for name in names {
            match name {
                Ok(name) => assert!(is_safe(&name) && name == line, "{name:?}"),
                Err(bad) => assert!(!bad.to_string().is_empty()),
            }
        }
        if let Ok(preset) = line.parse::<Preset>() {
            assert_eq!(preset.name(), line);
        }
        check_expansion(line);
    }
}

/// What may stand in a path, a table and a log.
fn is_safe(name: &str) -> bool {
    let is_bad = |c: char| c.is_control() || c.is_whitespace() || c == '/';
    !name.is_empty() && name.len() <= NAME_BYTES_MAX && !name.contains(is_bad)
}

/// One argument stays one, and grows by no more than the values that stand in it.
fn check_expansion(text: &str) {
    let value = "x".repeat(100);
    let known = BTreeMap::from([("NODE".to_owned(), value.clone())]);
    let expanded = expand(&[text.to_owned()], &known, |_| None);
    let [expanded] = &*expanded else {
        panic!("{text:?} became {} arguments", expanded.len());
    };
    let dollars = text.matches('$').count();
    assert!(expanded.len() <= text.len() + dollars * value.len());
    if dollars == 0 {
        assert_eq!(expanded, text);
    }
}
