//! An etcd that cannot be used, from the start or from some moment on: what operators are told,
//! and that nothing is lost by it.

use crate::bench::Bench;
use crate::lab;
use crate::machine::Machine;
use crate::place::Place;
use crate::shell::{Shell, documented_after};
use nix::sys::signal::Signal;
use reboot_core::group::Phase;
use reboot_lab::{Authority, Etcd, LabOptions, ServerTls, Validity};
use reboot_store_etcd::client::Options;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpListener;

/// A bench on members of its own, that may be killed.
fn bench_on(etcd: &Etcd) -> Bench {
    let endpoints = etcd.endpoints();
    let setting = format!(
        "{{etcd: {{endpoints: [{}], namespace: own}}}}",
        endpoints.join(", ")
    );
    Bench::at(|dir| Place::of(dir, &setting, Options::new(endpoints), "own"))
}

/// What `status -o json` says; it must be 4 and no contention.
fn refused(machine: &Machine) -> String {
    let ran = machine.run(&["status", "-o", "json"]);
    assert_eq!(ran.code, 4, "{} {}", ran.stdout, ran.stderr);
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(report["outcome"], "lock_unavailable");
    let message = report["message"].as_str().unwrap().to_owned();
    assert!(
        message.starts_with("the store is out of reach: "),
        "{message}"
    );
    message
}

/// A machine told of this etcd, which it cannot use. Its daemon waits; every command says each of
/// these facts.
pub(crate) fn cannot_use(bench: &Bench, name: &str, store: &str, facts: &[&str]) {
    let mut machine = bench.machine(name);
    machine.set("store", store);
    machine.set("metrics", "{enabled: true, listen: '127.0.0.1:0'}");
    machine.touch("sentinel");
    let message = refused(&machine);
    let operator = machine.run(&["lock", "status"]);
    assert_eq!((operator.code, operator.stdout.as_str()), (1, ""));
    machine.start();
    bench.wait("the daemon says so", || {
        machine.says("cannot use the store since")
    });
    bench.wait("it tries again", || {
        let mut log = machine.log();
        log.retain(|line| {
            line["message"]
                .as_str()
                .unwrap()
                .starts_with("could not open")
        });
        log.len() >= 2
    });
    let logged = machine.events("store_status");
    let logged = logged[0]["message"].as_str().unwrap();
    for fact in facts {
        for text in [&message, &operator.stderr, logged] {
            assert!(text.contains(fact), "{fact}: {text}");
        }
    }
    assert!(
        machine
            .scrape("/metrics")
            .contains("clusterrebootd_store_up{} 0\n")
    );
    assert!(!bench.logs().contains("panicked"));
    assert_eq!(
        (machine.calls(), machine.stop()),
        (0, 4),
        "{}",
        bench.logs()
    );
}

/// A port where something else answers.
fn web_server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 1024]); // whatever it was
            let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
        }
    });
    address
}

#[test]
fn a_port_where_nobody_listens_is_named() {
    let bench = Bench::new();
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    let store = format!("{{etcd: {{endpoints: ['{address}']}}}}");
    cannot_use(
        &bench,
        "n1",
        &store,
        &[&address, "connection refused", "2379"],
    );
}

#[test]
fn a_port_where_something_else_answers_is_named() {
    let bench = Bench::new();
    let address = web_server();
    let store = format!("{{etcd: {{endpoints: ['{address}']}}}}");
    cannot_use(&bench, "n1", &store, &[&address, "2379"]);
}

#[test]
fn a_name_that_leads_nowhere_is_named() {
    let bench = Bench::new();
    let store = "{etcd: {endpoints: ['etcd.fleet.invalid:2379']}}";
    let facts = ["etcd.fleet.invalid", "cannot find the address", "spelling"];
    cannot_use(&bench, "n1", store, &facts);
}

#[test]
fn certificates_that_do_not_fit_are_told_apart() {
    let bench = Bench::new();
    let folder = bench.path().to_owned();
    let good = Authority::new(&folder, "good").unwrap();
    let bad = Authority::new(&folder, "bad").unwrap();
    let server = good
        .server("server", &["127.0.0.1"], Validity::Now)
        .unwrap();
    let options = LabOptions {
        tls: Some(ServerTls {
            cert: server.cert,
            key: server.key,
            client_ca: Some(good.ca_file.clone()),
        }),
        ..LabOptions::default()
    };
    let etcd = lab::own(1, &options);
    let endpoint = &etcd.endpoints()[0];
    let store = |ca: &Authority, more: &str| {
        let ca = ca.ca_file.display();
        format!(
            "{{etcd: {{endpoints: ['{endpoint}'], tls: {{enabled: true, ca_file: {ca}{more}}}}}}}"
        )
    };
    cannot_use(&bench, "n1", &store(&bad, ""), &[endpoint, "ca_file"]);
    cannot_use(&bench, "n2", &store(&good, ""), &[endpoint, "cert_file"]);
    let old = good.client("old", "n3", Validity::Expired).unwrap();
    let (cert, key) = (old.cert.display(), old.key.display());
    let more = format!(", cert_file: {cert}, key_file: {key}");
    cannot_use(
        &bench,
        "n3",
        &store(&good, &more),
        &[endpoint, "certificate"],
    );
}

