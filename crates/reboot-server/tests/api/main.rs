//! The fleet API: what it shows, what it does, and what a schema-driven tester makes of it.

// A test fails best where it fails, and its functions need no documentation.
#![allow(clippy::unwrap_used, missing_docs)]
// The kit and the fleet serve other tests too.
#![allow(dead_code)]

#[path = "../page/fleet.rs"]
mod fleet;
#[path = "../server/kit.rs"]
mod kit;

mod orders;
mod schema;

use kit::{Answer, House, of_max};
use reboot_core::group::HELD_BACK_MAX;
use reboot_core::id::GroupName;
use reboot_server::settings::GroupRules;
use serde_json::{Value, json};

async fn furnished() -> House {
    let house = House::open(of_max(3)).await;
    fleet::move_in(&*house.store).await;
    house.desk.view().fresh().await.unwrap();
    house
}

async fn send(house: &House, method: &str, path: &str, body: &Value) -> Answer {
    let body = match body {
        Value::Null => String::new(),
        body => body.to_string(),
    };
    let length = body.len();
    let head = format!("{method} {path} HTTP/1.1\r\nhost: server\r\ncontent-length: {length}");
    house.ask(format!("{head}\r\n\r\n{body}").as_bytes()).await
}

async fn get(house: &House, path: &str) -> Value {
    let answer = send(house, "GET", path, &Value::Null).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    serde_json::from_str(&answer.body).unwrap()
}

fn problem(answer: &Answer, status: u16, kind: &str, word: &str) {
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(
        (answer.status, body["kind"].as_str()),
        (status, Some(kind)),
        "{body}"
    );
    let value = body["value"].as_str().unwrap();
    assert!(value.contains(word), "{word:?} is not in {value:?}");
}

#[tokio::test]
async fn the_fleet_is_shown_as_it_is() {
    let house = furnished().await;
    let whole = get(&house, "/api/v1/fleet").await;
    let group = get(&house, "/api/v1/groups/default").await;
    assert_eq!(whole["groups"], json!([group]));
    assert_eq!((&group["max"], &group["free"]), (&json!(3), &json!(0)));
    let holds = group["holds"].as_array().unwrap();
    let told: Vec<_> = holds
        .iter()
        .map(|it| {
            (
                it["node"].as_str().unwrap(),
                it["phase"].as_str().unwrap(),
                &it["overdue"],
            )
        })
        .collect();
    let guest = "978a225b3d7b40e9acd7ce9b62f68444";
    let (yes, no) = (json!(true), json!(false));
    let expected = [
        ("node-a", "rebooting", &yes),
        ("node-b", "claimed", &no),
        (guest, "rebooting", &no),
    ];
    assert_eq!(told, expected);
    assert_eq!(holds[2]["guest"], "fleetlock");
    assert_eq!(group["waiting"][1]["place"], 2);
    assert_eq!(
        group["waiting"][1]["waiting_for"][1],
        "a peer is unhealthy: node-f"
    );
    let nodes = get(&house, "/api/v1/nodes").await;
    assert_eq!(nodes, whole["nodes"]);
    let one = get(&house, "/api/v1/nodes/node-f").await;
    assert_eq!(
        (&one["standing"], &one["reason"]),
        (&json!("unhealthy"), &json!("the disk smells"))
    );
    let history = get(&house, "/api/v1/groups/default/history?limit=2").await;
    let events: Vec<_> = history
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["event"])
        .collect();
    assert_eq!(events, ["claim", "admit"]);
}

