//! Where a fleet keeps its state: the [`Store`] trait, its conformance suite, the embedded store,
//! the client of a server that keeps one, and a FleetLock server's lock before one.

#![cfg_attr(test, allow(clippy::unwrap_used))] // a test fails best where it fails

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod embedded;
pub mod files;
#[cfg(feature = "remote")]
pub mod fleetlock;
#[cfg(feature = "remote")]
pub mod remote;
mod store;
#[cfg(feature = "tls")]
pub mod tls;
pub mod wire;

pub use store::{Interest, Store};
