//! Requests that wait for long are taken off their connection's buffers, and nobody notices.

use crate::kit::{HEADER, House, Line, body, post, until};
use reboot_core::id::GroupName;
use reboot_server::settings::{GroupRules, ServerSettings};

/// A server of one slot, which `holder` has; whoever else asks waits for longer than any test.
async fn taken() -> House {
    let rules = GroupRules {
        wait_secs: 600,
        ..GroupRules::of_max(1)
    };
    let house = House::open(ServerSettings::of_group(GroupName::default(), rules)).await;
    assert_eq!(house.pre_reboot("holder").await.status, 200);
    house
}

/// Sends a request and what follows on the same connection; it waits.
async fn waiting(house: &House, bytes: &[u8]) -> Line {
    let before = house.waiters();
    let mut line = house.line().await;
    line.send(bytes).await;
    until("it waits", || house.waiters() > before).await;
    line
}

fn wish(id: &str, headers: &str) -> Vec<u8> {
    let headers = format!("{HEADER}{headers}");
    post("/v1/pre-reboot", &headers, body(id, "default").as_bytes())
}

#[tokio::test]
async fn the_connection_serves_on_after_a_wait() {
    let house = taken().await;
    let mut line = waiting(&house, &wish("a", "")).await;
    house.steady("holder").await;
    assert_eq!(line.answer().await.unwrap().status, 200);
    let steady = post("/v1/steady-state", HEADER, body("a", "default").as_bytes());
    assert_eq!(line.ask(&steady).await.status, 200);
    assert_eq!(house.holders().await, Vec::<String>::new());
    // It waits once more on the same connection.
    assert_eq!(house.pre_reboot("holder").await.status, 200);
    line.send(&wish("a", "")).await;
    until("it waits again", || house.waiters() > 0).await;
    house.steady("holder").await;
    let answer = line.answer().await.unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(house.holders().await, ["a"]);
}

#[tokio::test]
async fn what_was_sent_behind_a_wait_is_answered_behind_it() {
    let house = taken().await;
    let steady = post("/v1/steady-state", HEADER, body("b", "default").as_bytes());
    let both = [wish("a", ""), steady.clone()].concat();
    let mut at_once = waiting(&house, &both).await;
    let mut later = waiting(&house, &wish("c", "")).await;
    later.send(&steady[..20]).await;
    later.send(&steady[20..]).await;
    for (line, id) in [(&mut at_once, "holder"), (&mut later, "a")] {
        house.steady(id).await;
        assert_eq!(line.answer().await.unwrap().status, 200);
        assert_eq!(line.answer().await.unwrap().status, 200, "the one behind");
    }
    assert_eq!(house.holders().await, ["c"]);
}

/// Nothing of a long body is taken for another request.
#[tokio::test]
async fn a_long_body_is_read_to_its_end_before_its_request_waits() {
    let rules = GroupRules::of_max(1);
    let mut settings = ServerSettings::of_group(GroupName::default(), rules);
    settings.limits.request_bytes = 8 << 20;
    let house = House::open(settings).await;
    assert_eq!(house.pre_reboot("holder").await.status, 200);
    let hidden = "\r\n\r\nGET /healthz HTTP/1.1\r\nhost: s\r\n\r\n".repeat(150_000);
    let form = format!("hostname=a&padding={hidden}");
    let (head, last) = ("POST /api/v1/lock HTTP/1.1\r\nhost: s\r\n", "0\r\n\r\n");
    let chunk = format!("{:x}\r\n{form}\r\n", form.len());
    let chunked = format!("{head}transfer-encoding: chunked\r\n\r\n{chunk}{last}");
    let mut line = waiting(&house, chunked.as_bytes()).await;
    house.steady("holder").await;
    assert_eq!(line.answer().await.unwrap().status, 200);
    let steady = post("/v1/steady-state", HEADER, body("a", "default").as_bytes());
    let answer = line.ask(&steady).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, ""));
    assert_eq!(house.holders().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_connection_is_closed_after_a_wait_where_the_client_wants_it() {
    let house = taken().await;
    let old = String::from_utf8(wish("b", "")).unwrap();
    let old = old.replacen("HTTP/1.1", "HTTP/1.0", 1).into_bytes();
    for (request, holder) in [(wish("a", "connection: Close\r\n"), "holder"), (old, "a")] {
        let mut line = waiting(&house, &request).await;
        house.steady(holder).await;
        let answer = line.answer().await.unwrap();
        assert_eq!(answer.status, 200);
        assert_eq!(line.answer().await, None, "closed: {}", answer.head);
    }
    let old = String::from_utf8(wish("c", "connection: keep-alive\r\n")).unwrap();
    let old = old.replacen("HTTP/1.1", "HTTP/1.0", 1).into_bytes();
    let mut line = waiting(&house, &old).await;
    house.steady("b").await;
    let answer = line.answer().await.unwrap();
    assert!(answer.head.starts_with("http/1.0 200"), "{}", answer.head);
    let steady = post("/v1/steady-state", HEADER, body("c", "default").as_bytes());
    assert_eq!(line.ask(&steady).await.status, 200, "it was kept open");
}

#[tokio::test]
async fn who_leaves_while_it_waits_leaves_the_line() {
    let house = taken().await;
    let (gone, cut) = (house.waiting("a").await, house.waiting("b").await);
    let mut next = house.waiting("c").await;
    drop(gone);
    until("it has left", || house.waiters() == 2).await;
    cut.stream.set_zero_linger().unwrap();
    drop(cut);
    until("it was cut off", || house.waiters() == 1).await;
    house.steady("holder").await;
    assert_eq!(next.answer().await.unwrap().status, 200);
}

#[tokio::test]
async fn a_server_that_ends_answers_those_who_wait_and_closes() {
    let mut house = taken().await;
    let mut line = house.waiting("a").await;
    house.stop().await;
    let answer = line.answer().await.unwrap();
    assert_eq!(answer.status, 503);
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!(line.answer().await, None);
}
