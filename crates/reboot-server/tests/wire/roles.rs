//! Each role at each door: who may look, who may act for whom, and what is written down of it.

use crate::kit::{Place, Served};
use async_trait::async_trait;
use reboot_core::boot::BootIdentity;
use reboot_core::fleet::{Fleet, Health, NodeRecord};
use reboot_core::group::{
    Action, Claim, Guest, HistoryEntry, Identity, Owner, Pause, Phase, Request, Way,
};
use reboot_core::id::{GroupName, Instance, MachineId, NodeName, RequestId, SessionId};
use reboot_core::line::Ticket;
use reboot_core::order::{Order, OrderEnd};
use reboot_core::undo::Undo;
use reboot_core::write::{Trouble, Write, Written};
use reboot_server::audit::{Audit, Deed};
use reboot_server::doors::{DoorSettings, Doors, Secret};
use reboot_store::embedded::Options;
use reboot_store::remote::{self, RemoteStore};
use reboot_store::{Interest, Store};
use std::fs;
use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use tokio::time::timeout;

/// How long the server may take to look on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

const ROLES: [&str; 4] = ["read", "node:n1", "node:*", "operator"];
const LONG_MS: u64 = 3_600_000;

#[derive(Default)]
struct Book(Mutex<Vec<String>>);

impl Audit for Book {
    fn done(&self, deed: &Deed<'_>) {
        self.0.lock().unwrap().push(deed.to_string());
    }
}

/// A server with a client of each role.
struct House {
    book: Arc<Book>,
    clients: Vec<(&'static str, RemoteStore)>,
    stranger: RemoteStore,
    place: Place,
    _server: Served,
    _dir: TempDir,
}

// === impl House ===

impl House {
    async fn new() -> Self {
        Self::before(|store| store).await
    }

    /// One whose server sees the store as this makes it.
    async fn before(seen_as: impl Fn(Arc<dyn Store>) -> Arc<dyn Store>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let tokens_file = dir.path().join("tokens");
        let mut lines = String::new();
        for (number, role) in ROLES.into_iter().enumerate() {
            let (token, hash) = Secret::new_token().unwrap();
            fs::write(dir.path().join(role), token).unwrap();
            lines.push_str(&format!("who-{number} {role} {hash}\n"));
        }
        fs::write(&tokens_file, lines).unwrap();
        let doors = Doors::new(&DoorSettings {
            tokens_file: Some(tokens_file),
            ..DoorSettings::default()
        });
        let book = Arc::new(Book::default());
        let place = Place::new(Options::default());
        let store = seen_as(place.store.clone());
        let server = Served::start_behind(store, doors.unwrap(), book.clone()).await;
        let url = format!("http://{}", server.address);
        let client = |role| {
            let options = remote::Options {
                token_file: Some(dir.path().join(role)),
                ..remote::Options::new(&url)
            };
            (role, RemoteStore::new(&options).unwrap())
        };
        Self {
            book,
            clients: ROLES.map(client).into(),
            stranger: RemoteStore::new(&remote::Options::new(&url)).unwrap(),
            place,
            _server: server,
            _dir: dir,
        }
    }

    /// Ends the lease and opens another of its name, behind the server's back.
    async fn give_the_lease(&self, name: &str) {
        let session = SessionId::new("lease").unwrap();
        let end = Write::EndSession { session };
        self.place.store.write(end).await.unwrap();
        self.place.store.write(open(name)).await.unwrap();
    }

    /// The roles that the server lets ask this; whether the rules grant it is another matter.
    async fn let_in(&self, write: &Write) -> Vec<&'static str> {
        let mut roles = Vec::new();
        for (role, client) in &self.clients {
            match client.write(write.clone()).await {
                Ok(_) | Err(Trouble::Refused(_)) => roles.push(*role),
                Err(Trouble::Unavailable(text)) => {
                    assert!(text.contains("forbidden"), "{role}: {text}");
                    assert!(text.contains("show a secret of"), "{role}: {text}");
                }
                Err(other) => panic!("{role}: {other:?}"),
            }
        }
        let outside = self.stranger.write(write.clone()).await;
        assert!(is_unauthorized(&outside), "{outside:?}");
        roles
    }
}

