//! The node's shell: turns the effects of `reboot-core`'s agent into I/O and feeds the results
//! back as events. It decides nothing.

#![cfg_attr(test, allow(clippy::unwrap_used))] // a test fails best where it fails

mod alarm;
mod desk;
mod failpoints;
mod hands;
mod node;
mod observer;
mod report;
mod shell;

pub use failpoints::Failpoints;
#[cfg(debug_assertions)]
pub use failpoints::ParseError;
pub use node::{Method, Node};
pub use observer::{Errand, Observer};
pub use shell::{Control, Shell};
