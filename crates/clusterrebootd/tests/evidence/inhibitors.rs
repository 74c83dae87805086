//! Who asks logind that the machine stay up, a package manager above all, is heard whatever reboots
//! it. A real message bus; logind is a stand-in on it.

use crate::bench::Bench;
use crate::machine::{BUS, Machine};
use crate::scripts::no_forks;
use reboot_lab::Bus;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::runtime::Runtime;
use zbus::Connection;
use zbus::connection::Builder;

/// A message bus with a logind; both end with it.
struct Logind {
    bus: Bus,
    told: Arc<Told>,
    _serving: (Runtime, Connection),
}

/// What the stand-in says, and how often it was asked.
#[derive(Default)]
struct Told {
    is_installing: AtomicBool,
    asked: AtomicUsize,
}

struct StandIn(Arc<Told>);

#[zbus::interface(name = "org.freedesktop.login1.Manager")]
impl StandIn {
    fn list_inhibitors(&self) -> Vec<(String, String, String, String, u32, u32)> {
        self.0.asked.fetch_add(1, Ordering::SeqCst);
        let row = |who: &str, mode: &str| {
            let [what, who, why, mode] = ["shutdown", who, "installs packages", mode];
            let [what, who, why, mode] = [what, who, why, mode].map(str::to_owned);
            (what, who, why, mode, 0, 1)
        };
        let mut rows = vec![row("a desktop", "delay")];
        if self.0.is_installing.load(Ordering::SeqCst) {
            rows.push(row("APT", "block"));
        }
        rows
    }
}

// === impl Logind ===

impl Logind {
    fn start() -> Self {
        let guard = no_forks();
        let bus = Bus::start().unwrap();
        drop(guard);
        let told = Arc::new(Told::default());
        let runtime = Runtime::new().unwrap();
        let connection = Builder::address(bus.address())
            .serve_at("/org/freedesktop/login1", StandIn(Arc::clone(&told)))
            .name("org.freedesktop.login1");
        let connection = runtime.block_on(connection.build()).unwrap();
        Self {
            bus,
            told,
            _serving: (runtime, connection),
        }
    }

    fn installs(&self, is_installing: bool) {
        let told = &self.told.is_installing;
        told.store(is_installing, Ordering::SeqCst);
    }

    fn was_asked(&self) -> usize {
        self.told.asked.load(Ordering::SeqCst)
    }
}

fn machine_on(bench: &Bench, logind: &Logind) -> Machine {
    let mut machine = bench.machine("n1");
    machine.variable(BUS, logind.bus.address());
    machine.set("check_interval_sec", 1);
    machine
}

#[test]
fn no_command_reboots_amid_a_package_managers_work() {
    let bench = Bench::new();
    let logind = Logind::start();
    logind.installs(true);
    let mut machine = machine_on(&bench, &logind);
    machine.touch("sentinel");
    machine.start();
    bench.wait("it waits", || machine.has_outcome("held_back"));
    let asked = logind.was_asked();
    bench.wait("it asks again", || logind.was_asked() > asked);
    assert!(machine.says("APT asks to wait: installs packages"));
    assert_eq!((machine.calls(), bench.holds().len()), (0, 0));
    logind.installs(false);
    bench.wait("it goes", || machine.has("down"));
    assert_eq!(machine.calls(), 1);
}

#[test]
fn a_command_that_overrides_inhibitors_is_obeyed() {
    let bench = Bench::new();
    let logind = Logind::start();
    logind.installs(true);
    let mut machine = machine_on(&bench, &logind);
    let command = machine.file("reboot").display().to_string();
    machine.set(
        "reboot_command",
        format!("[{command}, --check-inhibitors=no]"),
    );
    machine.touch("sentinel");
    machine.start();
    bench.wait("it goes", || machine.has("down"));
    assert_eq!(logind.was_asked(), 0);
}

/// Somebody listens where the bus should be, and never says a word.
#[test]
fn a_bus_that_hangs_keeps_no_command_from_rebooting() {
    let bench = Bench::new();
    let mut machine = bench.machine("n1");
    let socket = machine.file("mute");
    let mute = UnixListener::bind(&socket).unwrap();
    machine.variable(BUS, format!("unix:path={}", socket.display()));
    machine.touch("sentinel");
    machine.start();
    bench.wait("it goes", || machine.has("down"));
    assert_eq!(machine.calls(), 1);
    drop(mute);
}

#[test]
fn a_machine_without_a_need_asks_nobody() {
    let bench = Bench::new();
    let logind = Logind::start();
    logind.installs(true);
    let mut machine = machine_on(&bench, &logind);
    machine.set("metrics", "{enabled: true, listen: '127.0.0.1:0'}");
    machine.start();
    bench.wait("it listens", || {
        !machine.events("metrics_listening").is_empty()
    });
    bench.wait("it looks, three times", || machine.passes("no_action") > 2);
    assert_eq!((logind.was_asked(), machine.stop()), (0, 0));
}
