//! Sums the result lines of the test runner while its output passes by.

use std::fmt;
use std::io::{BufRead, BufReader, Read, Write};

use anyhow::Context;

/// Tests so far.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    /// Tests that passed.
    pub(crate) passed: usize,
    /// Tests that failed.
    pub(crate) failed: usize,
}

// === impl Count ===

impl Count {
    /// Passes `output` on to `screen` line by line as it comes, and counts.
    ///
    /// # Errors
    /// When either end breaks.
    pub(crate) fn follow(
        &mut self,
        output: impl Read,
        mut screen: impl Write,
    ) -> anyhow::Result<()> {
        let mut output = BufReader::new(output);
        let mut line = Vec::new();
        while output
            .read_until(b'\n', &mut line)
            .context("cannot read the tests' output")?
            > 0
        {
            screen
                .write_all(&line)
                .and_then(|()| screen.flush())
                .context("cannot print")?;
            self.add(&String::from_utf8_lossy(&line));
            line.clear();
        }
        Ok(())
    }

    /// Adds a line like `test result: ok. 12 passed; 0 failed; 0 ignored; …`.
    fn add(&mut self, line: &str) {
        let Some(result) = line.strip_prefix("test result: ") else {
            return;
        };
        for part in result.split(['.', ';']) {
            match part.trim().split_once(' ') {
                Some((number, "passed")) => self.passed += number.parse().unwrap_or(0),
                Some((number, "failed")) => self.failed += number.parse().unwrap_or(0),
                _ => {}
            }
        }
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "\
running 3 tests
test a ... ok
test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
test result: \u{1b}[31mFAILED\u{1b}(B\u{1b}[m. 10 passed; 2 failed; 0 ignored; 0 measured
";

    #[test]
    fn results_of_all_runs_are_summed() {
        let mut count = Count::default();
        count.follow(OUTPUT.as_bytes(), Vec::new()).unwrap();
        assert_eq!(
            count,
            Count {
                passed: 13,
                failed: 2
            }
        );
        assert_eq!(count.to_string(), "13 passed, 2 failed");
    }

    #[test]
    fn what_the_tests_print_passes_by_unchanged() {
        let mut screen = Vec::new();
        let output = b"caf\xe9\nno newline at the end";
        Count::default()
            .follow(output.as_slice(), &mut screen)
            .unwrap();
        assert_eq!(screen, output);
    }

    #[test]
    fn a_test_that_talks_of_results_is_not_counted() {
        let mut count = Count::default();
        count.add("the log says: test result: ok. 5 passed; 1 failed");
        assert_eq!(count, Count::default());
    }
}
