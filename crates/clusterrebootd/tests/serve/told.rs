//! What the server says of its own configuration, and of what this machine gives it.

use super::program::{Client, Place, Program};
use assert_cmd::cargo::cargo_bin;
use nix::sys::signal::Signal;
use std::process::Command;

/// Runs `serve` to its end: exit code and standard error.
fn run(arguments: &[&str]) -> (i32, String) {
    let output = Command::new(cargo_bin("clusterrebootd"))
        .arg("serve")
        .args(arguments)
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8(text).unwrap();
    (output.status.code().unwrap(), text)
}

fn message(line: &serde_json::Value) -> String {
    line["message"].as_str().unwrap().to_owned()
}

#[test]
fn a_reload_names_what_changes_and_what_waits_for_a_restart() {
    let place = Place::new("groups: {default: {max: 1}}\n");
    let mut program = place.start();
    place.configure(
        "groups: {default: {max: 1, wait_sec: 7}}\nlimits: {connections: 99}\nlog_format: text\n",
    );
    program.signal(Signal::SIGHUP);
    let changed = program.told("config_reloaded");
    assert_eq!(changed["fields"]["key"], "groups[default].wait_sec");
    assert_eq!(
        (&changed["fields"]["before"], &changed["fields"]["after"]),
        (&0.into(), &7.into())
    );
    for (key, before, after) in [
        ("limits.connections", "20000", "99"),
        ("log_format", "\"json\"", "\"text\""),
    ] {
        let late = program.told("config_reloaded");
        assert_eq!(
            (&late["fields"]["key"], &late["level"]),
            (&key.into(), &"warn".into())
        );
        let text = format!("{key} stays {before} until the server is restarted: {after} then");
        assert_eq!(message(&late), text);
    }
    let end = program.told("config_reloaded");
    assert_eq!(message(&end), "the configuration was read again");
    place.configure("metrics: {enabled: true}\n");
    program.signal(Signal::SIGHUP);
    let refused = message(&program.told("config_refused"));
    assert!(refused.contains("metrics cannot change"), "{refused}");
}

#[test]
fn what_is_measured_has_a_listener_of_its_own_where_one_is_asked_for() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    let place = Place::new(&format!(
        "metrics: {{enabled: true, listen: \"{address}\"}}\n"
    ));
    let program = place.start();
    let mut own = Client::of(&address).unwrap();
    let (status, text) = own.get("/metrics").unwrap();
    assert_eq!(status, 200);
    for name in ["clusterrebootd_server_slots{", "process_open_fds"] {
        assert!(text.contains(name), "{name}: {text}");
    }
    assert_eq!(program.client().get("/metrics").unwrap().0, 200);
    let place = Place::new("metrics: {enabled: true, listen: nowhere}\n");
    let (exit, text) = run(&["--config", place.config().to_str().unwrap()]);
    assert_eq!(exit, 2, "{text}");
    assert!(text.contains("metrics.listen"), "{text}");
}

#[test]
fn a_file_is_checked_without_serving() {
    let place = Place::new("");
    let config = place.config();
    let config = config.to_str().unwrap();
    let (exit, text) = run(&["--check", "--config", config]);
    assert_eq!(
        (exit, text),
        (0, format!("{config}: configuration is valid\n"))
    );
    place.configure("auth: {tokens_file: /nonexistent/tokens}\n");
    let (exit, text) = run(&["--check", "--config", config]);
    assert_eq!(exit, 0, "{text}");
    assert!(
        text.contains("warning: auth: ") && text.contains("/nonexistent/tokens"),
        "{text}"
    );
    place.configure("groups: {default: {mx: 1}}\nfrobnicate: 1\n");
    let (exit, text) = run(&["--check", "--config", config]);
    assert_eq!(exit, 2, "{text}");
    for part in [
        "did you mean `max`?",
        "clusterrebootd-server.yaml(5) lists the keys",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn an_address_that_cannot_be_had_is_told_for_what_it_is() {
    let place = Place::new("");
    let config = place.config();
    let on = |listen: &str| run(&["--config", config.to_str().unwrap(), "--listen", listen]);
    let (exit, text) = on("nowhere");
    assert_eq!(exit, 2, "{text}");
    assert!(
        text.contains("--listen: \"nowhere\" is not an address"),
        "{text}"
    );
    // An address for documentation: nobody has it.
    let (exit, text) = on("192.0.2.1:8080");
    assert_eq!(exit, 1, "{text}");
    assert!(text.contains("no address of this machine"), "{text}");
    assert!(!text.contains("free it"), "{text}");
    let program = place.start();
    let (exit, text) = on(&program.address);
    assert_eq!(exit, 1, "{text}");
    assert!(text.contains("another program has it"), "{text}");
}

#[test]
fn a_limit_of_open_files_is_raised_as_far_as_it_goes_and_told_when_it_is_too_low() {
    let place = Place::new("");
    let start = |limits: &str| {
        let mut command = Command::new("sh");
        let script = format!("{limits} && exec \"$0\" \"$@\"");
        command.args(["-c", &script]);
        command.arg(cargo_bin("clusterrebootd"));
        command.args(["serve", "--config"]).arg(place.config());
        let mut program = Program::spawn(command);
        program.has_started();
        program
    };
    let mut program = start("ulimit -Sn 100 && ulimit -Hn 300");
    assert_eq!(program.files_max(), "300", "the soft limit is the hard one");
    let warning = message(&program.told("server_warning"));
    assert!(
        warning.starts_with("limits.connections is 20000, but this process may have 300 files"),
        "{warning}"
    );
    let clients: Vec<Client> = (0..400)
        .map(|_| Client::of(&program.address).unwrap())
        .collect();
    drop(clients);
    assert_eq!(program.client().get("/readyz").unwrap().0, 200);
}
