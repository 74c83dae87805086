//! Durations that were seen, and what they come to.

use std::time::Duration;

use anyhow::Context;

use crate::stats::percentile;

/// Durations in nanoseconds.
#[derive(Default)]
pub(crate) struct Samples(pub(crate) Vec<usize>);

// === impl Samples ===

impl Samples {
    /// Adds one.
    pub(crate) fn push(&mut self, span: Duration) {
        self.0
            .push(span.as_nanos().try_into().unwrap_or(usize::MAX));
    }

    /// The duration that so many percent of the samples do not exceed, in milliseconds.
    pub(crate) fn millis(&self, percent: usize) -> anyhow::Result<f64> {
        let nanos = percentile(&self.0, percent).context("nothing was measured")?;
        let span = Duration::from_nanos(nanos.try_into()?);
        Ok(span.as_secs_f64() * 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_told_in_milliseconds() {
        let mut samples = Samples::default();
        assert!(samples.millis(50).is_err());
        samples.push(Duration::from_micros(1500));
        samples.push(Duration::from_micros(2500));
        assert!((samples.millis(50).unwrap() - 1.5).abs() < 1e-9);
        assert!((samples.millis(99).unwrap() - 2.5).abs() < 1e-9);
    }
}
