//! The server as its clients see it: real sockets, a real store on a real disk.

#![allow(clippy::unwrap_used)] // a test fails best where it fails

mod files;
#[allow(dead_code)] // shared with the tests of the page, which use all of it
#[path = "../page/fleet.rs"]
mod fleet;
mod fleetlock;
mod full;
mod kit;
mod limits;
mod lock_api;
mod metrics;
mod names;
mod origin;
mod owned;
mod parking;
mod roles;
mod rules;
mod waiting;
