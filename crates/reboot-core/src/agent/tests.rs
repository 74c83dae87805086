//! Lives of agents against a small store of the core's own rules.

mod checks;
mod edges;
mod faults;
mod machine;
mod roll;
mod store;
mod world;
