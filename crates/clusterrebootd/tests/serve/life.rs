//! Start, reload and end.

use super::program::{Place, nowhere};
use nix::sys::signal::Signal;

#[test]
fn it_serves_until_it_is_told_to_stop() {
    let place = Place::new("");
    let mut program = place.start();
    assert!(
        program.address.starts_with("127.0.0.1:"),
        "{}",
        program.address
    );
    let mut client = program.client();
    assert_eq!(client.get("/healthz").unwrap().0, 200);
    assert_eq!(client.get("/readyz").unwrap().0, 200);
    assert_eq!(client.fleetlock("/v1/pre-reboot", "a"), Some(200));
    let granted = program.told("slot_granted");
    assert_eq!(granted["fields"]["client"], "a");
    assert_eq!(granted["fields"]["protocol"], "fleetlock");
    assert_eq!(program.client().fleetlock("/v1/pre-reboot", "b"), Some(423));
    assert_eq!(program.told("slot_refused")["fields"]["kind"], "lock_held");
    program.signal(Signal::SIGTERM);
    assert_eq!(program.wait().code(), Some(0));
    assert_eq!(place.holders(), ["a"]);
    let program = place.start();
    assert_eq!(
        program.client().fleetlock("/v1/steady-state", "a"),
        Some(200)
    );
    drop(program);
    assert_eq!(place.holders(), [""; 0]);
}

#[test]
fn clients_are_called_by_the_names_of_their_nodes() {
    let id = "978a225b3d7b40e9acd7ce9b62f68444";
    let place = Place::new("");
    let mut program = place.start();
    place.configure(&format!("nodes: {{{id}: {{name: web-1}}}}\n"));
    program.signal(Signal::SIGHUP);
    program.told("config_reloaded");
    assert_eq!(program.client().fleetlock("/v1/pre-reboot", id), Some(200));
    let granted = program.told("slot_granted");
    let fields = &granted["fields"];
    assert_eq!(
        (&fields["node"], &fields["client"]),
        (&"web-1".into(), &id.into())
    );
    assert_eq!(place.holders(), ["web-1"]);
    assert_eq!(
        program.client().fleetlock("/v1/steady-state", id),
        Some(200)
    );
    assert_eq!(program.told("change_asked")["fields"]["node"], "web-1");
    assert_eq!(program.told("slot_returned")["fields"]["node"], "web-1");
    assert_eq!(place.holders(), [""; 0]);
}

#[test]
fn a_reload_changes_groups_and_refuses_the_rest() {
    let place = Place::new("groups: {default: {max: 1}}\n");
    let mut program = place.start();
    assert_eq!(program.client().fleetlock("/v1/pre-reboot", "a"), Some(200));
    assert_eq!(program.client().fleetlock("/v1/pre-reboot", "b"), Some(423));
    place.configure("groups: {default: {max: 2}}\n");
    program.signal(Signal::SIGHUP);
    let reconciled = program.told("slots_reconciled");
    assert_eq!(
        (&reconciled["fields"]["old"], &reconciled["fields"]["new"]),
        (&1.into(), &2.into())
    );
    let changed = program.told("change_asked");
    let message = changed["message"].as_str().unwrap();
    assert!(message.starts_with("server configuration: set-max in group default"));
    assert_eq!(program.client().fleetlock("/v1/pre-reboot", "b"), Some(200));
    place.configure("base_path: /x\n");
    program.signal(Signal::SIGHUP);
    let refused = program.told("config_refused");
    assert!(
        refused["message"].as_str().unwrap().contains("base_path"),
        "{refused}"
    );
    place.configure("groups: 3\n");
    program.signal(Signal::SIGHUP);
    let refused = program.told("config_refused");
    assert!(
        refused["message"].as_str().unwrap().contains("groups"),
        "{refused}"
    );
    assert_eq!(program.client().fleetlock("/v1/pre-reboot", "b"), Some(200));
}

#[test]
fn a_bad_configuration_is_told_in_full() {
    let place = Place::new("groups: {default: {mx: 1}}\nlimits: {connections: many}\n");
    let run = |config: &std::path::Path| {
        let mut command = assert_cmd::Command::cargo_bin("clusterrebootd").unwrap();
        command.args(["serve", "--config", config.to_str().unwrap()]);
        command.output().unwrap()
    };
    let output = run(&place.config());
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{text}");
    for part in [
        "groups[default].mx",
        "did you mean `max`?",
        "limits.connections",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(run(nowhere()).status.code(), Some(2));
}
