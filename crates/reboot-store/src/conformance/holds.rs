//! Durable holds: who moves them, and the only ways out.

use super::Harness;
use super::kit::{Fleetful, LONG_MS, refusal, undo};
use reboot_core::group::{Action, Phase, Refusal, Reply, Way};
use reboot_core::undo::Undo;
use reboot_core::write::{Write, Written};

/// No lease ends a hold once it drains.
pub async fn a_durable_hold_outlives_its_lease(harness: &dyn Harness) {
    let fleet = Fleetful::new(harness, 1);
    let (one, two) = (fleet.brief_agent("one").await, fleet.agent("two").await);
    let number = one.claim().await;
    one.drain(number, Undo::default()).await.unwrap();
    for _ in 0..3 {
        fleet.outlive_lease().await;
    }
    assert_eq!(fleet.holders().await, ["one"]);
    let refused = refusal(two.try_claim().await);
    assert!(matches!(refused, Refusal::Full { .. }));
}

/// Another run of the agent, even on the same node, moves nothing.
pub async fn only_the_owner_moves_its_hold(harness: &dyn Harness) {
    let fleet = Fleetful::new(harness, 1);
    let (one, other) = (fleet.agent("one").await, fleet.agent("one").await);
    let number = one.claim().await;
    let node = one.identity.node.clone();
    assert_eq!(
        refusal(other.fence(number).await),
        Refusal::NotOwner { node, number }
    );
    one.fence(number).await.unwrap();
}

/// A new run takes the hold over, but not before the former run's lease has ended.
pub async fn a_new_run_adopts_once_the_former_lease_ended(harness: &dyn Harness) {
    let fleet = Fleetful::new(harness, 1);
    let old = fleet.brief_agent("one").await;
    let number = old.claim().await;
    old.drain(number, Undo::default()).await.unwrap();
    let new = fleet.agent("one").await;
    let node = new.identity.node.clone();
    assert_eq!(
        refusal(new.adopt(&old, number, Phase::Draining).await),
        Refusal::FormerAlive { node: node.clone() }
    );
    fleet.outlive_lease().await;
    new.adopt(&old, number, Phase::Draining).await.unwrap();
    assert_eq!(
        refusal(old.drain(number, Undo::default()).await),
        Refusal::NotOwner { node, number }
    );
}

/// A run that is proven dead need not be waited for.
pub async fn a_proven_dead_run_is_ended_at_once(harness: &dyn Harness) {
    let fleet = Fleetful::new(harness, 1);
    let old = fleet.agent("one").await;
    let number = old.claim().await;
    old.drain(number, Undo::default()).await.unwrap();
    let new = fleet.agent("one").await;
    let instance = old.identity.instance.clone();
    new.write(Write::EndInstance { instance }).await.unwrap();
    new.adopt(&old, number, Phase::Draining).await.unwrap();
    assert_eq!(fleet.look().await.presences.len(), 1);
}

/// R1: another boot, and the former boot's lease has ended.
pub async fn a_return_waits_for_the_end_of_the_former_boots_lease(harness: &dyn Harness) {
    let fleet = Fleetful::new(harness, 1);
    let old = fleet.brief_agent("one").await;
    let number = old.claim().await;
    old.fence(number).await.unwrap();
    let new = fleet.agent_for("one", "boot-b", LONG_MS).await;
    let refused = refusal(new.adopt(&old, number, Phase::Rebooting).await);
    let node = new.identity.node.clone();
    assert!(
        matches!(
            refused,
            Refusal::IdentityConflict { .. } | Refusal::FormerAlive { .. }
        ),
        "{refused}"
    );
    fleet.outlive_lease().await;
    new.adopt(&old, number, Phase::Rebooting).await.unwrap();
    let early = new.release(number, Phase::Rebooting, Way::NeverIssued, Undo::default());
    assert_eq!(refusal(early.await), Refusal::OtherBoot { node });
    new.return_(number).await.unwrap();
    let released = new.release(number, Phase::Returned, Way::Returned, Undo::default());
    assert_eq!(released.await.unwrap(), Reply::Released);
    assert_eq!(fleet.holders().await, Vec::<String>::new());
}

/// What we changed is put right before the hold ends.
pub async fn a_hold_ends_only_after_the_undo(harness: &dyn Harness) {
    let fleet = Fleetful::new(harness, 1);
    let one = fleet.agent("one").await;
    let number = one.claim().await;
    one.drain(number, undo("cordon")).await.unwrap();
    let release = |undone| one.release(number, Phase::Draining, Way::NeverIssued, undone);
    let refused = refusal(release(Undo::default()).await);
    assert!(matches!(refused, Refusal::NotUndone { .. }));
    assert_eq!(release(undo("cordon")).await.unwrap(), Reply::Released);
}

/// R3: what a broken hold leaves to be undone is on the node's record until it is undone.
pub async fn a_break_moves_the_undo_to_the_node(harness: &dyn Harness) {
    let fleet = Fleetful::new(harness, 1);
    let one = fleet.agent("one").await;
    let number = one.claim().await;
    one.drain(number, undo("cordon")).await.unwrap();
    let (by, reason) = ("operator".to_owned(), "it burnt".to_owned());
    let action = Action::Break { number, by, reason };
    let broken = fleet.operate(action.clone()).await.unwrap();
    assert!(matches!(broken, Written::Granted(Reply::Broken(hold)) if hold.number == number));
    assert_eq!(
        refusal(fleet.operate(action).await),
        Refusal::NothingToBreak { number }
    );
    let node = one.identity.node.clone();
    let before_any_report = fleet.look().await.owed_by(&node);
    assert_eq!(before_any_report, undo("cordon"));
    one.publish(one.node_record(None), LONG_MS).await;
    assert_eq!(fleet.look().await.owed_by(&node), undo("cordon"));
    let undone = Write::Undone {
        node: node.clone(),
        undone: undo("cordon"),
    };
    one.write(undone).await.unwrap();
    assert!(fleet.look().await.owed_by(&node).is_empty());
}

/// A request that names a hold of the past changes nothing.
pub async fn a_stale_number_has_no_effect(harness: &dyn Harness) {
    let fleet = Fleetful::new(harness, 1);
    let one = fleet.agent("one").await;
    let stale = one.claim().await;
    one.give_back(stale).await;
    let number = one.claim().await;
    let before = fleet.record().await;
    let node = one.identity.node.clone();
    let gone = Refusal::HoldGone {
        node,
        number: stale,
    };
    assert_eq!(refusal(one.fence(stale).await), gone);
    assert_eq!(fleet.record().await, before);
    assert!(number > stale);
}

/// Lowering `max` keeps new ones out and leaves who is in alone.
pub async fn a_lowered_max_evicts_nobody(harness: &dyn Harness) {
    let fleet = Fleetful::new(harness, 2);
    let (one, two) = (fleet.agent("one").await, fleet.agent("two").await);
    let number = one.claim().await;
    two.claim().await;
    let by = "operator".to_owned();
    let lowered = fleet.operate(Action::SetMax { max: 1, by }).await.unwrap();
    let reply = Reply::MaxChanged { old: 2, new: 1 };
    assert_eq!(lowered, Written::Granted(reply));
    assert_eq!(fleet.holders().await, ["one", "two"]);
    one.give_back(number).await;
    let refused = refusal(one.try_claim().await);
    assert!(matches!(refused, Refusal::Full { max: 1, .. }));
}