/// A store that tells nobody of a change: whoever does not look, does not know.
struct Silent(Arc<dyn Store>);

#[async_trait]
impl Store for Silent {
    fn describe(&self) -> String {
        self.0.describe()
    }

    async fn write(&self, write: Write) -> Result<Written, Trouble> {
        self.0.write(write).await
    }

    async fn look(&self) -> Result<Fleet, Trouble> {
        self.0.look().await
    }

    async fn changed(&self, _: &Interest, _: u64) -> Result<(), Trouble> {
        pending().await
    }

    async fn history(&self, group: &GroupName, limit: usize) -> Result<Vec<HistoryEntry>, Trouble> {
        self.0.history(group, limit).await
    }
}

fn is_unauthorized<T>(answer: &Result<T, Trouble>) -> bool {
    matches!(answer, Err(Trouble::Unavailable(text)) if text.contains("unauthorized"))
}

fn node(name: &str) -> NodeName {
    NodeName::new(name).unwrap()
}

fn identity(name: &str) -> Identity {
    Identity {
        node: node(name),
        machine_id: MachineId::new(name).unwrap(),
        boot: BootIdentity::of_boot("boot"),
        instance: Instance::new(format!("run-{name}")).unwrap(),
    }
}

fn session(name: &str) -> SessionId {
    SessionId::new(format!("lease-{name}")).unwrap()
}

fn open(name: &str) -> Write {
    let identity = Identity {
        instance: Instance::new("run").unwrap(),
        ..identity("x")
    };
    Write::OpenSession {
        session: SessionId::new("lease").unwrap(),
        identity: Identity {
            node: node(name),
            ..identity
        },
        ttl_ms: LONG_MS,
    }
}

fn ask(action: Action) -> Write {
    Write::Ask {
        group: GroupName::default(),
        create_with_max: Some(1),
        request: Request {
            id: RequestId::new("request").unwrap(),
            at: "2026-01-01T00:00:00Z".to_owned(),
            action,
        },
    }
}

fn owner(name: &str) -> Owner {
    Owner {
        node: node(name),
        number: 99,
        instance: identity(name).instance,
        expects: Phase::Claimed,
    }
}

/// Every request of an agent on this node.
fn agents_requests(name: &str) -> Vec<Write> {
    let (owner, boot) = (owner(name), identity(name).boot);
    let actions = vec![
        Action::Claim(Claim {
            identity: identity(name),
            session: session(name),
            need: "need".to_owned(),
            pid: 1,
            interval_secs: 0,
            diagnostic: false,
        }),
        Action::Drain {
            owner: owner.clone(),
            undo: Undo::default(),
            deadline_secs: 1,
        },
        Action::Fence {
            owner: owner.clone(),
            boot: boot.clone(),
            max_reboots_per_day: 1,
            deadline_secs: 1,
        },
        Action::Return {
            owner: owner.clone(),
            boot: boot.clone(),
            deadline_secs: 1,
        },
        Action::Release {
            owner: owner.clone(),
            boot,
            way: Way::GivenBack,
            undone: Undo::default(),
        },
        Action::Steady {
            node: node(name),
            id: None,
        },
        Action::Admit(Guest {
            node: node(name),
            id: None,
            protocol: "fleetlock".to_owned(),
            interval_secs: 0,
            max_reboots_per_day: 1,
            deadline_secs: 1,
        }),
    ];
    actions.into_iter().map(ask).collect()
}

