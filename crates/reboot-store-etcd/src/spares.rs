//! Leases that stand ready. A commit that starts timers needs a lease for each, and each lease is a
//! transaction of its own; for a process that commits for many nodes they are granted beforehand,
//! and what a timer that was put out stood on serves the next one.

use crate::client::Client;
use crate::lease;
use reboot_core::id::GroupName;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// So many of one length are granted to stand ready.
const READY: usize = 8;
/// So many stand ready at most; more that come back end by themselves.
const READY_MAX: usize = 64;
/// No more are left when new ones are granted: several at once cost etcd hardly more than one.
const FEW: usize = 4;
/// Of so many lengths.
const LENGTHS_MAX: usize = 8;
/// So many deadlines that run are known with their leases.
const DEADLINES_MAX: usize = 1024;
/// None is longer, in milliseconds.
const LENGTH_MAX_MS: u64 = 48 * 60 * 60 * 1000;

/// Leases on which nothing stands yet, by their length in milliseconds.
#[derive(Clone)]
pub(crate) struct Spares {
    client: Client,
    stocks: Arc<Mutex<HashMap<u64, Stock>>>,
    deadlines: Arc<Mutex<HashMap<Deadline, (Used, Instant)>>>,
}

/// A hold's deadline: of which group, of which number.
type Deadline = (GroupName, u64);

/// A lease that a timer stands on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Used {
    pub(crate) duration_ms: u64,
    pub(crate) lease: i64,
}

#[derive(Default)]
struct Stock {
    ready: Vec<Spare>,
    /// How many are being granted.
    ordered: usize,
    /// When one was asked for last.
    asked: Option<Instant>,
}

/// One lease.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spare {
    pub(crate) lease: i64,
    /// Since when it surely runs, or longer.
    pub(crate) since: Instant,
}

// === impl Spares ===

impl Spares {
    pub(crate) fn new(client: Client) -> Self {
        Self {
            client,
            stocks: Arc::default(),
            deadlines: Arc::default(),
        }
    }

    /// The youngest of a length, if there is one; others are granted when few are left. It may
    /// have ended.
    pub(crate) fn take(&self, duration_ms: u64) -> Option<Spare> {
        if duration_ms > LENGTH_MAX_MS {
            return None;
        }
        let mut stocks = self.stocks();
        if stocks.len() >= LENGTHS_MAX && !stocks.contains_key(&duration_ms) {
            let oldest = stocks.iter().min_by_key(|(_, stock)| stock.asked);
            let oldest = oldest.map(|(duration_ms, _)| *duration_ms)?;
            stocks.remove(&oldest); // what stands ready ends by itself
        }
        let stock = stocks.entry(duration_ms).or_default();
        stock.asked = Some(Instant::now());
        let runs = |spare: &Spare| spare.since.elapsed() < Duration::from_millis(duration_ms);
        stock.ready.retain(runs);
        let spare = stock.ready.pop();
        let missing = match stock.ready.len() + stock.ordered {
            left if left > FEW => 0,
            left => READY - left,
        };
        stock.ordered += missing;
        drop(stocks);
        for _ in 0..missing {
            tokio::spawn(self.clone().grant(duration_ms));
        }
        spare
    }

    /// Without etcd there will be none: whoever needs one asks for it then.
    async fn grant(self, duration_ms: u64) {
        let (lease, since) = (lease::fresh(), Instant::now());
        let granted = self.client.grant(lease, lease::secs(duration_ms)).await;
        let mut stocks = self.stocks();
        let Some(stock) = stocks.get_mut(&duration_ms) else {
            return; // nobody asks for this length any more
        };
        stock.ordered = stock.ordered.saturating_sub(1);
        if granted.is_ok() {
            stock.ready.push(Spare { lease, since });
        }
    }

    /// A deadline of a hold stands on a lease that nothing else stands on.
    pub(crate) fn note_deadline(&self, group: &GroupName, number: u64, used: Used) {
        let mut deadlines = self.deadlines();
        if deadlines.len() >= DEADLINES_MAX {
            let runs = |used: &Used, since: &Instant| since.elapsed() < used.length();
            deadlines.retain(|_, (used, since)| runs(used, since)); // others put those out
        }
        if deadlines.len() < DEADLINES_MAX {
            deadlines.insert((group.clone(), number), (used, Instant::now()));
        }
    }

    /// What a deadline of this process stands on, for whoever puts it out.
    pub(crate) fn deadline(&self, group: &GroupName, number: u64) -> Option<Used> {
        let deadlines = self.deadlines();
        let found = deadlines.get(&(group.clone(), number));
        found.map(|(used, _)| *used)
    }

    /// Nothing stands on a lease any more: if it still runs in full, it stands ready.
    pub(crate) fn give_back(&self, used: Used) {
        self.deadlines().retain(|_, (other, _)| *other != used);
        tokio::spawn(self.clone().renew(used));
    }

    async fn renew(self, used: Used) {
        let (lease, since) = (used.lease, Instant::now());
        let secs = self.client.keep_alive(lease).await;
        let mut stocks = self.stocks();
        let stock = stocks.get_mut(&used.duration_ms);
        if let Some(stock) = stock.filter(|it| it.ready.len() < READY_MAX)
            && secs.is_ok_and(|secs| secs == lease::secs(used.duration_ms))
        {
            stock.ready.push(Spare { lease, since });
        }
    }

    fn deadlines(&self) -> MutexGuard<'_, HashMap<Deadline, (Used, Instant)>> {
        let deadlines = self.deadlines.lock();
        deadlines.unwrap_or_else(PoisonError::into_inner)
    }

    fn stocks(&self) -> MutexGuard<'_, HashMap<u64, Stock>> {
        self.stocks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Used ===

impl Used {
    fn length(&self) -> Duration {
        Duration::from_millis(self.duration_ms)
    }
}
