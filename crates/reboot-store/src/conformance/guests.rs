//! Clients without an agent: admitted and fenced in one commit, gone on their own word.

use super::Harness;
use super::kit::{Fleetful, refusal};
use reboot_core::group::{Phase, Refusal, Reply};
use reboot_core::write::Trouble;

/// Longer than any test takes.
const HOUR_MS: u64 = 60 * 60 * 1000;

/// One commit: the slot, the fence, the deadline, the mark.
pub async fn a_guest_is_admitted_and_fenced_at_once(harness: &dyn Harness) {
    let fleet = Fleetful::new(harness, 1);
    let (one, two) = (fleet.agent("one").await, fleet.agent("two").await);
    let phase = Phase::Rebooting;
    let held = Reply::Held { number: 1, phase };
    assert_eq!(one.admit().await.unwrap(), held);
    assert_eq!(
        one.admit().await.unwrap(),
        held,
        "asking again is no more than an answer"
    );
    let refused = refusal(two.admit().await);
    assert!(matches!(refused, Refusal::Full { .. }), "{refused}");
    let entry = fleet.entry().await;
    let hold = &entry.group.holds[0];
    assert!(hold.fenced && hold.guest.as_deref() == Some("fleetlock"));
    assert!(!entry.is_overdue(hold));
    assert_eq!(entry.group.holds.len(), 1);
}

/// Its word ends its hold, and nobody else's; whoever holds nothing may say it too.
pub async fn a_guest_ends_its_own_hold_by_its_word(harness: &dyn Harness) {
    let fleet = Fleetful::new(harness, 1);
    let (one, two) = (fleet.agent("one").await, fleet.agent("two").await);
    one.admit().await.unwrap();
    one.end().await;
    assert_eq!(two.say_steady().await, Reply::Done);
    assert_eq!(fleet.holders().await, ["one"]);
    assert_eq!(one.say_steady().await, Reply::Released);
    assert_eq!(one.say_steady().await, Reply::Done);
    assert_eq!(fleet.holders().await, Vec::<String>::new());
    two.admit().await.unwrap();
}

/// An agent's hold does not end on a word, and an agent does not move a guest's.
pub async fn guests_and_agents_leave_each_others_holds_alone(harness: &dyn Harness) {
    let fleet = Fleetful::new(harness, 2);
    let (one, two) = (fleet.agent("one").await, fleet.agent("two").await);
    let number = one.claim().await;
    one.fence(number).await.unwrap();
    let refused = refusal(one.admit().await);
    assert!(matches!(refused, Refusal::AlreadyHolds { .. }), "{refused}");
    assert_eq!(one.say_steady().await, Reply::Done);
    assert_eq!(fleet.holders().await, ["one"]);
    two.admit().await.unwrap();
    let refused = refusal(two.try_claim().await);
    assert!(matches!(refused, Refusal::AlreadyHolds { .. }), "{refused}");
    let refused = refusal(two.return_(number + 1).await);
    assert!(matches!(refused, Refusal::NotOwner { .. }), "{refused}");
}

/// The cooldown and the daily cap count for guests too.
pub async fn a_guest_meets_cooldown_and_cap(harness: &dyn Harness) {
    let fleet = Fleetful::new(harness, 2);
    let (mut one, mut two) = (fleet.agent("one").await, fleet.agent("two").await);
    one.max_reboots_per_day = 1;
    one.admit().await.unwrap();
    one.say_steady().await;
    let refused = refusal(one.admit().await);
    assert!(matches!(refused, Refusal::DailyCap { .. }), "{refused}");
    two.interval_secs = harness.lease_ms() / 1000;
    two.admit().await.unwrap();
    let three = fleet.agent("three").await;
    let refused = refusal(three.admit().await);
    let is_it = matches!(refused, Refusal::CooldownRunning { .. });
    assert!(is_it, "{refused}");
    fleet.outlive_lease().await;
    three.admit().await.unwrap();
}

/// A client that reboots again and again leaves no more marks than a cap can ask for; the oldest
/// go, so that the next cap to be set counts the latest.
pub async fn a_guest_leaves_no_more_marks_than_count(harness: &dyn Harness) {
    let fleet = Fleetful::new(harness, 1);
    let mut one = fleet.agent("one").await;
    one.max_reboots_per_day = u32::MAX;
    one.publish(one.node_record(None), super::kit::LONG_MS)
        .await;
    let marks = async || fleet.look().await.nodes[&one.identity.node].marks;
    // Where they last no longer than this takes, some may have ended.
    let all_stay = harness.marks_ttl_ms() >= HOUR_MS;
    for round in 1..=22 {
        one.admit().await.unwrap();
        one.say_steady().await;
        let (count, most) = (marks().await, round.min(20));
        let is_it = count == most || !all_stay && count < most;
        assert!(is_it, "{count} after {round} reboots");
    }
    one.max_reboots_per_day = 21;
    one.admit().await.unwrap();
    one.say_steady().await;
    match one.admit().await {
        Err(Trouble::Refused(Refusal::DailyCap { marks: 21, .. })) => {}
        Ok(_) if !all_stay => {}
        other => panic!("{other:?}"),
    }
}
