//! Where a fleet keeps its state: the [`Store`] trait, its conformance suite and the embedded
//! store.

#![cfg_attr(test, allow(clippy::unwrap_used))] // a test fails best where it fails

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod embedded;
pub mod files;
mod store;
pub mod wire;

pub use store::{Interest, Store};
