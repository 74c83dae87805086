//! Beside the old reboot lock command on its own document, in both directions: a stand-in swaps
//! the document as the command does.

use crate::bench::{Bench, claim, request, session_of};
use reboot_core::group::{Action, Identity, Phase, Refusal, Reply, Way};
use reboot_core::id::{GroupName, NodeName};
use reboot_core::write::{Trouble, Write};
use reboot_store::{Interest, Store};
use reboot_store_etcd::Layout;
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard};

const DOCUMENT: &str = "coreos.com/updateengine/rebootlock/semaphore";
const MACHINES: &str = "coreos.com/updateengine/rebootlock/holders/";

/// The old keys have no namespace: one test at a time.
static ALONE: Mutex<()> = Mutex::const_new(());

async fn bench() -> (Bench, MutexGuard<'static, ()>) {
    let guard = ALONE.lock().await;
    let bench = Bench::with(&Layout::Rebootlock).await;
    for range in bench.store.keys().all() {
        bench.delete_range(&range).await;
    }
    (bench, guard)
}

/// Where the old command finds a holder, or would put it: it searches by halves.
fn place(document: &Value, machine: &str) -> Result<usize, usize> {
    let holders = document["holders"].as_array().unwrap();
    holders.binary_search_by(|id| id.as_str().unwrap().cmp(machine))
}

/// What the old command's lock does with the document.
async fn foreign_lock(bench: &Bench, machine: &str) {
    swap(bench, |document| {
        let at = place(document, machine).expect_err("holder exists");
        let left = document["semaphore"].as_i64().unwrap();
        assert!(left > 0, "the semaphore is at {left}");
        document["semaphore"] = (left - 1).into();
        let holders = document["holders"].as_array_mut().unwrap();
        holders.insert(at, machine.into());
    })
    .await;
}

/// What its unlock does.
async fn foreign_unlock(bench: &Bench, machine: &str) {
    swap(bench, |document| {
        let at = place(document, machine).expect("holder does not exist");
        let left = document["semaphore"].as_i64().unwrap();
        document["semaphore"] = (left + 1).into();
        document["holders"].as_array_mut().unwrap().remove(at);
    })
    .await;
}

async fn swap(bench: &Bench, change: impl FnOnce(&mut Value)) {
    let mut document = bench.get(DOCUMENT).await;
    change(&mut document);
    let known = json!({
        "semaphore": document["semaphore"],
        "max": document["max"],
        "holders": document["holders"],
    });
    bench.put(DOCUMENT, &known.to_string()).await;
}

fn node(name: &str) -> NodeName {
    NodeName::new(name).unwrap()
}

#[tokio::test]
async fn our_holds_look_as_the_old_command_expects() {
    let (bench, _alone) = bench().await;
    bench.open("one").await;
    let number = bench.claim("one").await.unwrap();
    let expected = json!({"semaphore": 0, "max": 1, "holders": ["machine-of-one"]});
    assert_eq!(bench.get(DOCUMENT).await, expected);
    let machine = bench.get(&format!("{MACHINES}machine-of-one")).await;
    let expected = json!({"machineID": "machine-of-one", "startTime": 1_767_225_600});
    assert_eq!(machine, expected);
    bench.release("one", number, Way::GivenBack).await;
    let expected = json!({"semaphore": 1, "max": 1, "holders": []});
    assert_eq!(bench.get(DOCUMENT).await, expected);
    assert_eq!(bench.find(&format!("{MACHINES}machine-of-one")).await, None);
}

#[tokio::test]
async fn a_document_of_old_is_taken_over_as_it_stands() {
    let (bench, _alone) = bench().await;
    bench
        .put(
            DOCUMENT,
            r#"{"semaphore":1,"max":2,"holders":["m-old"],"mood":"good"}"#,
        )
        .await;
    let group = bench.record().await;
    assert_eq!((group.max, group.holds.len()), (2, 1));
    bench.open("one").await;
    bench.claim("one").await.unwrap();
    let document = bench.get(DOCUMENT).await;
    assert_eq!(document["holders"], json!(["m-old", "machine-of-one"]));
    assert_eq!(document["mood"], "good", "what we do not know stays");
    bench.open("two").await;
    let refused = bench.claim("two").await.unwrap_err().to_string();
    assert!(refused.contains("m-old"), "{refused}");
}

