//! kill -9 under load: nothing that was acknowledged is lost, nothing is granted twice.

use super::program::{Client, Place};
use nix::sys::signal::Signal;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

const CLIENTS: usize = 32;
const SLOTS: usize = 4;
const LIVES: usize = 4;
/// So many slots are granted in each life before it ends.
const GRANTS: usize = 40;

/// What a client knows of its own hold for sure.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Knows {
    Holds,
    HoldsNot,
    /// The last request has no answer.
    Nothing,
}

/// Asks for a slot and gives it back, until the server is gone.
fn work(address: &str, id: &str, before: Knows, grants: &AtomicUsize) -> Knows {
    let Ok(mut client) = Client::of(address) else {
        return before;
    };
    let mut knows = before;
    loop {
        if knows == Knows::HoldsNot {
            match client.fleetlock("/v1/pre-reboot", id) {
                Some(200) => grants.fetch_add(1, Ordering::SeqCst),
                Some(423) => continue,
                Some(other) => panic!("{id}: {other}"),
                None => return Knows::Nothing,
            };
        }
        match client.fleetlock("/v1/steady-state", id) {
            Some(200) => knows = Knows::HoldsNot,
            Some(other) => panic!("{id}: {other}"),
            None => return Knows::Nothing,
        }
        // Half of the clients keep what they have when the end comes.
        if grants.load(Ordering::SeqCst) >= GRANTS && id.len().is_multiple_of(2) {
            match client.fleetlock("/v1/pre-reboot", id) {
                Some(200) => return Knows::Holds,
                Some(423) => return Knows::HoldsNot,
                _ => return Knows::Nothing,
            }
        }
    }
}

#[test]
fn a_killed_server_lost_nothing_and_granted_nothing_twice() {
    let place = Place::new(&format!(
        "groups: {{default: {{max: {SLOTS}, wait_sec: 1}}}}\n"
    ));
    let ids = (0..CLIENTS).map(|number| format!("client-{number}"));
    let mut known: BTreeMap<String, Knows> = ids.map(|id| (id, Knows::HoldsNot)).collect();
    for life in 0..LIVES {
        let mut program = place.start();
        let grants = Arc::new(AtomicUsize::new(0));
        let clients: Vec<_> = known
            .into_iter()
            .map(|(id, before)| {
                let (address, grants) = (program.address.clone(), grants.clone());
                thread::spawn(move || {
                    let after = work(&address, &id, before, &grants);
                    (id, after)
                })
            })
            .collect();
        // The log is read on, or the server would wait for its reader.
        while grants.load(Ordering::SeqCst) < GRANTS {
            program.told("slot_granted");
        }
        program.signal(Signal::SIGKILL);
        program.wait();
        known = clients.into_iter().map(|it| it.join().unwrap()).collect();
        let holders = place.holders();
        assert!(holders.len() <= SLOTS, "life {life}: {holders:?}");
        for (id, knows) in &known {
            match knows {
                Knows::Holds => assert!(holders.contains(id), "life {life}: {id} lost its slot"),
                Knows::HoldsNot => assert!(!holders.contains(id), "life {life}: {id} holds"),
                Knows::Nothing => {}
            }
        }
    }
    let program = place.start();
    for id in known.keys() {
        assert_eq!(
            program.client().fleetlock("/v1/steady-state", id),
            Some(200)
        );
    }
    assert_eq!(place.holders(), [""; 0]);
}
