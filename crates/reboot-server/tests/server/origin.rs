//! What a browser is made to ask for by a page of another site, and what programs ask for.

use super::kit::{Answer, HEADER, House, body, of_max, post};
use reboot_server::settings::BasePath;

const FORM: &str = "content-type: application/x-www-form-urlencoded\r\n";
/// What a page of another site may send without asking first.
const PLAIN: &str = "content-type: text/plain\r\n";

/// Every kind of change, with what it sends.
fn changes() -> [(&'static str, String); 9] {
    let reason = |more: &str| format!("{{\"reason\":\"x\"{more}}}");
    let write = "{\"version\":1,\"write\":{\"keep-session\":{\"session\":\"s\"}}}";
    [
        ("/v1/pre-reboot", body("a", "default")),
        ("/v1/steady-state", body("a", "default")),
        ("/api/v1/lock", "hostname=a&wait=false".to_owned()),
        ("/api/v1/unlock", "hostname=a".to_owned()),
        ("/api/v1/pause", reason("")),
        ("/api/v1/resume", String::new()),
        ("/api/v1/groups/default/nodes/n/let-go", String::new()),
        ("/api/store/v1/write", write.to_owned()),
        ("/act/pause", "reason=x".to_owned()),
    ]
}

async fn send(house: &House, host: &str, path: &str, headers: &str, body: &str) -> Answer {
    let headers = format!("{HEADER}{headers}");
    let request = String::from_utf8(post(path, &headers, body.as_bytes())).unwrap();
    let request = request.replacen("host: server", &format!("host: {host}"), 1);
    house.ask(request.as_bytes()).await
}

/// In the words of what was asked: texts for scripts and people, JSON for all others.
fn forbidden(path: &str, answer: &Answer, told: &str) {
    assert_eq!(answer.status, 403, "{path}: {answer:?}");
    assert!(answer.body.contains(told), "{path}: {answer:?}");
    let is_text = path.ends_with("lock") || path.starts_with("/act");
    match is_text {
        true => assert!(answer.body.ends_with('\n') && !answer.body.contains('{')),
        false => assert_eq!(answer.kind(), "forbidden"),
    }
}

async fn revision(house: &House) -> u64 {
    house.store.look().await.unwrap().revision
}

#[tokio::test]
async fn another_site_changes_nothing() {
    let house = House::open(of_max(1)).await;
    let before = revision(&house).await;
    for shown in [
        "sec-fetch-site: cross-site\r\norigin: http://evil.example\r\n",
        "sec-fetch-site: same-site\r\norigin: http://localhost:3000\r\n",
        "origin: http://evil.example\r\n",
        "origin: null\r\n",
    ] {
        for (path, body) in changes() {
            for kind in [PLAIN, FORM] {
                let headers = format!("{kind}{shown}");
                let answer = send(&house, "localhost", path, &headers, &body).await;
                forbidden(path, &answer, "on behalf of another site");
            }
        }
    }
    let delete =
        "DELETE /api/v1/nodes/n HTTP/1.1\r\nhost: localhost\r\norigin: http://evil\r\n\r\n";
    let answer = house.ask(delete.as_bytes()).await;
    forbidden("/api/v1/nodes/n", &answer, "on behalf of another site");
    assert_eq!(revision(&house).await, before);
}

#[tokio::test]
async fn a_name_that_was_made_to_lead_here_changes_nothing() {
    let house = House::open(of_max(1)).await;
    let before = revision(&house).await;
    for shown in [
        "sec-fetch-site: same-origin\r\n",
        "sec-fetch-site: same-origin\r\norigin: http://evil.example\r\n",
        "origin: http://evil.example\r\n",
    ] {
        for (path, body) in changes() {
            let answer = send(&house, "evil.example", path, shown, &body).await;
            forbidden(path, &answer, "localhost");
        }
    }
    assert_eq!(revision(&house).await, before);
}

#[tokio::test]
async fn our_own_page_and_programs_change_what_they_may() {
    let port = House::open(of_max(1)).await.address.port();
    let own = format!("sec-fetch-site: same-origin\r\norigin: http://127.0.0.1:{port}\r\n");
    let local = format!("127.0.0.1:{port}");
    for (host, shown) in [
        ("localhost:8080", "sec-fetch-site: same-origin\r\n"),
        ("localhost:8080", "origin: http://localhost:8080\r\n"),
        (&local, own.as_str()),
        ("coordinator.example", ""),
    ] {
        let house = House::open(of_max(1)).await;
        for (path, body) in changes() {
            if path.starts_with("/act") && shown.is_empty() {
                continue; // no program's
            }
            let answer = send(&house, host, path, &format!("{FORM}{shown}"), &body).await;
            assert_ne!(answer.status, 403, "{host} {shown} {path}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn a_prefix_changes_nothing_of_that() {
    let mut settings = of_max(1);
    settings.base_path = BasePath::new("/fleet").unwrap();
    let house = House::open(settings).await;
    for (path, body) in changes() {
        let at = format!("/fleet{path}");
        let shown = "sec-fetch-site: cross-site\r\n";
        let answer = send(&house, "localhost", &at, shown, &body).await;
        forbidden(path, &answer, "on behalf of another site");
    }
}
