//! Each role at each route, and what is written down of what clients change.

use super::kit::{HEADER, House, body, of_max, post};
use reboot_core::id::NodeName;
use reboot_server::audit::{Audit, Deed, TurnedAway};
use reboot_server::doors::{DoorSettings, Doors, Secret};
use std::fs;
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

const ROLES: [&str; 4] = ["read", "node:n1", "node:*", "operator"];
const FORM: &str = "content-type: application/x-www-form-urlencoded\r\n";

#[derive(Default)]
struct Book(Mutex<Vec<String>>);

impl Audit for Book {
    fn done(&self, deed: &Deed<'_>) {
        let from = deed.from.expect("every client is somewhere");
        let line = deed.to_string().replace(&from.to_string(), "PEER");
        self.0.lock().unwrap().push(line);
    }

    fn turned_away(&self, it: &TurnedAway<'_>) {
        let from = it.from.expect("every client is somewhere");
        let line = it.to_string().replace(&from.to_string(), "PEER");
        self.0.lock().unwrap().push(format!("turned away: {line}"));
    }
}

/// A server with a secret of each role.
struct Guarded {
    house: House,
    book: Arc<Book>,
    tokens: Vec<String>,
    _dir: TempDir,
}

// === impl Guarded ===

impl Guarded {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let tokens_file = dir.path().join("tokens");
        let (mut tokens, mut lines) = (Vec::new(), String::new());
        for role in ROLES {
            let (token, hash) = Secret::new_token().unwrap();
            tokens.push(token);
            lines.push_str(&format!(
                "{}-secret {role} {hash}\n",
                role.replace(':', "-")
            ));
        }
        fs::write(&tokens_file, lines).unwrap();
        let doors = Doors::new(&DoorSettings {
            tokens_file: Some(tokens_file),
            ..DoorSettings::default()
        });
        let book = Arc::new(Book::default());
        let mut settings = of_max(9);
        let name = |name: &str| NodeName::new(name).unwrap();
        settings.node_names.insert(name("c0ffee"), name("n1"));
        let house = House::behind(settings, doors.unwrap(), book.clone()).await;
        Self {
            house,
            book,
            tokens,
            _dir: dir,
        }
    }

    /// The status for each role, and last for somebody who shows nothing.
    async fn statuses(&self, request: impl Fn(&str) -> Vec<u8>) -> Vec<u16> {
        let shown = self.tokens.iter();
        let mut heads: Vec<String> = shown
            .map(|token| format!("authorization: Bearer {token}\r\n"))
            .collect();
        heads.push(String::new());
        let mut statuses = Vec::new();
        for head in heads {
            statuses.push(self.house.ask(&request(&head)).await.status);
        }
        statuses
    }

    async fn fleetlock(&self, path: &str, id: &str) -> Vec<u16> {
        let body = body(id, "default");
        let request = |head: &str| post(path, &format!("{HEADER}{head}"), body.as_bytes());
        self.statuses(request).await
    }

    /// The same as the role `node:n1` alone.
    async fn fleetlock_of_n1(&self, path: &str, id: &str) -> u16 {
        let head = format!("{HEADER}authorization: Bearer {}\r\n", self.tokens[1]);
        let request = post(path, &head, body(id, "default").as_bytes());
        self.house.ask(&request).await.status
    }

    async fn lock_api(&self, path: &str, form: &str) -> Vec<u16> {
        let request = |head: &str| post(path, &format!("{FORM}{head}"), form.as_bytes());
        self.statuses(request).await
    }

    /// What was written down of changes that were carried out.
    fn told(&self) -> Vec<String> {
        let mut lines = std::mem::take(&mut *self.book.0.lock().unwrap());
        lines.retain(|line| !line.starts_with("turned away: "));
        lines
    }
}

#[tokio::test]
async fn a_client_acts_for_itself_alone() {
    let guarded = Guarded::new().await;
    for (id, node) in [("c0ffee", 200), ("n1", 200), ("n2", 403), ("N1", 403)] {
        let expected = [403, node, 200, 200, 401];
        for path in ["/v1/pre-reboot", "/v1/steady-state"] {
            let statuses = guarded.fleetlock(path, id).await;
            assert_eq!(statuses, expected, "{path} of {id}");
        }
        let form = format!("hostname={id}&wait=false");
        for path in ["/api/v1/lock", "/api/v1/unlock"] {
            let statuses = guarded.lock_api(path, &form).await;
            assert_eq!(statuses, expected, "{path} of {id}");
        }
    }
}

#[tokio::test]
async fn behind_doors_a_browser_may_call_the_server_by_any_name() {
    let guarded = Guarded::new().await;
    let shown = format!("authorization: Bearer {}\r\n", guarded.tokens[3]);
    for (headers, status) in [
        (
            "sec-fetch-site: same-origin\r\norigin: https://coordinator.example\r\n",
            204,
        ),
        ("origin: http://server\r\n", 204),
        ("origin: https://coordinator.example\r\n", 403),
        ("sec-fetch-site: cross-site\r\n", 403),
    ] {
        let request = post("/api/v1/resume", &format!("{shown}{headers}"), b"");
        let answer = guarded.house.ask(&request).await;
        assert_eq!(answer.status, status, "{headers}: {answer:?}");
    }
    let lines = std::mem::take(&mut *guarded.book.0.lock().unwrap());
    let told = |line: &&String| line.contains("403") && line.contains("on behalf of another site");
    assert_eq!(lines.iter().filter(told).count(), 2, "{lines:?}");
}

