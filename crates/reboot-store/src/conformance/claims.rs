//! Who gets a slot, and when a claim ends.

use super::Harness;
use super::kit::{Fleetful, LONG_MS, pause, refusal};
use reboot_core::group::{Action, Refusal, Reply};
use reboot_core::id::{GroupName, MachineId};

/// A claim on a free slot is granted, and its number is the group's generation.
pub async fn a_free_slot_is_granted_and_numbered(harness: &dyn Harness) {
    let fleet = Fleetful::new(harness, 2);
    let (one, two) = (fleet.agent("one").await, fleet.agent("two").await);
    assert_eq!(one.claim().await, 1);
    assert_eq!(two.claim().await, 2);
    let group = fleet.record().await;
    assert_eq!((group.generation, group.max), (2, 2));
    assert_eq!(fleet.holders().await, ["one", "two"]);
}

/// A claim on a full group is refused, and the refusal names who holds.
pub async fn a_full_group_refuses_and_names_its_holders(harness: &dyn Harness) {
    let fleet = Fleetful::new(harness, 1);
    let (one, two) = (fleet.agent("one").await, fleet.agent("two").await);
    let number = one.claim().await;
    let holders = vec![one.identity.node.clone()];
    assert_eq!(
        refusal(two.try_claim().await),
        Refusal::Full { max: 1, holders }
    );
    one.give_back(number).await;
    assert_eq!(two.claim().await, number + 1);
}

/// A claim repeated under its id is granted again and takes no second slot.
pub async fn a_repeated_claim_changes_nothing(harness: &dyn Harness) {
    let fleet = Fleetful::new(harness, 2);
    let one = fleet.agent("one").await;
    let request = one.claim_request(false);
    let first = one.send(request.clone()).await.unwrap();
    let before = fleet.look().await;
    assert_eq!(one.send(request).await.unwrap(), first);
    let after = fleet.look().await;
    assert_eq!(after.groups, before.groups);
    let history = fleet.store.history(&fleet.group, 100).await.unwrap();
    assert_eq!(history.len(), 1, "nothing was written");
    let again = refusal(one.try_claim().await);
    assert!(matches!(again, Refusal::AlreadyHolds { number: 1, .. }));
}

/// A node that holds in one group gets nothing in another.
pub async fn a_node_holds_in_one_group_only(harness: &dyn Harness) {
    let fleet = Fleetful::new(harness, 1);
    let mut one = fleet.agent("one").await;
    one.claim().await;
    one.group = GroupName::new("other").unwrap();
    let group = GroupName::default();
    let node = one.identity.node.clone();
    assert_eq!(
        refusal(one.try_claim().await),
        Refusal::HoldsElsewhere { node, group }
    );
}

/// A claim that would stand on a lease that is not there is refused.
pub async fn a_claim_needs_a_live_lease(harness: &dyn Harness) {
    let fleet = Fleetful::new(harness, 1);
    let one = fleet.brief_agent("one").await;
    fleet.outlive_lease().await;
    assert_eq!(refusal(one.keep().await), Refusal::SessionEnded);
    assert_eq!(refusal(one.try_claim().await), Refusal::SessionEnded);
}

/// A claim whose lease ran out is gone, and says so in the history.
pub async fn a_claim_ends_with_its_lease(harness: &dyn Harness) {
    let fleet = Fleetful::new(harness, 1);
    let (one, two) = (fleet.brief_agent("one").await, fleet.agent("two").await);
    one.claim().await;
    one.keep().await.unwrap();
    fleet.outlive_lease().await;
    assert_eq!(fleet.holders().await, Vec::<String>::new());
    assert_eq!(two.claim().await, 2);
    let history = fleet.store.history(&fleet.group, 10).await.unwrap();
    let events: Vec<&str> = history.iter().map(|line| line.event.as_str()).collect();
    assert_eq!(events, ["claim", "expire", "claim"]);
}

/// Ending the lease ends the claim.
pub async fn a_claim_ends_when_its_lease_is_ended(harness: &dyn Harness) {
    let fleet = Fleetful::new(harness, 1);
    let (one, two) = (fleet.agent("one").await, fleet.agent("two").await);
    one.claim().await;
    one.end().await;
    one.end().await;
    assert_eq!(two.claim().await, 2);
}

/// Opening a lease under the name of one that ended does not bring its claim back.
pub async fn a_dead_claim_is_not_revived_by_its_leases_name(harness: &dyn Harness) {
    let fleet = Fleetful::new(harness, 1);
    let (one, two) = (fleet.brief_agent("one").await, fleet.agent("two").await);
    one.claim().await;
    fleet.outlive_lease().await;
    // Refused or not is the store's choice.
    let _ = one.open(LONG_MS).await;
    assert_eq!(fleet.holders().await, Vec::<String>::new());
    assert_eq!(two.claim().await, 2);
}

