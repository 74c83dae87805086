//! Faults on a real etcd of three members, while nodes claim, reboot and release; and whether the
//! history of it all is one that the sequential rules allow.
//!
//! Short as a test; long as `cargo xtask faults --cycles 10000`.

// A test fails best where it fails.
#![allow(clippy::unwrap_used)]

mod again;
mod campaign;
mod chance;
mod cycle;
mod disk;
mod doctored;
mod excused;
mod journal;
mod judge;
mod late;
mod node;
mod operator;
mod past;
mod recorder;
mod storm;
mod weather;

use reboot_core::id::GroupName;

/// Beneath which everything of a run stands.
pub(crate) const NAMESPACE: &str = "faults";
/// The same, as a prefix of keys.
pub(crate) const PREFIX: &str = "/faults/";
/// Where the default group's record stands, beneath the namespace.
pub(crate) const LOCK_KEY: &str = "lock";
/// Slots of a group, as the nodes' files have it.
pub(crate) const SLOTS: u32 = 8;
/// A session's lease; etcd makes none that is shorter at its usual pace.
pub(crate) const LEASE_MS: u64 = 2000;

/// The groups of a run: a busy one, and one with a cooldown.
pub(crate) fn groups() -> [GroupName; 2] {
    [GroupName::default(), GroupName::new("slow").unwrap()]
}

/// Where a node has no business to claim.
pub(crate) fn other_than(group: &GroupName) -> GroupName {
    let [one, other] = groups();
    if *group == one { other } else { one }
}
