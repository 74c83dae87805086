//! The store over HTTP: real sockets, a real store behind them.

// A test fails best where it fails.
#![allow(clippy::unwrap_used)]

mod conformance;
mod herd;
mod kit;
mod roles;
mod routes;
mod tls;
