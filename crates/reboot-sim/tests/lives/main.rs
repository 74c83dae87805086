//! Whole lives of agents, told one by one and struck by faults.

#![allow(clippy::unwrap_used)] // a test fails best where it fails

mod command;
mod edges;
mod faults;
mod obstacles;
mod orders;
mod roll;
mod totality;
