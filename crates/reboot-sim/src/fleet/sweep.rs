//! Many seeds, over all processors.

use super::coverage::{Coverage, HITS_MIN};
use super::{Counts, Mode, Run, run};
use crate::violation::Violation;
use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// What came of many seeds.
#[derive(Clone, Debug, Default)]
pub struct Sweep {
    /// So many were played.
    pub seeds: u64,
    /// The lowest seed that broke a promise, in which mode, and which promise.
    pub failure: Option<(u64, Mode, Violation)>,
    /// Which faults struck where.
    pub coverage: Coverage,
    /// How much happened.
    pub counts: Counts,
    /// Virtual time of all fleets, weighed by their nodes: so many milliseconds of one node.
    pub node_ms: u64,
    /// How long it took.
    pub took: Duration,
}

/// The mode of a seed in a sweep: every fourth is run to its end.
pub fn mode_of(seed: u64) -> Mode {
    match seed % 4 {
        3 => Mode::Liveness,
        _ => Mode::Safety,
    }
}

/// Plays these seeds over so many threads, and stops at the first broken promise.
pub fn sweep(seeds: Range<u64>, threads: usize) -> Sweep {
    let started = Instant::now();
    let next = AtomicU64::new(seeds.start);
    let is_over = AtomicBool::new(false);
    let total = Mutex::new(Sweep::default());
    let work = || {
        while !is_over.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return;
            }
            let run = run(seed, mode_of(seed));
            is_over.fetch_or(!run.violations.is_empty(), Ordering::Relaxed);
            let mut total = total.lock().unwrap_or_else(PoisonError::into_inner);
            total.add(seed, run);
        }
    };
    thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(work);
        }
    });
    let mut sweep = total.into_inner().unwrap_or_else(PoisonError::into_inner);
    sweep.took = started.elapsed();
    sweep
}

// === impl Sweep ===

impl Sweep {
    fn add(&mut self, seed: u64, run: Run) {
        self.seeds += 1;
        self.coverage.merge(&run.coverage);
        self.counts.nodes += run.counts.nodes;
        self.counts.reboots += run.counts.reboots;
        self.counts.events += run.counts.events;
        self.counts.virtual_ms += run.counts.virtual_ms;
        self.node_ms += run.counts.virtual_ms * run.counts.nodes;
        let is_earlier = self.failure.as_ref().is_none_or(|found| seed < found.0);
        if let Some(violation) = run.violations.into_iter().next()
            && is_earlier
        {
            self.failure = Some((seed, mode_of(seed), violation));
        }
    }

    /// Whether no promise was broken and every possible cell was hit often enough.
    pub fn is_good(&self) -> bool {
        self.failure.is_none() && self.coverage.below(HITS_MIN).is_empty()
    }
}

impl fmt::Display for Sweep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DAY_MS: u64 = 86_400_000;
        let Counts {
            nodes,
            reboots,
            events,
            virtual_ms,
        } = self.counts;
        let secs = self.took.as_secs_f64().max(0.001);
        let days = virtual_ms / DAY_MS;
        let (per_minute, per_second) = (days as f64 * 60.0 / secs, self.seeds as f64 / secs);
        writeln!(
            f,
            "{} seeds in {secs:.1} s, {per_second:.0} a second",
            self.seeds
        )?;
        writeln!(
            f,
            "{days} fleet-days, {per_minute:.0} a minute; {nodes} nodes",
        )?;
        writeln!(
            f,
            "{} node-days, {reboots} reboots, {events} events",
            self.node_ms / DAY_MS
        )?;
        write!(f, "{}", self.coverage)?;
        for (stage, strike, hits) in self.coverage.below(HITS_MIN) {
            writeln!(f, "too rare: {strike} while {stage}, {hits} of {HITS_MIN}")?;
        }
        if let Some((seed, _, violation)) = &self.failure {
            writeln!(f, "BROKEN by seed {seed}: {violation}")?;
            writeln!(
                f,
                "its story: cargo xtask prove fleet --seed {seed} --trace"
            )?;
        }
        Ok(())
    }
}
