//! What every store must do, as facts that run on the real thing.
//!
//! A store brings a [`Harness`] and calls [`conformance_tests!`](crate::conformance_tests) in
//! its tests: each fact becomes a test of its own.

// A fact fails best where it fails.
#![allow(clippy::unwrap_used)]

pub mod claims;
pub mod concurrency;
pub mod guests;
pub mod holds;
pub(crate) mod kit;
pub mod line;
pub mod orders;
pub mod records;
pub mod timers;
pub mod wakes;

use crate::Store;
use async_trait::async_trait;
use reboot_core::id::GroupName;
use std::sync::Arc;

/// A fresh, empty store under test, and what a test may do to its surroundings.
#[async_trait]
pub trait Harness: Send + Sync {
    /// The store.
    fn store(&self) -> Arc<dyn Store>;

    /// The shortest lease that the store keeps exactly, in milliseconds; whole seconds.
    fn lease_ms(&self) -> u64;

    /// For how long the store counts a reboot, in milliseconds.
    fn marks_ttl_ms(&self) -> u64;

    /// Lets time pass, as the store measures it.
    async fn advance(&self, ms: u64);

    /// Puts a text where the group's record is stored, behind the store's back.
    async fn put_record(&self, group: &GroupName, record: &str);
}

/// Makes a test of every fact. Give the path of an `async fn() -> impl Harness`.
#[macro_export]
macro_rules! conformance_tests {
    ($make:path) => {
        $crate::conformance_tests! { $make;
            claims: a_free_slot_is_granted_and_numbered,
            a_full_group_refuses_and_names_its_holders,
            a_repeated_claim_changes_nothing,
            a_node_holds_in_one_group_only,
            a_claim_needs_a_live_lease,
            a_claim_ends_with_its_lease,
            a_claim_ends_when_its_lease_is_ended,
            a_dead_claim_is_not_revived_by_its_leases_name,
            a_pause_refuses_claims_until_it_ends,
            a_pause_ends_with_its_lease,
            a_node_is_held_back_until_it_is_let_go,
            a_node_is_let_go_when_its_time_is_over,
            a_diagnostic_pass_does_not_overtake,
            two_machines_of_one_name_get_nothing;
            holds: a_durable_hold_outlives_its_lease,
            only_the_owner_moves_its_hold,
            a_new_run_adopts_once_the_former_lease_ended,
            a_proven_dead_run_is_ended_at_once,
            a_return_waits_for_the_end_of_the_former_boots_lease,
            a_hold_ends_only_after_the_undo,
            a_break_moves_the_undo_to_the_node,
            a_stale_number_has_no_effect,
            a_lowered_max_evicts_nobody;
            guests: a_guest_is_admitted_and_fenced_at_once,
            a_guest_ends_its_own_hold_by_its_word,
            guests_and_agents_leave_each_others_holds_alone,
            a_guest_meets_cooldown_and_cap,
            a_guest_leaves_no_more_marks_than_count;
            timers: the_fence_starts_the_cooldown_in_its_commit,
            the_cooldown_ends_and_the_next_may_fence,
            a_reboot_counts_until_its_mark_ends,
            a_hold_is_overdue_after_its_deadline,
            a_second_fence_is_counted_once;
            line: first_come_first_served,
            a_ticket_needs_a_live_lease,
            a_dead_waiters_ticket_goes_with_its_lease,
            a_waiter_keeps_its_place_under_a_new_lease,
            who_holds_does_not_wait,
            a_dead_claim_keeps_nobody_out_of_the_line;
            records: a_group_that_nodes_say_they_hold_in_is_not_made_anew,
            a_group_is_made_by_the_first_claim_only,
            unknown_fields_are_kept,
            an_unknown_feature_is_refused,
            a_broken_record_is_refused_and_kept,
            a_node_record_grows_stale_and_fresh_again,
            a_forgotten_node_is_gone,
            history_tells_what_happened_in_order,
            the_fleets_pause_is_in_every_history;
            orders: an_order_stands_until_it_is_ended,
            an_order_makes_no_group,
            a_forgotten_node_is_ordered_nothing,
            an_order_wakes_its_node,
            an_order_wakes_who_waits_for_a_slot,
            an_order_that_was_missed_wakes_at_once,
            what_others_do_wakes_no_idle_node;
            wakes: a_release_wakes_the_waiter,
            a_lease_that_ends_wakes_the_waiter,
            a_predecessor_that_leaves_wakes_the_waiter,
            the_end_of_the_cooldown_wakes_the_waiter,
            a_pause_and_its_end_wake_the_waiter,
            a_pause_that_ends_by_itself_wakes_the_waiter,
            a_view_of_the_fleet_hears_of_everything,
            what_was_missed_wakes_at_once,
            renewals_wake_nobody;
            concurrency: never_more_hold_than_max,
            guests_and_agents_never_hold_more_than_max,
            guests_at_once_meet_the_cooldown_of_one,
            history_linearizes_to_the_rules,
        }
    };
    ($make:path; $($module:ident: $($fact:ident),+);+ $(,)?) => {
        $(mod $module {
            $(#[tokio::test]
            async fn $fact() {
                let harness = $make().await;
                $crate::conformance::$module::$fact(&harness).await;
            })+
        })+
    };
}
