//! Rolls through a server that is killed, restarted, or cut off in the middle.

use crate::bench::Bench;
use crate::machine::Machine;
use crate::place::Place;
use crate::server::Served;
use nix::sys::signal::Signal;
use reboot_core::group::Phase;
use reboot_lab::Proxy;
use std::net::SocketAddr;
use std::sync::LazyLock;
use tokio::runtime::{Builder, Runtime};

/// Drives the networks.
static NETWORKS: LazyLock<Runtime> = LazyLock::new(|| {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(1).enable_all().build().unwrap()
});

/// A bench on this server.
pub(crate) fn bench_on(served: &mut Option<Served>) -> Bench {
    Bench::at(|dir| {
        let file = dir.join("fleet.db");
        let server = served.insert(Served::start(&file));
        Place::of(&file, &format!("http://{}", server.address))
    })
}

/// A bad network in front of a server.
fn network(to: SocketAddr) -> Proxy {
    NETWORKS.block_on(Proxy::start(to)).unwrap()
}

/// Two machines that want to reboot: the first is down, the other waits.
fn one_down_one_waiting(bench: &Bench) -> Vec<Machine> {
    let mut machines = bench.machines(2);
    for machine in &mut machines {
        machine.touch("sentinel");
        machine.start();
        bench.wait("it had its look", || {
            !machine.outcomes().is_empty() || machine.has("down")
        });
    }
    bench.wait("the first goes", || machines[0].has("down"));
    machines
}

/// Lets the roll come to its end; never two are down.
pub(crate) fn finish(bench: &Bench, machines: &mut [Machine]) {
    let is_done = |it: &Machine| it.has("run/rebooted") && !it.has("down");
    while !machines.iter().all(is_done) {
        bench.wait("somebody goes, or all are done", || {
            machines.iter().any(|it| it.has("down")) || machines.iter().all(is_done)
        });
        let down: Vec<_> = machines.iter_mut().filter(|it| it.has("down")).collect();
        assert!(down.len() <= 1, "{}", bench.logs());
        for machine in down {
            machine.power_cycle(bench, Signal::SIGKILL);
            bench.wait("it is back", || machine.has("run/rebooted"));
        }
    }
    for machine in machines {
        assert_eq!(machine.calls(), 1, "{}", bench.logs());
    }
}

#[test]
fn a_roll_goes_on_after_its_server_was_killed() {
    let mut served = None;
    let bench = bench_on(&mut served);
    let served = served.as_mut().unwrap();
    let mut machines = one_down_one_waiting(&bench);
    served.kill();
    for machine in &machines[1..] {
        bench.wait("it says so", || machine.says("cannot use the store since"));
        assert!(machine.says("`clusterrebootd serve` runs there"));
    }
    machines[0].power_cycle(&bench, Signal::SIGKILL);
    bench.wait("it says so too", || {
        machines[0].says("cannot use the store since")
    });
    assert!(!machines[0].has("run/rebooted"), "its hold stands");
    assert_eq!(bench.phase("n1"), Some(Phase::Rebooting));
    assert_eq!(machines[1].calls(), 0);
    served.restart();
    bench.wait("it gives back", || machines[0].has("run/rebooted"));
    finish(&bench, &mut machines);
}

#[test]
fn a_server_that_comes_and_goes_all_the_time_delays_a_roll_and_breaks_nothing() {
    let mut served = None;
    let bench = bench_on(&mut served);
    let served = served.as_mut().unwrap();
    let mut machines = bench.machines(3);
    for machine in &mut machines {
        machine.hasty().touch("sentinel");
        machine.start();
    }
    for _ in 0..3 {
        bench.wait("somebody goes", || machines.iter().any(|it| it.has("down")));
        served.kill();
        served.restart();
        let down: Vec<_> = machines.iter_mut().filter(|it| it.has("down")).collect();
        assert_eq!(down.len(), 1, "{}", bench.logs());
        for machine in down {
            machine.power_cycle(&bench, Signal::SIGKILL);
            served.kill();
            served.restart();
            bench.wait("it is back", || machine.has("run/rebooted"));
        }
    }
    finish(&bench, &mut machines);
}

#[test]
fn a_machine_that_is_cut_off_stays_up_and_goes_when_the_network_is_back() {
    let mut served = None;
    let bench = bench_on(&mut served);
    let server = served.as_ref().unwrap().address;
    let network = network(server);
    let mut machine = bench.machine("n1");
    let url = format!("http://{}", network.address());
    machine.set("store", format!("{{server: {{url: '{url}'}}}}"));
    machine.hasty();
    machine.start();
    bench.wait("at rest", || machine.has_outcome("no_action"));
    network.cut();
    machine.touch("sentinel");
    bench.wait("it says so", || machine.says("cannot use the store since"));
    assert_eq!((machine.calls(), machine.has("down")), (0, false));
    network.heal();
    bench.wait("it goes", || machine.has("down"));
    finish(&bench, std::slice::from_mut(&mut machine));
}

#[test]
fn replies_that_do_not_arrive_lead_to_one_reboot_all_the_same() {
    let mut served = None;
    let bench = bench_on(&mut served);
    let server = served.as_ref().unwrap().address;
    let network = network(server);
    let mut machine = bench.machine("n1");
    let url = format!("http://{}", network.address());
    machine.set("store", format!("{{server: {{url: '{url}'}}}}"));
    machine.hasty();
    machine.start();
    bench.wait("at rest", || machine.has_outcome("no_action"));
    network.cut_replies();
    machine.touch("sentinel");
    bench.wait("it says so", || machine.says("cannot use the store since"));
    assert_eq!(machine.calls(), 0);
    network.cut();
    network.heal();
    bench.wait("it goes", || machine.has("down"));
    finish(&bench, std::slice::from_mut(&mut machine));
}

#[test]
fn a_server_that_is_none_is_named() {
    let bench = Bench::new();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    let mut machine = bench.machine("n1");
    machine.set("store", format!("{{server: {{url: 'http://{address}'}}}}"));
    machine.touch("sentinel");
    let ran = machine.run(&["status", "-o", "json"]);
    assert_eq!(ran.code, 4, "{} {}", ran.stdout, ran.stderr);
    for fact in [
        address.as_str(),
        "connection refused",
        "clusterrebootd serve",
    ] {
        assert!(ran.stdout.contains(fact), "{fact}: {}", ran.stdout);
    }
}