/// Everything else that an agent on this node writes.
fn agents_words(name: &str) -> Vec<Write> {
    let record = NodeRecord {
        node: node(name),
        machine_id: identity(name).machine_id,
        boot: identity(name).boot,
        instance: identity(name).instance,
        group: GroupName::default(),
        health: Health {
            healthy: true,
            stage: "tick".to_owned(),
            reason: String::new(),
        },
        reported_at: String::new(),
        activity: "idle".to_owned(),
        need: None,
        waiting_for: Vec::new(),
        hold: None,
        extra: serde_json::Map::new(),
    };
    let ticket = Ticket {
        number: 0,
        node: node(name),
        instance: identity(name).instance,
        session: session(name),
        since: String::new(),
    };
    let group = GroupName::default();
    vec![
        Write::Publish {
            record: Box::new(record),
            stale_after_ms: LONG_MS,
        },
        Write::Undone {
            node: node(name),
            undone: Undo::default(),
        },
        end_order(
            name,
            OrderEnd::Fulfilled {
                boot: identity(name).boot,
            },
        ),
        Write::Join {
            group: group.clone(),
            ticket,
        },
        Write::Leave {
            group,
            node: node(name),
        },
    ]
}

fn order(name: &str) -> Order {
    Order {
        by: "me".to_owned(),
        reason: "because".to_owned(),
        at: String::new(),
        not_before: None,
        boot: identity(name).boot,
        extra: Default::default(),
    }
}

fn end_order(name: &str, end: OrderEnd) -> Write {
    Write::EndOrder {
        node: node(name),
        group: GroupName::default(),
        order: order(name),
        end,
        at: String::new(),
    }
}

fn pause() -> Pause {
    Pause {
        by: "me".to_owned(),
        reason: "because".to_owned(),
        until: None,
        session: None,
    }
}

#[tokio::test]
async fn everybody_with_a_role_looks_and_nobody_else() {
    let house = House::new().await;
    let group = GroupName::default();
    for (role, client) in &house.clients {
        let seen = client.look().await.unwrap().revision;
        assert_eq!(client.history(&group, 1).await, Ok(vec![]), "{role}");
        let opened = house.place.store.write(open(&format!("other-{seen}")));
        let waited = client.changed(&Interest::Everything, seen);
        let (opened, waited) = tokio::join!(opened, waited);
        assert!(opened.is_ok() && waited.is_ok(), "{role}");
        let end = Write::EndSession {
            session: SessionId::new("lease").unwrap(),
        };
        house.place.store.write(end).await.unwrap();
    }
    let outside = &house.stranger;
    assert!(is_unauthorized(&outside.look().await));
    assert!(is_unauthorized(&outside.history(&group, 1).await));
    let waited = outside.changed(&Interest::Everything, 0).await;
    assert!(is_unauthorized(&waited));
}

#[tokio::test]
async fn a_node_acts_for_itself_and_for_nobody_else() {
    let house = House::new().await;
    for write in agents_requests("n1").into_iter().chain(agents_words("n1")) {
        let roles = ["node:n1", "node:*", "operator"];
        assert_eq!(house.let_in(&write).await, roles, "{write:?}");
    }
    for write in agents_requests("n2").into_iter().chain(agents_words("n2")) {
        let roles = ["node:*", "operator"];
        assert_eq!(house.let_in(&write).await, roles, "{write:?}");
    }
}

#[tokio::test]
async fn leases_belong_to_the_node_that_opened_them() {
    let house = House::new().await;
    let roles = ["node:n1", "node:*", "operator"];
    assert_eq!(house.let_in(&open("n1")).await, roles);
    let session = SessionId::new("lease").unwrap();
    let keep = Write::KeepSession {
        session: session.clone(),
    };
    assert_eq!(house.let_in(&keep).await, roles);
    let instance = Instance::new("run").unwrap();
    assert_eq!(house.let_in(&Write::EndInstance { instance }).await, roles);
    let other = ["node:*", "operator"];
    assert_eq!(house.let_in(&open("n2")).await, other);
    // The lease's name is another node's now; the server learns of it by its next look.
    let learns = async { while house.let_in(&keep).await != other {} };
    timeout(PATIENCE, learns).await.unwrap();
    let instance = Instance::new("run").unwrap();
    let end_run = Write::EndInstance { instance };
    let ended = house.clients[1].1.write(end_run).await;
    assert!(format!("{ended:?}").contains("forbidden"), "{ended:?}");
    let end = Write::EndSession { session };
    assert_eq!(house.let_in(&end).await[..], other[..]);
}

