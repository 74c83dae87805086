//! The embedded store on real files, with real processes.

mod child;
mod conformance;
mod harness;
mod processes;
mod time;
