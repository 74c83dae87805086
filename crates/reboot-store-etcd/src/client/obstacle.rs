//! Why one endpoint could not be used, and the text of all of them together.

use std::fmt;
use std::io;

use super::endpoint::Endpoint;
use super::fault::Fault;

/// Why one endpoint could not be used. Nothing of the call happened there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Obstacle {
    endpoint: String,
    cause: String,
    check: &'static str,
    /// Whether we were turned away for who we are.
    denied: bool,
}

/// The latest obstacle at each endpoint that was tried.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Obstacles(Vec<Obstacle>);

// === impl Obstacle ===

impl Obstacle {
    pub(super) fn new(endpoint: &Endpoint, cause: impl Into<String>, check: &'static str) -> Self {
        Self {
            endpoint: endpoint.to_string(),
            cause: cause.into(),
            check,
            denied: false,
        }
    }

    /// One that is about who we are.
    pub(super) fn denied(self) -> Self {
        Self {
            denied: true,
            ..self
        }
    }

    /// The name of the host leads nowhere.
    pub(super) fn unknown_host(endpoint: &Endpoint, error: &io::Error) -> Self {
        let cause = format!("cannot find the address of {}: {error}", endpoint.host);
        let check = "check the spelling of the host, and name resolution on this machine";
        Self::new(endpoint, cause, check)
    }

    /// Nothing takes a connection there.
    pub(super) fn not_listening(endpoint: &Endpoint, error: &io::Error) -> Self {
        let check = "check that etcd runs there, that this is its client port (2379 unless \
                     changed), and that no firewall is between";
        Self::new(endpoint, plain(error), check)
    }

    /// It takes a connection, and says nothing.
    pub(super) fn silent(endpoint: &Endpoint, within: std::time::Duration) -> Self {
        let cause = format!("no answer within {} s", within.as_secs_f64());
        let check = "check that etcd is not stopped or overloaded, and that no firewall is between";
        Self::new(endpoint, cause, check)
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.endpoint, self.cause, self.check)
    }
}

// === impl Obstacles ===

impl Obstacles {
    /// Keeps only the latest of each endpoint.
    pub(super) fn add(&mut self, obstacle: Obstacle) {
        self.0.retain(|known| known.endpoint != obstacle.endpoint);
        self.0.push(obstacle);
    }

    /// Adds what another round found.
    pub(super) fn merge(&mut self, others: Self) {
        for obstacle in others.0 {
            self.add(obstacle);
        }
    }

    /// The fault of a call that nobody took. It is a matter of who we are only where each
    /// endpoint says so.
    pub(super) fn into_fault(self) -> Fault {
        let text = format!("cannot use etcd: {self}");
        if !self.0.is_empty() && self.0.iter().all(|obstacle| obstacle.denied) {
            return Fault::Denied(text);
        }
        Fault::Unavailable(text)
    }
}

impl fmt::Display for Obstacles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("the call's time was over before any endpoint was tried");
        }
        for (index, obstacle) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { " | " };
            write!(f, "{separator}{obstacle}")?;
        }
        Ok(())
    }
}

/// The error's own words in lower case, without its number.
pub(super) fn plain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::ConnectionReset => "the connection was reset".to_owned(),
        io::ErrorKind::TimedOut => "no answer to the connection".to_owned(),
        _ => error.to_string(),
    }
}
