//! What the client of a server is told: where it is, who asks, and how long to wait.

use crate::tls::Tls;
use http::Uri;
use http::uri::Scheme;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// How long a call may take unless told otherwise. An agent gives its store twice that.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the server may take to accept a connection, unless told otherwise.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Where the server is, who asks, and how long to wait.
#[derive(Clone, Debug)]
pub struct Options {
    /// `http://host:port` or `https://host:port`, with the server's `base_path` behind it.
    pub url: String,
    /// How to check the server and who we are to it. Without it, `https` trusts the system's
    /// authorities.
    pub tls: Option<Tls>,
    /// Where the bearer token is; line ends around it are no part of it. Read again when it
    /// changes.
    pub token_file: Option<PathBuf>,
    /// A user, and where the password is, for servers that want that. Only without a token.
    pub password: Option<(String, PathBuf)>,
    /// How long a call may take, but for those that wait for a change.
    pub call_timeout: Duration,
    /// How long the server may take to accept a connection.
    pub connect_timeout: Duration,
    /// For how long one wait for a change is held; then it is asked again. A network that goes
    /// silent is noticed no earlier.
    pub hold: Duration,
}

/// What no client can be made of.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BadOptions {
    /// Not where a server can be.
    #[error("`{url}` is no server's URL: {cause}; write https://host:port, as the server listens")]
    Url {
        /// As given.
        url: String,
        /// What is wrong with it.
        cause: &'static str,
    },
    /// `http` beside certificates: what they protect would go out in the clear.
    #[error("`{url}` is not encrypted but certificates are given: write https://, or drop them")]
    Cleartext {
        /// As given.
        url: String,
    },
    /// A time limit of nothing.
    #[error("{name} is zero: every call would fail; give it at least a second")]
    ZeroTimeout {
        /// Which one.
        name: &'static str,
    },
}

/// Where requests go.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Target {
    /// Whether it speaks TLS.
    pub(crate) tls: bool,
    /// A name or an address, without brackets.
    pub(crate) host: String,
    /// The port.
    pub(crate) port: u16,
    /// `host:port` as in a request's header.
    pub(crate) authority: String,
    /// What stands before every path; no slash at its end.
    pub(crate) prefix: String,
}

// === impl Options ===

impl Options {
    /// Options for this URL, the rest as usual: nobody in particular, 5 s a call, 2 s a
    /// connection.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            tls: None,
            token_file: None,
            password: None,
            call_timeout: CALL_TIMEOUT,
            connect_timeout: CONNECT_TIMEOUT,
            hold: Duration::from_secs(crate::wire::HOLD_SECS_MAX),
        }
    }

    /// The URL, understood.
    pub(crate) fn check(&self) -> Result<Target, BadOptions> {
        let timeouts = [
            ("call_timeout", self.call_timeout),
            ("connect_timeout", self.connect_timeout),
            ("hold", self.hold),
        ];
        if let Some((name, _)) = timeouts.iter().find(|(_, timeout)| timeout.is_zero()) {
            return Err(BadOptions::ZeroTimeout { name });
        }
        let bad = |cause| BadOptions::Url {
            url: self.url.clone(),
            cause,
        };
        let target = Target::parse(&self.url).map_err(bad)?;
        if self.tls.is_some() && !target.tls {
            return Err(BadOptions::Cleartext {
                url: self.url.clone(),
            });
        }
        Ok(target)
    }
}

// === impl Target ===

impl Target {
    fn parse(url: &str) -> Result<Self, &'static str> {
        let uri: Uri = url.parse().map_err(|_| "it cannot be read")?;
        let tls = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(scheme) if *scheme == Scheme::HTTP => false,
            Some(_) => return Err("only http and https are known"),
            None => return Err("it names no scheme"),
        };
        let authority = uri.authority().ok_or("it names no host")?;
        if authority.as_str().contains('@') {
            return Err("a user does not belong there, give a token_file");
        }
        if uri.query().is_some() {
            return Err("a query does not belong there");
        }
        let host = authority.host().trim_matches(['[', ']']);
        if host.is_empty() {
            return Err("it names no host");
        }
        let port = authority.port_u16();
        Ok(Self {
            tls,
            host: host.to_owned(),
            port: port.unwrap_or(if tls { 443 } else { 80 }),
            authority: authority.as_str().to_owned(),
            prefix: uri.path().trim_end_matches('/').to_owned(),
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(url: &str) -> String {
        Options::new(url).check().unwrap_err().to_string()
    }

    #[test]
    fn a_url_is_host_port_and_prefix() {
        let target = |url: &str| Options::new(url).check().unwrap();
        let plain = target("http://fleet-1:8080");
        assert_eq!((plain.tls, plain.port), (false, 8080));
        assert_eq!(plain.to_string(), "http://fleet-1:8080");
        let deep = target("https://fleet.example.org/reboot/");
        assert_eq!((deep.tls, deep.port, &*deep.prefix), (true, 443, "/reboot"));
        assert_eq!(target("http://[::1]:80").host, "::1");
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_what_to_do() {
        assert!(refusal("fleet-1:8080").contains("write https://host:port"));
        assert!(refusal("ftp://fleet-1").contains("only http and https"));
        assert!(refusal("http://me:secret@fleet-1").contains("token_file"));
        let in_the_clear = Options {
            tls: Some(Tls::default()),
            ..Options::new("http://fleet-1:8080")
        };
        let refusal = in_the_clear.check().unwrap_err().to_string();
        assert!(refusal.contains("write https://"), "{refusal}");
        let at_once = Options {
            call_timeout: Duration::ZERO,
            ..Options::new("http://fleet-1:8080")
        };
        let refusal = at_once.check().unwrap_err().to_string();
        assert!(refusal.contains("call_timeout is zero"), "{refusal}");
    }
}
