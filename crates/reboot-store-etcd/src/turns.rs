//! Turns of one process at a group's record. Two tasks that commit at once cost each other a
//! transaction each time one is faster; of 64 the last one would lose 63 races. In turn nobody
//! loses any to its own process.
//!
//! A turn is a courtesy: what keeps order is the compare-and-swap. Who has waited for long goes
//! without, so that one request to a slow etcd does not hold up all others.

use reboot_core::id::GroupName;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::time::Duration;
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::timeout;

/// So many groups go side by side; others may have to share.
const LANES: usize = 16;
/// How long anybody waits for its turn.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whose turn it is, by group.
#[derive(Default)]
pub(crate) struct Turns([Mutex<()>; LANES]);

// === impl Turns ===

impl Turns {
    /// The turn at a group, until it is dropped; nothing when it does not come.
    pub(crate) async fn at(&self, group: &GroupName) -> Option<MutexGuard<'_, ()>> {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(group);
        let lane = usize::try_from(hash % LANES as u64).unwrap_or(0);
        timeout(PATIENCE, self.0[lane].lock()).await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_goes_after_the_other_and_nobody_waits_for_ever() {
        let (turns, group) = (Turns::default(), GroupName::default());
        let first = turns.at(&group).await;
        assert!(first.is_some());
        assert!(turns.at(&group).await.is_none(), "it went without");
        drop(first);
        assert!(turns.at(&group).await.is_some());
    }
}
