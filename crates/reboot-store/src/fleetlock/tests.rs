//! The steps of a reboot, before a server that plays a script.

use super::{Client, FleetLockStore};
use crate::Store;
use crate::conformance::Harness;
use crate::conformance::kit::{Agent, Fleetful, LONG_MS, refusal};
use crate::embedded::{EmbeddedStore, Options as LocalOptions};
use crate::remote::tests::{Act, Scripted};
use async_trait::async_trait;
use reboot_core::group::{Phase, Refusal, Way};
use reboot_core::id::{GroupName, NodeName};
use reboot_core::undo::Undo;
use reboot_core::write::{Trouble, Write};
use std::sync::Arc;
use tempfile::TempDir;

/// A node's own store behind a scripted server.
struct Behind {
    server: Scripted,
    store: Arc<FleetLockStore>,
    _dir: TempDir,
}

#[async_trait]
impl Harness for Behind {
    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    fn lease_ms(&self) -> u64 {
        1000
    }

    fn marks_ttl_ms(&self) -> u64 {
        24 * 60 * 60 * 1000
    }

    async fn advance(&self, _: u64) {
        unreachable!("no lease ends here")
    }

    async fn put_record(&self, _: &GroupName, _: &str) {
        unreachable!("no record is broken here")
    }
}

impl Behind {
    async fn new(script: Vec<Act>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let server = Scripted::start(script).await;
        let local = EmbeddedStore::open(&dir.path().join("fleet.db"), LocalOptions::default());
        let client = Client {
            node: NodeName::new("n1").unwrap(),
            id: "id-of-n1".to_owned(),
            group: "workers".to_owned(),
        };
        let store = FleetLockStore::new(Arc::new(local.unwrap()), &server.options(), &client);
        Self {
            server,
            store: Arc::new(store.unwrap()),
            _dir: dir,
        }
    }

    /// The paths that were asked for, oldest first.
    fn asked(&self) -> Vec<String> {
        let path = |text: String| text.split(' ').nth(1).unwrap().to_owned();
        self.server.requests().into_iter().map(path).collect()
    }
}

fn yes() -> Act {
    Act::Say("200 OK", "", String::new())
}

fn no() -> Act {
    let body = r#"{"kind":"lock_held","value":"n2 is rebooting"}"#;
    Act::Say("423 Locked", "", body.to_owned())
}

async fn beat(agent: &Agent, hold: Option<u64>) -> Result<(), Trouble> {
    let record = Box::new(agent.node_record(hold));
    let stale_after_ms = LONG_MS;
    let write = Write::Publish {
        record,
        stale_after_ms,
    };
    agent.write(write).await.map(|_| ())
}

const TAKE: &str = "/v1/pre-reboot";
const GIVE: &str = "/v1/steady-state";

#[tokio::test]
async fn a_reboot_takes_the_slot_is_sure_of_it_and_gives_it_back() {
    let behind = Behind::new(vec![yes(), yes(), yes(), yes()]).await;
    let fleet = Fleetful::new(&behind, 1);
    let agent = fleet.agent("n1").await;
    beat(&agent, None).await.unwrap();
    assert_eq!(behind.asked(), [GIVE], "after a start nobody knows");
    beat(&agent, None).await.unwrap();
    let number = agent.claim().await;
    beat(&agent, Some(number)).await.unwrap();
    agent.fence(number).await.unwrap();
    beat(&agent, Some(number)).await.unwrap();
    assert_eq!(behind.asked(), [GIVE, TAKE, TAKE], "kept while it holds");
    agent.end().await;
    let back = fleet.agent_for("n1", "boot-b", LONG_MS).await;
    back.adopt(&agent, number, Phase::Rebooting).await.unwrap();
    back.return_(number).await.unwrap();
    let released = back.release(number, Phase::Returned, Way::Returned, Undo::default());
    released.await.unwrap();
    beat(&back, None).await.unwrap();
    assert_eq!(behind.asked(), [GIVE, TAKE, TAKE, GIVE]);
    let request = behind.server.request(1);
    assert!(request.contains("fleet-lock-protocol: true"), "{request}");
    let params = r#"{"client_params":{"group":"workers","id":"id-of-n1"}}"#;
    assert!(request.ends_with(params), "{request}");
}

