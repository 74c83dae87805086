//! `clusterrebootd serve` as it ships: the real program, real sockets, a real disk.

// A test fails best where it fails, and its functions need no documentation.
#![allow(clippy::unwrap_used, missing_docs)]

mod crash;
mod fleetlock;
mod guarded;
mod life;
mod program;
mod told;
mod vanish;
