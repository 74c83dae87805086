//! What stands in `deploy/`, held to the programs that read it: Prometheus, systemd, nginx; and to
//! what the real server and the real daemon tell.

#![allow(clippy::unwrap_used, missing_docs)] // a test fails best where it fails

mod alerts;
mod exports;
mod guide;
mod operations;
#[allow(dead_code)] // shared with the tests of the server, which use all of it
#[path = "../serve/program.rs"]
mod program;
mod proxy;
mod queries;
mod tool;
mod typed;
mod units;
mod walks;
