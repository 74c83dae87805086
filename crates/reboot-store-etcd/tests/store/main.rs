//! The store on real etcd: what every store must do, and what only this one must.

// A test fails best where it fails.
#![allow(clippy::unwrap_used)]

mod bench;
mod conformance;
mod epoch;
mod lab;
mod marks;
mod original;
mod rebootlock;
mod sizing;
mod storm;
mod together;
mod waiting;
