//! The binary's parts: command line, configuration, logs and metrics.
//!
//! A library only so that tests and the workspace's automation reach the definitions; nothing else
//! depends on it.

#![cfg_attr(test, allow(clippy::unwrap_used))] // a test fails best where it fails

mod called;
pub mod cli;
pub mod commands;
pub mod config;
mod console;
mod daemon;
mod demo;
pub mod exit;
pub mod logs;
pub mod metrics;
mod plain;
mod report;
mod server;

pub use called::Called;
