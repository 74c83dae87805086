//! Where a fleet keeps its state: the [`Store`] trait, its conformance suite and the embedded
//! store.

#![cfg_attr(test, allow(clippy::unwrap_used))] // a test fails best where it fails

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod embedded;
mod store;

pub use store::{Interest, Store};
