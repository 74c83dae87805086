//! A configuration, the store it names, and nodes that live in it.

use crate::place::Place;
use assert_cmd::Command;
use reboot_core::boot::BootIdentity;
use reboot_core::fleet::{Fleet, Health, NodeRecord};
use reboot_core::group::{Action, Claim, Identity, Owner, Phase, Request, Way};
use reboot_core::id::{GroupName, Instance, MachineId, NodeName, RequestId, SessionId};
use reboot_core::line::Ticket;
use reboot_core::undo::Undo;
use reboot_core::write::{Trouble, Write, Written};
use reboot_store::Interest;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(crate) const MACHINE: &str = "69d27b356a94476da859461d3a3bc6fd";
/// How long anything may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);
/// Longer than any test.
const LONG_MS: u64 = 3_600_000;

/// A directory with a configuration and the store it names.
pub(crate) struct Site {
    dir: tempfile::TempDir,
    place: Place,
}

// === impl Site ===

impl Site {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::new(dir.path());
        let site = Self { dir, place };
        let config = format!(
            "node_name: node-a\nhealth_script: /bin/true\nstore: {}\n\
             reboot_required_detectors: [{{type: file, path: /nonexistent}}]\n",
            site.place.setting()
        );
        fs::write(site.config(), config).unwrap();
        site
    }

    /// The configuration names a number of slots.
    pub(crate) fn set_max(&self, max: u32) {
        let config = fs::read_to_string(self.config()).unwrap();
        fs::write(self.config(), format!("{config}max: {max}\n")).unwrap();
    }

    /// A fleet of one that is being drained.
    pub(crate) fn with_hold() -> Self {
        let site = Self::new();
        let node = Node::new("node-a", MACHINE);
        site.write(node.draining());
        site.write(vec![node.report(LONG_MS, true)]);
        site
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir().join(name)
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.file("config.yaml")
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.file("fleet.db")
    }

    /// Writes to the store as agents would.
    pub(crate) fn write(&self, writes: Vec<Write>) -> Vec<Written> {
        let write = |write| self.try_write(write).unwrap();
        writes.into_iter().map(write).collect()
    }

    /// The same of one write, which may be refused.
    pub(crate) fn try_write(&self, write: Write) -> Result<Written, Trouble> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async { self.place.open().write(write).await })
    }

    /// Blocks until the store shows something; the store itself wakes us.
    pub(crate) fn wait_in_store(&self, what: &str, fact: impl Fn(&Fleet) -> bool) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let group = GroupName::default();
        // Nobody hears as much as the first of the line.
        let interest = |fleet: &Fleet| {
            let entry = fleet.groups.get(&group);
            let first = entry.and_then(|entry| entry.line.tickets().first());
            let node = first.map(|ticket| ticket.node.clone());
            Interest::Slot {
                group: group.clone(),
                node: node.unwrap_or_else(|| NodeName::new("bench").unwrap()),
            }
        };
        let seen = async {
            let store = self.place.open();
            loop {
                let fleet = store.look().await.unwrap();
                if fact(&fleet) {
                    return;
                }
                store
                    .changed(&interest(&fleet), fleet.revision)
                    .await
                    .unwrap();
            }
        };
        let seen = runtime.block_on(async { tokio::time::timeout(PATIENCE, seen).await });
        assert!(seen.is_ok(), "{what}: not in time");
    }

    /// Blocks until the lease of a node's record has ended; some stores have none that short.
    pub(crate) fn wait_until_stale(&self, node: &str) {
        let node = NodeName::new(node).unwrap();
        self.wait_in_store("its record is stale", |fleet| !fleet.nodes[&node].is_fresh);
    }

    /// Blocks until some hold of the default group is overdue.
    pub(crate) fn wait_until_overdue(&self) {
        self.wait_in_store("a hold is overdue", |fleet| {
            let entry = &fleet.groups[&GroupName::default()];
            let mut holds = entry.group.holds.iter();
            holds.any(|hold| entry.is_overdue(hold))
        });
    }

    /// Runs a command without naming the configuration.
    pub(crate) fn plain(&self, arguments: &[&str]) -> (i32, String, String) {
        let mut command = Command::cargo_bin("clusterrebootd").unwrap();
        let output = command.args(arguments).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let code = output.status.code().unwrap();
        (code, text(output.stdout), text(output.stderr))
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let config = self.config();
        self.plain(&[arguments, &["--config", config.to_str().unwrap()]].concat())
    }

    /// Its report, when it ends well.
    pub(crate) fn good(&self, arguments: &[&str]) -> String {
        let (exit, stdout, stderr) = self.run(arguments);
        assert_eq!((exit, stderr.as_str()), (0, ""), "{arguments:?}: {stdout}");
        stdout
    }

    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.good(arguments)).unwrap()
    }

    /// Its complaint, when it fails; it reports nothing then.
    pub(crate) fn refused(&self, arguments: &[&str]) -> String {
        let (exit, stdout, stderr) = self.run(arguments);
        assert_eq!((exit, stdout.as_str()), (1, ""), "{arguments:?}: {stderr}");
        stderr
    }
}

/// A node as its agents write of it.
pub(crate) struct Node {
    pub(crate) identity: Identity,
    pub(crate) group: GroupName,
}

// === impl Node ===

