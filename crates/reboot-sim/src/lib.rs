//! The rules in virtual time: whole fleets of the very agents and transitions that ship.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod fleet;
#[cfg(feature = "mutations")]
pub mod hunt;
pub mod model;
pub mod plan;
pub mod store;
pub mod violation;
pub mod world;
