//! What a Linux node can see and do.
//!
//! Detectors, the health script, hooks, the boot's identity, the local journal, logind and the
//! reboot itself. Nothing here decides anything and nothing reads the environment or a
//! configuration file: paths, limits and variables are passed in. All of it is content with
//! tokio's current-thread runtime; the only other threads are tokio's passing ones that look at
//! files, so that a hung network mount cannot stop the daemon.

#![cfg_attr(test, allow(clippy::unwrap_used))] // a test fails best where it fails

pub mod boot;
pub mod clock;
pub mod command;
pub mod detector;
mod error;
pub mod hooks;
pub mod journal;
pub mod killswitch;
pub mod logind;
mod look;
pub mod preset;
pub mod process;
pub mod script;
pub mod watch;

pub use error::HostError;
