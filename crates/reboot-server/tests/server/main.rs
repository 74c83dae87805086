//! The server as its clients see it: real sockets, a real store on a real disk.

#![allow(clippy::unwrap_used)] // a test fails best where it fails

mod fleetlock;
mod kit;
mod limits;
mod lock_api;
mod metrics;
mod rules;
mod waiting;
