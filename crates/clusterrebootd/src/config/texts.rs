//! What a single text must look like, one function a rule.

use reboot_core::id::{GroupName, NodeName};
use reboot_core::window::Window;
use reboot_server::settings::BasePath;
use reboot_store_etcd::keys::OWN_NAMES;
use std::path::Path;

/// What is wrong with a text, and how to mend it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Complaint {
    /// What is wrong, in words that follow the text.
    pub cause: String,
    /// What to do about it.
    pub remedy: String,
    /// The piece of the text that is wrong, as start and length in bytes, where the cause names
    /// that piece itself; `None` when it is about the whole text.
    pub piece: Option<(usize, usize)>,
}

fn complaint(cause: impl Into<String>, remedy: impl Into<String>) -> Result<(), Complaint> {
    Err(Complaint {
        cause: cause.into(),
        remedy: remedy.into(),
        piece: None,
    })
}

/// Any text.
pub(super) fn any(text: &str) -> Result<(), Complaint> {
    match text.contains('\0') {
        true => complaint("holds a zero byte", "remove it"),
        false => Ok(()),
    }
}

pub(super) fn node_name(text: &str) -> Result<(), Complaint> {
    match NodeName::new(text) {
        Ok(_) => Ok(()),
        Err(_) if text.is_empty() => complaint("is empty", "give the node a name"),
        Err(_) => complaint(
            "is not a node name",
            "use at most 253 printable characters without spaces or slashes",
        ),
    }
}

pub(super) fn group_name(text: &str) -> Result<(), Complaint> {
    match GroupName::new(text) {
        Ok(_) => Ok(()),
        Err(_) => complaint(
            "is not a group name",
            "use at most 253 letters, digits, dots and dashes",
        ),
    }
}

pub(super) fn absolute_path(text: &str) -> Result<(), Complaint> {
    any(text)?;
    match Path::new(text).is_absolute() {
        true => Ok(()),
        false => complaint("is not an absolute path", "write the whole path from / on"),
    }
}

pub(super) fn lock_key(text: &str) -> Result<(), Complaint> {
    any(text)?;
    if !text.is_empty() && text.trim().trim_matches('/').is_empty() {
        return complaint(
            "names no key",
            "write something like /cluster/clusterrebootd/lock",
        );
    }
    let first = text.trim_start_matches('/').split('/').next();
    match OWN_NAMES.iter().find(|name| first == Some(name)) {
        Some(name) => complaint(
            format!("stands in the way: below /{name} this program keeps other keys of its own"),
            "choose another first part, as in /cluster/clusterrebootd/lock",
        ),
        None => Ok(()),
    }
}

/// `host:port`, or a URL whose host may go without a port.
pub(super) fn endpoint(text: &str) -> Result<(), Complaint> {
    match text.contains("://") {
        true => url(text),
        false if is_host_and_port(text, false) => Ok(()),
        false => complaint(
            "is not an endpoint",
            "write host:port, such as etcd-1.example:2379, or a URL",
        ),
    }
}

pub(super) fn url(text: &str) -> Result<(), Complaint> {
    let rest = text
        .strip_prefix("http://")
        .or_else(|| text.strip_prefix("https://"));
    let authority = rest.map(|rest| rest.split('/').next().unwrap_or_default());
    let is_fine = authority.is_some_and(|authority| {
        is_host_and_port(authority, false) || is_host_and_port(&format!("{authority}:1"), false)
    });
    match is_fine {
        true => Ok(()),
        false => complaint(
            "is not a URL",
            "write http:// or https://, a host and a port",
        ),
    }
}

/// Where to listen: `host:port`; without a host, on every address.
pub(super) fn listen_address(text: &str) -> Result<(), Complaint> {
    match is_host_and_port(text, true) {
        true => Ok(()),
        false => complaint(
            "is not an address to listen on",
            "write host:port, such as 127.0.0.1:9090 or [::]:9090",
        ),
    }
}

/// What the path of every address of a server begins with.
pub(super) fn base_path(text: &str) -> Result<(), Complaint> {
    match BasePath::new(text) {
        Ok(_) => Ok(()),
        Err(_) => complaint(
            "is not a plain path",
            "begin with a slash and use letters, digits, dots, dashes, underscores and slashes",
        ),
    }
}

fn is_host_and_port(text: &str, may_lack_host: bool) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else {
        return false;
    };
    let is_port = port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok();
    let is_host = match host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
    {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None if host.is_empty() => may_lack_host,
        None => host
            .chars()
            .all(|c| c.is_alphanumeric() || "-._".contains(c)),
    };
    is_port && is_host
}

pub(super) fn window(text: &str) -> Result<(), Complaint> {
    Window::parse(text).map(|_| ()).map_err(|error| Complaint {
        cause: error.cause(),
        remedy: error.remedy(),
        piece: Some((error.start, error.len)),
    })
}

pub(super) fn timezone(text: &str) -> Result<(), Complaint> {
    match jiff::tz::TimeZone::get(text) {
        Ok(_) => Ok(()),
        Err(_) => complaint(
            "is not in this host's time zone database",
            "use an IANA name such as Europe/Berlin; the package tzdata brings the database",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_host_and_port_or_a_url() {
        for good in [
            "etcd:2379",
            "10.0.0.1:2379",
            "[::1]:2379",
            "https://a.b:2379",
            "http://[::1]",
        ] {
            assert_eq!(endpoint(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "etcd",
            "etcd:",
            "etcd:99999",
            "::1:2379",
            "ftp://a:1",
            "https://",
            "a b:1",
        ] {
            assert!(endpoint(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_listener_may_go_without_a_host() {
        for good in [":9090", "localhost:0", "[::]:9090", "0.0.0.0:9090"] {
            assert_eq!(listen_address(good), Ok(()), "{good}");
        }
        for bad in ["9090", "localhost", "localhost:+1", "[::1:9090"] {
            assert!(listen_address(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_lock_key_names_something() {
        assert_eq!(lock_key("/cluster/lock"), Ok(()));
        assert_eq!(lock_key(""), Ok(()), "empty means the default");
        assert!(lock_key("///").is_err());
    }

    #[test]
    fn a_lock_key_is_not_among_our_other_keys() {
        for name in OWN_NAMES {
            for text in [
                format!("/{name}"),
                format!("{name}/lock"),
                format!("//{name}/"),
            ] {
                let cause = lock_key(&text).unwrap_err().cause;
                assert!(cause.contains(name), "{cause}");
            }
            assert_eq!(lock_key(&format!("/my-{name}")), Ok(()));
            assert_eq!(lock_key(&format!("/locks/{name}")), Ok(()));
        }
    }
}
