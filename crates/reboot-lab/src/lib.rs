//! A laboratory for tests and benchmarks: real etcd members on loopback addresses, that can be
//! killed, stopped and restarted; certificates, good and bad; networks that fail in every way; a
//! message bus.
//!
//! Nothing that ships stands on it.

#![cfg_attr(test, allow(clippy::unwrap_used))] // a test fails best where it fails

mod bus;
mod certificates;
mod etcd;
mod etcdctl;
mod member;
mod ports;
mod probe;
mod proxy;
mod spawn;
mod wires;

use thiserror::Error;

pub use bus::Bus;
pub use certificates::{Authority, Identity, Validity};
pub use etcd::{Etcd, LabOptions, ServerTls};
pub use etcdctl::{Access, Grant, User};
pub use proxy::Proxy;

/// Why the laboratory cannot do what a test wants.
#[derive(Debug, Error)]
pub enum LabError {
    /// A program is not there.
    #[error("cannot start {program} ({cause}): run `apt-get install {package}`")]
    Missing {
        /// The program.
        program: String,
        /// The Debian package that brings it.
        package: &'static str,
        /// What the system said.
        cause: std::io::Error,
    },
    /// A member ended by itself.
    #[error("etcd member {member} ended by itself; the end of its log:\n{log}")]
    Ended {
        /// Which.
        member: usize,
        /// The end of its log.
        log: String,
    },
    /// What was waited for did not come.
    #[error("{what} did not come within {secs} s; the ends of the logs:\n{logs}")]
    TooLate {
        /// What was waited for.
        what: String,
        /// How long, in seconds.
        secs: u64,
        /// The ends of the members' logs.
        logs: String,
    },
    /// etcdctl failed.
    #[error("etcdctl {arguments} failed: {output}")]
    Etcdctl {
        /// With what.
        arguments: String,
        /// What it said.
        output: String,
    },
    /// A certificate cannot be made.
    #[error("cannot make a certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// A file, a port or a process.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}
