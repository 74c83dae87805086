//! Who asks logind that the machine stay up, a package manager above all, is heard whatever reboots
//! it. A real message bus; logind is a stand-in on it.

use crate::bench::Bench;
use crate::machine::{BUS, Machine};
use crate::scripts::no_forks;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::runtime::Runtime;
use zbus::Connection;
use zbus::connection::Builder;

const CONFIG: &str = r#"<busconfig>
  <listen>unix:dir=DIRECTORY</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/>
  </policy>
</busconfig>"#;

/// A message bus with a logind; both end with it.
struct Bus {
    daemon: Child,
    address: String,
    logind: Arc<Told>,
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

// === impl Bus ===

impl Bus {
    fn start(directory: &Path) -> Self {
        let config = directory.join("bus.conf");
        let text = CONFIG.replace("DIRECTORY", &directory.to_string_lossy());
        fs::write(&config, text).unwrap();
        let guard = no_forks();
        let mut daemon = Command::new("dbus-daemon")
            .arg(format!("--config-file={}", config.display()))
            .args(["--print-address", "--nofork", "--nopidfile"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("dbus-daemon starts: on Debian it is in the package dbus-daemon");
        drop(guard);
        let mut address = String::new();
        let mut said = BufReader::new(daemon.stdout.take().unwrap());
        said.read_line(&mut address).unwrap();
        let address = address.trim().to_owned();
        let logind = Arc::new(Told::default());
        let runtime = Runtime::new().unwrap();
        let connection = Builder::address(address.as_str())
            .serve_at("/org/freedesktop/login1", StandIn(Arc::clone(&logind)))
            .name("org.freedesktop.login1");
        let connection = runtime.block_on(connection.build()).unwrap();
        Self {
            daemon,
            address,
            logind,
            _serving: (runtime, connection),
        }
    }

    fn installs(&self, is_installing: bool) {
        let told = &self.logind.is_installing;
        told.store(is_installing, Ordering::SeqCst);
    }

    fn was_asked(&self) -> usize {
        self.logind.asked.load(Ordering::SeqCst)
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

fn machine_on(bench: &Bench, bus: &Bus) -> Machine {
    let mut machine = bench.machine("n1");
    machine.variable(BUS, &bus.address);
    machine.set("check_interval_sec", 1);
    machine
}

#[test]
fn no_command_reboots_amid_a_package_managers_work() {
    let bench = Bench::new();
    let bus = Bus::start(bench.path());
    bus.installs(true);
    let mut machine = machine_on(&bench, &bus);
    machine.touch("sentinel");
    machine.start();
    bench.wait("it waits", || machine.has_outcome("held_back"));
    let asked = bus.was_asked();
    bench.wait("it asks again", || bus.was_asked() > asked);
    assert!(machine.says("APT asks to wait: installs packages"));
    assert_eq!((machine.calls(), bench.holds().len()), (0, 0));
    bus.installs(false);
    bench.wait("it goes", || machine.has("down"));
    assert_eq!(machine.calls(), 1);
}

#[test]
fn a_command_that_overrides_inhibitors_is_obeyed() {
    let bench = Bench::new();
    let bus = Bus::start(bench.path());
    bus.installs(true);
    let mut machine = machine_on(&bench, &bus);
    let command = machine.file("reboot").display().to_string();
    machine.set(
        "reboot_command",
        format!("[{command}, --check-inhibitors=no]"),
    );
    machine.touch("sentinel");
    machine.start();
    bench.wait("it goes", || machine.has("down"));
    assert_eq!(bus.was_asked(), 0);
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
    let bus = Bus::start(bench.path());
    bus.installs(true);
    let mut machine = machine_on(&bench, &bus);
    machine.set("metrics", "{enabled: true, listen: '127.0.0.1:0'}");
    machine.start();
    bench.wait("it listens", || {
        !machine.events("metrics_listening").is_empty()
    });
    bench.wait("it looks, three times", || machine.passes("no_action") > 2);
    assert_eq!((bus.was_asked(), machine.stop()), (0, 0));
}
