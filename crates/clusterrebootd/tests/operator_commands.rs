//! The operator commands on a real store, as processes: what they print, refuse and change.

// A test fails best where it fails, and its functions need no documentation.
#![allow(clippy::unwrap_used, missing_docs)]

use assert_cmd::Command;
use reboot_core::boot::BootIdentity;
use reboot_core::fleet::{Health, NodeRecord};
use reboot_core::group::{Action, Claim, Identity, Owner, Phase, Request};
use reboot_core::id::{GroupName, Instance, MachineId, NodeName, RequestId, SessionId};
use reboot_core::undo::Undo;
use reboot_core::write::Write;
use reboot_store::Store;
use reboot_store::embedded::{EmbeddedStore, Options};
use std::fs;
use std::path::PathBuf;

/// A configuration and the store it names.
struct Site {
    dir: tempfile::TempDir,
}

// === impl Site ===

impl Site {
    fn new() -> Self {
        let site = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        let config = format!(
            "node_name: node-a\nhealth_script: /bin/true\nstore: {{embedded: {{path: {}}}}}\n\
             reboot_required_detectors: [{{type: file, path: /nonexistent}}]\n",
            site.store().display()
        );
        fs::write(site.config(), config).unwrap();
        site
    }

    fn config(&self) -> PathBuf {
        self.dir.path().join("config.yaml")
    }

    fn store(&self) -> PathBuf {
        self.dir.path().join("fleet.db")
    }

    /// A durable hold of node-a, and its record.
    fn with_hold(self) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let store = EmbeddedStore::open(&self.store(), Options::default()).unwrap();
            for write in hold_of(&identity()) {
                store.write(write).await.unwrap();
            }
        });
        self
    }

    fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let output = Command::cargo_bin("clusterrebootd")
            .unwrap()
            .args(arguments)
            .arg("--config")
            .arg(self.config())
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (
            output.status.code().unwrap(),
            text(output.stdout),
            text(output.stderr),
        )
    }

    fn good(&self, arguments: &[&str]) -> String {
        let (exit, stdout, stderr) = self.run(arguments);
        assert_eq!(exit, 0, "{arguments:?}: {stdout}{stderr}");
        stdout
    }

    fn refused(&self, arguments: &[&str]) -> String {
        let (exit, stdout, stderr) = self.run(arguments);
        assert_eq!(exit, 1, "{arguments:?}: {stdout}{stderr}");
        stderr
    }
}

fn identity() -> Identity {
    Identity {
        node: NodeName::new("node-a").unwrap(),
        machine_id: MachineId::new("69d27b356a94476da859461d3a3bc6fd").unwrap(),
        boot: BootIdentity::of_boot("boot-1"),
        instance: Instance::new("run-1").unwrap(),
    }
}

fn hold_of(identity: &Identity) -> Vec<Write> {
    let session = SessionId::new("run-1.1").unwrap();
    let ask = |id: &str, action| Write::Ask {
        group: GroupName::default(),
        create_with_max: Some(1),
        request: Request {
            id: RequestId::new(id).unwrap(),
            at: "2026-03-07".to_owned(),
            action,
        },
    };
    let claim = Claim {
        identity: identity.clone(),
        session: session.clone(),
        need: "kernel".to_owned(),
        pid: 7,
        interval_secs: 0,
        diagnostic: false,
    };
    let owner = Owner {
        node: identity.node.clone(),
        number: 1,
        instance: identity.instance.clone(),
        expects: Phase::Claimed,
    };
    let health = Health {
        healthy: true,
        stage: "monitor".to_owned(),
        reason: String::new(),
    };
    let record = NodeRecord {
        node: identity.node.clone(),
        machine_id: identity.machine_id.clone(),
        boot: identity.boot.clone(),
        instance: identity.instance.clone(),
        group: GroupName::default(),
        health,
        reported_at: String::new(),
        activity: "draining".to_owned(),
        need: Some("kernel".to_owned()),
        waiting_for: Vec::new(),
        hold: Some(1),
        extra: serde_json::Map::new(),
    };
    vec![
        Write::OpenSession {
            session,
            identity: identity.clone(),
            ttl_ms: 60_000,
        },
        ask("r1", Action::Claim(claim)),
        ask(
            "r2",
            Action::Drain {
                owner,
                undo: Undo::default(),
                deadline_secs: 60,
            },
        ),
        Write::Publish {
            record: Box::new(record),
            stale_after_ms: 60_000,
        },
    ]
}

#[test]
fn without_a_store_nothing_is_made() {
    let site = Site::new();
    for arguments in [&["lock", "status"][..], &["fleet", "list"], &["history"]] {
        let said = site.refused(arguments);
        assert!(
            said.contains("no store at") && said.contains("daemon"),
            "{said}"
        );
    }
    assert!(!site.store().exists());
}

