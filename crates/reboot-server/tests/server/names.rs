//! Clients that call themselves otherwise than their node is named: Zincati sends an id that says
//! nothing to people.

use super::kit::{HEADER, House, body, of_max, post};
use reboot_core::id::{GroupName, NodeName};
use reboot_server::settings::ServerSettings;

const ID: &str = "978a225b3d7b40e9acd7ce9b62f68444";
const OTHER: &str = "c988d2509fdf5cdcbed39037c56406fb";

/// Group `default` of so many slots, in which `ID` is this node.
fn named(max: u32, name: &str) -> ServerSettings {
    let node = |name: &str| NodeName::new(name).unwrap();
    let mut settings = of_max(max);
    settings.node_names.insert(node(ID), node(name));
    settings
}

#[tokio::test]
async fn slot_and_history_go_by_the_name_of_the_node() {
    let house = House::open(named(1, "web-1")).await;
    assert_eq!(house.pre_reboot(ID).await.status, 200);
    assert_eq!(house.holders().await, ["web-1"]);
    assert_eq!(house.pre_reboot(ID).await.status, 200, "it holds already");
    let refused = house.pre_reboot(OTHER).await;
    assert!(refused.value().contains("taken, by web-1"), "{refused:?}");
    let page = house.get("/").await.body;
    assert!(page.contains("web-1") && !page.contains(ID), "{page}");
    assert_eq!(house.steady(ID).await.status, 200);
    assert_eq!(house.pre_reboot(OTHER).await.status, 200);
    assert_eq!(house.holders().await, [OTHER], "an id without a name stays");
    let history = house.store.history(&GroupName::default(), 9).await.unwrap();
    let nodes = history.iter().filter_map(|line| line.node.as_ref());
    let nodes: Vec<&str> = nodes.map(NodeName::as_str).collect();
    assert_eq!(nodes, ["web-1", "web-1", OTHER]);
}

#[tokio::test]
async fn a_slot_is_given_back_whatever_the_node_was_called_when_it_was_taken() {
    let house = House::open(of_max(1)).await;
    for (then, now) in [
        (of_max(1), named(1, "web-1")),
        (named(1, "web-1"), named(1, "web-2")),
        (named(1, "web-1"), of_max(1)),
    ] {
        house.desk.reload(then);
        assert_eq!(house.pre_reboot(ID).await.status, 200);
        house.desk.reload(now);
        assert_eq!(house.pre_reboot(ID).await.status, 200, "it holds already");
        assert_eq!(house.holders().await.len(), 1);
        assert_eq!(house.steady(ID).await.status, 200);
        assert_eq!(house.holders().await, [""; 0]);
    }
}

#[tokio::test]
async fn whoever_calls_itself_as_a_node_is_named_is_not_that_node() {
    let house = House::open(named(2, "web-1")).await;
    assert_eq!(house.pre_reboot(ID).await.status, 200);
    let refused = house.pre_reboot("web-1").await;
    assert_eq!(
        (refused.status, refused.kind().as_str()),
        (423, "lock_held")
    );
    assert_eq!(house.steady("web-1").await.status, 200);
    assert_eq!(
        house.holders().await,
        ["web-1"],
        "another's word ends nothing"
    );
}

#[tokio::test]
async fn the_lock_api_knows_the_names_too() {
    let house = House::open(named(1, "web-1")).await;
    let form = "content-type: application/x-www-form-urlencoded\r\n";
    let text = format!("hostname={ID}&wait=false");
    let answer = house
        .ask(&post("/api/v1/lock", form, text.as_bytes()))
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(house.holders().await, ["web-1"]);
    let request = post("/v1/steady-state", HEADER, body(ID, "default").as_bytes());
    assert_eq!(house.ask(&request).await.status, 200);
    assert_eq!(house.holders().await, [""; 0]);
}

impl House {
    async fn operate(&self, node: &str, deed: &str) {
        let path = format!("/api/v1/groups/default/nodes/{node}/{deed}");
        let answer = self
            .ask(&post(&path, "", br#"{"reason":"its disk"}"#))
            .await;
        assert_eq!(answer.status, 204, "{answer:?}");
        self.desk.view().fresh().await.unwrap();
    }

    async fn held_back(&self) -> Vec<String> {
        let fleet = self.store.look().await.unwrap();
        let group = &fleet.groups[&GroupName::default()].group;
        group.held_back.keys().map(NodeName::to_string).collect()
    }
}

#[tokio::test]
async fn a_client_is_held_back_by_either_name_and_let_go_by_either() {
    let house = House::open(named(1, "web-1")).await;
    assert_eq!(house.pre_reboot(OTHER).await.status, 200);
    assert_eq!(house.steady(OTHER).await.status, 200);
    for (held_by, let_go_by) in [(ID, "web-1"), ("web-1", ID)] {
        house.operate(held_by, "hold-back").await;
        assert_eq!(house.held_back().await, ["web-1"]);
        let refused = house.pre_reboot(ID).await;
        assert_eq!((refused.status, refused.kind().as_str()), (423, "paused"));
        house.operate(let_go_by, "let-go").await;
        assert_eq!(house.held_back().await, [""; 0]);
        assert_eq!(house.pre_reboot(ID).await.status, 200);
        assert_eq!(house.steady(ID).await.status, 200);
    }
}

#[tokio::test]
async fn a_client_stays_held_back_when_its_node_gets_a_name() {
    let house = House::open(of_max(1)).await;
    assert_eq!(house.pre_reboot(OTHER).await.status, 200);
    assert_eq!(house.steady(OTHER).await.status, 200);
    house.operate(ID, "hold-back").await;
    assert_eq!(house.held_back().await, [ID]);
    house.desk.reload(named(1, "web-1"));
    let refused = house.pre_reboot(ID).await;
    assert_eq!((refused.status, refused.kind().as_str()), (423, "paused"));
    house.operate(ID, "let-go").await;
    assert_eq!(house.held_back().await, [""; 0]);
    assert_eq!(house.pre_reboot(ID).await.status, 200);
}
