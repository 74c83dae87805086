//! Every command line that the documentation shows: ours are such as the program takes, those of
//! other programs are typed by a test.

// A test fails best where it fails, and its functions need no documentation.
#![allow(clippy::unwrap_used, missing_docs)]

mod documents;
mod ledger;
mod others;
mod ours;
