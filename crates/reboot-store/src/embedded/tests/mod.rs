//! The embedded store on real files.

mod conformance;
mod harness;
