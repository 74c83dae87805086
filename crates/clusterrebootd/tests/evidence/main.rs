//! The running binary as its operators meet it: real processes, files, signals and one shared
//! store. What the original's users relied on, and what it got wrong.

#![allow(clippy::unwrap_used, missing_docs)] // a test fails best where it fails

mod bench;
mod clocks;
mod command;
mod crashes;
mod doubles;
mod exits;
mod fleets;
mod frozen;
mod gates;
mod hooks;
mod inhibitors;
mod machine;
mod operators;
mod orders;
mod peers;
mod place;
mod reload;
mod restores;
mod scripts;
mod status;
mod voices;
mod weather;
