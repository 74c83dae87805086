//! Requests that wait for a slot: in order, within their bound, and never for nobody.

use super::kit::{HEADER, House, body, of_max, post, until};
use reboot_core::id::{GroupName, NodeName};
use reboot_server::settings::ServerSettings;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use tokio::task::JoinSet;

fn of_wait(max: u32, wait_secs: u64) -> ServerSettings {
    let mut settings = of_max(max);
    let rules = settings.groups.get_mut(&GroupName::default()).unwrap();
    (rules.wait_secs, rules.max_reboots_per_day) = (wait_secs, u32::MAX);
    settings
}

#[tokio::test]
async fn a_freed_slot_goes_to_the_first_who_waits() {
    let house = House::open(of_wait(1, 60)).await;
    assert_eq!(house.pre_reboot("a").await.status, 200);
    let mut first = house.waiting("b").await;
    let mut second = house.waiting("c").await;
    assert_eq!(house.steady("a").await.status, 200);
    assert_eq!(first.answer().await.unwrap().status, 200);
    assert_eq!(
        (house.holders().await, house.waiters()),
        (vec!["b".to_owned()], 1)
    );
    assert_eq!(house.steady("b").await.status, 200);
    assert_eq!(second.answer().await.unwrap().status, 200);
    assert_eq!(
        (house.holders().await, house.waiters()),
        (vec!["c".to_owned()], 0)
    );
}

#[tokio::test]
async fn a_wait_ends_at_its_bound_with_the_reason() {
    let house = House::open(of_wait(1, 1)).await;
    assert_eq!(house.pre_reboot("a").await.status, 200);
    let start = Instant::now();
    let answer = house.pre_reboot("b").await;
    assert_eq!((answer.status, answer.kind().as_str()), (423, "lock_held"));
    assert!(start.elapsed() >= Duration::from_secs(1));
    assert_eq!(house.waiters(), 0);
}

/// Node, protocol and reason of each who waits, as the fleet API tells.
async fn line(house: &House) -> Vec<(String, String, String)> {
    let group: Value =
        serde_json::from_str(&house.get("/api/v1/groups/default").await.body).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let waiting = group["waiting"].as_array().unwrap().iter();
    waiting
        .map(|it| {
            (
                text(&it["node"]),
                text(&it["guest"]),
                text(&it["waiting_for"][0]),
            )
        })
        .collect()
}

#[tokio::test]
async fn whoever_waits_is_told_of_with_the_reason() {
    let house = House::open(of_wait(1, 60)).await;
    assert_eq!(house.pre_reboot("a").await.status, 200);
    let _first = house.waiting("b").await;
    let _second = house.waiting("c").await;
    let told = line(&house).await;
    let who: Vec<_> = told
        .iter()
        .map(|it| (it.0.as_str(), it.1.as_str()))
        .collect();
    assert_eq!(who, [("b", "fleetlock"), ("c", "fleetlock")]);
    assert!(told[0].2.contains("taken, by a (rebooting"), "{told:?}");
    let page = house.get("/").await.body;
    assert!(page.contains("0 of 1 slot free, 2 waiting"), "{page}");
    assert!(page.contains("taken, by a (rebooting"), "{page}");
    let mut named = of_wait(1, 60);
    named.node_names.insert(name("b"), name("web-1"));
    house.desk.reload(named);
    let told = line(&house).await;
    let who: Vec<_> = told.iter().map(|it| it.0.as_str()).collect();
    assert_eq!(who, ["web-1", "c"]);
    let page = house.get("/").await.body;
    assert!(page.contains("web-1"), "{page}");
}

fn name(name: &str) -> NodeName {
    NodeName::new(name).unwrap()
}

#[tokio::test]
async fn whoever_waits_is_admitted_under_the_name_of_now() {
    let house = House::open(of_wait(1, 60)).await;
    assert_eq!(house.pre_reboot("a").await.status, 200);
    let mut waiting = house.waiting("b").await;
    let mut named = of_wait(1, 60);
    named.node_names.insert(name("b"), name("web-1"));
    house.desk.reload(named);
    assert_eq!(house.steady("a").await.status, 200);
    assert_eq!(waiting.answer().await.unwrap().status, 200);
    assert_eq!(house.holders().await, ["web-1"]);
    assert_eq!(house.steady("b").await.status, 200);
    assert_eq!(house.holders().await, [""; 0]);
}

#[tokio::test]
async fn the_page_is_drawn_anew_when_somebody_begins_to_wait() {
    let house = House::open(of_wait(1, 60)).await;
    assert_eq!(house.pre_reboot("a").await.status, 200);
    let page = house.get("/").await.body;
    let (_, seen) = page.split_once("data-revision=\"").unwrap();
    let (seen, _) = seen.split_once('"').unwrap();
    let mut held = house.line().await;
    let request = format!("GET /board?seen={seen} HTTP/1.1\r\nhost: s\r\n\r\n");
    held.send(request.as_bytes()).await;
    let _waiting = house.waiting("b").await;
    let board = held.answer().await.unwrap();
    assert_eq!(board.status, 200, "{}", board.head);
}

