//! The command line of the real binary: help, usage errors and their exit codes.

#![allow(clippy::unwrap_used, missing_docs)] // a test fails best where it fails

use assert_cmd::Command;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

struct Ran {
    code: i32,
    stdout: String,
    stderr: String,
}

// === impl Ran ===

impl Ran {
    fn of(command: &mut Command) -> Self {
        let output = command.output().unwrap();
        Self {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

fn clusterrebootd(args: &[&str]) -> Ran {
    Ran::of(Command::cargo_bin("clusterrebootd").unwrap().args(args))
}

#[test]
fn every_usage_error_ends_with_64_on_stderr() {
    let table: &[&[&str]] = &[
        &[],
        &["bogus"],
        &["--bogus"],
        &["run", "--bogus"],
        &["run", "bogus"],
        &["run", "-bogus"],
        &["run", "-x"],
        &["run", "--config"],
        &["run", "--dry-run=perhaps"],
        &["run", "--once", "-h"],
        &["run", "--bogus", "-h"],
        &["bogus", "-h"],
        &["help", "bogus"],
        &["status", "--once"],
        &["status", "-o", "yaml"],
        &["simulate", "--dry-run"],
        &["version", "--config", "x"],
        &["run", "--log-level", "loud"],
        &["history", "--limit", "-1"],
        &["store"],
        &["store", "dump", "--config", "a", "--path", "b"],
        &["demo", "--nodes", "0"],
        &["completions"],
        &["completions", "elvish"],
        &["man", "nothing.1"],
    ];
    for args in table {
        let ran = clusterrebootd(args);
        assert_eq!(ran.code, 64, "{args:?}\n{}", ran.stderr);
        assert!(ran.stdout.is_empty() && !ran.stderr.is_empty(), "{args:?}");
    }
}

#[test]
fn help_that_is_asked_for_ends_with_0_on_stdout() {
    let table: &[&[&str]] = &[
        &["--help"],
        &["-h"],
        &["-help"],
        &["help"],
        &["help", "run"],
        &["run", "--help"],
        &["run", "-h"],
        &["run", "-help"],
        &["run", "--once", "--help"],
        &["store", "dump", "--help"],
        &["--version"],
    ];
    for args in table {
        let ran = clusterrebootd(args);
        assert_eq!(ran.code, 0, "{args:?}\n{}", ran.stderr);
        assert!(ran.stderr.is_empty() && !ran.stdout.is_empty(), "{args:?}");
        assert!(
            !ran.stdout.contains('\u{1b}'),
            "colours on terminals only: {args:?}"
        );
    }
}

#[test]
fn help_teaches() {
    insta::assert_snapshot!("help", clusterrebootd(&["--help"]).stdout);
    insta::assert_snapshot!("help_run", clusterrebootd(&["run", "--help"]).stdout);
    insta::assert_snapshot!(
        "usage_unknown_flag",
        clusterrebootd(&["run", "--dry-rn"]).stderr
    );
}

const VALID: &str = "\
node_name: node-a
reboot_required_detectors: [{type: file, path: /run/reboot-required}]
health_script: /bin/true
store: {embedded: {}}
";

fn with_config(text: &str, then: impl FnOnce(&str)) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.yaml");
    std::fs::write(&path, text).unwrap();
    then(path.to_str().unwrap());
}

#[test]
fn a_valid_configuration_ends_with_0_however_the_flag_is_spelt() {
    with_config(VALID, |path| {
        for args in [
            &["validate-config", "--config", path][..],
            &["validate-config", "-config", path],
            &["validate-config", &format!("-config={path}")],
            &["validate-config", "--config", "/nowhere", "--config", path],
        ] {
            let ran = clusterrebootd(args);
            assert_eq!(ran.code, 0, "{args:?}\n{}", ran.stderr);
            assert_eq!(ran.stdout, format!("{path}: configuration is valid\n"));
        }
    });
}

#[test]
fn an_invalid_configuration_ends_with_2_and_its_problems() {
    with_config("node_nam: a\n", |path| {
        let ran = clusterrebootd(&["validate-config", "--config", path]);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
        assert!(
            ran.stderr.starts_with("invalid configuration\n"),
            "{}",
            ran.stderr
        );
        assert!(
            ran.stderr.contains("did you mean `node_name`?"),
            "{}",
            ran.stderr
        );

        let ran = clusterrebootd(&["validate-config", "-o", "json", "--config", path]);
        let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!((ran.code, &report["valid"]), (2, &false.into()));
        assert_eq!(report["problems"].as_array().unwrap().len(), 5);
    });
}

#[test]
fn the_report_for_programs_tells_unread_from_invalid() {
    let readable = |path: &str| {
        let ran = clusterrebootd(&["validate-config", "-o", "json", "--config", path]);
        let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
        (
            ran.code,
            report["readable"].clone(),
            report["valid"].clone(),
        )
    };
    with_config(VALID, |path| {
        assert_eq!(readable(path), (0, true.into(), true.into()));
        let missing = format!("{path}.missing");
        assert_eq!(readable(&missing), (2, false.into(), false.into()));
    });
    with_config("node_nam: a\n", |path| {
        assert_eq!(readable(path), (2, true.into(), false.into()));
    });
}

#[test]
fn a_state_directory_that_cannot_be_made_is_told_with_its_cause_once() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().display();
    let text = VALID.replace(
        "store: {embedded: {}}",
        &format!("store: {{embedded: {{path: {at}/store.db}}}}"),
    );
    let text = format!("{text}state_dir: /proc/nothere\nrun_dir: {at}/run\n");
    with_config(&text, |path| {
        let ran = clusterrebootd(&["run", "--config", path]);
        assert_eq!(ran.code, 1, "{}", ran.stderr);
        let told = "/proc/nothere: cannot create: No such file or directory (os error 2): \
                    check that it exists\n";
        assert!(ran.stderr.ends_with(told), "{}", ran.stderr);
    });
}

/// The program without root's right to read everything, whoever runs the tests.
fn unprivileged(args: &[&str]) -> Ran {
    let binary = assert_cmd::cargo::cargo_bin("clusterrebootd");
    let mut command = Command::new(&binary);
    if nix::unistd::geteuid().is_root() {
        command = Command::new("setpriv");
        let rights = "-dac_override,-dac_read_search";
        command.args(["--inh-caps", rights, "--bounding-set", rights]);
        command.arg(&binary);
    }
    Ran::of(command.args(args))
}

#[test]
fn a_configuration_that_cannot_be_read_is_not_called_invalid_and_ends_with_2_too() {
    with_config(VALID, |path| {
        std::fs::set_permissions(path, Permissions::from_mode(0o000)).unwrap();
        let folder = Path::new(path).parent().unwrap().to_str().unwrap();
        let missing = format!("{path}.missing");
        for (file, why, remedy) in [
            (path, "Permission denied", "mostly with sudo"),
            (&missing, "No such file", "name the file with --config"),
            (folder, "Is a directory", "name the file with --config"),
        ] {
            for command in [
                "validate-config",
                "simulate",
                "status",
                "run",
                "serve",
                "plan",
            ] {
                let ran = unprivileged(&[command, "--config", file]);
                let said = &ran.stderr;
                assert_eq!(
                    (ran.code, ran.stdout.as_str()),
                    (2, ""),
                    "{command}: {said}"
                );
                assert!(
                    said.starts_with("cannot read the configuration\n"),
                    "{said}"
                );
                assert!(said.contains(why) && said.contains(remedy), "{said}");
                assert!(!said.contains("invalid"), "{said}");
            }
        }
    });
}

#[test]
fn a_configuration_that_is_read_and_is_no_text_is_called_invalid() {
    with_config(VALID, |path| {
        std::fs::write(path, b"a: b\nc: \xe4\n").unwrap();
        let ran = clusterrebootd(&["validate-config", "--config", path]);
        assert_eq!(ran.code, 2);
        assert!(
            ran.stderr.starts_with("invalid configuration\n"),
            "{}",
            ran.stderr
        );
    });
}

#[test]
fn version_tells_what_was_built() {
    let ran = clusterrebootd(&["version"]);
    assert!(
        ran.stdout.starts_with("clusterrebootd 0."),
        "{}",
        ran.stdout
    );
    let ran = clusterrebootd(&["version", "-o", "json"]);
    let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(
        (ran.code, &report["version"]),
        (0, &env!("CARGO_PKG_VERSION").into())
    );
}

#[test]
fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let ran = clusterrebootd(&["completions", shell]);
        assert_eq!(ran.code, 0);
        assert!(ran.stdout.contains("validate-config"), "{shell}");
    }
}

