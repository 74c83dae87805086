//! A fleet's state on etcd v3: a small client, and the Store over it.

#![cfg_attr(test, allow(clippy::unwrap_used))] // a test fails best where it fails

pub mod client;
