//! The running binary on real etcd: what it does on the embedded store it does there, test by
//! test, and what only a store on the network can go through.

#![allow(clippy::unwrap_used, missing_docs)] // a test fails best where it fails

#[allow(dead_code)] // shared with the evidence, which uses all of it
#[path = "../evidence/bench.rs"]
mod bench;
#[path = "../evidence/clocks.rs"]
mod clocks;
#[path = "../evidence/command.rs"]
mod command;
#[path = "../evidence/crashes.rs"]
mod crashes;
#[path = "../evidence/doubles.rs"]
mod doubles;
#[path = "../evidence/fleets.rs"]
mod fleets;
#[path = "../evidence/gates.rs"]
mod gates;
#[path = "../evidence/hooks.rs"]
mod hooks;
mod lab;
#[allow(dead_code)] // as above
#[path = "../evidence/machine.rs"]
mod machine;
mod moving;
#[path = "../evidence/operators.rs"]
mod operators;
#[path = "../evidence/orders.rs"]
mod orders;
mod papers;
#[path = "../evidence/peers.rs"]
mod peers;
mod place;
#[allow(dead_code)] // shared with the tests of the server, which use all of it
#[path = "../serve/program.rs"]
mod program;
mod reach;
mod replicas;
#[allow(dead_code)] // as above
#[path = "../evidence/scripts.rs"]
mod scripts;
mod shell;
#[path = "../evidence/status.rs"]
mod status;
mod waiting;
