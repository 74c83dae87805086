//! What a client is told: where etcd is, who asks, and how long to wait.

use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use super::endpoint::Endpoint;
use reboot_store::tls::Tls;

/// How long a call may take, all endpoints together, unless told otherwise.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// How long one endpoint may take to accept a connection, unless told otherwise.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Where etcd is, who asks, and how long to wait.
#[derive(Clone, Debug)]
pub struct Options {
    /// One or more, each `host:port`, `http://host:port` or `https://host:port`. What names no
    /// scheme is `https` where there is a [`Tls`], else `http`.
    pub endpoints: Vec<String>,
    /// How to check the server and who we are to it. Without it, `https` trusts the system's
    /// authorities.
    pub tls: Option<Tls>,
    /// A user of etcd's own.
    pub credentials: Option<Credentials>,
    /// How long a call may take, all endpoints together.
    pub call_timeout: Duration,
    /// How long one endpoint may take to accept a connection and say that it is etcd.
    pub connect_timeout: Duration,
}

/// A user of etcd's own.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The user's name.
    pub username: String,
    /// Where the password is; line ends around it are no part of it. Read again at each login.
    pub password_file: PathBuf,
}

/// What no client can be made of.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BadOptions {
    /// Nowhere to go.
    #[error("no etcd endpoint is given: name at least one, such as https://10.0.0.1:2379")]
    NoEndpoint,
    /// Not an endpoint.
    #[error("`{endpoint}` is no etcd endpoint: {cause}; write host:port or https://host:port")]
    Endpoint {
        /// As given.
        endpoint: String,
        /// What is wrong with it.
        cause: &'static str,
    },
    /// `http` beside certificates: what they protect would go out in the clear.
    #[error("`{endpoint}` is not encrypted but TLS is configured: write https://, or drop the TLS")]
    Cleartext {
        /// As given.
        endpoint: String,
    },
    /// A time limit of nothing.
    #[error("{name} is zero: every call would fail; give it at least a second")]
    ZeroTimeout {
        /// Which one.
        name: &'static str,
    },
}

// === impl Options ===

impl Options {
    /// Options for these endpoints, the rest as usual: no user, 5 s a call, 2 s a connection.
    #[must_use]
    pub fn new<E: Into<String>>(endpoints: impl IntoIterator<Item = E>) -> Self {
        Self {
            endpoints: endpoints.into_iter().map(Into::into).collect(),
            tls: None,
            credentials: None,
            call_timeout: CALL_TIMEOUT,
            connect_timeout: CONNECT_TIMEOUT,
        }
    }

    /// The endpoints, understood.
    pub(super) fn check(&self) -> Result<Vec<Endpoint>, BadOptions> {
        let timeouts = [
            ("call_timeout", self.call_timeout),
            ("connect_timeout", self.connect_timeout),
        ];
        if let Some((name, _)) = timeouts.iter().find(|(_, timeout)| timeout.is_zero()) {
            return Err(BadOptions::ZeroTimeout { name });
        }
        if self.endpoints.is_empty() {
            return Err(BadOptions::NoEndpoint);
        }
        let parse = |text: &String| {
            let endpoint = Endpoint::parse(text, self.tls.is_some())?;
            if self.tls.is_some() && !endpoint.tls {
                return Err(BadOptions::Cleartext {
                    endpoint: text.clone(),
                });
            }
            Ok(endpoint)
        };
        self.endpoints.iter().map(parse).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_make_no_sense_are_refused_with_what_to_do() {
        let refusal = |options: Options| options.check().unwrap_err().to_string();
        assert!(refusal(Options::new([""; 0])).contains("name at least one"));
        assert!(refusal(Options::new(["etcd-1"])).contains("names no port"));
        let in_the_clear = Options {
            tls: Some(Tls::default()),
            ..Options::new(["etcd-1:2379", "http://etcd-2:2379"])
        };
        assert!(refusal(in_the_clear).contains("http://etcd-2:2379"));
        let at_once = Options {
            call_timeout: Duration::ZERO,
            ..Options::new(["etcd-1:2379"])
        };
        assert!(refusal(at_once).contains("call_timeout is zero"));
    }

    #[test]
    fn what_names_no_scheme_follows_the_configuration() {
        let tls = Options {
            tls: Some(Tls::default()),
            ..Options::new(["etcd-1:2379"])
        };
        assert_eq!(tls.check().unwrap()[0].to_string(), "https://etcd-1:2379");
        let clear = Options::new(["etcd-1:2379"]);
        assert_eq!(clear.check().unwrap()[0].to_string(), "http://etcd-1:2379");
    }
}
