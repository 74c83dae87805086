//! Records: kept whole, refused when broken, never made up.

use super::Harness;
use super::kit::{Fleetful, LONG_MS, pause, refusal};
use reboot_core::group::{Action, Refusal};
use reboot_core::write::{Trouble, Write};

/// A missing group record is not an empty group.
pub async fn a_group_that_nodes_say_they_hold_in_is_not_made_anew(harness: &dyn Harness) {
    let fleet = Fleetful::new(harness, 1);
    let (one, two) = (fleet.agent("one").await, fleet.agent("two").await);
    one.publish(one.node_record(Some(3)), LONG_MS).await;
    let nodes = vec![one.identity.node.clone()];
    assert_eq!(refusal(two.try_claim().await), Refusal::GroupLost { nodes });
    let node = one.identity.node.clone();
    one.write(Write::Forget { node }).await.unwrap();
    assert_eq!(two.claim().await, 1);
}

/// An operator's request makes no group, and a refused claim leaves none behind.
pub async fn a_group_is_made_by_the_first_claim_only(harness: &dyn Harness) {
    let fleet = Fleetful::new(harness, 0);
    let one = fleet.agent("one").await;
    let by = "operator".to_owned();
    let group = fleet.group.clone();
    assert_eq!(
        refusal(fleet.operate(Action::SetMax { max: 3, by }).await),
        Refusal::NoGroup { group }
    );
    let refused = refusal(one.try_claim().await);
    assert!(matches!(refused, Refusal::Paused { .. }));
    assert!(fleet.look().await.groups.is_empty());
}

async fn record_with(fleet: &Fleetful<'_>, fields: serde_json::Value) -> String {
    fleet.agent("first").await.claim().await;
    let mut record = serde_json::to_value(fleet.record().await).unwrap();
    let more = fields.as_object().unwrap().clone();
    record.as_object_mut().unwrap().extend(more);
    record.to_string()
}

/// Fields of a later version survive our rewrite, in groups, holds and nodes.
pub async fn unknown_fields_are_kept(harness: &dyn Harness) {
    let fleet = Fleetful::new(harness, 2);
    let later = serde_json::json!({"colour": {"of": "the sky"}, "version": 7});
    let record = record_with(&fleet, later.clone()).await;
    let record = record.replace("\"fenced\"", "\"shape\":\"round\",\"fenced\"");
    harness.put_record(&fleet.group, &record).await;
    let one = fleet.agent("one").await;
    one.claim().await;
    let group = fleet.record().await;
    assert_eq!(group.extra["colour"], later["colour"]);
    assert_eq!(group.holds[0].extra["shape"], "round");
    assert_eq!(group.version, 7, "a writer does not lower the version");
    assert_eq!(group.holds.len(), 2);
    let mut node = one.node_record(None);
    node.extra.insert("mood".to_owned(), "good".into());
    one.publish(node, LONG_MS).await;
    let nodes = fleet.look().await.nodes;
    assert_eq!(nodes[&one.identity.node].record.extra["mood"], "good");
}

/// Who does not know a feature that the record needs does not write it.
pub async fn an_unknown_feature_is_refused(harness: &dyn Harness) {
    let fleet = Fleetful::new(harness, 2);
    let later = serde_json::json!({"features": ["time-travel"]});
    let record = record_with(&fleet, later).await;
    harness.put_record(&fleet.group, &record).await;
    let one = fleet.agent("one").await;
    let feature = "time-travel".to_owned();
    assert_eq!(
        refusal(one.try_claim().await),
        Refusal::UnknownFeature { feature }
    );
}

/// A record that cannot be read is an error for everybody, and stays as it is.
pub async fn a_broken_record_is_refused_and_kept(harness: &dyn Harness) {
    let fleet = Fleetful::new(harness, 2);
    let whole = record_with(&fleet, serde_json::json!({})).await;
    let one = fleet.agent("one").await;
    for broken in ["{", "{\"version\":1}", &whole.replace("[{", "[{},{")] {
        harness.put_record(&fleet.group, broken).await;
        let answer = one.try_claim().await;
        assert!(matches!(&answer, Err(Trouble::Broken(_))), "{answer:?}");
        let looked = fleet.store.look().await;
        let text = looked.expect_err("a broken group is not shown").to_string();
        assert!(text.contains("default"), "it names the group: {text}");
    }
    harness.put_record(&fleet.group, &whole).await;
    assert_eq!(one.claim().await, 2);
}

/// A node's record is fresh for as long as it said, and again after its next word.
pub async fn a_node_record_grows_stale_and_fresh_again(harness: &dyn Harness) {
    let fleet = Fleetful::new(harness, 1);
    let one = fleet.agent("one").await;
    let node = one.identity.node.clone();
    let is_fresh = async || fleet.look().await.nodes[&node].is_fresh;
    one.publish(one.node_record(None), harness.lease_ms()).await;
    assert!(is_fresh().await);
    fleet.outlive_lease().await;
    assert!(!is_fresh().await);
    let before = fleet.look().await.revision;
    one.publish(one.node_record(None), harness.lease_ms()).await;
    assert!(is_fresh().await);
    assert_ne!(fleet.look().await.revision, before, "peers waited for it");
}

/// Forgetting takes the record, the marks and the debts.
pub async fn a_forgotten_node_is_gone(harness: &dyn Harness) {
    let fleet = Fleetful::new(harness, 1);
    let one = fleet.agent("one").await;
    let node = one.identity.node.clone();
    one.publish(one.node_record(None), LONG_MS).await;
    let number = one.claim().await;
    one.fence(number).await.unwrap();
    assert_eq!(fleet.look().await.nodes[&node].marks, 1);
    let forget = Write::Forget { node: node.clone() };
    one.write(forget.clone()).await.unwrap();
    one.write(forget).await.unwrap();
    assert!(fleet.look().await.nodes.is_empty());
    one.publish(one.node_record(None), LONG_MS).await;
    assert_eq!(fleet.look().await.nodes[&node].marks, 0);
    assert_eq!(fleet.holders().await, ["one"], "a hold is not forgotten");
}

/// The newest lines, oldest first.
pub async fn history_tells_what_happened_in_order(harness: &dyn Harness) {
    let fleet = Fleetful::new(harness, 1);
    let one = fleet.agent("one").await;
    for _ in 0..3 {
        let number = one.claim().await;
        one.give_back(number).await;
    }
    let history = fleet.store.history(&fleet.group, 3).await.unwrap();
    let told: Vec<_> = history
        .iter()
        .map(|line| (line.event.as_str(), line.number))
        .collect();
    let expected = [
        ("release", Some(2)),
        ("claim", Some(3)),
        ("release", Some(3)),
    ];
    assert_eq!(told, expected);
    assert!(
        history
            .iter()
            .all(|line| line.node == Some(one.identity.node.clone()))
    );
}

/// Whoever reads a group's history sees that the fleet stood still.
pub async fn the_fleets_pause_is_in_every_history(harness: &dyn Harness) {
    let fleet = Fleetful::new(harness, 1);
    let one = fleet.agent("one").await;
    let number = one.claim().await;
    one.give_back(number).await;
    fleet.pause_fleet(Some(pause())).await;
    fleet.pause_fleet(None).await;
    let history = fleet.store.history(&fleet.group, 2).await.unwrap();
    let told = history
        .iter()
        .map(|line| (line.event.as_str(), line.detail.as_str()));
    let expected = [
        ("pause-fleet", "operator: look first"),
        ("resume-fleet", "operator"),
    ];
    assert!(told.eq(expected), "{history:?}");
}
