//! Hundreds of nodes wait, and a handover wakes the next one alone.

use crate::kit::{Place, Served};
use reboot_core::boot::BootIdentity;
use reboot_core::group::{Action, Claim, Identity, Owner, Phase, Reply, Request, Way};
use reboot_core::id::{GroupName, Instance, MachineId, NodeName, RequestId, SessionId};
use reboot_core::line::Ticket;
use reboot_core::undo::Undo;
use reboot_core::write::{Write, Written};
use reboot_store::embedded::Options;
use reboot_store::remote::RemoteStore;
use reboot_store::wire::{CHANGED_PATH, ChangedQuestion, LookAnswer, VERSION};
use reboot_store::{Interest, Store};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const WAITERS: usize = 300;
const HANDOVERS: usize = 10;
const PATIENCE: Duration = Duration::from_secs(30);
const LONG_MS: u64 = 3_600_000;

/// A node, as far as it waits and claims.
struct Node(usize);

/// A held request.
struct Held(TcpStream);

// === impl Node ===

impl Node {
    fn name(&self) -> NodeName {
        NodeName::new(format!("node-{:04}", self.0)).unwrap()
    }

    fn session(&self) -> SessionId {
        SessionId::new(format!("lease-{}", self.0)).unwrap()
    }

    fn identity(&self) -> Identity {
        Identity {
            node: self.name(),
            machine_id: MachineId::new(format!("machine-{}", self.0)).unwrap(),
            boot: BootIdentity::of_boot("boot"),
            instance: Instance::new(format!("run-{}", self.0)).unwrap(),
        }
    }

    async fn open(&self, store: &RemoteStore) {
        let (session, identity) = (self.session(), self.identity());
        let open = Write::OpenSession {
            session,
            identity,
            ttl_ms: LONG_MS,
        };
        store.write(open).await.unwrap();
    }

    async fn join(&self, store: &RemoteStore) {
        let ticket = Ticket {
            number: 0,
            node: self.name(),
            instance: self.identity().instance,
            session: self.session(),
            since: String::new(),
        };
        let group = GroupName::default();
        store.write(Write::Join { group, ticket }).await.unwrap();
    }

    async fn leave(&self, store: &RemoteStore) {
        let (group, node) = (GroupName::default(), self.name());
        store.write(Write::Leave { group, node }).await.unwrap();
    }

    async fn ask(&self, store: &RemoteStore, action: Action) -> Reply {
        let id = format!("{}-{}", action.verb(), self.0);
        let write = Write::Ask {
            group: GroupName::default(),
            create_with_max: Some(1),
            request: Request {
                id: RequestId::new(id).unwrap(),
                at: String::new(),
                action,
            },
        };
        match store.write(write).await.unwrap() {
            Written::Granted(reply) => reply,
            other => panic!("a group answers with a reply, not {other:?}"),
        }
    }

    async fn claim(&self, store: &RemoteStore) -> u64 {
        let claim = Claim {
            identity: self.identity(),
            session: self.session(),
            need: "need".to_owned(),
            pid: 1,
            interval_secs: 0,
            diagnostic: false,
        };
        match self.ask(store, Action::Claim(claim)).await {
            Reply::Held { number, .. } => number,
            other => panic!("a claim is answered with a hold, not {other:?}"),
        }
    }

    async fn give_back(&self, store: &RemoteStore, number: u64) {
        let release = Action::Release {
            owner: Owner {
                node: self.name(),
                number,
                instance: self.identity().instance,
                expects: Phase::Claimed,
            },
            boot: self.identity().boot,
            way: Way::GivenBack,
            undone: Undo::default(),
        };
        assert_eq!(self.ask(store, release).await, Reply::Released);
    }

