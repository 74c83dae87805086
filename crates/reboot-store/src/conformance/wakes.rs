//! Wake-ups: a waiter hears of what it waits for, and of little else.

use super::Harness;
use super::kit::{Agent, Fleetful, LONG_MS, pause, soon};
use crate::Interest;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Does `cause` while `waiter` waits, and waits for the wake-up.
async fn wakes(fleet: &Fleetful<'_>, waiter: &Agent, cause: impl Future<Output = ()>) {
    let seen = fleet.look().await.revision;
    let ((), ()) = tokio::join!(waiter.changed_since(seen), cause);
}

/// A slot that becomes free wakes who waits for it.
pub async fn a_release_wakes_the_waiter(harness: &dyn Harness) {
    let fleet = Fleetful::new(harness, 1);
    let (one, two) = (fleet.agent("one").await, fleet.agent("two").await);
    let number = one.claim().await;
    two.join().await.unwrap();
    wakes(&fleet, &two, one.give_back(number)).await;
    two.claim().await;
}

/// A holder's claim that ends with its lease wakes who waits, though nobody writes.
pub async fn a_lease_that_ends_wakes_the_waiter(harness: &dyn Harness) {
    let fleet = Fleetful::new(harness, 1);
    let (one, two) = (fleet.brief_agent("one").await, fleet.agent("two").await);
    one.claim().await;
    two.join().await.unwrap();
    wakes(&fleet, &two, fleet.outlive_lease()).await;
    two.claim().await;
}

/// The end of a predecessor's place in the line wakes the next.
pub async fn a_predecessor_that_leaves_wakes_the_waiter(harness: &dyn Harness) {
    let fleet = Fleetful::new(harness, 1);
    fleet.agent("holder").await.claim().await;
    let (one, two) = (fleet.brief_agent("one").await, fleet.agent("two").await);
    one.join().await.unwrap();
    two.join().await.unwrap();
    wakes(&fleet, &two, fleet.outlive_lease()).await;
    assert_eq!(
        fleet.entry().await.line.ahead_of(&two.identity.node),
        Some(0)
    );
}

/// The cooldown's end wakes who waits for it.
pub async fn the_end_of_the_cooldown_wakes_the_waiter(harness: &dyn Harness) {
    let fleet = Fleetful::new(harness, 2);
    let (mut one, two) = (fleet.agent("one").await, fleet.agent("two").await);
    one.interval_secs = harness.lease_ms() / 1000;
    let number = one.claim().await;
    one.fence(number).await.unwrap();
    wakes(&fleet, &two, fleet.outlive_lease()).await;
    assert_eq!(fleet.entry().await.cooldown, None);
}

/// Operators are heard.
pub async fn a_pause_and_its_end_wake_the_waiter(harness: &dyn Harness) {
    let fleet = Fleetful::new(harness, 1);
    let one = fleet.agent("one").await;
    wakes(&fleet, &one, fleet.pause_fleet(Some(pause()))).await;
    wakes(&fleet, &one, fleet.pause_fleet(None)).await;
}

/// The end of a pause that stands on a lease wakes who waits, though nobody writes.
pub async fn a_pause_that_ends_by_itself_wakes_the_waiter(harness: &dyn Harness) {
    let fleet = Fleetful::new(harness, 1);
    let one = fleet.agent("one").await;
    let pause = fleet.brief_pause().await;
    fleet.pause_fleet(Some(pause)).await;
    wakes(&fleet, &one, fleet.outlive_lease()).await;
    assert_eq!(fleet.look().await.pause, None);
}

/// Whoever waits for everything hears of a join, a claim, a pause, and of a lease that ends.
pub async fn a_view_of_the_fleet_hears_of_everything(harness: &dyn Harness) {
    let fleet = Fleetful::new(harness, 1);
    let (one, two) = (fleet.agent("one").await, fleet.brief_agent("two").await);
    hears(&fleet, async { assert_eq!(one.claim().await, 1) }).await;
    hears(&fleet, async { drop(two.join().await.unwrap()) }).await;
    hears(&fleet, fleet.pause_fleet(Some(pause()))).await;
    hears(&fleet, one.publish(one.node_record(None), LONG_MS)).await;
    hears(&fleet, fleet.outlive_lease()).await;
    assert!(fleet.entry().await.line.tickets().is_empty());
}

async fn hears(fleet: &Fleetful<'_>, cause: impl Future<Output = ()>) {
    let seen = fleet.look().await.revision;
    let wait = soon(fleet.store.changed(&Interest::Everything, seen));
    let (heard, ()) = tokio::join!(wait, cause);
    heard.unwrap();
}

/// What happened between the look and the wait is not slept through.
pub async fn what_was_missed_wakes_at_once(harness: &dyn Harness) {
    let fleet = Fleetful::new(harness, 1);
    let (one, two) = (fleet.brief_agent("one").await, fleet.agent("two").await);
    one.claim().await;
    let seen = fleet.look().await.revision;
    fleet.outlive_lease().await;
    two.changed_since(seen).await;
    let seen = fleet.look().await.revision;
    two.claim().await;
    one.changed_since(seen).await;
}

/// Heartbeats of others wake nobody; a store may wake a little too often, not each time.
pub async fn renewals_wake_nobody(harness: &dyn Harness) {
    const RENEWALS: usize = 50;
    let fleet = Fleetful::new(harness, 1);
    let (one, two) = (fleet.agent("one").await, fleet.agent("two").await);
    one.publish(one.node_record(None), LONG_MS).await;
    let number = one.claim().await;
    let woken = Arc::new(AtomicUsize::new(0));
    let seen = fleet.look().await.revision;
    let count = {
        let (woken, store, two) = (woken.clone(), fleet.store.clone(), two.clone());
        tokio::spawn(async move {
            let mut seen = seen;
            while store.look().await.unwrap().groups[&two.group].group.free() == 0 {
                store.changed(&two.interest(), seen).await.unwrap();
                woken.fetch_add(1, Ordering::Relaxed);
                seen = store.look().await.unwrap().revision;
            }
        })
    };
    for _ in 0..RENEWALS {
        one.keep().await.unwrap();
        one.publish(one.node_record(None), LONG_MS).await;
    }
    one.give_back(number).await;
    soon(count).await.unwrap();
    let woken = woken.load(Ordering::Relaxed);
    assert!((1..RENEWALS / 10).contains(&woken), "woken {woken} times");
}