#[tokio::test]
async fn an_operator_pauses_resumes_unlocks_and_changes_slots() {
    let house = furnished().await;
    let why = json!({ "reason": "release day" });
    for (path, body) in [
        ("/api/v1/pause", &why),
        ("/api/v1/groups/default/pause", &why),
        (
            "/api/v1/groups/default/holds/1/unlock",
            &json!({ "reason": "burnt down" }),
        ),
    ] {
        assert_eq!(send(&house, "POST", path, body).await.status, 204, "{path}");
    }
    let max = send(
        &house,
        "PUT",
        "/api/v1/groups/default/max",
        &json!({ "max": 5 }),
    )
    .await;
    assert_eq!(
        (max.status, max.body.as_str()),
        (200, r#"{"old":3,"new":5}"#)
    );
    let fleet = house.store.look().await.unwrap();
    let group = &fleet.groups[&GroupName::default()].group;
    let told = |reason: &str| reason == "release day";
    assert!(
        fleet
            .pause
            .is_some_and(|it| told(&it.reason) && it.by == "somebody at 127.0.0.1")
    );
    assert!(group.pause.as_ref().is_some_and(|it| told(&it.reason)));
    assert_eq!((group.max, house.holders().await.len()), (5, 2));
    for path in ["/api/v1/resume", "/api/v1/groups/default/resume"] {
        assert_eq!(
            send(&house, "POST", path, &Value::Null).await.status,
            204,
            "{path}"
        );
    }
    let lines = house.store.history(&GroupName::default(), 6).await.unwrap();
    let events: Vec<&str> = lines.iter().map(|line| line.event.as_str()).collect();
    let expected = [
        "pause-fleet",
        "pause",
        "break",
        "set-max",
        "resume-fleet",
        "resume",
    ];
    assert_eq!(events, expected);
    assert!(lines[2].detail.contains("burnt down"), "{:?}", lines[2]);
    assert_eq!(
        send(&house, "DELETE", "/api/v1/nodes/node-g", &Value::Null)
            .await
            .status,
        204
    );
    let gone = send(&house, "GET", "/api/v1/nodes/node-g", &Value::Null).await;
    assert!(gone.status == 404 || house.desk.view().newest().is_ok());
}

#[tokio::test]
async fn an_operator_holds_a_node_back_and_lets_it_go() {
    let house = furnished().await;
    let node = "/api/v1/groups/default/nodes/node-c";
    let wish = json!({ "reason": "its disk is on trial", "until": "2999-01-01T00:00:00Z" });
    let hold_back = format!("{node}/hold-back");
    assert_eq!(send(&house, "POST", &hold_back, &wish).await.status, 204);
    house.desk.view().fresh().await.unwrap();
    let group = get(&house, "/api/v1/groups/default").await;
    let expected = json!([{
        "node": "node-c", "by": "somebody at 127.0.0.1",
        "reason": "its disk is on trial", "until": "2999-01-01T00:00:00Z",
    }]);
    assert_eq!(group["held_back"], expected);
    let fleet = house.store.look().await.unwrap();
    let held_back = &fleet.groups[&GroupName::default()].group.held_back;
    let stops: Vec<_> = held_back.values().collect();
    assert!(stops[0].session.is_some(), "{stops:?}");
    for _ in 0..2 {
        let let_go = format!("{node}/let-go");
        let answer = send(&house, "POST", &let_go, &Value::Null).await;
        assert_eq!(answer.status, 204);
    }
    house.desk.view().fresh().await.unwrap();
    let group = get(&house, "/api/v1/groups/default").await;
    assert_eq!(group["held_back"], json!([]));
}

#[tokio::test]
async fn a_pause_with_an_end_stands_on_a_lease() {
    let house = furnished().await;
    let wish = json!({ "reason": "backup", "until": "2999-01-01T00:00:00Z" });
    assert_eq!(
        send(&house, "POST", "/api/v1/pause", &wish).await.status,
        204
    );
    let pause = house.store.look().await.unwrap().pause.unwrap();
    assert!(pause.session.is_some());
    assert_eq!(pause.until.as_deref(), Some("2999-01-01T00:00:00Z"));
}

/// Group `default` with two slots, and `web` of the configuration with three.
async fn with_an_unmade_group() -> House {
    let mut settings = of_max(2);
    let web = GroupName::new("web").unwrap();
    settings.groups.insert(web, GroupRules::of_max(3));
    settings.open_groups = Some(GroupRules::of_max(1));
    House::open(settings).await
}

#[tokio::test]
async fn groups_of_the_configuration_are_shown_before_anybody_asks() {
    let house = with_an_unmade_group().await;
    let groups = get(&house, "/api/v1/groups").await;
    let told: Vec<_> = (groups.as_array().unwrap().iter())
        .map(|it| (it["name"].as_str().unwrap(), &it["max"], &it["free"]))
        .collect();
    let (two, three) = (json!(2), json!(3));
    assert_eq!(told, [("default", &two, &two), ("web", &three, &three)]);
    let whole = get(&house, "/api/v1/fleet").await;
    assert_eq!(whole["groups"], groups);
    assert_eq!(get(&house, "/api/v1/groups/web").await, groups[1]);
    let history = get(&house, "/api/v1/groups/web/history").await;
    assert_eq!(history, json!([]));
    let made = house.store.look().await.unwrap().groups;
    assert_eq!(made.len(), 0, "a look makes none");
}

#[tokio::test]
async fn groups_of_the_configuration_are_operated_before_anybody_asks() {
    let why = json!({ "reason": "release day" });
    for (method, path, body, status) in [
        ("POST", "web/pause", &why, 204),
        ("POST", "web/nodes/web-1/hold-back", &why, 204),
        ("PUT", "web/max", &json!({ "max": 5 }), 200),
        ("POST", "web/resume", &Value::Null, 204),
        ("POST", "web/nodes/web-1/let-go", &Value::Null, 204),
    ] {
        let house = with_an_unmade_group().await;
        let path = format!("/api/v1/groups/{path}");
        let answer = send(&house, method, &path, body).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
        let misspelt = path.replace("web/", "wbe/");
        let answer = send(&house, method, &misspelt, body).await;
        assert_eq!(answer.status, 404, "{misspelt}: {}", answer.body);
        let fleet = house.store.look().await.unwrap();
        let names: Vec<&str> = fleet.groups.keys().map(GroupName::as_str).collect();
        assert_eq!(names, ["web"], "{path}");
    }
}

/// How many leases of stops are alive.
async fn timers(house: &House) -> usize {
    let presences = house.store.look().await.unwrap().presences;
    let timers = presences.iter().map(|it| it.session.as_str());
    timers.filter(|it| it.starts_with("pause-")).count()
}

#[tokio::test]
async fn the_lease_of_a_stop_ends_with_it() {
    let house = furnished().await;
    let wish = json!({ "reason": "backup", "until": "2999-01-01T00:00:00Z" });
    let group = "/api/v1/groups/default";
    for (stop, go_on) in [
        ("/api/v1/pause".to_owned(), "/api/v1/resume".to_owned()),
        (format!("{group}/pause"), format!("{group}/resume")),
        (
            format!("{group}/nodes/node-c/hold-back"),
            format!("{group}/nodes/node-c/let-go"),
        ),
    ] {
        for again in ["", " again"] {
            let status = send(&house, "POST", &stop, &wish).await.status;
            assert_eq!((status, timers(&house).await), (204, 1), "{stop}{again}");
        }
        let status = send(&house, "POST", &go_on, &Value::Null).await.status;
        assert_eq!((status, timers(&house).await), (204, 0), "{go_on}");
    }
}

#[tokio::test]
async fn a_stop_that_is_refused_leaves_no_lease() {
    let house = furnished().await;
    let stop = |number: usize| format!("/api/v1/groups/default/nodes/n{number}/hold-back");
    let wish = json!({ "reason": "a trial" });
    for number in 0..HELD_BACK_MAX {
        assert_eq!(send(&house, "POST", &stop(number), &wish).await.status, 204);
    }
    let wish = json!({ "reason": "one more", "until": "2999-01-01T00:00:00Z" });
    let refused = send(&house, "POST", &stop(HELD_BACK_MAX), &wish).await;
    problem(&refused, 409, "too_many_held_back", "100");
    assert_eq!(timers(&house).await, 0);
}

#[tokio::test]
async fn when_it_will_be_over_is_told_with_what_that_stands_on() {
    let house = House::open(of_max(1)).await;
    let estimate = || async { get(&house, "/api/v1/groups/default").await["estimate"].clone() };
    assert_eq!(estimate().await, Value::Null, "nobody holds or waits");
    assert_eq!(house.pre_reboot("a").await.status, 200);
    let unknown = "no estimate yet: no finished reboot is in the history";
    let nothing = json!({ "done_at": null, "left_sec": null, "basis": unknown });
    assert_eq!(estimate().await, nothing);
    assert_eq!(house.steady("a").await.status, 200);
    assert_eq!(house.pre_reboot("b").await.status, 200);
    let known = estimate().await;
    let basis = known["basis"].as_str().unwrap();
    assert!(basis.contains("the median of 1 past reboot;"), "{known}");
    assert!(
        known["left_sec"].is_u64() && known["done_at"].is_string(),
        "{known}"
    );
    let page = house.get("/").await.body;
    assert!(page.contains("Over in about"), "{page}");
    let why = json!({ "reason": "release day" });
    send(&house, "POST", "/api/v1/pause", &why).await;
    let stopped = estimate().await;
    assert_eq!(stopped["basis"], "no estimate while it is paused");
}

#[tokio::test]
async fn a_group_whose_slots_are_all_overdue_has_no_estimate() {
    let mut settings = of_max(1);
    let rules = settings.groups.get_mut(&GroupName::default()).unwrap();
    rules.deadline_secs = 0;
    let house = House::open(settings).await;
    assert_eq!(house.pre_reboot("a").await.status, 200);
    let group = get(&house, "/api/v1/groups/default").await;
    assert_eq!(group["holds"][0]["overdue"], true);
    let basis = "no estimate while who did not come back in time has every slot";
    assert_eq!(group["estimate"]["basis"], basis);
}

/// Method, path, body, status, kind, and a word of the explanation.
#[rustfmt::skip] // a case a line reads best
const IMPOSSIBLE: [[&str; 6]; 25] = [
    ["GET", "/groups/nobody", "", "404", "not_found", "nobody"],
    ["GET", "/groups/n%20y", "", "400", "bad_request", "letters"],
    ["GET", "/nodes/nobody", "", "404", "not_found", "never reported"],
    ["GET", "/groups/default/history?limit=0", "", "400", "bad_request", "1 to"],
    ["GET", "/groups/default/history?limit=x", "", "400", "bad_request", "limit"],
    ["POST", "/pause", r#"{"reason":" "}"#, "400", "bad_request", "say why"],
    ["POST", "/groups/default/pause", r#"{"reason":""}"#, "400", "bad_request", "1 to 500"],
    ["POST", "/groups/default/holds/1/unlock", r#"{"reason":" "}"#, "400", "bad_request", "why"],
    ["POST", "/pause", r#"{"reason":"x","until":"2001-01-01T00:00Z"}"#, "409", "conflict", "over"],
    ["POST", "/pause", r#"{"reason":"x","colour":"blue"}"#, "400", "bad_request", "colour"],
    ["POST", "/pause", "", "400", "bad_request", "the body"],
    ["POST", "/pause", r#"["x", null]"#, "400", "bad_request", "an object"],
    ["PUT", "/groups/default/max", "[1]", "400", "bad_request", "an object"],
    ["POST", "/groups/default/holds/1/unlock", r#"["x"]"#, "400", "bad_request", "an object"],
    ["POST", "/groups/nobody/pause", r#"{"reason":"x"}"#, "404", "not_found", "nobody"],
    ["POST", "/groups/nobody/resume", "", "404", "no_group", "nobody"],
    ["POST", "/groups/default/holds/9/unlock", r#"{"reason":"x"}"#, "404", "nothing_to_break", "9"],
    ["POST", "/groups/default/holds/x/unlock", r#"{"reason":"x"}"#, "400", "bad_request", "x"],
    ["PUT", "/groups/default/max", r#"{"max":1001}"#, "400", "bad_max", "1001"],
    ["PUT", "/groups/default/max", r#"{"max":-1}"#, "400", "bad_request", "-1"],
    ["POST", "/groups/nobody/nodes/a/hold-back", r#"{"reason":"x"}"#, "404", "not_found", "nobody"],
    ["POST", "/groups/default/nodes/a/hold-back", r#"{}"#, "400", "bad_request", "reason"],
    ["POST", "/groups/default/nodes/a%2Fb/let-go", "", "400", "bad_request", "'/'"],
    ["POST", "/groups/nobody/nodes/a/let-go", "", "404", "no_group", "nobody"],
    ["DELETE", "/nodes/node-e", "", "409", "conflict", "is alive"],
];

#[tokio::test]
async fn what_cannot_be_done_says_why() {
    let house = furnished().await;
    for [method, path, body, status, kind, word] in IMPOSSIBLE {
        let body = serde_json::from_str(body).unwrap_or(Value::Null);
        let answer = send(&house, method, &format!("/api/v1{path}"), &body).await;
        problem(&answer, status.parse().unwrap(), kind, word);
    }
    let fleet = house.store.look().await.unwrap();
    assert_eq!((fleet.pause, house.holders().await.len()), (None, 3));
    let wrong = send(&house, "POST", "/api/v1/fleet", &Value::Null).await;
    assert_eq!(wrong.status, 405);
    assert!(wrong.head.contains("allow: get"), "{}", wrong.head);
}

#[tokio::test]
async fn changes_are_told_as_they_happen() {
    let house = furnished().await;
    let mut line = house.line().await;
    line.send(b"GET /api/v1/events HTTP/1.1\r\nhost: server\r\n\r\n")
        .await;
    let first = line.until("store_up").await;
    assert!(first.contains("content-type: text/event-stream"), "{first}");
    assert!(first.contains("event: fleet"), "{first}");
    let why = json!({ "reason": "release day" });
    assert_eq!(
        send(&house, "POST", "/api/v1/pause", &why).await.status,
        204
    );
    let revision = house.store.look().await.unwrap().revision;
    line.until(&format!("{{\"revision\":{revision},\"store_up\":true}}"))
        .await;
}
