//! The little statistics that reports need.

/// The value below which `percent` of the samples lie (nearest rank); `None` without samples.
pub(crate) fn percentile(samples: &[usize], percent: usize) -> Option<usize> {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    let rank = (sorted.len() * percent.min(100)).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied()
}

/// The middle sample, the lower one of two; `None` without samples.
pub(crate) fn median(samples: &[usize]) -> Option<usize> {
    percentile(samples, 50)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_samples_that_were_seen() {
        let samples = [9, 1, 7, 3];
        assert_eq!(percentile(&samples, 0), Some(1));
        assert_eq!(percentile(&samples, 50), Some(3));
        assert_eq!(percentile(&samples, 99), Some(9));
        assert_eq!(percentile(&samples, 100), Some(9));
    }

    #[test]
    fn no_samples_have_no_median() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[5]), Some(5));
    }
}
