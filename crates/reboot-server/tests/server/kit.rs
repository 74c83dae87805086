//! A server on a free port, and a client that writes what it is told, byte by byte.

use reboot_core::id::GroupName;
use reboot_server::audit::{Audit, NoAudit};
use reboot_server::desk::Desk;
use reboot_server::doors::Doors;
use reboot_server::news::{Observer, Silence};
use reboot_server::settings::{GroupRules, ServerSettings};
use reboot_server::view::View;
use reboot_server::{KINDS, Server};
use reboot_store::Store;
use reboot_store::embedded::{EmbeddedStore, Options};
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// No answer takes longer in a test.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A running server.
pub(crate) struct House {
    pub(crate) address: SocketAddr,
    pub(crate) desk: Arc<Desk>,
    pub(crate) store: Arc<dyn Store>,
    stop: Option<oneshot::Sender<()>>,
    task: Option<JoinHandle<()>>,
    _dir: TempDir,
}

/// A connection of a client.
pub(crate) struct Line {
    pub(crate) stream: TcpStream,
    read: Vec<u8>,
}

/// An answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

/// Waits until something is so.
pub(crate) async fn until(what: &str, is_so: impl Fn() -> bool) {
    let so = async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, so)
        .await
        .unwrap_or_else(|_| panic!("it never came true: {what}"));
}

/// The settings of most tests: the group `default`, of so many slots.
pub(crate) fn of_max(max: u32) -> ServerSettings {
    ServerSettings::of_group(GroupName::default(), GroupRules::of_max(max))
}

/// FleetLock's body.
pub(crate) fn body(id: &str, group: &str) -> String {
    format!(
        "{{\n  \"client_params\": {{\n    \"id\": \"{id}\",\n    \"group\": \"{group}\"\n  }}\n}}"
    )
}

