//! Every route of a whole server, for each role: who comes in, who is turned away, and how.

use crate::kit::Place;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use reboot_core::id::GroupName;
use reboot_server::Server;
use reboot_server::audit::NoAudit;
use reboot_server::desk::Desk;
use reboot_server::doors::{DoorSettings, Doors, Secret};
use reboot_server::news::Silence;
use reboot_server::settings::{GroupRules, ServerSettings};
use reboot_server::tls::{Acceptor, TlsSettings};
use reboot_server::view::View;
use reboot_store::Store;
use reboot_store::embedded::Options;
use reboot_store::remote::{self, RemoteStore};
use reboot_store::tls::Tls;
use serde_json::Value;
use std::fs;
use std::future::pending;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);
const ROLES: [&str; 4] = ["read", "node:n1", "node:*", "operator"];

/// A whole server, and what each role shows there.
struct House {
    address: SocketAddr,
    tokens: Vec<(&'static str, String)>,
    place: Place,
    _dir: TempDir,
    _tasks: JoinSet<()>,
}

/// Begins the answer of a request; `shown` is the value of the header `authorization`.
async fn ask(server: SocketAddr, request: &str, shown: Option<&str>, body: &str) -> String {
    let mut stream = TcpStream::connect(server).await.unwrap();
    let shown = shown.map_or(String::new(), |it| format!("authorization: {it}\r\n"));
    let length = body.len();
    let head = format!("{request} HTTP/1.1\r\nhost: x\r\nfleet-lock-protocol: true\r\n{shown}");
    let text = format!("{head}content-length: {length}\r\n\r\n{body}");
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = vec![0; 64 * 1024];
    let read = timeout(PATIENCE, stream.read(&mut answer)).await;
    answer.truncate(read.unwrap().unwrap());
    String::from_utf8_lossy(&answer).into_owned()
}

fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

fn desk_of(view: View) -> Arc<Desk> {
    let settings = ServerSettings::of_group(GroupName::default(), GroupRules::of_max(9));
    Arc::new(Desk::new(Arc::new(view), settings, Arc::new(Silence)))
}

// === impl House ===

impl House {
    async fn new(settings: impl FnOnce(&Path) -> DoorSettings) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (mut tokens, mut lines) = (Vec::new(), String::new());
        for (number, role) in ROLES.into_iter().enumerate() {
            let (token, hash) = Secret::new_token().unwrap();
            lines.push_str(&format!("who-{number} {role} {hash}\n"));
            tokens.push((role, format!("Bearer {token}")));
        }
        fs::write(dir.path().join("tokens"), lines).unwrap();
        let doors = Doors::new(&settings(dir.path())).unwrap();
        let place = Place::new(Options::default());
        let desk = desk_of(View::open(place.store.clone()).await);
        let server = Server::bind("127.0.0.1:0").await.unwrap();
        let server = server.behind(doors, Arc::new(NoAudit));
        let address = server.address();
        let mut tasks = JoinSet::new();
        tasks.spawn(server.serve(desk, pending()));
        Self {
            address,
            tokens,
            place,
            _dir: dir,
            _tasks: tasks,
        }
    }

    async fn with_tokens() -> Self {
        Self::new(|dir| DoorSettings {
            tokens_file: Some(dir.join("tokens")),
            ..DoorSettings::default()
        })
        .await
    }

    /// The roles that come in; a stranger must not.
    async fn let_in(&self, request: &str, body: &str) -> Vec<&'static str> {
        let outside = ask(self.address, request, None, body).await;
        assert_eq!(status(&outside), 401, "{request}: {outside}");
        let outside = outside.to_lowercase();
        assert!(outside.contains("www-authenticate: bearer"), "{outside}");
        let guess = ask(self.address, request, Some("Bearer guess"), body).await;
        assert_eq!(status(&guess), 401, "{request}: {guess}");
        let mut roles = Vec::new();
        for (role, shown) in &self.tokens {
            let answer = ask(self.address, request, Some(shown), body).await;
            match status(&answer) {
                401 => panic!("{request}: {role} is not known: {answer}"),
                403 => assert!(answer.contains("show a secret"), "{answer}"),
                _ => roles.push(*role),
            }
        }
        roles
    }
}

