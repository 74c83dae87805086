//! Measurements of the built binary: each one repeats an action and keeps what it took.
//!
//! A measurement is a type that implements [`Measure`]. [`run`] takes the list, so adding one
//! touches nothing else, and the report never holds a number that was not measured.

use std::fmt::Write;

use crate::stats::percentile;

/// One thing worth measuring.
pub(crate) trait Measure {
    /// What is measured, with its unit last: `claim_micros`.
    fn name(&self) -> &'static str;

    /// Runs the action often enough to be trusted and returns one sample a run.
    fn samples(&self) -> anyhow::Result<Vec<usize>>;
}

/// Runs every measurement in order and returns the report as a Markdown table.
pub(crate) fn run(measures: &[&dyn Measure]) -> anyhow::Result<String> {
    let mut report = String::from("| measured | runs | median | p99 |\n|---|---|---|---|\n");
    for measure in measures {
        let samples = measure.samples()?;
        let (Some(median), Some(p99)) = (percentile(&samples, 50), percentile(&samples, 99)) else {
            anyhow::bail!(
                "{} took no samples: let it run at least once",
                measure.name()
            );
        };
        writeln!(
            report,
            "| {} | {} | {median} | {p99} |",
            measure.name(),
            samples.len()
        )?;
    }
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(Vec<usize>);

    impl Measure for Fixed {
        fn name(&self) -> &'static str {
            "claim_micros"
        }

        fn samples(&self) -> anyhow::Result<Vec<usize>> {
            Ok(self.0.clone())
        }
    }

    #[test]
    fn the_report_has_a_row_for_each_measurement() {
        let report = run(&[&Fixed(vec![3, 1, 2])]).unwrap();
        assert!(
            report.ends_with("| claim_micros | 3 | 2 | 3 |\n"),
            "{report}"
        );
    }

    #[test]
    fn a_measurement_without_samples_is_an_error() {
        assert!(run(&[&Fixed(Vec::new())]).is_err());
    }
}