#[test]
fn the_status_is_the_old_commands() {
    let site = Site::new().with_hold();
    let expected = "Available: 0\nMax: 1\n\nMACHINE ID\n69d27b356a94476da859461d3a3bc6fd\n";
    assert_eq!(site.good(&["lock", "status"]), expected);
    let wide = site.good(&["lock", "status", "-o", "wide"]);
    assert!(wide.contains("node-a  draining  hold 1"), "{wide}");
    let json: serde_json::Value =
        serde_json::from_str(&site.good(&["lock", "status", "-o", "json"])).unwrap();
    assert_eq!(json["groups"][0]["holds"][0]["overdue"], false);
}

#[test]
fn a_hold_is_broken_by_node_or_machine_and_only_when_one_is_sure() {
    let site = Site::new().with_hold();
    assert!(
        site.refused(&["lock", "unlock", "node-b", "--yes"])
            .contains("holds no slot")
    );
    assert!(
        site.refused(&["lock", "unlock", "node-a"])
            .contains("--yes")
    );
    let forget = site.refused(&["fleet", "forget", "node-a", "--yes"]);
    assert!(forget.contains("lock unlock node-a"), "{forget}");
    let id = "69d27b356a94476da859461d3a3bc6fd";
    let said = site.good(&["lock", "unlock", id, "--yes", "--reason", "scrapped"]);
    assert!(said.contains("broken: hold 1 of node-a"), "{said}");
    assert_eq!(site.good(&["lock", "status"]), "Available: 1\nMax: 1\n");
    let history = site.good(&["history"]);
    assert!(
        history.contains("break") && history.contains("scrapped"),
        "{history}"
    );
    assert_eq!(
        site.good(&["fleet", "forget", "node-a", "--yes"]),
        "forgot node-a\n"
    );
    assert!(
        site.refused(&["fleet", "forget", "node-a", "--yes"])
            .contains("no node node-a")
    );
}

#[test]
fn slots_change_and_the_fleet_pauses_and_resumes() {
    let site = Site::new().with_hold();
    assert_eq!(site.good(&["lock", "set-max", "4"]), "Old: 1\nNew: 4\n");
    assert!(
        site.refused(&["lock", "set-max", "5000"])
            .contains("at most 1000")
    );
    site.good(&["lock", "pause", "--reason", "release day"]);
    let json = site.good(&["lock", "status", "-o", "json"]);
    assert!(json.contains("release day"), "{json}");
    assert!(
        site.refused(&["lock", "pause", "--reason", "x", "--until", "noon"])
            .contains("noon")
    );
    assert_eq!(site.good(&["lock", "resume"]), "resumed the fleet\n");
    assert_eq!(site.good(&["lock", "resume"]), "nothing was paused\n");
    site.good(&[
        "lock",
        "pause",
        "--group",
        "default",
        "--reason",
        "one group",
    ]);
    assert_eq!(site.good(&["lock", "resume"]), "resumed group default\n");
}

#[test]
fn the_fleet_is_listed() {
    let site = Site::new().with_hold();
    let table = site.good(&["fleet", "list"]);
    assert!(
        table.contains("node-a") && table.contains("healthy"),
        "{table}"
    );
    let json: serde_json::Value =
        serde_json::from_str(&site.good(&["fleet", "list", "-o", "json"])).unwrap();
    assert_eq!(json["nodes"][0]["holds"][0]["phase"], "draining");
}

#[test]
fn a_store_is_backed_up_and_restored_into_a_new_paused_epoch() {
    let site = Site::new().with_hold();
    let copy = site.dir.path().join("copy.db");
    let copy = copy.to_str().unwrap();
    site.good(&["store", "backup", copy]);
    assert!(
        site.refused(&["store", "backup", copy]).contains("copy.db"),
        "never overwritten"
    );
    assert!(site.good(&["store", "check"]).ends_with("sound\n"));
    let dump: serde_json::Value = serde_json::from_str(&site.good(&["store", "dump"])).unwrap();
    assert!(dump.is_object());
    assert!(site.refused(&["store", "restore", copy]).contains("--yes"));
    let told = site.good(&["store", "restore", copy, "--yes", "--reason", "disk lost"]);
    assert!(
        told.contains("epoch 2") && told.contains("group default is paused"),
        "{told}"
    );
    assert_eq!(site.good(&["lock", "resume"]), "resumed group default\n");
    let wide = site.good(&["lock", "status", "-o", "wide"]);
    assert!(
        wide.contains("hold 1"),
        "a durable hold outlives a restore: {wide}"
    );
}

#[test]
fn usage_errors_are_64() {
    let site = Site::new();
    for arguments in [
        &["lock"][..],
        &["lock", "set-max", "-1"],
        &["fleet", "forget"],
    ] {
        assert_eq!(site.run(arguments).0, 64, "{arguments:?}");
    }
}
