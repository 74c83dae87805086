//! A fleet with all that the board can show.

use jiff::{SignedDuration, Timestamp};
use reboot_core::boot::BootIdentity;
use reboot_core::fleet::{Health, NodeRecord};
use reboot_core::group::{Action, Claim, Guest, Identity, Owner, Phase, Request};
use reboot_core::id::{GroupName, Instance, MachineId, NodeName, RequestId, SessionId};
use reboot_core::line::Ticket;
use reboot_core::write::Write;
use reboot_store::Store;

const LONG_MS: u64 = 3_600_000;

/// So long ago.
fn ago(minutes: i64) -> String {
    (Timestamp::now() - SignedDuration::from_mins(minutes)).to_string()
}

fn node(name: &str) -> NodeName {
    NodeName::new(name).unwrap()
}

/// The name without what only a node's name may have.
fn plain(name: &str) -> String {
    name.chars()
        .filter(|it| it.is_ascii_alphanumeric() || *it == '-')
        .collect()
}

fn identity(name: &str) -> Identity {
    Identity {
        node: node(name),
        machine_id: MachineId::new(format!("machine-{name}")).unwrap(),
        boot: BootIdentity::of_boot("boot"),
        instance: Instance::new(format!("run-{}", plain(name))).unwrap(),
    }
}

fn session(name: &str) -> SessionId {
    SessionId::new(format!("lease-{}", plain(name))).unwrap()
}

fn ask(id: &str, at: String, action: Action) -> Write {
    Write::Ask {
        group: GroupName::default(),
        create_with_max: Some(3),
        request: Request {
            id: RequestId::new(plain(id)).unwrap(),
            at,
            action,
        },
    }
}

/// A claim of this node, and the lease it stands on.
pub(crate) fn claim(name: &str, minutes: i64) -> Vec<Write> {
    let claim = Action::Claim(Claim {
        identity: identity(name),
        session: session(name),
        need: "kernel".to_owned(),
        pid: 1,
        interval_secs: 0,
        diagnostic: false,
    });
    vec![
        open(name),
        ask(&format!("claim-{name}"), ago(minutes), claim),
    ]
}

fn open(name: &str) -> Write {
    Write::OpenSession {
        session: session(name),
        identity: identity(name),
        ttl_ms: LONG_MS,
    }
}

fn fence(name: &str, number: u64, minutes: i64, deadline_secs: u64) -> Write {
    let fence = Action::Fence {
        owner: Owner {
            node: node(name),
            number,
            instance: identity(name).instance,
            expects: Phase::Claimed,
        },
        boot: BootIdentity::of_boot("boot"),
        max_reboots_per_day: 9,
        deadline_secs,
    };
    ask(&format!("fence-{name}"), ago(minutes), fence)
}

fn guest(name: &str, minutes: i64) -> Write {
    let guest = Action::Admit(Guest {
        node: node(name),
        id: None,
        protocol: "fleetlock".to_owned(),
        interval_secs: 0,
        max_reboots_per_day: 9,
        deadline_secs: 3_600,
    });
    ask(&format!("admit-{name}"), ago(minutes), guest)
}

/// A place in line, and the lease it stands on.
pub(crate) fn joining(name: &str) -> Vec<Write> {
    join(name, 0)
}

fn join(name: &str, minutes: i64) -> Vec<Write> {
    let ticket = Ticket {
        number: 0,
        node: node(name),
        instance: identity(name).instance,
        session: session(name),
        since: ago(minutes),
    };
    let group = GroupName::default();
    vec![open(name), Write::Join { group, ticket }]
}

fn report(name: &str, healthy: bool, waiting_for: &[&str], stale_after_ms: u64) -> Write {
    let identity = identity(name);
    let record = NodeRecord {
        node: identity.node,
        machine_id: identity.machine_id,
        boot: identity.boot,
        instance: identity.instance,
        group: GroupName::default(),
        health: Health {
            healthy,
            stage: "monitor".to_owned(),
            reason: if healthy { "" } else { "the disk smells" }.to_owned(),
        },
        reported_at: ago(0),
        activity: if waiting_for.is_empty() {
            "idle"
        } else {
            "waiting"
        }
        .to_owned(),
        need: (!waiting_for.is_empty()).then(|| "kernel-6.18.2".to_owned()),
        waiting_for: waiting_for.iter().map(|it| (*it).to_owned()).collect(),
        hold: None,
        extra: serde_json::Map::new(),
    };
    Write::Publish {
        record: Box::new(record),
        stale_after_ms,
    }
}

/// A node that says it holds, in a store that knows of no group.
pub(crate) async fn report_a_hold(store: &dyn Store, name: &str) {
    let mut write = report(name, true, &[], LONG_MS);
    if let Write::Publish { record, .. } = &mut write {
        record.hold = Some(1);
    }
    store.write(write).await.unwrap();
}

/// One that is overdue, one on its way, a guest, two that wait, one unhealthy, one silent.
pub(crate) async fn move_in(store: &dyn Store) {
    move_in_from(store, 1).await;
}

/// One that has been down and is back: the first hold of the group.
pub(crate) async fn live_through_a_reboot(store: &dyn Store) {
    let steady = Action::Steady {
        node: node("node-e"),
        id: None,
    };
    let back = ask("steady-node-e", ago(183), steady);
    for write in [guest("node-e", 191), back] {
        store.write(write).await.unwrap();
    }
}

/// The same fleet, whose first hold gets this number.
pub(crate) async fn move_in_from(store: &dyn Store, number: u64) {
    let slot = ["every slot is taken by node-a (rebooting), node-b (claimed)"];
    let window = [
        "the window opens on Saturday at 02:00",
        "a peer is unhealthy: node-f",
    ];
    let writes = [
        claim("node-a", 95),
        vec![fence("node-a", number, 90, 0)],
        claim("node-b", 3),
        vec![guest("978a225b3d7b40e9acd7ce9b62f68444", 12)],
        join("node-c", 60),
        join("node-d", 20),
        vec![
            report("node-b", true, &[], LONG_MS),
            report("node-c", true, &slot, LONG_MS),
            report("node-d", true, &window, LONG_MS),
            report("node-e", true, &[], LONG_MS),
            report("node-f", false, &[], LONG_MS),
            report("node-g", true, &[], 0),
        ],
    ];
    for write in writes.into_iter().flatten() {
        store.write(write).await.unwrap();
    }
}