impl Node {
    pub(crate) fn new(name: &str, machine: &str) -> Self {
        let identity = Identity {
            node: NodeName::new(name).unwrap(),
            machine_id: MachineId::new(machine).unwrap(),
            boot: BootIdentity::of_boot("boot-1"),
            instance: Instance::new(format!("{name}-run-1")).unwrap(),
        };
        let group = GroupName::default();
        Self { identity, group }
    }

    pub(crate) fn in_group(mut self, name: &str) -> Self {
        self.group = GroupName::new(name).unwrap();
        self
    }

    /// The same machine after a reboot.
    pub(crate) fn rebooted(&self) -> Self {
        let mut identity = self.identity.clone();
        identity.boot = BootIdentity::of_boot("boot-2");
        identity.instance = Instance::new(format!("{}-run-2", identity.node)).unwrap();
        let group = self.group.clone();
        Self { identity, group }
    }

    fn session(&self) -> SessionId {
        SessionId::new(format!("{}.1", self.identity.instance)).unwrap()
    }

    pub(crate) fn live(&self) -> Write {
        Write::OpenSession {
            session: self.session(),
            identity: self.identity.clone(),
            ttl_ms: LONG_MS,
        }
    }

    pub(crate) fn die(&self) -> Write {
        let session = self.session();
        Write::EndSession { session }
    }

    pub(crate) fn ask(&self, at: &str, action: Action) -> Write {
        let id = format!("{}.{}.{at}", self.identity.instance, action.verb());
        Write::Ask {
            group: self.group.clone(),
            create_with_max: Some(1),
            request: Request {
                id: RequestId::new(id.replace(':', "-")).unwrap(),
                at: at.to_owned(),
                action,
            },
        }
    }

    /// It waits in its group's line.
    pub(crate) fn join(&self, since: &str) -> Write {
        let ticket = Ticket {
            number: 0,
            node: self.identity.node.clone(),
            instance: self.identity.instance.clone(),
            session: self.session(),
            since: since.to_owned(),
        };
        let group = self.group.clone();
        Write::Join { group, ticket }
    }

    pub(crate) fn claim(&self, at: &str) -> Write {
        let claim = Claim {
            identity: self.identity.clone(),
            session: self.session(),
            need: "kernel".to_owned(),
            pid: 7,
            interval_secs: 0,
            diagnostic: false,
        };
        self.ask(at, Action::Claim(claim))
    }

    fn owner(&self, number: u64, expects: Phase) -> Owner {
        Owner {
            node: self.identity.node.clone(),
            number,
            instance: self.identity.instance.clone(),
            expects,
        }
    }

    /// It lives, claims the first hold of its group, and is being drained by a hook.
    pub(crate) fn draining(&self) -> Vec<Write> {
        let drain = Action::Drain {
            owner: self.owner(1, Phase::Claimed),
            undo: Undo::of(["hook:10-balancer".to_owned()]),
            deadline_secs: 60,
        };
        vec![
            self.live(),
            self.claim("2026-03-07T10:00:00.5Z"),
            self.ask("2026-03-07T10:00:01Z", drain),
        ]
    }

    pub(crate) fn fence(&self, at: &str, number: u64) -> Write {
        self.fence_within(60, at, number)
    }

    /// A fence whose hold is overdue after so many seconds.
    pub(crate) fn fence_within(&self, deadline_secs: u64, at: &str, number: u64) -> Write {
        let action = Action::Fence {
            owner: self.owner(number, Phase::Claimed),
            boot: self.identity.boot.clone(),
            max_reboots_per_day: 3,
            deadline_secs,
        };
        self.ask(at, action)
    }

    /// What it writes when it is back under another boot.
    pub(crate) fn return_and_release(&self, number: u64, times: [&str; 2]) -> Vec<Write> {
        let back = self.rebooted();
        let boot = back.identity.boot.clone();
        let adopt = Action::Adopt {
            owner: self.owner(number, Phase::Rebooting),
            identity: back.identity.clone(),
            session: back.session(),
            return_within_secs: None,
        };
        let returned = Action::Return {
            owner: back.owner(number, Phase::Rebooting),
            boot: boot.clone(),
            deadline_secs: 60,
        };
        let release = Action::Release {
            owner: back.owner(number, Phase::Returned),
            boot,
            way: Way::Returned,
            undone: Undo::default(),
        };
        vec![
            self.die(),
            back.live(),
            back.ask(times[0], adopt),
            back.ask(times[0], returned),
            back.ask(times[1], release),
        ]
    }

    /// Its record; it is stale at once with a freshness of 0.
    pub(crate) fn report(&self, stale_after_ms: u64, healthy: bool) -> Write {
        let reason = if healthy { "" } else { "the disk smells" };
        let record = NodeRecord {
            node: self.identity.node.clone(),
            machine_id: self.identity.machine_id.clone(),
            boot: self.identity.boot.clone(),
            instance: self.identity.instance.clone(),
            group: self.group.clone(),
            health: Health {
                healthy,
                stage: "monitor".to_owned(),
                reason: reason.to_owned(),
            },
            reported_at: "2026-03-07T10:00:02.25Z".to_owned(),
            activity: "draining".to_owned(),
            need: Some("kernel".to_owned()),
            waiting_for: Vec::new(),
            hold: None,
            extra: serde_json::Map::new(),
        };
        Write::Publish {
            record: Box::new(record),
            stale_after_ms,
        }
    }
}
