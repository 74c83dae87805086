//! Cooldowns, marks and deadlines run as the store measures time.

use super::Harness;
use super::kit::{Agent, Fleetful, refusal};
use reboot_core::group::{Phase, Refusal, Way};
use reboot_core::undo::Undo;

async fn spaced(fleet: &Fleetful<'_>, node: &str) -> Agent {
    let mut agent = fleet.agent(node).await;
    agent.interval_secs = fleet.harness.lease_ms() / 1000;
    agent
}

async fn take_back(agent: &Agent, number: u64) {
    let released = agent.release(number, Phase::Rebooting, Way::NeverIssued, Undo::default());
    released.await.unwrap();
}

/// The commit that fences starts the cooldown: there is no moment with one and not the other.
pub async fn the_fence_starts_the_cooldown_in_its_commit(harness: &dyn Harness) {
    let fleet = Fleetful::new(harness, 2);
    let (one, two) = (spaced(&fleet, "one").await, spaced(&fleet, "two").await);
    let first = one.claim().await;
    let node = one.identity.node.clone();
    assert_eq!(
        refusal(two.try_claim().await),
        Refusal::UnfencedHolder { node }
    );
    assert_eq!(fleet.entry().await.cooldown, None);
    one.fence(first).await.unwrap();
    let cooldown = fleet.entry().await.cooldown.unwrap();
    assert_eq!(cooldown.node, one.identity.node);
    assert_eq!(cooldown.duration_secs, one.interval_secs);
    assert!(cooldown.remaining_ms <= one.interval_secs * 1000);
    let second = two.claim().await;
    let refused = refusal(two.fence(second).await);
    assert!(
        matches!(refused, Refusal::CooldownRunning { .. }),
        "{refused}"
    );
}

/// Once the cooldown has ended the next one fences, and starts its own.
pub async fn the_cooldown_ends_and_the_next_may_fence(harness: &dyn Harness) {
    let fleet = Fleetful::new(harness, 2);
    let (one, two) = (spaced(&fleet, "one").await, spaced(&fleet, "two").await);
    let first = one.claim().await;
    one.fence(first).await.unwrap();
    fleet.outlive_lease().await;
    assert_eq!(fleet.entry().await.cooldown, None);
    let second = two.claim().await;
    two.fence(second).await.unwrap();
    let cooldown = fleet.entry().await.cooldown.unwrap();
    assert_eq!(cooldown.node, two.identity.node);
}

/// The daily cap counts marks, and a mark ends.
pub async fn a_reboot_counts_until_its_mark_ends(harness: &dyn Harness) {
    let fleet = Fleetful::new(harness, 1);
    let mut one = fleet.agent("one").await;
    one.max_reboots_per_day = 1;
    one.publish(one.node_record(None), super::kit::LONG_MS)
        .await;
    let number = one.claim().await;
    one.fence(number).await.unwrap();
    take_back(&one, number).await;
    assert_eq!(fleet.look().await.nodes[&one.identity.node].marks, 1);
    let number = one.claim().await;
    let refused = refusal(one.fence(number).await);
    assert!(matches!(
        refused,
        Refusal::DailyCap {
            marks: 1,
            max: 1,
            ..
        }
    ));
    harness.advance(harness.marks_ttl_ms() + 1).await;
    assert_eq!(fleet.look().await.nodes[&one.identity.node].marks, 0);
    one.fence(number).await.unwrap();
}

/// A durable hold is overdue after its deadline, and each step starts a new one.
pub async fn a_hold_is_overdue_after_its_deadline(harness: &dyn Harness) {
    let fleet = Fleetful::new(harness, 1);
    let mut one = fleet.agent("one").await;
    one.deadline_secs = harness.lease_ms() / 1000;
    let number = one.claim().await;
    let is_overdue = async || {
        let entry = fleet.entry().await;
        entry.is_overdue(&entry.group.holds[0])
    };
    assert!(!is_overdue().await, "a claim has no deadline");
    one.drain(number, Undo::default()).await.unwrap();
    assert!(!is_overdue().await);
    fleet.outlive_lease().await;
    assert!(is_overdue().await);
    let again = one.fence_request(number, Phase::Draining);
    one.send(again).await.unwrap();
    assert!(!is_overdue().await);
    take_back(&one, number).await;
    assert!(fleet.entry().await.within_deadline.is_empty());
}

/// A fence repeated under its id counts no second reboot and restarts no cooldown.
pub async fn a_second_fence_is_counted_once(harness: &dyn Harness) {
    let fleet = Fleetful::new(harness, 1);
    let one = spaced(&fleet, "one").await;
    one.publish(one.node_record(None), super::kit::LONG_MS)
        .await;
    let number = one.claim().await;
    let fence = one.fence_request(number, Phase::Claimed);
    let first = one.send(fence.clone()).await.unwrap();
    let before = fleet.look().await;
    assert_eq!(one.send(fence).await.unwrap(), first);
    let after = fleet.look().await;
    assert_eq!(after.nodes[&one.identity.node].marks, 1);
    assert_eq!(
        after.groups[&fleet.group].group, before.groups[&fleet.group].group,
        "nothing was written"
    );
    let history = fleet.store.history(&fleet.group, 100).await.unwrap();
    let fences = history.iter().filter(|line| line.event == "fence");
    assert_eq!(fences.count(), 1);
}