#[tokio::test]
async fn a_refusal_of_the_server_commits_nothing() {
    let behind = Behind::new(vec![no(), yes()]).await;
    let fleet = Fleetful::new(&behind, 1);
    let agent = fleet.agent("n1").await;
    let refused = refusal(agent.try_claim().await);
    assert!(matches!(refused, Refusal::LockedOut { .. }), "{refused}");
    assert!(refused.to_string().contains("n2 is rebooting (lock_held)"));
    assert!(
        fleet
            .look()
            .await
            .groups
            .values()
            .all(|it| it.group.holds.is_empty())
    );
    beat(&agent, None).await.unwrap();
    assert_eq!(behind.asked(), [TAKE, GIVE]);
}

#[tokio::test]
async fn a_slot_that_somebody_freed_is_no_slot_at_the_fence() {
    let behind = Behind::new(vec![yes(), no()]).await;
    let fleet = Fleetful::new(&behind, 1);
    let agent = fleet.agent("n1").await;
    let number = agent.claim().await;
    let refused = refusal(agent.fence(number).await);
    assert!(matches!(refused, Refusal::LockedOut { .. }), "{refused}");
    assert_eq!(fleet.record().await.holds[0].phase, Phase::Claimed);
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_no_slot_and_keeps_the_doubt() {
    let behind = Behind::new(vec![Act::Sulk, yes(), yes()]).await;
    let fleet = Fleetful::new(&behind, 1);
    let agent = fleet.agent("n1").await;
    for part in ["no answer within", "may arrive late"] {
        let unanswered = agent.try_claim().await.unwrap_err();
        assert!(
            matches!(unanswered, Trouble::Unavailable(_)),
            "{unanswered}"
        );
        assert!(unanswered.to_string().contains(part), "{unanswered}");
    }
    beat(&agent, None).await.unwrap();
    beat(&agent, None).await.unwrap();
    let asked = behind.asked();
    assert_eq!(
        asked,
        [TAKE, GIVE, GIVE],
        "given back as long as the first may arrive"
    );
}

#[tokio::test]
async fn only_a_200_is_a_slot_and_only_a_conflict_is_a_refusal() {
    let say = |status| Act::Say(status, "", "what it says\n".to_owned());
    let script = vec![
        say("202 Accepted"),
        say("409 Conflict"),
        say("401 Unauthorized"),
        say("404 Not Found"),
        say("500 Internal Server Error"),
    ];
    let behind = Behind::new(script).await;
    let fleet = Fleetful::new(&behind, 1);
    let agent = fleet.agent("n1").await;
    for part in ["202 Accepted: it is not finished", "what it says"] {
        let refused = refusal(agent.try_claim().await).to_string();
        assert!(
            refused.contains("gives no slot") && refused.contains(part),
            "{refused}"
        );
    }
    for part in ["check token_file", "check url and group", "see its log"] {
        let trouble = agent.try_claim().await.unwrap_err();
        assert!(matches!(trouble, Trouble::Unavailable(_)), "{trouble}");
        let text = trouble.to_string();
        assert!(
            text.contains(part) && text.contains("what it says"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_slot_that_is_not_taken_back_is_offered_again() {
    let busy = || Act::Say("409 Conflict", "", String::new());
    let script = vec![
        busy(),
        Act::Say("502 Bad Gateway", "", String::new()),
        yes(),
    ];
    let behind = Behind::new(script).await;
    let fleet = Fleetful::new(&behind, 1);
    let agent = fleet.agent("n1").await;
    beat(&agent, None).await.unwrap();
    let told = beat(&agent, None).await.unwrap_err().to_string();
    assert!(told.contains("cannot use the FleetLock server"), "{told}");
    beat(&agent, None).await.unwrap();
    beat(&agent, None).await.unwrap();
    assert_eq!(behind.asked(), [GIVE, GIVE, GIVE]);
}

#[tokio::test]
async fn other_nodes_ask_the_server_nothing() {
    let behind = Behind::new(Vec::new()).await;
    let fleet = Fleetful::new(&behind, 1);
    let other = fleet.agent("n2").await;
    beat(&other, None).await.unwrap();
    other.claim().await;
    assert!(behind.asked().is_empty());
}
