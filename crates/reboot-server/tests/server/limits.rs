//! Clients that are slow, many, or greedy.

use super::kit::{HEADER, House, PATIENCE, body, of_max, post};
use reboot_server::settings::ServerSettings;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

fn impatient() -> ServerSettings {
    let mut settings = of_max(1);
    settings.limits.patience = Duration::from_millis(200);
    settings
}

#[tokio::test]
async fn a_head_that_never_ends_is_cut_off() {
    let house = House::open(impatient()).await;
    let mut line = house.line().await;
    line.send(b"POST /v1/pre-reboot HTTP/1.1\r\nhost: s\r\nfleet-")
        .await;
    let answer = line.answer().await;
    assert!(answer.is_none_or(|it| it.status == 408));
}

#[tokio::test]
async fn a_connection_without_a_request_is_closed() {
    let house = House::open(impatient()).await;
    let mut line = house.line().await;
    assert!(line.answer().await.is_none_or(|it| it.status == 408));
    let mut line = house.line().await;
    let request = post("/v1/steady-state", HEADER, body("a", "default").as_bytes());
    assert_eq!(line.ask(&request).await.status, 200);
    assert!(line.answer().await.is_none_or(|it| it.status == 408));
}

#[tokio::test]
async fn a_body_that_never_ends_is_refused() {
    let house = House::open(impatient()).await;
    let mut line = house.line().await;
    let whole = post("/v1/pre-reboot", HEADER, body("a", "default").as_bytes());
    line.send(&whole[..whole.len() - 1]).await;
    let answer = line.answer().await.unwrap();
    assert_eq!(
        (answer.status, answer.kind().as_str()),
        (400, "decode_error")
    );
    assert_eq!(house.holders().await, [""; 0]);
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_cut_off() {
    let house = House::open(impatient()).await;
    let mut line = house.line().await;
    let request = b"GET /metrics HTTP/1.1\r\nhost: s\r\n\r\n".repeat(100);
    let never_read = async { while line.stream.write_all(&request).await.is_ok() {} };
    timeout(PATIENCE, never_read)
        .await
        .expect("the server closes it");
    assert_eq!(house.pre_reboot("a").await.status, 200, "others are served");
}

#[tokio::test]
async fn a_head_too_large_is_refused() {
    let house = House::open(of_max(1)).await;
    let headers = format!("{HEADER}x-large: {}\r\n", "x".repeat(64 * 1024));
    let request = post("/v1/pre-reboot", &headers, body("a", "default").as_bytes());
    let mut line = house.line().await;
    let _ = line.stream.write_all(&request).await;
    assert!(line.answer().await.is_none_or(|it| it.status == 431));
    assert_eq!(house.holders().await, [""; 0]);
}

#[tokio::test]
async fn connections_past_the_limit_wait_for_their_turn() {
    let mut settings = of_max(1);
    settings.limits.connections = 2;
    let house = House::open(settings).await;
    let request = post("/v1/steady-state", HEADER, body("a", "default").as_bytes());
    let (mut one, mut two) = (house.line().await, house.line().await);
    assert_eq!(one.ask(&request).await.status, 200);
    assert_eq!(two.ask(&request).await.status, 200);
    let mut three = house.line().await;
    three.send(&request).await;
    drop(one);
    assert_eq!(three.answer().await.unwrap().status, 200);
}

#[tokio::test]
async fn whoever_asks_too_often_is_told_so() {
    let mut settings = of_max(1);
    settings.limits.requests_per_second = 5;
    let house = House::open(settings).await;
    let mut line = house.line().await;
    let request = post("/v1/pre-reboot", HEADER, body("a", "default").as_bytes());
    let mut refused = 0;
    for _ in 0..200 {
        let answer = line.ask(&request).await;
        if answer.status != 200 {
            assert_eq!(
                (answer.status, answer.kind().as_str()),
                (429, "too_many_requests")
            );
            refused += 1;
        }
    }
    assert!(refused > 0);
}

#[tokio::test]
async fn every_answer_tells_browsers_that_it_is_no_page() {
    let mut settings = of_max(1);
    settings.limits.requests_per_second = 1; // less than even a slow machine asks
    let house = House::open(settings).await;
    let paths = ["/api/v1/fleet", "/metrics", "/healthz", "/v1/pre-reboot"];
    let mut answers = Vec::new();
    for path in paths {
        answers.push(house.get(path).await);
    }
    while answers.last().unwrap().status != 429 {
        answers.push(house.get("/nothing-is-here").await);
    }
    for answer in &answers {
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "same-origin"),
            ("cache-control", "no-store"),
            (
                "content-security-policy",
                "default-src 'none'; frame-ancestors 'none'",
            ),
        ] {
            assert_eq!(answer.header(name), Some(value), "{answer:?}");
        }
    }
    let page = House::open(of_max(1)).await.get("/").await;
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("script-src 'self'"), "{policy}");
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
}

#[tokio::test]
async fn an_address_with_too_many_connections_gets_no_more_until_one_ends() {
    let mut settings = of_max(1);
    settings.limits.connections_per_address = 2;
    let house = House::open(settings).await;
    let request = b"GET /metrics HTTP/1.1\r\nhost: s\r\n\r\n";
    let (mut one, mut two) = (house.line().await, house.line().await);
    assert_eq!(one.ask(request).await.status, 200);
    assert_eq!(two.ask(request).await.status, 200);
    assert_eq!(house.line().await.answer().await, None, "it is closed");
    let text = two.ask(request).await.body;
    for line in [
        "clusterrebootd_server_connections 2\n",
        "clusterrebootd_server_connections_refused_total 1\n",
        "clusterrebootd_server_accept_failures_total 0\n",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    drop(one);
    let again = async {
        loop {
            let mut line = house.line().await;
            let _ = line.stream.write_all(request).await;
            if let Some(answer) = line.answer().await {
                return answer.status;
            }
        }
    };
    assert_eq!(timeout(PATIENCE, again).await.unwrap(), 200);
}

#[tokio::test]
async fn a_flood_does_not_make_the_server_look_dead() {
    let mut settings = of_max(1);
    settings.limits.requests_per_second = 1;
    let house = House::open(settings).await;
    let mut refused = house.get("/metrics").await;
    while refused.status != 429 {
        refused = house.get("/metrics").await;
    }
    assert_eq!(refused.header("retry-after"), Some("1"), "{refused:?}");
    for path in ["/healthz", "/-/healthy", "/readyz"].repeat(20) {
        assert_eq!(house.get(path).await.status, 200, "{path}");
    }
    assert_eq!(house.get("/metrics").await.status, 429);
}
