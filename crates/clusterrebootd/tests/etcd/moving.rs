//! The ways that the documentation describes, walked on a real etcd with the keys of the programs
//! before us in it. etcdctl's own lock is the mutex of the original: leased keys below the lock
//! key, the oldest of which holds.

use crate::bench::Bench;
use crate::lab;
use crate::machine::Machine;
use crate::place::Place;
use crate::scripts::no_forks;
use crate::shell::{Shell, documented_after};
use nix::fcntl::OFlag;
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use reboot_lab::{Etcd, LabOptions};
use reboot_store_etcd::Layout;
use reboot_store_etcd::client::Options;
use serde_json::{Value, json};
use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::Duration;

const GUIDE: &str = "migrating.md";
const ORIGINAL: &str = "## A fleet of the original, node by node";
const REBOOT_LOCK: &str = "## A fleet of the reboot lock";
const DOCUMENT: &str = "coreos.com/updateengine/rebootlock/semaphore";
const OLD_MACHINE: &str = "69d27b356a94476da859461d3a3bc6fd";

/// A node of the original while it holds the lock, or waits for it.
struct Original {
    process: Child,
    pipe: PathBuf,
}

/// A cluster with what was there before us, a bench on it, and an operator's shell.
struct Site {
    etcd: Etcd,
    bench: Bench,
}

// === impl Site ===

impl Site {
    /// The original's fleet `prod`.
    fn of_original() -> Self {
        let etcd = lab::own(1, &LabOptions::default());
        let list = etcd.endpoints().join(", ");
        let setting = format!("{{etcd: {{endpoints: [{list}], namespace: prod}}}}");
        let admin = Options::new(etcd.endpoints());
        let bench = Bench::at(|dir| Place::of(dir, &setting, admin, "prod"));
        Self { etcd, bench }
    }

    fn of_reboot_lock(options: &LabOptions) -> Self {
        let etcd = lab::own(1, options);
        let list = etcd.endpoints().join(", ");
        let setting = format!("{{etcd: {{endpoints: [{list}], layout: rebootlock}}}}");
        let admin = Options::new(etcd.endpoints());
        let place = |dir: &_| Place::of(dir, &setting, admin, "").with(Layout::Rebootlock);
        let bench = Bench::at(place);
        Self { etcd, bench }
    }

    fn shell(&self) -> Shell {
        Shell::at(&self.etcd)
    }

    fn shell_on(&self, machine: &Machine) -> Shell {
        self.shell().on(machine)
    }

    /// A node of the original that wants the lock; it leaves a file while it has it.
    fn original(&self, name: &str) -> Original {
        let has = self.bench.path().join(name);
        let pipe = self.bench.path().join(format!("{name}.pipe"));
        mkfifo(&pipe, Mode::S_IRWXU).unwrap();
        let script = format!(
            "touch {}; read -r _ < {} || true",
            has.display(),
            pipe.display()
        );
        let lock = r#"exec etcdctl lock --ttl=5 -- "$0" sh -c "$1""#;
        let mut command = self.shell().command(lock);
        command.arg("/prod/cluster/clusterrebootd/lock").arg(script);
        let guard = no_forks();
        let process = command.stdout(Stdio::null()).spawn().unwrap();
        drop(guard);
        Original { process, pipe }
    }

    fn has_lock(&self, original: &str) -> bool {
        self.bench.path().join(original).exists()
    }

    fn document(&self) -> Value {
        let words = format!("etcdctl get --print-value-only {DOCUMENT}");
        serde_json::from_str(&self.shell().good(&words)).unwrap()
    }
}

// === impl Original ===

impl Original {
    /// It gives the lock back, which it has.
    fn release(mut self) {
        drop(File::options().write(true).open(&self.pipe).unwrap());
        assert!(self.process.wait().unwrap().success());
    }
}

impl Drop for Original {
    fn drop(&mut self) {
        let _ = self.process.kill(); // it may have ended
        let _ = self.process.wait();
        let mut pipe = File::options();
        let pipe = pipe.write(true).custom_flags(OFlag::O_NONBLOCK.bits());
        drop(pipe.open(&self.pipe)); // what it ran waits there, or nobody does
    }
}

/// The original's file: flat keys.
fn original_file(site: &Site, name: &str) -> Machine {
    let mut machine = site.bench.machine(name);
    machine.hasty().unset("store");
    let address = site.etcd.client_address(0);
    machine.set("etcd_endpoints", format!("['{address}']"));
    machine.set("etcd_namespace", "prod");
    machine.set("lock_key", "/cluster/clusterrebootd/lock");
    machine
}

/// What a node of the original says of its health.
fn old_reports(shell: &Shell, healthy: bool) {
    let record = json!({
        "node": "old",
        "healthy": healthy,
        "stage": "pre-lock",
        "reason": if healthy { "" } else { "disk full" },
        "reported_at": "2024-03-07T11:45:12.123Z",
    });
    shell.good(&format!("etcdctl put /prod/cluster_health/old '{record}'"));
}

