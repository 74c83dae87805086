//! The commands beside a daemon that runs.

use crate::site::{PATIENCE, Site};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Instant;

/// A daemon of a site; it ends with the test.
struct Daemon {
    child: Child,
    log: Receiver<Value>,
}

// === impl Daemon ===

impl Daemon {
    /// Starts one whose reboot command leaves the file `down`, and does nothing else.
    fn start(site: &Site) -> Self {
        let at = |name: &str| site.file(name).display().to_string();
        fs::write(at("boot-id"), "6a1b2c3d-0000-4000-8000-000000000001\n").unwrap();
        fs::write(at("machine-id"), "00000000000000000000000000000001\n").unwrap();
        let config = format!(
            "node_name: node-a\nhealth_script: /bin/true\nhealth_timeout_sec: 5\n\
             lock_ttl_sec: 6\nhealth_publish_interval_sec: 1\ncheck_interval_sec: 3600\n\
             backoff_min_sec: 1\nbackoff_max_sec: 1\nreboot_command: [/usr/bin/touch, {}]\n\
             reboot_required_detectors: [{{type: file, path: {}}}]\n\
             state_dir: {}\nrun_dir: {}\nboot_id_file: {}\nmachine_id_file: {}\n\
             hooks_dir: {}\nkill_switch_file: {}\nstore: {{embedded: {{path: {}}}}}\n",
            at("down"),
            at("sentinel"),
            at("state"),
            at("run"),
            at("boot-id"),
            at("machine-id"),
            at("hooks"),
            at("disable"),
            at("fleet.db"),
        );
        fs::write(site.config(), config).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_clusterrebootd"))
            .args(["run", "--log-format", "json", "--config"])
            .arg(site.config())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (lines, log) = sync_channel(1000);
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                // The test may be over.
                let _ = lines.send(serde_json::from_str(&line).unwrap());
            }
        });
        Self { child, log }
    }

    /// Blocks until the log has such a line.
    fn wait(&self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        let (end, mut seen) = (Instant::now() + PATIENCE, String::new());
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let line = self.log.recv_timeout(left);
            let line = line.unwrap_or_else(|_| panic!("{what}: not among\n{seen}"));
            if is_it(&line) {
                return line;
            }
            seen.push_str(&format!("{line}\n"));
        }
    }

    fn wait_for_outcome(&self, status: &str) -> Value {
        self.wait(status, |line| {
            line["event"] == "run_outcome" && line["fields"]["status"] == status
        })
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        let _ = kill(pid, Signal::SIGKILL); // it may have ended by itself
        let _ = self.child.wait();
    }
}

#[test]
fn an_operator_pauses_looks_resumes_and_breaks() {
    let site = Site::new();
    let daemon = Daemon::start(&site);
    daemon.wait_for_outcome("no_action");
    site.wait_in_store("it has reported", |fleet| fleet.nodes.len() == 1);
    assert_eq!(site.good(&["lock", "status"]), "Available: 1\nMax: 1\n");
    assert!(
        site.good(&["fleet", "list"])
            .contains("node-a  default  healthy")
    );
    site.good(&["lock", "pause", "--reason", "release day"]);
    fs::write(site.file("sentinel"), "").unwrap();
    let paused = daemon.wait_for_outcome("paused");
    assert!(
        paused["message"].as_str().unwrap().contains("release day"),
        "{paused}"
    );
    let alive = site.refused(&["fleet", "forget", "node-a"]);
    assert!(alive.contains("node-a may be alive"), "{alive}");

    assert_eq!(site.good(&["lock", "resume"]), "resumed the fleet\n");
    daemon.wait("it goes down", |line| line["event"] == "reboot_issued");
    let wide = site.good(&["lock", "status", "-o", "wide"]);
    assert!(wide.contains("node-a  rebooting  1 "), "{wide}");
    assert!(site.good(&["fleet", "list"]).contains("healthy  rebooting"));
    let unsure = site.refused(&["lock", "unlock", "node-a"]);
    assert!(unsure.contains("its daemon may be alive"), "{unsure}");
    let said = site.good(&["lock", "unlock", "node-a", "--yes", "--reason", "hangs"]);
    assert!(said.starts_with("broken: hold 1 of node-a"), "{said}");
    let history = site.json(&["history", "-o", "json"]);
    let lines = history["history"].as_array().unwrap();
    let of_first = lines.iter().filter(|line| line["number"] == 1);
    let events: Vec<&str> = of_first
        .map(|line| line["event"].as_str().unwrap())
        .collect();
    assert_eq!(events, ["claim", "fence", "break"], "{history}");
}

#[test]
fn the_store_is_looked_into_and_copied_but_never_replaced() {
    let site = Site::new();
    let daemon = Daemon::start(&site);
    daemon.wait_for_outcome("no_action");
    site.wait_in_store("it has reported", |fleet| fleet.nodes.len() == 1);
    let dump = site.json(&["store", "dump"]);
    assert_eq!(dump["nodes"][0]["record"]["node"], "node-a");
    assert!(site.good(&["store", "check"]).ends_with("sound\n"));
    let copy = site.file("copy.db").to_str().unwrap().to_owned();
    site.good(&["store", "backup", &copy]);
    let said = site.refused(&["store", "restore", &copy, "--yes"]);
    assert!(said.contains("is in use"), "{said}");
    assert!(site.good(&["store", "check"]).contains("epoch 1"));
}
