//! Waiting longer after every failure, and never in step with the other nodes.

/// SplitMix64's step: odd, so that adding it walks through all 2^64 seeds before one comes again.
const SEED_STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// The bounds of an exponential wait.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Backoff {
    /// The shortest wait, in milliseconds. 0 is taken as 1, since nothing would grow from it.
    pub min_ms: u64,
    /// The longest wait, in milliseconds. Below `min_ms` it is taken as `min_ms`.
    pub max_ms: u64,
}

// === impl Backoff ===

impl Backoff {
    /// How long to wait after so many failed attempts before this one (0 after the first), in
    /// milliseconds: never below `min_ms`, never above `max_ms`.
    ///
    /// The ceiling is twice `min_ms` at first and doubles with each attempt up to `max_ms`. Half
    /// of it is waited always, the other half is drawn from the seed: so even the first waits of a
    /// whole fleet are spread.
    pub fn delay_ms(&self, attempt: u32, seed: u64) -> u64 {
        let min_ms = self.min_ms.max(1);
        let max_ms = self.max_ms.max(min_ms);
        let ceiling_ms = doubled(min_ms, attempt.saturating_add(1)).min(max_ms);
        let floor_ms = min_ms.max(ceiling_ms / 2);
        floor_ms
            + below(
                ceiling_ms - floor_ms,
                mixed(mixed(seed) ^ u64::from(attempt)),
            )
    }
}

/// The seed to pass next time. The first may be anything that differs from node to node.
pub fn next_seed(seed: u64) -> u64 {
    seed.wrapping_add(SEED_STEP)
}

fn doubled(ms: u64, times: u32) -> u64 {
    1_u64
        .checked_shl(times)
        .map_or(u64::MAX, |factor| ms.saturating_mul(factor))
}

/// A number from 0 to `most`, both included, each as likely as the others.
fn below(most: u64, random: u64) -> u64 {
    let scaled = u128::from(random) * (u128::from(most) + 1);
    // The upper half of the product of two 64-bit numbers fits; it is at most `most`.
    u64::try_from(scaled >> 64).unwrap_or(most)
}

/// SplitMix64's output function (Steele, Lea, Flood 2014): near seeds give unlike numbers.
fn mixed(seed: u64) -> u64 {
    let mut bits = seed.wrapping_add(SEED_STEP);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}