fn steps(number: u32) -> String {
    documented_after(GUIDE, ORIGINAL, &format!("\n{number}. **"))
}

#[test]
fn a_fleet_of_the_original_moves_node_by_node() {
    let site = Site::of_original();
    let bench = &site.bench;
    old_reports(&site.shell(), true);
    let first = site.original("first");
    bench.wait("the original has its lock", || site.has_lock("first"));

    let seen = site.shell().good(&steps(1));
    assert!(
        seen.contains("/prod/cluster/clusterrebootd/lock/"),
        "{seen}"
    );
    let mut moved = original_file(&site, "moved");
    moved.touch("sentinel");
    let script = steps(3).replace(
        "clusterrebootd status",
        "clusterrebootd status || [ $? = 4 ]",
    );
    let said = site.shell_on(&moved).good(&script);
    assert!(said.contains("every slot is taken by lease-"), "{said}");
    let shell = site.shell_on(&moved);
    let status = shell.good("clusterrebootd lock status");
    assert!(status.starts_with("Available: 0\nMax: 1\n"), "{status}");
    let id = status.lines().last().unwrap();
    let refused = shell.bad(&format!("clusterrebootd lock unlock {id} --yes"));
    assert!(
        refused.contains("the rules of another program"),
        "{refused}"
    );

    moved.start();
    bench.wait("ours waits", || moved.has_outcome("lock_unavailable"));
    first.release();
    bench.wait("ours goes", || moved.has("down"));
    moved.kill();
    let _second = site.original("second");
    let past_all_leases = Duration::from_secs(8);
    bench.never_within(past_all_leases, "the original goes too", || {
        site.has_lock("second")
    });
    moved.power_cycle(bench, Signal::SIGKILL);
    bench.wait("then the original", || site.has_lock("second"));
    bench.wait("ours is at rest", || moved.last_outcome() == "no_action");
    assert_eq!(moved.calls(), 1);
    let listed = site.shell_on(&moved).good("clusterrebootd fleet list");
    assert!(
        listed.contains("old") && listed.contains("moved"),
        "{listed}"
    );
}

#[test]
fn what_the_original_says_of_health_and_cooldown_counts_for_ours() {
    let site = Site::of_original();
    let shell = site.shell();
    old_reports(&shell, false);
    let lease = shell.good("etcdctl lease grant 600 | cut -d' ' -f2");
    let lease = lease.trim();
    shell.good(&format!(
        "etcdctl put --lease={lease} /prod/reboot_cooldown \
         '{{\"node\":\"old\",\"started_at\":\"2024-03-07T11:45:12.123Z\",\"duration_sec\":600}}'"
    ));
    let mut machine = original_file(&site, "moved");
    machine
        .set("min_reboot_interval_sec", 600)
        .touch("sentinel");
    machine.start();
    let bench = &site.bench;
    bench.wait("the peer blocks", || {
        machine.last_outcome() == "health_blocked"
    });
    assert!(machine.says("disk full"));
    old_reports(&shell, true);
    bench.wait("the cooldown blocks", || {
        machine.last_outcome() == "cooldown_active"
    });
    shell.good(&format!("etcdctl lease revoke {lease}"));
    bench.wait("it goes", || machine.has("down"));
    let ours = shell.good("etcdctl get --print-value-only /prod/reboot_cooldown");
    let ours: Value = serde_json::from_str(&ours).unwrap();
    assert_eq!(
        (&ours["node"], &ours["duration_sec"]),
        (&"moved".into(), &600.into())
    );
    let health = shell.good("etcdctl get --print-value-only /prod/cluster_health/moved");
    let health: Value = serde_json::from_str(&health).unwrap();
    assert_eq!(
        (&health["node"], &health["healthy"]),
        (&"moved".into(), &true.into())
    );
    let holder = shell.good("etcdctl get --print-value-only /prod/cluster/clusterrebootd/lock");
    assert!(
        holder.contains("\"acquired_at\"") && holder.contains("\"pid\""),
        "{holder}"
    );
}

#[test]
fn the_last_step_finds_nothing_left_and_the_way_back_is_open() {
    let site = Site::of_original();
    let bench = &site.bench;
    let mut machine = original_file(&site, "moved");
    machine.touch("sentinel");
    machine.start();
    bench.wait("it goes", || machine.has("down"));
    let held = site.shell_on(&machine).good(&steps(6));
    assert!(
        held.contains("/prod/cluster/clusterrebootd/lock/holders/moved"),
        "{held}"
    );
    machine.power_cycle(bench, Signal::SIGKILL);
    bench.wait("it is back", || machine.has("run/rebooted"));
    bench.wait_for_no_hold();
    let left = site.shell_on(&machine).good(&steps(6));
    assert!(!left.contains("/prod/"), "{left}");
    assert!(left.contains("Available: 1\nMax: 1\n"), "{left}");
    assert_eq!(machine.stop(), 0);
    let back = site.original("back");
    bench.wait("the original holds again", || site.has_lock("back"));
    back.release();
    let words = "**Back to the original.**";
    site.shell().good(&documented_after(GUIDE, ORIGINAL, words));
    let left = site.shell().good("etcdctl get --prefix --keys-only /prod/");
    let left: Vec<_> = left.split_whitespace().collect();
    assert_eq!(left, ["/prod/cluster_health/moved"]);
}

