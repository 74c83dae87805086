//! Leases that stand ready. A commit that starts timers needs a lease for each, and each lease is a
//! transaction of its own; for a process that commits for many nodes they are granted beforehand.

use crate::client::Client;
use crate::lease;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// So many of one length stand ready.
const READY: usize = 8;
/// No more are left when new ones are granted: several at once cost etcd hardly more than one.
const FEW: usize = 4;
/// Of so many lengths.
const LENGTHS_MAX: usize = 8;
/// None is longer, in milliseconds.
const LENGTH_MAX_MS: u64 = 48 * 60 * 60 * 1000;

/// Leases on which nothing stands yet, by their length in milliseconds.
#[derive(Clone)]
pub(crate) struct Spares {
    client: Client,
    stocks: Arc<Mutex<HashMap<u64, Stock>>>,
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

    fn stocks(&self) -> MutexGuard<'_, HashMap<u64, Stock>> {
        self.stocks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
