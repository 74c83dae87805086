//! Restarts, and reboots of the machine that the store lies on.

use super::harness::{Bench, TestClock, open_at};
use crate::conformance::kit::{Fleetful, LONG_MS};
use crate::conformance::{Harness, kit::Agent};
use crate::embedded::{EmbeddedStore, Options};
use crate::{Interest, Store};
use async_trait::async_trait;
use reboot_core::id::GroupName;
use std::path::Path;
use std::sync::Arc;

const BRIEF_MS: i64 = 1000;

struct At {
    store: Arc<EmbeddedStore>,
    clock: Arc<TestClock>,
}

// === impl At ===

impl At {
    fn open(path: &Path, clock: &Arc<TestClock>) -> Self {
        Self {
            store: Arc::new(open_at(path, clock)),
            clock: clock.clone(),
        }
    }
}

#[async_trait]
impl Harness for At {
    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    fn lease_ms(&self) -> u64 {
        BRIEF_MS.unsigned_abs()
    }

    fn marks_ttl_ms(&self) -> u64 {
        Options::default().marks_ttl_ms
    }

    async fn advance(&self, ms: u64) {
        self.clock.advance(i64::try_from(ms).unwrap());
    }

    async fn put_record(&self, _group: &GroupName, _record: &str) {}
}

/// A claim on a brief lease; a cooldown, a mark, a deadline and a fresh record, all brief.
async fn set_up(at: &At) -> (Agent, u64) {
    let fleet = Fleetful::new(at, 2);
    let mut fenced = fleet.agent("fenced").await;
    fenced.interval_secs = 1;
    fenced.deadline_secs = 1;
    fenced.publish(fenced.node_record(None), 1000).await;
    let number = fenced.claim().await;
    fenced.fence(number).await.unwrap();
    let claimed = fleet.brief_agent("claimed").await;
    claimed.claim().await;
    (fenced, number)
}

/// Whether the claim's lease, the cooldown, the deadline and the freshness still run.
async fn running(at: &At, number: u64) -> [bool; 4] {
    let fleet = Fleetful::new(at, 2);
    let look = fleet.look().await;
    let entry = &look.groups[&fleet.group];
    [
        entry.group.holds.len() == 2,
        entry.cooldown.is_some(),
        entry.within_deadline.contains(&number),
        look.nodes.values().all(|node| node.is_fresh),
    ]
}

#[tokio::test]
async fn a_restart_within_a_boot_gives_no_time_back() {
    let bench = Bench::new();
    let at = At::open(&bench.path(), &bench.clock);
    let (_, number) = set_up(&at).await;
    bench.clock.advance(BRIEF_MS - 1);
    drop(at);
    let at = At::open(&bench.path(), &bench.clock);
    assert_eq!(running(&at, number).await, [true; 4]);
    bench.clock.advance(1);
    assert_eq!(running(&at, number).await, [false; 4]);
}

#[tokio::test]
async fn after_a_reboot_of_the_machine_everything_runs_in_full_again() {
    let bench = Bench::new();
    let at = At::open(&bench.path(), &bench.clock);
    let (fenced, number) = set_up(&at).await;
    let seen = Fleetful::new(&at, 2).look().await.revision;
    bench.clock.advance(BRIEF_MS - 1);
    drop(at);
    let clock = TestClock::new("boot-2", 10);
    let at = At::open(&bench.path(), &clock);
    let interest: Interest = fenced.interest();
    at.store.changed(&interest, seen).await.unwrap();
    clock.advance(BRIEF_MS - 1);
    assert_eq!(running(&at, number).await, [true; 4]);
    let fleet = Fleetful::new(&at, 2);
    let left = fleet.look().await.presences_of(&fenced.identity.node)[0].remaining_ms;
    assert_eq!(left, LONG_MS - (BRIEF_MS.unsigned_abs() - 1));
    assert_eq!(fleet.look().await.nodes[&fenced.identity.node].marks, 1);
    drop(fleet);
    drop(at);
    let at = At::open(&bench.path(), &clock);
    clock.advance(1);
    assert_eq!(running(&at, number).await, [false; 4]);
}

/// A snapshot of a virtual machine can take the clock back within one boot.
#[tokio::test]
async fn a_clock_that_went_back_leaves_nothing_longer_than_its_full_time() {
    let bench = Bench::new();
    bench.clock.advance(1_000_000);
    let at = At::open(&bench.path(), &bench.clock);
    let (_, number) = set_up(&at).await;
    drop(at);
    let clock = TestClock::new("boot-1", 500);
    let at = At::open(&bench.path(), &clock);
    clock.advance(BRIEF_MS - 1);
    assert_eq!(running(&at, number).await, [true; 4]);
    clock.advance(1);
    assert_eq!(running(&at, number).await, [false; 4]);
}
