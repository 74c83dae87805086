//! Where a fleet keeps its state: the [`Store`] trait, its conformance suite, the embedded store,
//! and the client of a server that keeps one.

#![cfg_attr(test, allow(clippy::unwrap_used))] // a test fails best where it fails

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod embedded;
pub mod files;
#[cfg(feature = "remote")]
pub mod remote;
mod store;
#[cfg(feature = "tls")]
pub mod tls;
pub mod wire;

pub use store::{Interest, Store};
