//! A fleet's state in etcd v3: a small client, and the store over it. One record a group by
//! compare-and-swap; claims and tickets on leases, durable holds on none.

#![cfg_attr(test, allow(clippy::unwrap_used))] // a test fails best where it fails

mod ask;
pub mod client;
mod commit;
mod ears;
mod epoch;
pub mod keys;
mod lease;
mod look;
mod memory;
mod nodes;
mod orders;
mod pausing;
mod reading;
mod record;
mod semaphore;
mod sessions;
mod spares;
mod store;
mod together;
mod turns;
mod waiting;

pub use epoch::Begun;
pub use store::{EtcdStore, Layout};