#[tokio::test]
async fn a_foreign_lock_is_a_durable_hold() {
    let (bench, _alone) = bench().await;
    bench.open("one").await;
    let number = bench.claim("one").await.unwrap();
    bench.release("one", number, Way::GivenBack).await;
    foreign_lock(&bench, "m-old").await;
    let refused = bench.claim("one").await.unwrap_err();
    assert!(
        matches!(refused, Trouble::Refused(Refusal::Full { .. })),
        "{refused}"
    );
    let fleet = bench.store.look().await.unwrap();
    let entry = &fleet.groups[&GroupName::default()];
    let hold = entry.group.hold_of(&node("m-old")).unwrap();
    assert!(hold.phase.is_durable() && !entry.is_overdue(hold));
    foreign_unlock(&bench, "m-old").await;
    bench.claim("one").await.unwrap();
}

#[tokio::test]
async fn a_foreign_unlock_wakes_who_waits() {
    let (bench, _alone) = bench().await;
    bench
        .put(DOCUMENT, r#"{"semaphore":0,"max":1,"holders":["m-old"]}"#)
        .await;
    bench.open("one").await;
    let seen = bench.store.look().await.unwrap().revision;
    let interest = Interest::Slot {
        group: GroupName::default(),
        node: bench.identity("one").node,
    };
    let waits = bench.store.changed(&interest, seen);
    let (woken, ()) = tokio::join!(bench.soon(waits), foreign_unlock(&bench, "m-old"));
    woken.unwrap();
    bench.claim("one").await.unwrap();
}

#[tokio::test]
async fn an_operator_breaks_a_foreign_lock() {
    let (bench, _alone) = bench().await;
    bench
        .put(DOCUMENT, r#"{"semaphore":0,"max":1,"holders":["m-old"]}"#)
        .await;
    let number = bench.record().await.holds[0].number;
    let action = Action::Break {
        number,
        by: "ann".to_owned(),
        reason: "the machine is gone".to_owned(),
    };
    let reply = bench.ask(request(action)).await.unwrap();
    assert!(matches!(reply, Reply::Broken(hold) if hold.node == node("m-old")));
    let expected = json!({"semaphore": 1, "max": 1, "holders": []});
    assert_eq!(bench.get(DOCUMENT).await, expected);
}

#[tokio::test]
async fn a_foreign_unlock_is_a_break() {
    let (bench, _alone) = bench().await;
    bench.open("one").await;
    let number = bench.claim("one").await.unwrap();
    bench.drain("one", number, "10-drain").await;
    foreign_unlock(&bench, "machine-of-one").await;
    let fleet = bench.store.look().await.unwrap();
    assert!(fleet.groups[&GroupName::default()].group.holds.is_empty());
    bench.open("two").await;
    bench.claim("two").await.unwrap();
    let fleet = bench.store.look().await.unwrap();
    let owed = fleet.owed_by(&node("one"));
    assert!(!owed.is_empty(), "its list is not forgotten");
    let history = bench
        .store
        .history(&GroupName::default(), 10)
        .await
        .unwrap();
    let broken = history.iter().find(|line| line.event == "break").unwrap();
    assert_eq!(broken.number, Some(number));
    assert!(broken.detail.contains("another program"));
}

#[tokio::test]
async fn a_foreign_set_max_counts_and_evicts_nobody() {
    let (bench, _alone) = bench().await;
    bench.open("one").await;
    let number = bench.claim("one").await.unwrap();
    bench.fence("one", number).await;
    swap(&bench, |document| {
        document["max"] = 0.into();
        document["semaphore"] = (-1).into();
    })
    .await;
    let group = bench.record().await;
    assert_eq!((group.max, group.holds.len()), (0, 1));
    assert_eq!(group.holds[0].phase, Phase::Rebooting);
    bench.set_max(4).await;
    assert_eq!(bench.get(DOCUMENT).await["semaphore"], 3);
}

#[tokio::test]
async fn a_foreign_unlock_adds_to_what_a_node_owes_already() {
    let (bench, _alone) = bench().await;
    bench.open("one").await;
    let number = bench.claim("one").await.unwrap();
    bench.drain("one", number, "10-drain").await;
    let key = format!("{}one", bench.store.keys().all_owed());
    bench.put(&key, r#"["05-older"]"#).await;
    foreign_unlock(&bench, "machine-of-one").await;
    bench.open("two").await;
    bench.claim("two").await.unwrap();
    assert_eq!(bench.get(&key).await, json!(["05-older", "10-drain"]));
}

#[tokio::test]
async fn a_document_that_is_made_anew_unlocks_nobody() {
    let (bench, _alone) = bench().await;
    bench.open("one").await;
    let number = bench.claim("one").await.unwrap();
    bench.fence("one", number).await;
    bench.delete(DOCUMENT).await;
    bench
        .put(DOCUMENT, r#"{"semaphore":1,"max":1,"holders":[]}"#)
        .await;
    bench.open("two").await;
    let refused = bench.claim("two").await.unwrap_err().to_string();
    assert!(refused.contains("one"), "its hold is durable: {refused}");
}

#[tokio::test]
async fn a_document_with_many_holders_is_taken_over() {
    let (bench, _alone) = bench().await;
    let ids = Vec::from_iter((0..150).map(|number| format!("m{number:03}")));
    let document = json!({"semaphore": 50, "max": 200, "holders": ids});
    bench.put(DOCUMENT, &document.to_string()).await;
    bench.open("one").await;
    bench.claim("one").await.unwrap();
    let holders = bench.get(DOCUMENT).await["holders"].clone();
    assert_eq!(holders.as_array().unwrap().len(), 151);
}

#[tokio::test]
async fn the_old_command_finds_every_holder_of_ours() {
    let (bench, _alone) = bench().await;
    bench.open("zoe").await;
    bench.claim("zoe").await.unwrap();
    bench.set_max(4).await;
    for node in ["adam", "mary"] {
        bench.open(node).await;
        bench.claim(node).await.unwrap();
    }
    foreign_lock(&bench, "m-old").await;
    for node in ["zoe", "mary", "adam"] {
        foreign_unlock(&bench, &format!("machine-of-{node}")).await;
    }
    let names = bench.record().await.holds;
    assert_eq!(names.len(), 1, "{names:?}");
    assert_eq!(names[0].node, node("m-old"));
}

#[tokio::test]
async fn a_machine_holds_once_whatever_it_is_called() {
    let (bench, _alone) = bench().await;
    bench
        .put(
            DOCUMENT,
            r#"{"semaphore":2,"max":3,"holders":["machine-of-one"]}"#,
        )
        .await;
    bench.open("one").await;
    let refused = bench.claim("one").await.unwrap_err();
    let is_told = matches!(
        &refused,
        Trouble::Refused(Refusal::MachineHolds { node: held, .. })
            if *held == node("machine-of-one")
    );
    assert!(is_told, "the old command locked this machine: {refused}");
    foreign_unlock(&bench, "machine-of-one").await;
    let number = bench.claim("one").await.unwrap();

    let twin = Identity {
        machine_id: bench.identity("one").machine_id,
        ..bench.identity("twin")
    };
    let open = Write::OpenSession {
        session: session_of("twin"),
        identity: twin.clone(),
        ttl_ms: 60_000,
    };
    bench.store.write(open).await.unwrap();
    let action = claim(&twin, &session_of("twin"));
    let refused = bench.ask(request(action.clone())).await.unwrap_err();
    let words = refused.to_string();
    assert!(
        words.contains("machine-of-one") && words.contains("as one"),
        "{words}"
    );
    let expected = json!({"semaphore": 2, "max": 3, "holders": ["machine-of-one"]});
    assert_eq!(bench.get(DOCUMENT).await, expected);
    bench.release("one", number, Way::GivenBack).await;
    bench.ask(request(action)).await.unwrap();
}

#[tokio::test]
async fn a_document_with_a_holder_twice_is_refused() {
    let (bench, _alone) = bench().await;
    bench
        .put(
            DOCUMENT,
            r#"{"semaphore":0,"max":2,"holders":["m-old","m-old"]}"#,
        )
        .await;
    bench.open("one").await;
    let refused = bench.claim("one").await.unwrap_err().to_string();
    assert!(
        refused.contains("m-old is among the holders twice") && refused.contains(DOCUMENT),
        "{refused}"
    );
}
