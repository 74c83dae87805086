//! The rules of safe fleet reboots.
//!
//! Nothing here reads a clock, a file, a socket or a random number: time, facts and seeds are
//! passed in, so that the simulator and the model checker run the very code that ships.

#![cfg_attr(test, allow(clippy::unwrap_used))] // a test fails best where it fails

pub mod agent;
pub mod backoff;
pub mod boot;
mod contention;
pub mod fleet;
pub mod gates;
pub mod group;
pub mod id;
pub mod line;
pub mod mutation;
pub mod need;
pub mod order;
pub mod outcome;
pub mod past;
pub mod policy;
pub mod reason;
pub mod settings;
pub mod undo;
pub mod window;
pub mod write;
