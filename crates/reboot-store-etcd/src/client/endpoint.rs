//! Where a member listens: `host:port`, with or without a scheme, names and addresses.

use std::fmt;
use std::net::Ipv6Addr;

use super::options::BadOptions;

/// Where a member listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// A name or an address, without brackets.
    pub(super) host: String,
    /// The client port.
    pub(super) port: u16,
    /// Whether it speaks TLS.
    pub(super) tls: bool,
}

// === impl Endpoint ===

impl Endpoint {
    /// Understands what an operator wrote. Without a scheme, `tls` tells.
    pub(super) fn parse(text: &str, tls: bool) -> Result<Self, BadOptions> {
        let bad = |cause| BadOptions::Endpoint {
            endpoint: text.to_owned(),
            cause,
        };
        let (tls, rest) = match text.split_once("://") {
            Some(("https", rest)) => (true, rest),
            Some(("http", rest)) => (false, rest),
            Some(_) => return Err(bad("it is neither http nor https")),
            None => (tls, text),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains(['/', '?', '#', '@']) {
            return Err(bad("it holds more than a host and a port"));
        }
        let (host, port) = rest.rsplit_once(':').ok_or(bad("it names no port"))?;
        let port = port.parse().ok().filter(|port| *port > 0);
        Ok(Self {
            host: parse_host(host).ok_or(bad("its host is no name and no address"))?,
            port: port.ok_or(bad("its port is no number from 1 to 65535"))?,
            tls,
        })
    }

    /// Host and port as they stand in an address.
    pub(super) fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.authority())
    }
}

/// The host without brackets; nothing if it is none.
fn parse_host(host: &str) -> Option<String> {
    if let Some(inner) = host.strip_prefix('[') {
        let address: Ipv6Addr = inner.strip_suffix(']')?.parse().ok()?;
        return Some(address.to_string());
    }
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    (!host.is_empty() && host.chars().all(is_name)).then(|| host.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_understood_as_operators_write_them() {
        let shown = |text, tls| Endpoint::parse(text, tls).unwrap().to_string();
        assert_eq!(shown("10.0.0.1:2379", false), "http://10.0.0.1:2379");
        assert_eq!(
            shown("etcd-1.example:2379", true),
            "https://etcd-1.example:2379"
        );
        assert_eq!(shown("https://etcd-1:2379/", false), "https://etcd-1:2379");
        assert_eq!(shown("http://etcd-1:2379", true), "http://etcd-1:2379");
        assert_eq!(shown("[::1]:2379", false), "http://[::1]:2379");
        assert_eq!(
            shown("https://[fd00:0:0::1]:2379", false),
            "https://[fd00::1]:2379"
        );
    }

    #[test]
    fn what_is_no_endpoint_is_refused_with_its_cause() {
        let cause = |text| Endpoint::parse(text, false).unwrap_err().to_string();
        assert!(cause("etcd-1").contains("names no port"));
        assert!(cause("::1:2379").contains("host is no name"));
        assert!(cause(":2379").contains("host is no name"));
        assert!(cause("etcd-1:0").contains("from 1 to 65535"));
        assert!(cause("etcd-1:70000").contains("from 1 to 65535"));
        assert!(cause("ftp://etcd-1:2379").contains("neither http nor https"));
        assert!(cause("https://etcd-1:2379/v3").contains("more than a host and a port"));
        assert!(cause("https://root:secret@etcd-1:2379").contains("more than a host"));
    }
}
