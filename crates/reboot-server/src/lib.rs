//! The coordination server: FleetLock, the lock API and the fleet API over any store.
//!
//! Settings come in as checked values; nothing here reads a file of configuration or the
//! environment. Nothing here decides either: every change of a group goes through the rules of
//! `reboot-core`, inside the store.

#![cfg_attr(test, allow(clippy::unwrap_used))] // a test fails best where it fails

pub mod audit;
mod client;
mod clock;
mod connection;
pub mod desk;
pub mod doors;
mod estimate;
mod fleet_api;
pub mod fleetlock;
mod health;
mod kind;
mod limits;
pub mod lock_api;
mod metrics;
pub mod news;
mod object;
mod operator;
mod orders;
mod origin;
mod page;
mod parking;
mod peer;
mod reading;
mod refusal;
mod router;
mod serve;
pub mod settings;
pub mod tls;
pub mod view;
pub mod wire;

pub use client::Client;
pub use kind::{KINDS, Kind, Refused};
pub use metrics::{TYPE as METRICS_TYPE, page as metrics_page};
pub use origin::Names;
pub use peer::Peer;
pub use router::{router, router_behind};
pub use serve::Server;
