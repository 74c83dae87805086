//! Which faults struck in which stages, and how often.

use super::fault::{Stage, Strike, impossible};
use std::fmt;

/// How often each possible cell must be hit in a sweep.
pub const HITS_MIN: u32 = 100;

/// A count for each stage and fault.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Coverage(Vec<u32>);

// === impl Coverage ===

impl Default for Coverage {
    fn default() -> Self {
        Self(vec![0; Stage::ALL.len() * Strike::ALL.len()])
    }
}

impl Coverage {
    fn place(stage: Stage, strike: Strike) -> usize {
        stage as usize * Strike::ALL.len() + strike as usize
    }

    /// Counts a hit.
    pub fn hit(&mut self, stage: Stage, strike: Strike) {
        self.0[Self::place(stage, strike)] += 1;
    }

    /// How often a fault struck in a stage.
    pub fn hits(&self, stage: Stage, strike: Strike) -> u32 {
        self.0[Self::place(stage, strike)]
    }

    /// Adds another run's.
    pub fn merge(&mut self, other: &Self) {
        let pairs = self.0.iter_mut().zip(&other.0);
        pairs.for_each(|(sum, count)| *sum += count);
    }

    /// Every cell that can occur.
    pub fn possible() -> impl Iterator<Item = (Stage, Strike)> {
        let cells = Stage::ALL
            .iter()
            .flat_map(|stage| Strike::ALL.iter().map(|strike| (*stage, *strike)));
        cells.filter(|(stage, strike)| impossible(*stage, *strike).is_none())
    }

    /// The possible cells with fewer hits than this, the rarest first.
    pub fn below(&self, hits: u32) -> Vec<(Stage, Strike, u32)> {
        let counted =
            Self::possible().map(|(stage, strike)| (stage, strike, self.hits(stage, strike)));
        let mut found = Vec::from_iter(counted.filter(|it| it.2 < hits));
        found.sort_by_key(|it| it.2);
        found
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<36} {:>7} {:>7}  rarest stage",
            "fault", "min", "median"
        )?;
        for strike in Strike::ALL {
            let stages = Stage::ALL.iter().copied();
            let possible = stages.filter(|stage| impossible(*stage, *strike).is_none());
            let mut hits = Vec::from_iter(possible.map(|it| (self.hits(it, *strike), it)));
            hits.sort();
            if let (Some(min), Some(median)) = (hits.first(), hits.get(hits.len() / 2)) {
                writeln!(f, "{strike:<36} {:>7} {:>7}  {}", min.0, median.0, min.1)?;
            }
        }
        Ok(())
    }
}