/// A whole request, as a real client writes it.
pub(crate) fn post(path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: server\r\n{headers}content-length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

/// FleetLock's header.
pub(crate) const HEADER: &str = "fleet-lock-protocol: true\r\n";

// === impl House ===

impl House {
    pub(crate) async fn open(settings: ServerSettings) -> Self {
        Self::behind(settings, Doors::open(), Arc::new(NoAudit)).await
    }

    /// One that asks who comes, and has changes written down.
    pub(crate) async fn behind(
        settings: ServerSettings,
        doors: Doors,
        audit: Arc<dyn Audit>,
    ) -> Self {
        Self::told(settings, doors, audit, Arc::new(Silence)).await
    }

    /// The same, with somebody who is told what it does.
    pub(crate) async fn told(
        settings: ServerSettings,
        doors: Doors,
        audit: Arc<dyn Audit>,
        observer: Arc<dyn Observer>,
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("fleet.db");
        let store = Arc::new(EmbeddedStore::open(&path, Options::default()).unwrap());
        let view = Arc::new(View::open(store.clone()).await);
        let desk = Arc::new(Desk::new(view, settings, observer));
        Self::with(desk, (store, dir), doors, audit).await
    }

    /// One in front of a desk, whose store is in this directory.
    pub(crate) async fn with(
        desk: Arc<Desk>,
        (store, dir): (Arc<dyn Store>, TempDir),
        doors: Doors,
        audit: Arc<dyn Audit>,
    ) -> Self {
        let server = Server::bind("127.0.0.1:0").await.unwrap();
        let server = server.behind(doors, audit);
        let address = server.address();
        let (stop, stopped) = oneshot::channel::<()>();
        let served = desk.clone();
        let task = tokio::spawn(async move {
            let stopped = async {
                let _ = stopped.await;
            };
            server.serve(served, stopped).await;
        });
        Self {
            address,
            desk,
            store,
            stop: Some(stop),
            task: Some(task),
            _dir: dir,
        }
    }

    /// Stops the server and waits until it has ended.
    pub(crate) async fn stop(&mut self) {
        drop(self.stop.take());
        if let Some(task) = self.task.take() {
            timeout(PATIENCE, task).await.unwrap().unwrap();
        }
    }

    pub(crate) async fn line(&self) -> Line {
        Line {
            stream: TcpStream::connect(self.address).await.unwrap(),
            read: Vec::new(),
        }
    }

    /// One request on a connection of its own.
    pub(crate) async fn ask(&self, request: &[u8]) -> Answer {
        self.line().await.ask(request).await
    }

    pub(crate) async fn pre_reboot(&self, id: &str) -> Answer {
        let request = post("/v1/pre-reboot", HEADER, body(id, "default").as_bytes());
        self.ask(&request).await
    }

    pub(crate) async fn steady(&self, id: &str) -> Answer {
        let request = post("/v1/steady-state", HEADER, body(id, "default").as_bytes());
        self.ask(&request).await
    }

    /// A request for a slot that waits, once the server knows that it waits.
    pub(crate) async fn waiting(&self, id: &str) -> Line {
        let before = self.waiters();
        let mut line = self.line().await;
        let request = post("/v1/pre-reboot", HEADER, body(id, "default").as_bytes());
        line.send(&request).await;
        until("it waits", || self.waiters() > before).await;
        line
    }

    /// How many requests wait.
    pub(crate) fn waiters(&self) -> usize {
        self.desk.waiting().iter().map(|it| it.count).sum()
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        let request = format!("GET {path} HTTP/1.1\r\nhost: s\r\n\r\n");
        self.ask(request.as_bytes()).await
    }

    /// Who holds in the group `default`, by the store itself.
    pub(crate) async fn holders(&self) -> Vec<String> {
        let fleet = self.store.look().await.unwrap();
        let entry = fleet.groups.get(&GroupName::default());
        let holds = entry.map_or(&[][..], |entry| &entry.group.holds);
        holds.iter().map(|hold| hold.node.to_string()).collect()
    }
}

// === impl Line ===

impl Line {
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    pub(crate) async fn ask(&mut self, request: &[u8]) -> Answer {
        // A server that refuses a body before its end may have closed already.
        let _ = self.stream.write_all(request).await;
        self.answer().await.expect("an answer")
    }

    /// Reads until a text has arrived; answers all that has.
    #[allow(dead_code)] // streams are the fleet API's, whose tests use this kit too
    pub(crate) async fn until(&mut self, text: &str) -> String {
        let read = async {
            loop {
                let all = String::from_utf8_lossy(&self.read).into_owned();
                if all.contains(text) {
                    return all;
                }
                assert!(self.read_more().await, "{text:?} never came: {all}");
            }
        };
        timeout(PATIENCE, read).await.expect("in time")
    }

    /// Lets go of what has arrived.
    #[allow(dead_code)] // as above
    pub(crate) fn forget(&mut self) {
        self.read.clear();
    }

    /// The next answer; none when the server closes the connection instead.
    pub(crate) async fn answer(&mut self) -> Option<Answer> {
        timeout(PATIENCE, self.read_answer())
            .await
            .expect("in time")
    }

    async fn read_answer(&mut self) -> Option<Answer> {
        let end = loop {
            if let Some(at) = self.read.windows(4).position(|it| it == b"\r\n\r\n") {
                break at + 4;
            }
            if !self.read_more().await {
                return None;
            }
        };
        let head = String::from_utf8(self.read[..end].to_vec())
            .unwrap()
            .to_lowercase();
        let length = header_of(&head, "content-length");
        let length: usize = length.map_or(0, |text| text.parse().unwrap());
        while self.read.len() < end + length {
            assert!(self.read_more().await, "the answer breaks off: {head}");
        }
        let body = String::from_utf8(self.read[end..end + length].to_vec()).unwrap();
        self.read.drain(..end + length);
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Some(Answer { status, head, body })
    }

    async fn read_more(&mut self) -> bool {
        let mut chunk = [0; 4096];
        let count = self.stream.read(&mut chunk).await.unwrap_or(0);
        self.read.extend_from_slice(&chunk[..count]);
        count > 0
    }
}

fn header_of<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let lines = head.lines().filter_map(|line| line.split_once(": "));
    lines
        .filter(|(key, _)| *key == name)
        .map(|(_, value)| value)
        .next()
}

// === impl Answer ===

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header_of(&self.head, name)
    }

    /// The kind of a refusal, which must be one of the closed set and say what to do.
    pub(crate) fn kind(&self) -> String {
        let error: Value =
            serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"));
        let kind = error["kind"].as_str().unwrap().to_owned();
        assert!(KINDS.iter().any(|it| it.name() == kind), "{kind}");
        assert!(error["value"].as_str().unwrap().len() > 10, "{error}");
        assert!(self.status >= 400, "{self:?}");
        kind
    }

    pub(crate) fn value(&self) -> String {
        let error: Value = serde_json::from_str(&self.body).unwrap();
        error["value"].as_str().unwrap().to_owned()
    }
}
