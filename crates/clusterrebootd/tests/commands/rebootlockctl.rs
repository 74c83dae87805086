//! `rebootlockctl`: the same program by the name that scripts of old call.

use crate::asking::Asking;
use crate::site::{MACHINE, Node, Site};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const BINARY: &str = env!("CARGO_BIN_EXE_clusterrebootd");

fn by_symbolic_link(site: &Site) -> PathBuf {
    let path = site.file("rebootlockctl");
    symlink(BINARY, &path).unwrap();
    path
}

/// A script's call: no terminal anywhere.
fn script(program: &Path, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(program);
    let output = command.args(arguments).stdin(Stdio::null()).output();
    let output = output.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let code = output.status.code().unwrap();
    (code, text(output.stdout), text(output.stderr))
}

fn configured(site: &Site, program: &Path, arguments: &[&str]) -> (i32, String, String) {
    let config = site.config();
    let config = ["--config", config.to_str().unwrap()];
    script(program, &[arguments, &config].concat())
}

#[test]
fn the_session_of_the_old_manual_is_byte_by_byte_the_same() {
    let site = Site::with_hold();
    let program = by_symbolic_link(&site);
    let said = configured(&site, &program, &["status"]);
    let status = "Available: 0\nMax: 1\n\nMACHINE ID\n69d27b356a94476da859461d3a3bc6fd\n";
    assert_eq!(said, (0, status.to_owned(), String::new()));
    let (exit, stdout, stderr) = configured(&site, &program, &["unlock", MACHINE]);
    assert_eq!((exit, stdout.as_str()), (0, ""), "{stderr}");
    assert!(stderr.starts_with("broken: hold 1 of node-a"), "{stderr}");
    let said = configured(&site, &program, &["set-max", "4"]);
    assert_eq!(said, (0, "Old: 1\nNew: 4\n".to_owned(), String::new()));
    let (exit, stdout, _) = configured(&site, &program, &["status"]);
    assert_eq!((exit, stdout.as_str()), (0, "Available: 4\nMax: 4\n"));
}

#[test]
fn what_a_script_breaks_is_recorded_with_its_user_and_its_words() {
    let site = Site::with_hold();
    let program = by_symbolic_link(&site);
    configured(&site, &program, &["unlock", "node-a"]);
    let node = Node::new("node-a", MACHINE);
    site.write(vec![node.claim("2026-03-07T11:00:00Z")]);
    configured(&site, &program, &["unlock", "node-a", "--reason", "scrap"]);
    let history = site.json(&["history", "-o", "json"]);
    let lines = history["history"].as_array().unwrap().iter();
    let breaks = lines.filter(|line| line["event"] == "break");
    let details: Vec<&str> = breaks
        .map(|line| line["detail"].as_str().unwrap())
        .collect();
    let uid = nix::unistd::getuid();
    let words = format!("): uid {uid} ran: {} unlock node-a", program.display());
    assert!(details[0].contains(&words), "{details:?}");
    assert!(details[1].ends_with("): scrap"), "{details:?}");
}

#[test]
fn on_a_terminal_it_asks_like_everybody() {
    let site = Site::with_hold();
    let program = by_symbolic_link(&site);
    let asking = Asking::program(&program, &site, &["unlock", "node-a"]);
    let asked = asking.asked.clone();
    for fact in ["hold 1 of node-a", "group: default", "overdue: no"] {
        assert!(asked.contains(fact), "{fact}: {asked}");
    }
    let (exit, stdout, stderr) = asking.answer("n");
    assert_eq!((exit, stdout.as_str()), (1, ""));
    assert!(
        stderr.contains("rebootlockctl: nothing was changed"),
        "{stderr}"
    );
    assert!(site.good(&["lock", "status"]).contains(MACHINE));
    let (exit, stdout, _) = Asking::program(&program, &site, &["unlock", "node-a"]).answer("y");
    assert_eq!((exit, stdout.as_str()), (0, ""));
    assert_eq!(site.good(&["lock", "status"]), "Available: 1\nMax: 1\n");
}

