//! FleetLock as its clients see it: every case of its table, and every bad body.

use super::kit::{Answer, HEADER, House, body, of_max, post};
use reboot_core::id::GroupName;
use reboot_server::settings::{BasePath, GroupRules};

const LOCK: &str = "/v1/pre-reboot";
const STEADY: &str = "/v1/steady-state";

fn refused(answer: &Answer, status: u16, kind: &str) {
    assert_eq!(
        (answer.status, answer.kind().as_str()),
        (status, kind),
        "{answer:?}"
    );
}

#[tokio::test]
async fn one_holds_and_the_others_wait_their_turn() {
    let house = House::open(of_max(1)).await;
    assert_eq!(house.pre_reboot("a").await.status, 200);
    assert_eq!(house.holders().await, ["a"]);
    let answer = house.pre_reboot("b").await;
    refused(&answer, 423, "lock_held");
    assert!(
        answer.value().contains("a (rebooting since 20"),
        "{}",
        answer.value()
    );
    assert_eq!(house.steady("a").await.status, 200);
    assert_eq!(house.holders().await, [""; 0]);
    assert_eq!(
        house.pre_reboot("b").await.status,
        200,
        "no look from before it is used"
    );
}

#[tokio::test]
async fn a_lock_is_recursive_and_taken_once() {
    let house = House::open(of_max(2)).await;
    for _ in 0..3 {
        assert_eq!(house.pre_reboot("a").await.status, 200);
    }
    assert_eq!(house.holders().await, ["a"]);
    assert_eq!(house.steady("a").await.status, 200);
    assert_eq!(house.holders().await, [""; 0]);
}

#[tokio::test]
async fn an_id_is_case_sensitive() {
    let house = House::open(of_max(1)).await;
    assert_eq!(house.pre_reboot("Node").await.status, 200);
    refused(&house.pre_reboot("node").await, 423, "lock_held");
    assert_eq!(house.steady("node").await.status, 200);
    assert_eq!(house.holders().await, ["Node"]);
}

#[tokio::test]
async fn steady_state_of_one_that_holds_nothing_is_good_while_others_hold() {
    let house = House::open(of_max(1)).await;
    assert_eq!(
        house.steady("b").await.status,
        200,
        "before there is a record"
    );
    assert_eq!(house.pre_reboot("a").await.status, 200);
    for _ in 0..3 {
        assert_eq!(house.steady("b").await.status, 200);
    }
    assert_eq!(house.holders().await, ["a"]);
}

#[tokio::test]
async fn an_unknown_group_is_closed_or_open_and_always_steady() {
    let closed = House::open(of_max(1)).await;
    let lock = post(LOCK, HEADER, body("a", "other").as_bytes());
    let steady = post(STEADY, HEADER, body("a", "other").as_bytes());
    refused(&closed.ask(&lock).await, 404, "unknown_group");
    assert_eq!(closed.ask(&steady).await.status, 200);
    let mut settings = of_max(1);
    settings.open_groups = Some(GroupRules::of_max(2));
    let open = House::open(settings).await;
    assert_eq!(open.ask(&lock).await.status, 200);
    let fleet = reboot_store::Store::look(open.store.as_ref())
        .await
        .unwrap();
    assert_eq!(fleet.groups[&GroupName::new("other").unwrap()].group.max, 2);
    assert_eq!(open.ask(&steady).await.status, 200);
}

#[tokio::test]
async fn every_other_method_is_told_which_one_is_right() {
    let house = House::open(of_max(1)).await;
    for method in ["GET", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"] {
        for path in [LOCK, STEADY] {
            let request = format!("{method} {path} HTTP/1.1\r\nhost: s\r\n{HEADER}\r\n");
            let answer = house.ask(request.as_bytes()).await;
            refused(&answer, 405, "method_not_allowed");
            assert_eq!(answer.header("allow"), Some("post"));
        }
    }
    assert_eq!(house.holders().await, [""; 0]);
}

#[tokio::test]
async fn the_header_must_be_there_and_true() {
    let house = House::open(of_max(1)).await;
    let text = body("a", "default");
    let long = format!("fleet-lock-protocol: {}\r\n", "x".repeat(9_000));
    for (headers, told) in [
        ("", "is missing"),
        ("fleet-lock-protocol: false\r\n", "is \"false\""),
        ("fleet-lock-protocol: True\r\n", "is \"True\""),
        ("fleet-lock-protocol:\r\n", "is \"\""),
        (&long, "is \"xxx"),
    ] {
        for path in [LOCK, STEADY] {
            let answer = house.ask(&post(path, headers, text.as_bytes())).await;
            refused(&answer, 400, "missing_header");
            let value = answer.value();
            assert!(value.contains(told) && value.len() < 200, "{value}");
            assert!(value.contains("fleet-lock-protocol: true"), "{value}");
        }
    }
    let request = post(LOCK, "Fleet-Lock-Protocol: true\r\n", text.as_bytes());
    let answer = house.ask(&request).await;
    assert_eq!(answer.status, 200, "a header's name has no case");
}

