//! Daemons as plain clients of a FleetLock server: it knows nothing of our protocol, and each
//! keeps its holds in a store of its own.

use crate::bench::Bench;
use crate::machine::Machine;
use crate::rolls::{bench_on, finish};
use nix::sys::signal::Signal;
use std::net::SocketAddr;

/// Machines that want to reboot, each with a store of its own behind this server.
fn clients(bench: &Bench, count: usize, server: SocketAddr) -> Vec<Machine> {
    let mut machines = bench.machines(count);
    for machine in &mut machines {
        let path = machine.file("own.db");
        let lock = format!("url: 'http://{server}', path: {}", path.display());
        machine.set("store", format!("{{fleetlock: {{{lock}}}}}"));
        machine.touch("sentinel");
        machine.start();
    }
    machines
}

/// Whom the server counts.
fn holders(bench: &Bench) -> Vec<String> {
    let holds = bench.holds();
    holds.iter().map(|hold| hold.node.to_string()).collect()
}

fn down(machines: &[Machine]) -> Option<usize> {
    machines.iter().position(|it| it.has("down"))
}

#[test]
fn clients_of_one_slot_go_down_one_by_one() {
    let mut served = None;
    let bench = bench_on(&mut served);
    let mut machines = clients(&bench, 3, served.as_ref().unwrap().address);
    bench.wait("somebody goes", || down(&machines).is_some());
    let first = down(&machines).unwrap();
    assert_eq!(holders(&bench), [format!("n{}", first + 1)]);
    assert_eq!(bench.holds()[0].guest.as_deref(), Some("fleetlock"));
    for (number, machine) in machines.iter().enumerate() {
        let waits = || machine.last_outcome() == "lock_unavailable";
        assert!(number == first || !machine.has("down"), "{}", bench.logs());
        bench.wait("it waits", || number == first || waits());
        assert!(number == first || machine.says("gives no slot"));
    }
    finish(&bench, &mut machines);
    bench.wait("the slot is given back", || holders(&bench).is_empty());
}

#[test]
fn a_server_that_dies_costs_time_and_no_slot() {
    let mut served = None;
    let bench = bench_on(&mut served);
    let served = served.as_mut().unwrap();
    let mut machines = clients(&bench, 2, served.address);
    bench.wait("somebody goes", || down(&machines).is_some());
    let (first, other) = (down(&machines).unwrap(), 1 - down(&machines).unwrap());
    served.kill();
    machines[first].power_cycle(&bench, Signal::SIGKILL);
    let says = |machine: &Machine| machine.says("cannot use the FleetLock server");
    bench.wait("it says so", || {
        says(&machines[first]) && says(&machines[other])
    });
    assert_eq!(machines[other].calls(), 0);
    assert_eq!(holders(&bench), [format!("n{}", first + 1)], "kept");
    served.restart();
    finish(&bench, &mut machines);
    bench.wait("the slot is given back", || holders(&bench).is_empty());
}
