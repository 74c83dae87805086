//! Asking nodes to reboot, over the API.

use super::{furnished, get, problem, send};
use reboot_core::id::{GroupName, NodeName};
use serde_json::{Value, json};

const REBOOT: &str = "/api/v1/nodes/node-e/reboot";

#[tokio::test]
async fn an_operator_asks_a_node_to_reboot_and_takes_it_back() {
    let house = furnished().await;
    let wish = json!({ "reason": "a new disk", "not_before": "2999-01-01T01:00:00+01:00" });
    let answer = send(&house, "POST", REBOOT, &wish).await;
    assert_eq!(answer.status, 204, "{}", answer.body);
    house.desk.view().fresh().await.unwrap();
    let node = get(&house, "/api/v1/nodes/node-e").await;
    let at = node["order"]["at"].clone();
    assert_eq!(
        node["order"],
        json!({
            "by": "somebody at 127.0.0.1", "reason": "a new disk", "at": at, "boot": "boot",
            "not_before": "2999-01-01T00:00:00Z",
        })
    );
    let again = json!({ "reason": "at once" });
    assert_eq!(send(&house, "POST", REBOOT, &again).await.status, 204);
    let node = NodeName::new("node-e").unwrap();
    let order = house.store.look().await.unwrap().orders[&node].clone();
    assert_eq!((order.reason.as_str(), order.not_before), ("at once", None));
    for _ in 0..2 {
        let answer = send(&house, "DELETE", REBOOT, &Value::Null).await;
        assert_eq!(answer.status, 204, "{}", answer.body);
    }
    assert!(house.store.look().await.unwrap().orders.is_empty());
    let lines = house.store.history(&GroupName::default(), 3).await.unwrap();
    let events: Vec<&str> = lines.iter().map(|line| line.event.as_str()).collect();
    assert_eq!(events, ["order", "order", "cancel-order"]);
    assert!(lines[0].detail.starts_with("somebody at 127.0.0.1"));
}

#[tokio::test]
async fn who_cannot_be_asked_is_told_why() {
    let house = furnished().await;
    let wish = json!({ "reason": "a new disk" });
    let stranger = send(&house, "POST", "/api/v1/nodes/node-x/reboot", &wish).await;
    problem(&stranger, 404, "not_found", "node-x is not known");
    let guest = "/api/v1/nodes/978a225b3d7b40e9acd7ce9b62f68444/reboot";
    let guest = send(&house, "POST", guest, &wish).await;
    problem(&guest, 409, "guest", "FleetLock");
    for (body, word) in [
        (json!({ "reason": " " }), "say why"),
        (
            json!({ "reason": "x", "not_before": "soon" }),
            "write a time",
        ),
        (
            json!({ "reason": "x", "until": "2999-01-01T00:00:00Z" }),
            "until",
        ),
    ] {
        let answer = send(&house, "POST", REBOOT, &body).await;
        problem(&answer, 400, "bad_request", word);
    }
    assert!(house.store.look().await.unwrap().orders.is_empty());
}