#[tokio::test]
async fn the_content_type_is_of_no_concern() {
    let house = House::open(of_max(1)).await;
    let types = [
        "application/x-www-form-urlencoded",
        "text/plain",
        "application/json; charset=latin1",
        "nonsense",
    ];
    for kind in types {
        let headers = format!("{HEADER}content-type: {kind}\r\n");
        let request = post(LOCK, &headers, body("a", "default").as_bytes());
        assert_eq!(house.ask(&request).await.status, 200, "{kind}");
    }
}

#[tokio::test]
async fn a_bad_body_is_a_bad_request() {
    let house = House::open(of_max(1)).await;
    let bomb = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    let twice = r#"{"client_params":{"id":"a","id":"b","group":"default"}}"#;
    let after = body("a", "default") + " {}";
    let bodies: [&[u8]; 18] = [
        b"",
        b"x",
        b"null",
        b"[]",
        b"{}",
        b"id=a&group=default",
        b"{\"client_params\":{}}",
        b"{\"client_params\":[\"a\"]}",
        b"{\"client_params\":[\"a\",\"default\"]}",
        b"[{\"id\":\"a\",\"group\":\"default\"}]",
        b"[[\"a\",\"default\"]]",
        b"{\"client_params\":{\"id\":1,\"group\":\"default\"}}",
        b"{\"client_params\":{\"id\":\"\",\"group\":\"default\"}}",
        b"{\"client_params\":{\"id\":\"a\xff\",\"group\":\"default\"}}",
        b"{\"client_params\":{\"id\":\"a\",\"group\":\"default\"",
        bomb.as_bytes(),
        twice.as_bytes(),
        after.as_bytes(),
    ];
    for bytes in bodies {
        for path in [LOCK, STEADY] {
            let answer = house.ask(&post(path, HEADER, bytes)).await;
            refused(&answer, 400, "decode_error");
        }
    }
    assert_eq!(house.holders().await, [""; 0]);
}

#[tokio::test]
async fn what_the_protocol_does_not_name_is_passed_over_however_deep() {
    let house = House::open(of_max(1)).await;
    let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    let params = format!("{{\"id\":\"a\",\"later\":{deep},\"group\":\"default\"}}");
    let text = format!("{{\"new\":1,\"client_params\":{params}}}");
    let answer = house.ask(&post(LOCK, HEADER, text.as_bytes())).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn a_group_outside_the_pattern_is_named_as_such() {
    let house = House::open(of_max(1)).await;
    for group in ["", "a b", "a_b", "a/b", "ä", "*", "default\\n"] {
        for path in [LOCK, STEADY] {
            let answer = house
                .ask(&post(path, HEADER, body("a", group).as_bytes()))
                .await;
            refused(&answer, 400, "invalid_group");
        }
    }
}

#[tokio::test]
async fn a_huge_body_is_refused_unread() {
    let house = House::open(of_max(1)).await;
    let huge = body(&"a".repeat(1 << 20), "default");
    refused(
        &house.ask(&post(LOCK, HEADER, huge.as_bytes())).await,
        400,
        "decode_error",
    );
    let announced =
        format!("POST {LOCK} HTTP/1.1\r\nhost: s\r\n{HEADER}content-length: 99999999999\r\n\r\n");
    refused(&house.ask(announced.as_bytes()).await, 400, "decode_error");
    assert_eq!(house.pre_reboot("a").await.status, 200);
}

#[tokio::test]
async fn a_prefix_is_part_of_every_path() {
    let mut settings = of_max(1);
    settings.base_path = BasePath::new("/fleet/lock/").unwrap();
    let house = House::open(settings).await;
    let at = |path: &str| post(path, HEADER, body("a", "default").as_bytes());
    assert_eq!(
        house.ask(&at("/fleet/lock/v1/pre-reboot")).await.status,
        200
    );
    assert_eq!(
        house.ask(&at("/fleet/lock/v1/steady-state")).await.status,
        200
    );
    for path in [
        LOCK,
        "/fleet/v1/pre-reboot",
        "/fleet/lock/v1/pre-reboot/",
        "/fleet/lock//v1/pre-reboot",
    ] {
        assert_eq!(
            house.ask(&at(path)).await.status,
            404,
            "{path}: and no redirect"
        );
    }
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: s\r\n\r\n").into_bytes();
    for path in [
        "/fleet/lock/healthz",
        "/fleet/lock/-/healthy",
        "/fleet/lock/readyz",
    ] {
        assert_eq!(house.ask(&get(path)).await.status, 200, "{path}");
    }
    assert_eq!(house.ask(&get("/healthz")).await.status, 404);
}

#[tokio::test]
async fn one_connection_serves_many_requests() {
    let house = House::open(of_max(1)).await;
    let mut line = house.line().await;
    let (lock, steady) = (
        post(LOCK, HEADER, body("a", "default").as_bytes()),
        post(STEADY, HEADER, body("a", "default").as_bytes()),
    );
    for _ in 0..5 {
        assert_eq!(line.ask(&lock).await.status, 200);
        assert_eq!(line.ask(&steady).await.status, 200);
    }
    assert_eq!(house.holders().await, [""; 0]);
}