/// What the old command writes; it knows three fields.
fn old_command_writes(site: &Site, document: &Value) {
    site.shell()
        .good(&format!("etcdctl put {DOCUMENT} '{document}'"));
}

#[test]
fn a_fleet_of_the_reboot_lock_moves_with_its_slots() {
    let site = Site::of_reboot_lock(&LabOptions::default());
    let bench = &site.bench;
    let before = json!({"semaphore": 1, "max": 2, "holders": [OLD_MACHINE]});
    old_command_writes(&site, &before);
    let step = |number: u32| documented_after(GUIDE, REBOOT_LOCK, &format!("\n{number}. **"));
    assert!(site.shell().good(&step(1)).contains(OLD_MACHINE));
    let mut machines = bench.machines(2);
    let shell = site.shell_on(&machines[0]);
    let expected = format!("Available: 1\nMax: 2\n\nMACHINE ID\n{OLD_MACHINE}\n");
    assert_eq!(shell.good(&step(2)), expected);
    assert_eq!(site.document(), before, "a look changes nothing");
    for machine in &mut machines {
        machine.hasty().touch("sentinel");
        machine.start();
        bench.wait("it had its look", || !machine.outcomes().is_empty());
    }
    bench.wait("one goes", || machines[0].has("down"));
    bench.wait("one waits", || {
        machines[1].last_outcome() == "lock_unavailable"
    });
    let document = site.document();
    assert_eq!(
        (&document["semaphore"], &document["max"]),
        (&0.into(), &2.into())
    );
    assert_eq!(document["holders"].as_array().unwrap().len(), 2);
    shell.good(&step(4));
    bench.wait("its slot is free for the other", || machines[1].has("down"));
    assert!(!site.document().to_string().contains(OLD_MACHINE));
    let history = shell.good("clusterrebootd history");
    assert!(history.contains("scrapped"), "{history}");
    for machine in &mut machines {
        machine.power_cycle(bench, Signal::SIGKILL);
        bench.wait("it is back", || machine.has("run/rebooted"));
    }
    bench.wait_for_no_hold();
    let after = json!({"semaphore": 2, "max": 2, "holders": []});
    assert_eq!(site.document(), after);
}

#[test]
fn an_old_machine_that_takes_the_last_slot_keeps_ours_waiting() {
    let site = Site::of_reboot_lock(&LabOptions::default());
    let bench = &site.bench;
    let taken = json!({"semaphore": 0, "max": 1, "holders": [OLD_MACHINE]});
    old_command_writes(&site, &taken);
    let mut machine = bench.machine("n1");
    machine.touch("sentinel");
    machine.start();
    bench.wait("ours waits", || machine.has_outcome("lock_unavailable"));
    assert!(machine.says(OLD_MACHINE));
    old_command_writes(&site, &json!({"semaphore": 1, "max": 1, "holders": []}));
    bench.wait("ours goes", || machine.has("down"));
}

#[test]
fn a_dead_claim_that_only_old_machines_see_is_cleared_as_documented() {
    let site = Site::of_reboot_lock(&LabOptions::default());
    let bench = &site.bench;
    let mut machine = bench.machine("n1");
    machine.hasty().touch("sentinel");
    machine.gate("gate.post-lock");
    machine.start();
    bench.wait("it claimed", || {
        machine.lines("gated").contains(&"post-lock".to_owned())
    });
    machine.kill();
    bench.wait_in_store("its lease is over", |fleet| fleet.presences.is_empty());
    let document = site.document();
    assert_eq!(document["semaphore"], 0, "an old machine waits for it");
    let shell = site.shell_on(&machine);
    let words = "changes nothing else:";
    let said = shell.good(&documented_after(GUIDE, REBOOT_LOCK, words));
    assert_eq!(said, "Old: 1\nNew: 1\n");
    let free = json!({"semaphore": 1, "max": 1, "holders": []});
    assert_eq!(site.document(), free);
    let history = shell.good("clusterrebootd history");
    assert!(history.contains("expire"), "{history}");
}

#[test]
fn a_document_of_the_second_api_is_carried_over() {
    let options = LabOptions {
        flags: vec!["--enable-v2=true".to_owned()],
        ..LabOptions::default()
    };
    let site = Site::of_reboot_lock(&options);
    let before = json!({"semaphore": 3, "max": 3, "holders": []});
    let old = format!("ETCDCTL_API=2 etcdctl set /{DOCUMENT} '{before}'");
    site.shell().good(&old);
    let step = "carry the document over once";
    site.shell()
        .good(&documented_after(GUIDE, REBOOT_LOCK, step));
    assert_eq!(site.document(), before);
    let machine = site.bench.machine("n1");
    let status = site.shell_on(&machine).good("rebootlockctl status");
    assert_eq!(status, "Available: 3\nMax: 3\n");
}