/// Another server of the store gave the lease's name to another node, and nothing told us.
#[tokio::test]
async fn whose_a_lease_is_is_seen_afresh_before_anything_is_taken() {
    let house = House::before(|store| Arc::new(Silent(store))).await;
    let (own, all) = (&house.clients[1].1, &house.clients[2].1);
    let session = SessionId::new("lease").unwrap();
    let keep = Write::KeepSession {
        session: session.clone(),
    };
    let end = Write::EndSession { session };
    let instance = Instance::new("run").unwrap();
    let end_run = Write::EndInstance { instance };
    all.write(open("n2")).await.unwrap();
    assert_eq!(all.write(keep.clone()).await, Ok(Written::Done));
    house.give_the_lease("n1").await;
    assert_eq!(own.write(keep.clone()).await, Ok(Written::Done));
    house.give_the_lease("n2").await;
    for write in [&end, &end_run] {
        let refused = own.write(write.clone()).await;
        assert!(format!("{refused:?}").contains("forbidden"), "{refused:?}");
    }
    assert_eq!(all.write(keep).await, Ok(Written::Done), "it is alive");
}

#[tokio::test]
async fn only_operators_operate() {
    let house = House::new().await;
    let adopt = Action::Adopt {
        owner: owner("n2"),
        identity: identity("n1"),
        session: session("n1"),
        return_within_secs: None,
    };
    let by = || "me".to_owned();
    let actions = [
        adopt,
        Action::Break {
            number: 1,
            by: by(),
            reason: by(),
        },
        Action::SetMax { max: 1, by: by() },
        Action::Pause(pause()),
        Action::Resume { by: by() },
        Action::HoldBack {
            node: node("n1"),
            stop: pause(),
        },
        Action::LetGo {
            node: node("n1"),
            by: by(),
        },
        // Or a node would end another's hold.
        Action::Steady {
            node: node("n1"),
            id: Some(MachineId::new("n2").unwrap()),
        },
    ];
    let mut writes: Vec<Write> = actions.into_iter().map(ask).collect();
    writes.extend([
        Write::Forget { node: node("n1") },
        Write::Order {
            node: node("n1"),
            group: GroupName::default(),
            order: order("n1"),
        },
        end_order(
            "n1",
            OrderEnd::Cancelled {
                by: "me".to_owned(),
            },
        ),
        Write::pause_fleet(Some(pause()), "me", "now"),
        Write::pause_fleet(None, "me", "now"),
        open(Pause::keeper().as_str()),
    ]);
    for write in writes {
        assert_eq!(house.let_in(&write).await, ["operator"], "{write:?}");
    }
}

#[tokio::test]
async fn a_pauses_lease_is_the_operators() {
    let house = House::new().await;
    let operator = &house.clients[3].1;
    operator
        .write(open(Pause::keeper().as_str()))
        .await
        .unwrap();
    let session = SessionId::new("lease").unwrap();
    let end = Write::EndSession { session };
    assert_eq!(house.let_in(&end).await[0], "operator");
}

#[tokio::test]
async fn every_change_is_written_down_and_no_sign_of_life() {
    let house = House::new().await;
    let [_, (_, own), _, (_, operator)] = &house.clients[..] else {
        panic!("four roles");
    };
    own.write(open("n1")).await.unwrap();
    let session = SessionId::new("lease").unwrap();
    own.write(Write::KeepSession { session }).await.unwrap();
    let guest = |name: &str| agents_requests(name).pop().unwrap();
    own.write(guest("n1")).await.unwrap();
    let pause = Write::pause_fleet(Some(pause()), "me", "now");
    operator.write(pause).await.unwrap();
    let refused = house.clients[2].1.write(guest("n2")).await;
    assert!(matches!(refused, Err(Trouble::Refused(_))), "{refused:?}");
    let lines = house.book.0.lock().unwrap().clone();
    assert_eq!(
        lines,
        [
            "who-1 (role node:n1) known by token: admit of n1 in group default: done",
            "who-3 (role operator) known by token: pause-fleet: done",
            "who-2 (role node:*) known by token: admit of n2 in group default: paused",
        ]
    );
}
