//! The running binary on a server of ours: what it does on the embedded store it does there, test
//! by test, and what only a store behind a network and a server can go through.

#![allow(clippy::unwrap_used, missing_docs)] // a test fails best where it fails

#[allow(dead_code)] // shared with the evidence, which uses all of it
#[path = "../evidence/bench.rs"]
mod bench;
#[path = "../evidence/crashes.rs"]
mod crashes;
#[path = "../evidence/doubles.rs"]
mod doubles;
mod fleetlock;
#[path = "../evidence/fleets.rs"]
mod fleets;
#[path = "../evidence/gates.rs"]
mod gates;
#[allow(dead_code)] // as above
#[path = "../evidence/machine.rs"]
mod machine;
#[path = "../evidence/orders.rs"]
mod orders;
#[path = "../evidence/peers.rs"]
mod peers;
mod place;
mod rolls;
#[allow(dead_code)] // as above
#[path = "../evidence/scripts.rs"]
mod scripts;
mod server;
