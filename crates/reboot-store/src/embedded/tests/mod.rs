//! The embedded store on real files, with real processes.

mod child;
mod conformance;
mod crash;
mod harness;
mod maintenance;
mod orders;
mod processes;
mod time;
mod weather;