/// While the fleet or the group is paused nobody claims.
pub async fn a_pause_refuses_claims_until_it_ends(harness: &dyn Harness) {
    let fleet = Fleetful::new(harness, 1);
    let one = fleet.agent("one").await;
    fleet.pause_fleet(Some(pause())).await;
    assert_eq!(fleet.look().await.pause, Some(pause()));
    let refused = refusal(one.try_claim().await);
    assert!(matches!(refused, Refusal::Paused { .. }), "{refused}");
    fleet.pause_fleet(None).await;
    let number = one.claim().await;
    one.give_back(number).await;
    fleet.operate(Action::Pause(pause())).await.unwrap();
    let refused = refusal(one.try_claim().await);
    assert!(matches!(refused, Refusal::Paused { .. }), "{refused}");
    let by = "operator".to_owned();
    fleet.operate(Action::Resume { by }).await.unwrap();
    one.claim().await;
}

/// An operator keeps one node from a slot, and nobody else.
pub async fn a_node_is_held_back_until_it_is_let_go(harness: &dyn Harness) {
    let fleet = Fleetful::new(harness, 2);
    let (one, two) = (fleet.agent("one").await, fleet.agent("two").await);
    two.claim().await;
    let node = one.identity.node.clone();
    let (stop, by) = (pause(), "operator".to_owned());
    let hold_back = Action::HoldBack {
        node: node.clone(),
        stop: stop.clone(),
    };
    fleet.operate(hold_back).await.unwrap();
    let held_back = fleet.record().await.held_back;
    assert_eq!(
        held_back.into_iter().collect::<Vec<_>>(),
        [(node.clone(), stop)]
    );
    for refused in [refusal(one.try_claim().await), refusal(one.admit().await)] {
        assert!(matches!(refused, Refusal::HeldBack { .. }), "{refused}");
    }
    fleet.operate(Action::LetGo { node, by }).await.unwrap();
    one.claim().await;
}

/// Where it stands on a lease, it is over when that ends.
pub async fn a_node_is_let_go_when_its_time_is_over(harness: &dyn Harness) {
    let fleet = Fleetful::new(harness, 2);
    let (one, two) = (fleet.agent("one").await, fleet.agent("two").await);
    two.claim().await;
    let node = one.identity.node.clone();
    let stop = fleet.brief_pause().await;
    fleet
        .operate(Action::HoldBack { node, stop })
        .await
        .unwrap();
    let refused = refusal(one.try_claim().await);
    assert!(matches!(refused, Refusal::HeldBack { .. }), "{refused}");
    fleet.outlive_lease().await;
    assert!(fleet.record().await.held_back.is_empty());
    one.claim().await;
}

/// A pause that stands on a lease is over when that ends, for the fleet and for a group.
pub async fn a_pause_ends_with_its_lease(harness: &dyn Harness) {
    let fleet = Fleetful::new(harness, 1);
    let one = fleet.agent("one").await;
    let number = one.claim().await;
    one.give_back(number).await;
    for is_fleets in [true, false] {
        let pause = fleet.brief_pause().await;
        match is_fleets {
            true => fleet.pause_fleet(Some(pause)).await,
            false => drop(fleet.operate(Action::Pause(pause)).await.unwrap()),
        }
        let refused = refusal(one.try_claim().await);
        assert!(matches!(refused, Refusal::Paused { .. }), "{refused}");
        let seen = fleet.look().await;
        assert_eq!(seen.pause.is_some(), is_fleets);
        assert_eq!(seen.groups[&fleet.group].group.pause.is_some(), !is_fleets);
        fleet.outlive_lease().await;
        let seen = fleet.look().await;
        assert_eq!(
            (seen.pause, &seen.groups[&fleet.group].group.pause),
            (None, &None)
        );
        let number = one.claim().await;
        one.give_back(number).await;
    }
}

/// A diagnostic pass claims only when nobody else waits.
pub async fn a_diagnostic_pass_does_not_overtake(harness: &dyn Harness) {
    let fleet = Fleetful::new(harness, 1);
    let (one, two) = (fleet.agent("one").await, fleet.agent("two").await);
    two.join().await.unwrap();
    let refused = refusal(one.send(one.claim_request(true)).await);
    assert_eq!(refused, Refusal::OthersWait { waiting: 1 });
    two.leave().await;
    let granted = one.send(one.claim_request(true)).await.unwrap();
    assert!(matches!(granted, Reply::Held { .. }));
}

/// While two machines, or two boots, live under one name neither claims.
pub async fn two_machines_of_one_name_get_nothing(harness: &dyn Harness) {
    let fleet = Fleetful::new(harness, 1);
    let one = fleet.agent("one").await;
    let mut clone = fleet.agent_for("one", "boot-a", LONG_MS).await;
    clone.end().await;
    clone.identity.machine_id = MachineId::new("another").unwrap();
    clone.session = reboot_core::id::SessionId::new("lease-of-the-clone").unwrap();
    clone.open(LONG_MS).await.unwrap();
    for agent in [&one, &clone] {
        let node = agent.identity.node.clone();
        assert_eq!(
            refusal(agent.try_claim().await),
            Refusal::IdentityConflict { node }
        );
    }
    clone.end().await;
    one.claim().await;
}
