//! A thousand clients that vanish: descriptors and memory come back.

use super::program::{Client, Place, Program};
use std::time::{Duration, Instant};

const CLIENTS: usize = 1000;
/// So often do they come.
const ROUNDS: usize = 5;
/// So often it is looked whether memory comes back.
const TIMES: usize = 4;
/// So long may it take until the server has noticed.
const PATIENCE: Duration = Duration::from_secs(60);

/// A thousand wait for a slot, or stop in the middle of a request, and are gone.
fn vanish(program: &Program) {
    let clients: Vec<Client> = (0..CLIENTS)
        .map(|number| {
            let mut client = program.client();
            match number % 3 {
                0 => client.begin("/v1/pre-reboot", &format!("gone-{number}"), 0),
                1 => client.begin("/v1/pre-reboot", &format!("gone-{number}"), 10),
                _ => {}
            }
            client
        })
        .collect();
    until("they wait", || waiting(program) >= CLIENTS as u64 / 3);
    drop(clients);
    until("they are gone", || waiting(program) == 0);
}

fn waiting(program: &Program) -> u64 {
    let (_, text) = program.client().get("/metrics").unwrap();
    let name = "clusterrebootd_server_waiting{group=\"default\"} ";
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.map_or(0, |count| count.parse().unwrap())
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "it never came true: {what}");
        std::thread::yield_now();
    }
}

#[test]
fn a_thousand_clients_that_vanish_leave_nothing_behind() {
    let lines = "groups: {default: {max: 1, wait_sec: 600}}\nlimits: {requests_per_second: 0}\n";
    let place = Place::new(lines);
    let program = place.start_quietly();
    assert_eq!(
        program.client().fleetlock("/v1/pre-reboot", "holder"),
        Some(200)
    );
    // The first ones show how much the allocator keeps for the next.
    for _ in 0..ROUNDS {
        vanish(&program);
    }
    let descriptors = program.descriptors();
    let mut told = Vec::new();
    // What is leaked grows every time; what the allocator keeps, only now and then.
    let has_settled = (0..TIMES).any(|_| {
        let before = program.memory_kib();
        for _ in 0..ROUNDS {
            vanish(&program);
        }
        let after = program.memory_kib();
        told.push(format!("{before} KiB before, {after} KiB after"));
        after <= before + before / 20
    });
    assert!(has_settled, "{told:?}");
    let most = descriptors + descriptors / 20;
    until("descriptors are back", || program.descriptors() <= most);
    assert_eq!(
        program.client().fleetlock("/v1/steady-state", "holder"),
        Some(200)
    );
    drop(program);
    assert_eq!(
        place.holders(),
        [""; 0],
        "nobody who went away was given a slot"
    );
}
