//! Lives of agents against a small store of the core's own rules.
