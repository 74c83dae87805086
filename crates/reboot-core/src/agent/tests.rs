//! Lives of agents against a small store of the core's own rules.

mod checks;
mod command;
mod edges;
mod faults;
mod machine;
mod obstacles;
mod roll;
mod store;
mod totality;
mod world;
