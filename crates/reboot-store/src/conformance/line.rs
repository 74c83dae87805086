//! Tickets: first come, first served, and gone with their lease.

use super::Harness;
use super::kit::{Fleetful, refusal};
use reboot_core::group::{Phase, Refusal};
use reboot_core::write::Written;

async fn waiting(fleet: &Fleetful<'_>) -> Vec<String> {
    let line = fleet.entry().await.line;
    let nodes = line.tickets().iter().map(|ticket| ticket.node.to_string());
    nodes.collect()
}

/// The line is in the order of arrival, and who leaves queues anew.
pub async fn first_come_first_served(harness: &dyn Harness) {
    let fleet = Fleetful::new(harness, 1);
    fleet.agent("holder").await.claim().await;
    let (one, two) = (fleet.agent("one").await, fleet.agent("two").await);
    let first = one.join().await.unwrap();
    two.join().await.unwrap();
    assert_eq!(one.join().await.unwrap(), first, "a repeated join is none");
    assert_eq!(waiting(&fleet).await, ["one", "two"]);
    one.leave().await;
    one.leave().await;
    one.join().await.unwrap();
    assert_eq!(waiting(&fleet).await, ["two", "one"]);
}

/// Nobody waits on a lease that is not there.
pub async fn a_ticket_needs_a_live_lease(harness: &dyn Harness) {
    let fleet = Fleetful::new(harness, 1);
    let one = fleet.brief_agent("one").await;
    fleet.outlive_lease().await;
    assert_eq!(refusal(one.join().await), Refusal::SessionEnded);
}

/// A dead waiter blocks nobody.
pub async fn a_dead_waiters_ticket_goes_with_its_lease(harness: &dyn Harness) {
    let fleet = Fleetful::new(harness, 1);
    fleet.agent("holder").await.claim().await;
    let (one, two) = (fleet.brief_agent("one").await, fleet.agent("two").await);
    one.join().await.unwrap();
    two.join().await.unwrap();
    fleet.outlive_lease().await;
    assert_eq!(waiting(&fleet).await, ["two"]);
    two.end().await;
    assert_eq!(waiting(&fleet).await, Vec::<String>::new());
}

/// An agent that starts anew while its ticket stands keeps its place.
pub async fn a_waiter_keeps_its_place_under_a_new_lease(harness: &dyn Harness) {
    let fleet = Fleetful::new(harness, 1);
    fleet.agent("holder").await.claim().await;
    let (one, two) = (fleet.brief_agent("one").await, fleet.agent("two").await);
    let Written::Ticket(place) = one.join().await.unwrap() else {
        panic!("a join is answered with a ticket");
    };
    two.join().await.unwrap();
    let again = fleet.agent("one").await;
    assert_eq!(again.join().await.unwrap(), Written::Ticket(place));
    fleet.outlive_lease().await;
    assert_eq!(waiting(&fleet).await, ["one", "two"]);
}

/// A ticket that comes late, after its node's claim was granted, stands for nobody.
pub async fn who_holds_does_not_wait(harness: &dyn Harness) {
    let fleet = Fleetful::new(harness, 1);
    let (one, two) = (fleet.agent("one").await, fleet.agent("two").await);
    let number = one.claim().await;
    for phase in [Phase::Claimed, Phase::Rebooting] {
        let node = one.identity.node.clone();
        let expected = Refusal::AlreadyHolds {
            node,
            number,
            phase,
        };
        assert_eq!(refusal(one.join().await), expected);
        if !phase.is_durable() {
            one.fence(number).await.unwrap();
        }
    }
    two.join().await.unwrap();
    assert_eq!(waiting(&fleet).await, ["two"]);
}

/// A claim whose lease is gone keeps its node from nothing.
pub async fn a_dead_claim_keeps_nobody_out_of_the_line(harness: &dyn Harness) {
    let fleet = Fleetful::new(harness, 1);
    fleet.brief_agent("one").await.claim().await;
    fleet.outlive_lease().await;
    fleet.agent("one").await.join().await.unwrap();
    assert_eq!(waiting(&fleet).await, ["one"]);
}