#[tokio::test]
async fn whoever_went_away_is_granted_nothing() {
    let house = House::open(of_wait(1, 60)).await;
    assert_eq!(house.pre_reboot("a").await.status, 200);
    let gone = house.waiting("b").await;
    drop(gone);
    until("its wait is over", || house.waiters() == 0).await;
    assert_eq!(house.steady("a").await.status, 200);
    assert_eq!(house.holders().await, [""; 0]);
    assert_eq!(house.pre_reboot("c").await.status, 200);
}

/// A server that only reads the next request once this one is answered does not see the end of
/// the connection behind it: the kernel is asked right before the commit.
#[tokio::test]
async fn whoever_went_away_behind_another_request_is_granted_nothing() {
    let house = House::open(of_wait(1, 60)).await;
    assert_eq!(house.pre_reboot("a").await.status, 200);
    let mut gone = house.waiting("b").await;
    gone.send(b"GET /healthz HTTP/1.1\r\nhost: s\r\n\r\n").await;
    gone.stream.shutdown().await.unwrap();
    let mut next = house.waiting("c").await;
    assert_eq!(house.steady("a").await.status, 200);
    assert_eq!(next.answer().await.unwrap().status, 200);
    assert_eq!(house.holders().await, ["c"]);
}

#[tokio::test]
async fn a_wait_ends_when_its_client_is_steady() {
    let house = House::open(of_wait(1, 60)).await;
    assert_eq!(house.pre_reboot("a").await.status, 200);
    let mut line = house.waiting("b").await;
    assert_eq!(house.steady("b").await.status, 200);
    let answer = line.answer().await.unwrap();
    assert_eq!((answer.status, answer.kind().as_str()), (423, "lock_held"));
    assert_eq!(house.steady("a").await.status, 200);
    assert_eq!(house.holders().await, [""; 0]);
}

#[tokio::test]
async fn nobody_overtakes_those_who_wait() {
    let house = House::open(of_wait(2, 60)).await;
    assert_eq!(house.pre_reboot("a").await.status, 200);
    assert_eq!(house.pre_reboot("b").await.status, 200);
    let mut first = house.waiting("c").await;
    let mut second = house.waiting("d").await;
    let mut third = house.waiting("e").await;
    for id in ["b", "a", "c"] {
        assert_eq!(house.steady(id).await.status, 200);
        let free = ["b", "a", "c"].iter().position(|it| *it == id).unwrap();
        let line = [&mut first, &mut second, &mut third][free].answer().await;
        assert_eq!(line.unwrap().status, 200, "after {id}");
    }
    assert_eq!(house.holders().await, ["d", "e"]);
}

#[tokio::test]
async fn a_server_that_stops_ends_every_wait() {
    let mut house = House::open(of_wait(1, 60)).await;
    assert_eq!(house.pre_reboot("a").await.status, 200);
    let mut line = house.waiting("b").await;
    house.stop().await;
    let answer = line.answer().await.unwrap();
    assert_eq!(
        (answer.status, answer.kind().as_str()),
        (503, "store_unavailable")
    );
    assert_eq!(house.holders().await, ["a"], "a hold outlives the server");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_clients_lock_and_unlock_without_an_error() {
    const CLIENTS: usize = 64;
    const PAIRS: usize = 5;
    for max in [1, 8, 64] {
        let house = Arc::new(House::open(of_wait(max, 60)).await);
        let inside = Arc::new(AtomicUsize::new(0));
        let mut clients = JoinSet::new();
        for number in 0..CLIENTS {
            let (house, inside) = (house.clone(), inside.clone());
            clients.spawn(async move {
                let id = format!("client-{number}");
                let text = body(&id, "default");
                let lock = post("/v1/pre-reboot", HEADER, text.as_bytes());
                let steady = post("/v1/steady-state", HEADER, text.as_bytes());
                let mut line = house.line().await;
                for _ in 0..PAIRS {
                    let answer = line.ask(&lock).await;
                    assert_eq!(answer.status, 200, "{answer:?}");
                    let others = inside.fetch_add(1, Ordering::SeqCst);
                    assert!(others < max as usize, "{others} others hold of {max}");
                    inside.fetch_sub(1, Ordering::SeqCst);
                    assert_eq!(line.ask(&steady).await.status, 200);
                }
            });
        }
        while let Some(client) = clients.join_next().await {
            client.unwrap();
        }
        assert_eq!(house.holders().await, [""; 0], "{max} slots");
    }
}
