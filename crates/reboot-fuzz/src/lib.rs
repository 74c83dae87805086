//! Hostile texts for everything that reads one.
//!
//! An [`Input`] names one thing that is read (a configuration, a stored record, what a command
//! prints), a corpus of texts worth keeping, and the check that every text must pass. [`fuzz`]
//! gives it the corpus, and edits of the corpus: from one fixed seed, so that every run covers
//! the same ground, and from a fresh one, so that every run breaks new ground. Each check is held
//! to limits of memory and time that grow with the text.

#![cfg_attr(test, allow(clippy::unwrap_used))] // a test fails best where it fails

mod chance;
mod corpus;
mod edit;
mod limit;
mod run;
mod shrink;

pub use chance::Chance;
pub use edit::edited;
pub use limit::{Exceeded, Limit};
pub use run::{Input, fuzz, guided, held};

#[cfg(feature = "guided")]
pub use bolero;

/// A test that fuzzes an [`Input`], made by an expression. With the feature `guided` it is a
/// target of `cargo bolero test` instead.
#[macro_export]
macro_rules! fuzz_test {
    ($name:ident, $input:expr) => {
        #[test]
        fn $name() {
            #[cfg(not(feature = "guided"))]
            $crate::fuzz(&$input);
            #[cfg(feature = "guided")]
            {
                let input = $input;
                let input = std::panic::AssertUnwindSafe(&input);
                bolero::check!().for_each(move |text: &[u8]| $crate::guided(&input, text));
            }
        }
    };
}