#[test]
fn manual_pages_are_written_where_man_looks() {
    let dir = tempfile::tempdir().unwrap();
    let ran = clusterrebootd(&["man", "--out", dir.path().to_str().unwrap()]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let size = |name: &str| {
        std::fs::metadata(dir.path().join(Path::new(name)))
            .unwrap()
            .len()
    };
    assert!(size("man8/clusterrebootd.8") > 500);
    assert!(size("man8/clusterrebootd-validate-config.8") > 500);
    assert!(size("man5/clusterrebootd.yaml.5") > 5000);
    assert!(size("man5/clusterrebootd-server.yaml.5") > 5000);
    assert_eq!(clusterrebootd(&["man", "--out", "/dev/null/x"]).code, 1);
}

#[test]
fn a_reader_that_goes_away_is_not_a_failure() {
    use std::process::{Command, Stdio};
    let mut command = Command::new(assert_cmd::cargo::cargo_bin("clusterrebootd"));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let status = command
        .arg("version")
        .stdout(Stdio::from(writer))
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(0));
}

#[test]
fn a_report_that_cannot_be_written_is_a_failure() {
    let full = std::fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let binary = assert_cmd::cargo::cargo_bin("clusterrebootd");
    let output = std::process::Command::new(binary)
        .arg("version")
        .stdout(full)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
}