#[test]
fn who_holds_nothing_is_refused_and_told_what_to_do() {
    let site = Site::with_hold();
    let program = by_symbolic_link(&site);
    let (exit, stdout, stderr) = configured(&site, &program, &["unlock", "node-b"]);
    assert_eq!((exit, stdout.as_str()), (1, ""));
    let expected = "rebootlockctl: node-b holds no slot of group default: see who does with \
                    `rebootlockctl status -o wide`\n";
    assert_eq!(stderr, expected);
}

#[test]
fn a_hard_link_will_do_and_hints_name_the_command_that_was_called() {
    let site = Site::new();
    // Beside the binary, for a hard link stays within its file system.
    let beside = tempfile::tempdir_in(Path::new(BINARY).parent().unwrap()).unwrap();
    let program = beside.path().join("rebootlockctl");
    std::fs::hard_link(BINARY, &program).unwrap();
    site.write(vec![Node::new("node-a", "a").report(1000, true)]);
    let (exit, stdout, _) = configured(&site, &program, &["pause", "--reason", "x"]);
    let expected = "paused the fleet; `rebootlockctl resume` lets it go on\n";
    assert_eq!((exit, stdout.as_str()), (0, expected));
}

#[test]
fn help_is_its_own_and_usage_errors_are_64() {
    let site = Site::new();
    let program = by_symbolic_link(&site);
    for arguments in [&["--help"][..], &["-h"], &["help"], &["status", "-help"]] {
        let (exit, stdout, stderr) = script(&program, arguments);
        assert_eq!((exit, stderr.as_str()), (0, ""), "{arguments:?}");
        assert!(stdout.contains("Usage: rebootlockctl"), "{stdout}");
        assert!(stdout.contains("rebootlockctl status"), "{stdout}");
    }
    let version = script(&program, &["--version"]).1;
    assert!(version.starts_with("rebootlockctl 0."), "{version}");
    for arguments in [
        &[][..],
        &["lock", "status"],
        &["run"],
        &["unlock"],
        &["set-max", "-1"],
        &["set-max", "many"],
        &["status", "-o", "yaml"],
        &["status", "--bogus"],
    ] {
        let (exit, stdout, stderr) = script(&program, arguments);
        assert_eq!((exit, stdout.as_str()), (64, ""), "{arguments:?}: {stderr}");
        assert!(!stderr.contains("Usage: clusterrebootd"), "{stderr}");
    }
}

#[test]
fn its_configuration_is_the_daemons() {
    let site = Site::new();
    let program = by_symbolic_link(&site);
    let help = script(&program, &["status", "--help"]).1;
    assert!(help.contains("/etc/clusterrebootd/config.yaml"), "{help}");
    std::fs::write(site.config(), "node_name: [\n").unwrap();
    let (exit, stdout, _) = configured(&site, &program, &["status"]);
    assert_eq!((exit, stdout.as_str()), (2, ""));
}

#[test]
fn it_has_manual_pages_and_completions_of_its_own() {
    let site = Site::new();
    let page = site.plain(&["man", "rebootlockctl.8"]).1;
    let page = page.replace("\\-", "-");
    assert!(page.contains("rebootlockctl unlock node-3"), "{page}");
    assert!(!page.contains("clusterrebootd lock unlock"), "{page}");
    let (exit, page, _) = site.plain(&["man", "rebootlockctl-unlock.8"]);
    assert_eq!(exit, 0, "{page}");
    for shell in ["bash", "zsh", "fish"] {
        let (exit, script, _) = site.plain(&["completions", shell, "rebootlockctl"]);
        assert_eq!(exit, 0);
        assert!(script.contains("rebootlockctl") && script.contains("set-max"));
        assert!(!script.contains("simulate"), "{shell}");
    }
    let (exit, ..) = site.plain(&["completions", "bash", "locksmithctl"]);
    assert_eq!(exit, 64);
}