#[tokio::test]
async fn scripts_are_told_in_a_line_why_they_stay_outside() {
    let guarded = Guarded::new().await;
    for path in ["/api/v1/lock", "/api/v1/unlock"] {
        let answer = guarded.house.ask(&post(path, FORM, b"hostname=n1")).await;
        assert_eq!(answer.status, 401, "{path}: {answer:?}");
        assert!(answer.header("www-authenticate").is_some(), "{answer:?}");
        assert!(answer.body.starts_with("say who you are"), "{answer:?}");
        assert!(answer.body.ends_with('\n'), "{answer:?}");
    }
}

#[tokio::test]
async fn everybody_with_a_role_looks_and_only_operators_operate() {
    let guarded = Guarded::new().await;
    for path in ["/", "/metrics", "/api/v1/fleet", "/api/v1/nodes"] {
        let request = |head: &str| format!("GET {path} HTTP/1.1\r\nhost: s\r\n{head}\r\n");
        let statuses = guarded.statuses(|head| request(head).into()).await;
        assert_eq!(statuses, [200, 200, 200, 200, 401], "{path}");
    }
    let pause = br#"{"reason":"storm"}"#;
    for (path, body) in [("/api/v1/pause", &pause[..]), ("/api/v1/resume", b"")] {
        let statuses = guarded.statuses(|head| post(path, head, body)).await;
        assert_eq!(statuses, [403, 403, 403, 204, 401], "{path}");
    }
}

#[tokio::test]
async fn every_change_of_a_client_is_written_down_and_nothing_else() {
    let guarded = Guarded::new().await;
    guarded.fleetlock("/v1/steady-state", "n1").await;
    assert_eq!(guarded.told(), [""; 0], "nobody held anything");
    let own = "node-n1-secret (role node:n1) known by token from PEER";
    for (path, verb) in [("/v1/pre-reboot", "admit"), ("/v1/steady-state", "steady")] {
        assert_eq!(guarded.fleetlock_of_n1(path, "n2").await, 403);
        assert_eq!(guarded.fleetlock_of_n1(path, "n1").await, 200);
        let line = format!("{own}: {verb} of n1 in group default: done");
        assert_eq!(guarded.told(), [line]);
    }
    assert_eq!(
        guarded.fleetlock_of_n1("/v1/pre-reboot", "c0ffee").await,
        200
    );
    let line = format!("{own}: admit of n1 in group default: done");
    assert_eq!(guarded.told(), [line], "by the name of its node");
    guarded.lock_api("/api/v1/lock", "hostname=n2").await;
    let any = "node-*-secret (role node:*) known by token from PEER";
    let first = format!("{any}: admit of n2 in group default: done");
    assert_eq!(guarded.told()[0], first);
    guarded.lock_api("/api/v1/unlock", "hostname=n2").await;
    let line = format!("{any}: steady of n2 in group default: done");
    assert_eq!(
        guarded.told(),
        [line],
        "the next found nothing to give back"
    );
}

/// The first line is never left out of a flood, so each server is asked once.
async fn turned_away(role: Option<usize>, path: &str) -> String {
    let guarded = Guarded::new().await;
    let token = role.map_or("nobody", |role| &guarded.tokens[role]);
    let head = format!("{HEADER}authorization: Bearer {token}\r\n");
    let request = post(path, &head, body("n2", "default").as_bytes());
    let status = guarded.house.ask(&request).await.status;
    assert!(matches!(status, 401 | 403), "{path}: {status}");
    let lines = std::mem::take(&mut *guarded.book.0.lock().unwrap());
    assert_eq!(lines.len(), 1, "{lines:?}");
    lines[0].clone()
}

#[tokio::test]
async fn whoever_may_not_change_something_is_written_down() {
    for (role, path, told) in [
        (
            None,
            "/v1/pre-reboot",
            "somebody from PEER: POST /v1/pre-reboot: 401",
        ),
        (
            Some(1),
            "/v1/pre-reboot",
            "node-n1-secret (role node:n1) known by token from PEER: POST /v1/pre-reboot: 403",
        ),
        (
            Some(0),
            "/api/v1/pause",
            "read-secret (role read) known by token from PEER: POST /api/v1/pause: 403",
        ),
        (Some(0), "/act/pause", "POST /act/pause: 403"),
    ] {
        let line = turned_away(role, path).await;
        assert!(line.contains(told), "{told} is not in {line}");
    }
    let why = turned_away(Some(1), "/v1/pre-reboot").await;
    assert!(why.contains("act for n2"), "{why}");
}

#[tokio::test]
async fn whoever_only_looks_makes_no_line_and_a_flood_few() {
    let guarded = Guarded::new().await;
    assert_eq!(guarded.house.get("/api/v1/fleet").await.status, 401);
    let question = post("/api/store/v1/changed", "", b"");
    assert_eq!(
        guarded.house.ask(&question).await.status,
        401,
        "it asks for news"
    );
    let mut line = guarded.house.line().await;
    let flood = post("/api/v1/pause", "", b"").repeat(300);
    line.send(&flood).await;
    for _ in 0..300 {
        assert_eq!(line.answer().await.unwrap().status, 401);
    }
    let lines = std::mem::take(&mut *guarded.book.0.lock().unwrap());
    let written = lines.iter().all(|line| line.contains("POST /api/v1/pause"));
    assert!(written && !lines.is_empty(), "{lines:?}");
    assert!(lines.len() < 250, "{} lines", lines.len());
}