const DETECTORS: &str = "\
node_name: node-a
health_script: /bin/true
store: {embedded: {}}
reboot_required_detectors:
  - {name: quiet, type: file, path: /nonexistent/sentinel}
  - name: fires
    type: command
    cmd: [/bin/sh, -c, 'echo a kernel; exit 1']
    success_exit_codes: [1]
";

#[test]
fn simulate_reports_every_detector() {
    with_config(DETECTORS, |path| {
        let ran = clusterrebootd(&["simulate", "--config", path]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let lines: Vec<&str> = ran.stdout.lines().collect();
        assert!(
            lines[0].starts_with("detector quiet: clear ("),
            "{}",
            ran.stdout
        );
        assert!(
            lines[1].starts_with("detector fires: reboot-required ("),
            "{}",
            ran.stdout
        );
        assert!(lines[1].ends_with(", exit code 1)"), "{}", ran.stdout);
        assert_eq!(lines[2..], ["    a kernel", "reboot required: yes"]);

        let ran = clusterrebootd(&["simulate", "-o", "json", "--config", path]);
        let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!(report["reboot_required"], true);
        assert_eq!(report["detectors"][1]["exit_code"], 1);
    });
}

#[test]
fn simulate_ends_with_6_when_a_detector_fails() {
    let failing = format!("{DETECTORS}  - {{type: command, cmd: [/nonexistent/program]}}\n");
    with_config(&failing, |path| {
        let ran = clusterrebootd(&["simulate", "--config", path]);
        assert_eq!(ran.code, 6, "{}", ran.stderr);
        assert!(
            ran.stdout
                .contains("detector command:/nonexistent/program: error")
        );
        assert!(
            ran.stdout.contains("detector fires: reboot-required"),
            "the others ran too"
        );
    });
    with_config("node_name: a\n", |path| {
        assert_eq!(clusterrebootd(&["simulate", "--config", path]).code, 2);
    });
}
