//! Orders: kept until they are ended, written down, heard of by their node alone.

use super::Harness;
use super::kit::{Agent, Fleetful, soon};
use crate::{Interest, Store};
use reboot_core::order::{Order, OrderEnd};
use reboot_core::write::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

fn order_of(agent: &Agent, reason: &str) -> Order {
    Order {
        by: "alice".to_owned(),
        reason: reason.to_owned(),
        at: "2026-01-01T00:00:00Z".to_owned(),
        not_before: Some("2026-01-02T03:04:05Z".parse().unwrap()),
        boot: agent.identity.boot.clone(),
        extra: Default::default(),
    }
}

async fn put(agent: &Agent, order: &Order) {
    let write = Write::Order {
        node: agent.identity.node.clone(),
        group: agent.group.clone(),
        order: order.clone(),
    };
    agent.write(write).await.unwrap();
}

async fn end(agent: &Agent, order: &Order) {
    let write = Write::EndOrder {
        node: agent.identity.node.clone(),
        group: agent.group.clone(),
        order: order.clone(),
        end: OrderEnd::Cancelled {
            by: "bob".to_owned(),
        },
        at: "2026-01-01T00:00:01Z".to_owned(),
    };
    agent.write(write).await.unwrap();
}

fn interest(agent: &Agent, known: Option<&Order>) -> Interest {
    Interest::Order {
        node: agent.identity.node.clone(),
        known: known.cloned(),
    }
}

/// The last order counts, and is ended by its own end only; both are in the history.
pub async fn an_order_stands_until_it_is_ended(harness: &dyn Harness) {
    let fleet = Fleetful::new(harness, 1);
    let one = fleet.agent("one").await;
    let node = &one.identity.node;
    one.claim().await;
    let before = fleet.store.history(&fleet.group, 100).await.unwrap().len();
    let (first, second) = (order_of(&one, "first"), order_of(&one, "second"));
    put(&one, &first).await;
    assert_eq!(fleet.look().await.orders.get(node), Some(&first));
    put(&one, &second).await;
    end(&one, &first).await;
    assert_eq!(fleet.look().await.orders.get(node), Some(&second));
    end(&one, &second).await;
    end(&one, &second).await;
    assert!(fleet.look().await.orders.is_empty());
    let history = fleet.store.history(&fleet.group, 100).await.unwrap();
    let lines = history[before..].iter().map(|line| line.event.as_str());
    assert_eq!(
        Vec::from_iter(lines),
        ["order", "order", "cancel-order"],
        "{history:?}"
    );
    assert!(history[before].detail.contains("alice: first"));
    assert_eq!(history[before].node.as_ref(), Some(node));
    assert_eq!(fleet.holders().await, ["one"], "the hold is as it was");
}

/// A group that nobody made is made by no order, and the order stands all the same.
pub async fn an_order_makes_no_group(harness: &dyn Harness) {
    let fleet = Fleetful::new(harness, 1);
    let one = fleet.agent("one").await;
    let order = order_of(&one, "now");
    put(&one, &order).await;
    let look = fleet.look().await;
    assert!(look.groups.is_empty());
    assert_eq!(look.orders.get(&one.identity.node), Some(&order));
}

/// A node that is forgotten finds no order when it comes again.
pub async fn a_forgotten_node_is_ordered_nothing(harness: &dyn Harness) {
    let fleet = Fleetful::new(harness, 1);
    let one = fleet.agent("one").await;
    put(&one, &order_of(&one, "now")).await;
    let node = one.identity.node.clone();
    one.write(Write::Forget { node }).await.unwrap();
    assert!(fleet.look().await.orders.is_empty());
}

/// A node hears of its order, of another in its place, and of its end.
pub async fn an_order_wakes_its_node(harness: &dyn Harness) {
    let fleet = Fleetful::new(harness, 1);
    let one = fleet.agent("one").await;
    let (first, second) = (order_of(&one, "first"), order_of(&one, "second"));
    let hears = async |known: Option<&Order>, cause: &dyn Fn() -> Cause| {
        let seen = fleet.look().await.revision;
        let interest = interest(&one, known);
        let wait = soon(fleet.store.changed(&interest, seen));
        let (heard, ()) = tokio::join!(wait, cause().of(&one));
        heard.unwrap();
    };
    hears(None, &|| Cause::Put(first.clone())).await;
    hears(Some(&first), &|| Cause::Put(second.clone())).await;
    hears(Some(&second), &|| Cause::End(second.clone())).await;
}

enum Cause {
    Put(Order),
    End(Order),
}

impl Cause {
    async fn of(self, agent: &Agent) {
        match self {
            Self::Put(order) => put(agent, &order).await,
            Self::End(order) => end(agent, &order).await,
        }
    }
}

/// Who stands in line hears of its order too, and so does a view of the whole fleet.
pub async fn an_order_wakes_who_waits_for_a_slot(harness: &dyn Harness) {
    let fleet = Fleetful::new(harness, 1);
    fleet.agent("holder").await.claim().await;
    let (one, two) = (fleet.agent("one").await, fleet.agent("two").await);
    one.join().await.unwrap();
    two.join().await.unwrap();
    let order = order_of(&two, "now");
    let seen = fleet.look().await.revision;
    let view = soon(fleet.store.changed(&Interest::Everything, seen));
    let (heard, (), ()) = tokio::join!(view, two.changed_since(seen), put(&two, &order));
    heard.unwrap();
}

/// An order between the look and the wait is not slept through.
pub async fn an_order_that_was_missed_wakes_at_once(harness: &dyn Harness) {
    let fleet = Fleetful::new(harness, 1);
    let one = fleet.agent("one").await;
    let seen = fleet.look().await.revision;
    let order = order_of(&one, "now");
    put(&one, &order).await;
    let interest_before = interest(&one, None);
    soon(fleet.store.changed(&interest_before, seen))
        .await
        .unwrap();
    let seen = fleet.look().await.revision;
    end(&one, &order).await;
    let interest_after = interest(&one, Some(&order));
    soon(fleet.store.changed(&interest_after, seen))
        .await
        .unwrap();
}

/// What happens to others wakes no idle node: a fleet of thousands is idle nearly always.
pub async fn what_others_do_wakes_no_idle_node(harness: &dyn Harness) {
    const ROUNDS: usize = 25;
    let fleet = Fleetful::new(harness, 1);
    let (one, two) = (fleet.agent("one").await, fleet.agent("two").await);
    let woken = Arc::new(AtomicUsize::new(0));
    let seen = fleet.look().await.revision;
    let idle = {
        let (woken, two) = (woken.clone(), two.clone());
        let store: Arc<dyn Store> = fleet.store.clone();
        tokio::spawn(async move {
            let (interest, mut seen) = (interest(&two, None), seen);
            loop {
                if store.changed(&interest, seen).await.is_ok() {
                    woken.fetch_add(1, Ordering::Relaxed);
                }
                let look = store.look().await.unwrap();
                if look.orders.contains_key(&two.identity.node) {
                    break;
                }
                seen = look.revision;
            }
        })
    };
    for _ in 0..ROUNDS {
        let number = one.claim().await;
        put(&one, &order_of(&one, "for another")).await;
        one.give_back(number).await;
    }
    put(&two, &order_of(&two, "now")).await;
    soon(idle).await.unwrap();
    let woken = woken.load(Ordering::Relaxed);
    assert!((1..ROUNDS / 5).contains(&woken), "woken {woken} times");
}
