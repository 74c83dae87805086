//! The client on real etcd: what it does, and what it says when it cannot.

// A test fails best where it fails, and its functions need no documentation.
#![allow(clippy::unwrap_used, missing_docs)]

mod auth;
mod basics;
mod failover;
mod fresh;
mod support;
mod tls;
mod watching;
mod weather;