#[test]
fn a_fleet_goes_on_when_all_members_are_back() {
    let mut etcd = lab::own(1, &LabOptions::default());
    let bench = bench_on(&etcd);
    let mut machines = bench.machines(2);
    for machine in &mut machines {
        machine.set("metrics", "{enabled: true, listen: '127.0.0.1:0'}");
        machine.start();
        bench.wait("at rest", || machine.has_outcome("no_action"));
        assert!(
            machine
                .scrape("/metrics")
                .contains("clusterrebootd_store_up{} 1\n")
        );
    }
    etcd.kill(0);
    for machine in &machines {
        machine.touch("sentinel");
        bench.wait("it says so", || machine.says("cannot use the store since"));
        bench.wait("it waits", || machine.last_outcome() == "lock_unavailable");
    }
    let told = &machines[0].events("store_status")[0]["fields"];
    let since = told["since"].as_str().unwrap();
    assert_eq!(
        (&told["reachable"], &told["kind"]),
        (&false.into(), &"unavailable".into())
    );
    let report: Value =
        serde_json::from_str(&machines[0].run(&["status", "-o", "json"]).stdout).unwrap();
    assert_eq!(report["daemon_store_trouble"]["since"], since, "{report:#}");
    let text = machines[0].run(&["status"]).stdout;
    assert!(
        text.contains("the daemon of this node cannot use the store since 20"),
        "{text}"
    );
    let metrics = machines[0].scrape("/metrics");
    assert!(
        metrics.contains("clusterrebootd_store_up{} 0\n"),
        "{metrics}"
    );
    let gauge = "clusterrebootd_store_down_since_timestamp_seconds{} 1";
    assert!(metrics.contains(gauge), "{metrics}");
    assert!(machines.iter().all(|it| it.is_alive() && it.calls() == 0));
    etcd.restart(0).unwrap();
    let is_done = |it: &Machine| it.has("run/rebooted") && !it.has("down");
    while !machines.iter().all(is_done) {
        bench.wait("somebody goes", || machines.iter().any(|it| it.has("down")));
        let down: Vec<_> = machines.iter_mut().filter(|it| it.has("down")).collect();
        assert_eq!(down.len(), 1);
        for machine in down {
            machine.power_cycle(&bench, Signal::SIGKILL);
            bench.wait("it is back", || machine.has("run/rebooted"));
        }
    }
    for machine in &machines {
        assert!(
            machine.says("the store can be used again, after"),
            "{}",
            bench.logs()
        );
        assert_eq!(machine.calls(), 1);
    }
    let report = machines[0].run(&["status", "-o", "json"]).stdout;
    assert!(
        report.contains("\"daemon_store_trouble\": null"),
        "{report}"
    );
}

#[test]
fn a_machine_back_from_its_reboot_waits_for_etcd_to_give_its_slot_back() {
    let mut etcd = lab::own(1, &LabOptions::default());
    let bench = bench_on(&etcd);
    let mut machines = bench.machines(2);
    for machine in &mut machines {
        machine.hasty().touch("sentinel");
        machine.start();
        bench.wait("it had its look", || {
            !machine.outcomes().is_empty() || machine.has("down")
        });
    }
    bench.wait("the first goes", || machines[0].has("down"));
    machines[0].kill();
    etcd.kill(0);
    machines[0].forget_log();
    machines[0].power_cycle(&bench, Signal::SIGKILL);
    bench.wait("it says so", || {
        machines[0].says("cannot use the store since")
    });
    assert!(machines.iter().all(Machine::is_alive));
    assert!(!machines[0].has("run/rebooted"));
    etcd.restart(0).unwrap();
    bench.wait("it gives back", || machines[0].has("run/rebooted"));
    bench.wait("the other goes", || machines[1].has("down"));
    assert_eq!(bench.phase("n2"), Some(Phase::Rebooting));
    assert_eq!((machines[0].calls(), machines[1].calls()), (1, 1));
}

#[test]
fn a_value_that_is_not_ours_under_the_record_stops_everybody_and_loses_nothing() {
    let etcd = lab::own(1, &LabOptions::default());
    let bench = bench_on(&etcd);
    let run = |words: &[&str]| lab::wait_for(etcd.etcdctl(words)).unwrap();
    let mut machines = bench.machines(2);
    for machine in &mut machines {
        machine.touch("sentinel");
        machine.start();
        bench.wait("it had its look", || {
            !machine.outcomes().is_empty() || machine.has("down")
        });
    }
    bench.wait("the first goes", || machines[0].has("down"));
    let key = "/own/cluster/clusterrebootd/lock";
    run(&["put", key, "{{ never a record"]);
    machines[0].power_cycle(&bench, Signal::SIGKILL);
    bench.wait("it is told by name", || {
        machines[0].says(key) && machines[0].says("etcdctl get")
    });
    let message = refused(&machines[1]);
    assert!(
        message.contains(key) && message.contains("etcdctl get"),
        "{message}"
    );
    let operator = machines[1].run(&["lock", "status"]);
    assert_eq!(operator.code, 1);
    assert!(operator.stderr.contains(key), "{}", operator.stderr);
    assert!(machines.iter().all(Machine::is_alive));
    assert_eq!(
        (machines[1].calls(), machines[0].has("run/rebooted")),
        (0, false)
    );
    assert_eq!(
        run(&["get", "--print-value-only", key]).trim(),
        "{{ never a record"
    );
    let mend = documented_after("etcd.md", "## What stands where", "the copy\nmends it");
    Shell::at(&etcd).good(&mend.replace("/prod/", "/own/"));
    bench.wait("the hold was not lost", || machines[0].has("run/rebooted"));
    bench.wait("the other goes", || machines[1].has("down"));
    assert_eq!((machines[0].calls(), machines[1].calls()), (1, 1));
}
