//! The program in the place of the original `fleetlock`: by its name, with its flags.

use super::program::Program;
use nix::sys::signal::Signal;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};
use tempfile::TempDir;

/// A directory with the program under the original's name.
fn place() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let binary = assert_cmd::cargo::cargo_bin("clusterrebootd");
    symlink(binary, dir.path().join("fleetlock")).unwrap();
    dir
}

/// The command, which keeps its state below `dir`.
fn command(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(dir.join("fleetlock"));
    command
        .args(args)
        .env("STATE_DIRECTORY", dir.join("state"))
        .env_remove("NAMESPACE")
        .env_remove("KUBECONFIG");
    command
}

fn ended(args: &[&str]) -> (Option<i32>, String, String) {
    let dir = place();
    let Output {
        status,
        stdout,
        stderr,
    } = command(dir.path(), args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

#[test]
fn it_serves_every_group_with_one_slot_and_says_that_no_lease_is_written() {
    let dir = place();
    let mut command = command(
        dir.path(),
        &["-address", "127.0.0.1:0", "--log-level=debug"],
    );
    command
        .env("NAMESPACE", "kube-fleet")
        .env("KUBECONFIG", "/etc/kubeconfig");
    let mut program = Program::spawn(command);
    let warned = program.told("server_warning");
    let text = warned["message"].as_str().unwrap();
    assert!(text.starts_with("Leases are not written"), "{text}");
    assert!(text.contains("kubectl get leases -n kube-fleet"), "{text}");
    assert_eq!(warned["fields"]["kubeconfig"], "/etc/kubeconfig");
    program.has_started();
    let mut client = program.client();
    for group in ["default", "workers"] {
        let mut ask = |path: &str, id: &str| client.fleetlock_in(path, id, group);
        assert_eq!(ask("/v1/pre-reboot", "a"), Some(200), "{group}");
        assert_eq!(ask("/v1/pre-reboot", "b"), Some(423), "{group}");
        assert_eq!(ask("/v1/steady-state", "a"), Some(200), "{group}");
        assert_eq!(ask("/v1/pre-reboot", "b"), Some(200), "{group}");
        assert_eq!(ask("/v1/steady-state", "b"), Some(200), "{group}");
    }
    assert_eq!(program.client().get("/-/healthy").unwrap().0, 200);
    let (status, metrics) = program.client().get("/metrics").unwrap();
    assert_eq!(status, 200);
    let gauge = "fleetlock_lock_state{group=\"workers\"} ";
    assert!(metrics.contains(gauge), "{metrics}");
    program.signal(Signal::SIGTERM);
    assert_eq!(program.wait().code(), Some(0));
    assert!(dir.path().join("state/fleet.db").exists());
}

#[test]
fn it_survives_a_reload_though_it_has_no_file() {
    let dir = place();
    let mut program = Program::spawn(command(dir.path(), &["-address=127.0.0.1:0"]));
    program.has_started();
    program.signal(Signal::SIGHUP);
    program.told("config_reloaded");
    let mut client = program.client();
    assert_eq!(client.fleetlock_in("/v1/pre-reboot", "a", "any"), Some(200));
}

#[test]
fn a_bad_flag_ends_it_as_it_ended_the_original() {
    for (args, first) in [
        (&["-bogus"][..], "flag provided but not defined: -bogus"),
        (&["--config", "x"], "flag provided but not defined: -config"),
        (&["-address"], "flag needs an argument: -address"),
    ] {
        let (code, stdout, stderr) = ended(args);
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{stderr}");
        let mut lines = stderr.lines();
        assert_eq!(lines.next(), Some(first));
        let usage = lines.next().unwrap();
        assert!(usage.starts_with("Usage of "), "{stderr}");
        assert!(stderr.contains("(default \"0.0.0.0:8080\")"), "{stderr}");
    }
}

#[test]
fn usage_and_version_are_told() {
    for flag in ["-help", "--help", "-h"] {
        let (code, stdout, stderr) = ended(&[flag]);
        assert_eq!((code, stdout.as_str()), (Some(0), ""), "{flag}");
        for part in ["-address string", "-log-level string", "-version", "-help"] {
            assert!(stderr.contains(part), "{part}: {stderr}");
        }
    }
    let (code, stdout, stderr) = ended(&["-version"]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert!(stdout.contains(env!("CARGO_PKG_VERSION")), "{stdout}");
}

#[test]
fn an_address_that_is_none_ends_it() {
    let (code, _, stderr) = ended(&["-address", "nowhere"]);
    assert_eq!(code, Some(1), "{stderr}");
    assert!(
        stderr.contains("listen: nowhere cannot be bound"),
        "{stderr}"
    );
}