    /// Waits for a slot, from that look on.
    async fn wait(&self, server: SocketAddr, seen: &LookAnswer) -> Held {
        let question = ChangedQuestion {
            version: VERSION,
            interest: Interest::Slot {
                group: GroupName::default(),
                node: self.name(),
            },
            seen: seen.fleet.revision,
            mark: Some(seen.mark.clone()),
            hold_secs: None,
        };
        let body = serde_json::to_string(&question).unwrap();
        let length = body.len();
        let head = format!("POST {CHANGED_PATH} HTTP/1.1\r\nhost: x\r\ncontent-length: {length}");
        let mut stream = TcpStream::connect(server).await.unwrap();
        let request = format!("{head}\r\n\r\n{body}");
        stream.write_all(request.as_bytes()).await.unwrap();
        Held(stream)
    }
}

// === impl Held ===

impl Held {
    /// Waits for the wake-up.
    async fn woken(&mut self) {
        let mut buffer = [0; 4096];
        let read = timeout(PATIENCE, self.0.read(&mut buffer)).await;
        let length = read.expect("the wake-up came").unwrap();
        let text = str::from_utf8(&buffer[..length]).unwrap();
        assert!(text.ends_with(r#""changed":true}"#), "{text}");
    }

    /// Whether nothing came yet.
    fn waits(&self) -> bool {
        let nothing = self.0.try_read(&mut [0; 1]).map_err(|error| error.kind());
        nothing == Err(std::io::ErrorKind::WouldBlock)
    }
}

/// A look with its mark, as it stands on the wire.
async fn look(server: SocketAddr) -> LookAnswer {
    let mut stream = TcpStream::connect(server).await.unwrap();
    let path = reboot_store::wire::LOOK_PATH;
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap()
}

#[tokio::test]
async fn a_handover_wakes_the_next_in_line_and_nobody_else() {
    let place = Place::new(Options::default());
    let server = Served::start(place.store.clone()).await;
    let (client, holder) = (server.client(), Node(WAITERS));
    holder.open(&client).await;
    let mut number = holder.claim(&client).await;
    let nodes: Vec<Node> = (0..WAITERS).map(Node).collect();
    for node in &nodes {
        node.open(&client).await;
        node.join(&client).await;
    }
    let seen = look(server.address).await;
    let mut held = Vec::new();
    for node in &nodes {
        held.push(node.wait(server.address, &seen).await);
    }
    while server.wire.waiting() < WAITERS {
        tokio::task::yield_now().await;
    }
    let mut holder = &holder;
    for (next, request) in nodes.iter().zip(&mut held).take(HANDOVERS) {
        holder.give_back(&client, number).await;
        request.woken().await;
        number = next.claim(&client).await;
        next.leave(&client).await;
        holder = next;
    }
    // Whoever stood behind the last one is the first now, and looks whether that is its turn.
    held[HANDOVERS].woken().await;
    let sleepers = held[HANDOVERS + 1..].iter().filter(|it| it.waits());
    assert_eq!(sleepers.count(), WAITERS - HANDOVERS - 1);
    assert_eq!(server.wire.waiting(), WAITERS - HANDOVERS - 1);
}

#[tokio::test]
async fn who_hangs_up_waits_no_longer() {
    let place = Place::new(Options::default());
    let server = Served::start(place.store.clone()).await;
    let client = server.client();
    Node(0).open(&client).await;
    let seen = look(server.address).await;
    let held = Node(0).wait(server.address, &seen).await;
    while server.wire.waiting() < 1 {
        tokio::task::yield_now().await;
    }
    drop(held);
    while server.wire.waiting() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_server_that_ends_lets_go_of_those_who_wait() {
    let place = Place::new(Options::default());
    let server = Served::start(place.store.clone()).await;
    let client = server.client();
    Node(0).open(&client).await;
    let seen = look(server.address).await;
    let mut held = Node(0).wait(server.address, &seen).await;
    while server.wire.waiting() < 1 {
        tokio::task::yield_now().await;
    }
    server.closing.send_replace(true);
    let mut buffer = [0; 4096];
    let length = timeout(PATIENCE, held.0.read(&mut buffer)).await.unwrap();
    let text = str::from_utf8(&buffer[..length.unwrap()]).unwrap();
    assert!(text.ends_with(r#""changed":false}"#), "{text}");
}