fn fleetlock(id: &str) -> String {
    format!(r#"{{"client_params":{{"id":"{id}","group":"default"}}}}"#)
}

#[tokio::test]
async fn whoever_has_a_role_may_look_and_everybody_may_ask_whether_it_lives() {
    let house = House::with_tokens().await;
    let pages = [
        "/",
        "/metrics",
        "/api/v1/openapi.json",
        "/api/v1/fleet",
        "/api/v1/groups",
        "/api/v1/nodes",
        "/api/v1/events",
        "/api/store/v1/look",
        "/api/store/v1/history?group=default",
    ];
    for page in pages {
        let roles = house.let_in(&format!("GET {page}"), "").await;
        assert_eq!(roles, ROLES, "{page}");
    }
    for page in ["/healthz", "/readyz", "/-/healthy"] {
        let answer = ask(house.address, &format!("GET {page}"), None, "").await;
        assert_eq!(status(&answer), 200, "{page}: {answer}");
    }
}

#[tokio::test]
async fn a_client_asks_for_itself_and_for_nobody_else() {
    let house = House::with_tokens().await;
    let own = ["node:n1", "node:*", "operator"];
    let others = ["node:*", "operator"];
    for (id, allowed) in [("n1", &own[..]), ("n2", &others[..])] {
        let form = format!("hostname={id}&wait=false");
        let asked = [
            ("POST /v1/pre-reboot", fleetlock(id)),
            ("POST /v1/steady-state", fleetlock(id)),
            ("POST /api/v1/lock", form.clone()),
            ("POST /api/v1/unlock", form),
        ];
        for (request, body) in asked {
            assert_eq!(
                house.let_in(request, &body).await,
                allowed,
                "{request} {id}"
            );
        }
    }
    let fleet = house.place.store.look().await.unwrap();
    let holds = &fleet.groups[&GroupName::default()].group.holds;
    assert!(holds.is_empty(), "who was turned away changed nothing");
}

/// Every way to change something that the server itself describes.
#[tokio::test]
async fn only_operators_change_the_fleet() {
    let house = House::with_tokens().await;
    let shown = house.tokens[0].1.as_str();
    let document = ask_all(house.address, "GET /api/v1/openapi.json", shown).await;
    let mut changes = 0;
    for (path, ways) in document["paths"].as_object().unwrap() {
        let path = path.replace("{group}", "default").replace("{node}", "n1");
        let path = path.replace("{number}", "1");
        for way in ways.as_object().unwrap().keys().filter(|way| *way != "get") {
            if path == "/api/v1/lock" || path == "/api/v1/unlock" {
                continue; // these are a client's
            }
            let request = format!("{} {path}", way.to_uppercase());
            assert_eq!(
                house.let_in(&request, "{}").await,
                ["operator"],
                "{request}"
            );
            changes += 1;
        }
    }
    assert!(changes >= 7, "{changes}");
}

/// A whole JSON answer, however long.
async fn ask_all(server: SocketAddr, request: &str, shown: &str) -> Value {
    let mut stream = TcpStream::connect(server).await.unwrap();
    let head = format!("{request} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n");
    let text = format!("{head}authorization: {shown}\r\n\r\n");
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = timeout(PATIENCE, stream.read_to_string(&mut answer)).await;
    read.unwrap().unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
}

#[tokio::test]
async fn a_stock_client_comes_in_by_name_and_password() {
    let house = House::new(|dir| {
        let password = Secret::of_password("geheim").unwrap();
        fs::write(dir.join("basic"), format!("zincati node:* {password}\n")).unwrap();
        DoorSettings {
            basic_file: Some(dir.join("basic")),
            ..DoorSettings::default()
        }
    })
    .await;
    let shown = |pair: &str| format!("Basic {}", BASE64.encode(pair));
    let right = shown("zincati:geheim");
    let body = fleetlock("n7");
    let asked = |shown: String| {
        let (address, body) = (house.address, body.clone());
        async move { status(&ask(address, "POST /v1/pre-reboot", Some(&shown), &body).await) }
    };
    assert_eq!(asked(shown("zincati:falsch")).await, 401);
    assert_eq!(asked(right.clone()).await, 200);
    assert_eq!(asked(right).await, 200);
    let fleet = house.place.store.look().await.unwrap();
    assert_eq!(fleet.groups[&GroupName::default()].group.holds.len(), 1);
}

#[tokio::test]
async fn a_whole_server_speaks_tls_and_knows_whose_certificate_it_sees() {
    let dir = tempfile::tempdir().unwrap();
    let authority = reboot_lab::Authority::new(dir.path(), "fleet").unwrap();
    let now = reboot_lab::Validity::Now;
    let own = authority.server("server", &["127.0.0.1"], now).unwrap();
    let tls = Acceptor::new(TlsSettings {
        cert_file: own.cert,
        key_file: own.key,
        client_ca_file: Some(authority.ca_file.clone()),
        require_client_cert: true,
    });
    let doors = Doors::new(&DoorSettings {
        certificates: true,
        ..DoorSettings::default()
    });
    let place = Place::new(Options::default());
    let desk = desk_of(View::open(place.store.clone()).await);
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let server = server.behind(doors.unwrap(), Arc::new(NoAudit));
    let server = server.encrypted(tls.unwrap());
    let url = format!("https://{}", server.address());
    let mut tasks = JoinSet::new();
    tasks.spawn(server.serve(desk, pending()));
    let papers = authority.client("n1", "n1", now).unwrap();
    let client = RemoteStore::new(&remote::Options {
        tls: Some(Tls {
            ca_file: Some(authority.ca_file.clone()),
            identity: Some((papers.cert, papers.key)),
            insecure_skip_verify: false,
        }),
        ..remote::Options::new(url)
    });
    let client = client.unwrap();
    client.look().await.unwrap();
    let forget = reboot_core::write::Write::Forget {
        node: reboot_core::id::NodeName::new("n1").unwrap(),
    };
    let refused = format!("{:?}", client.write(forget).await);
    assert!(refused.contains("n1 (role node:n1) may not"), "{refused}");
    assert!(
        refused.contains("role operator (clusterrebootd: with --config FILE"),
        "{refused}"
    );
}
