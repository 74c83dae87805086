//! What is allowed but deserves a word, at `validate-config` and at every start.

use super::settings::{EtcdSettings, Settings, StoreSettings, WindowSettings};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use reboot_core::window::{Window, Windows};
use reboot_store_etcd::keys::OWN_NAMES;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

const EXECUTABLE: u32 = 0o111;
const WRITABLE_BY_OTHERS: u32 = 0o022;

// === impl Settings ===

impl Settings {
    /// What may surprise, from the settings alone.
    pub fn warnings(&self) -> Vec<String> {
        let never = !self.windows.can_open();
        let found = [
            store_warning(&self.store),
            namespace_warning(&self.store),
            self.store.cleartext_warning(),
            never.then(|| {
                "windows: no moment of the week is allowed, so nothing will ever reboot; \
                 shorten windows.deny or widen windows.allow"
                    .to_owned()
            }),
        ];
        found.into_iter().flatten().collect()
    }

    /// What may surprise on this machine: a file may be checked on another one than it is for, so
    /// none of this makes it invalid.
    pub fn warnings_here(&self) -> Vec<String> {
        script_warning(&self.health_script).into_iter().collect()
    }
}

// === impl StoreSettings ===

impl StoreSettings {
    /// Secrets that would be sent so that whoever listens on the way learns them.
    pub fn cleartext_warning(&self) -> Option<String> {
        let (url, key, secret) = match self {
            Self::Server(it) => (
                &it.url,
                "store.server.url",
                it.token_file.as_ref().map(|_| "the token"),
            ),
            Self::FleetLock(it) => (
                &it.url,
                "store.fleetlock.url",
                match (&it.token_file, &it.password) {
                    (Some(_), _) => Some("the token"),
                    (None, password) => password.as_ref().map(|_| "the password"),
                },
            ),
            Self::Etcd(_) | Self::Embedded { .. } | Self::Kubernetes { .. } => return None,
        };
        let host = host_in_the_clear(url).filter(|host| !is_loopback(host))?;
        Some(format!(
            "{key}: {} is sent unencrypted to {host}, where whoever listens on the way learns it: \
             write https://",
            secret?
        ))
    }
}

/// The host that a URL reaches without encryption.
fn host_in_the_clear(url: &str) -> Option<&str> {
    let (scheme, rest) = url.split_once("://")?;
    if !scheme.eq_ignore_ascii_case("http") {
        return None;
    }
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?;
    match host.strip_prefix('[') {
        Some(address) => address.split(']').next(),
        None => host.split(':').next(),
    }
}

/// Whether what is sent there stays on this machine.
fn is_loopback(host: &str) -> bool {
    let is_address = host.parse().is_ok_and(|it: IpAddr| it.is_loopback());
    is_address || host.eq_ignore_ascii_case("localhost")
}

fn store_warning(store: &StoreSettings) -> Option<String> {
    match store {
        StoreSettings::Embedded { path } => Some(format!(
            "store.embedded: {} coordinates the daemons of this machine only; \
             choose another store to coordinate a fleet",
            path.display()
        )),
        StoreSettings::Etcd(EtcdSettings { tls: Some(tls), .. }) if tls.insecure_skip_verify => {
            Some("insecure_skip_verify: any server is believed; set ca_file instead".to_owned())
        }
        _ => None,
    }
}

/// Another fleet of the same etcd may have the namespace above this one.
fn namespace_warning(store: &StoreSettings) -> Option<String> {
    let StoreSettings::Etcd(EtcdSettings { namespace, .. }) = store else {
        return None;
    };
    let parts = namespace.split('/');
    let own = parts.into_iter().find(|part| OWN_NAMES.contains(part))?;
    Some(format!(
        "etcd namespace {namespace:?}: its part {own:?} is a name that a fleet in the namespace \
         above, or in none, uses for keys of its own; where this etcd has such a fleet, choose \
         another namespace"
    ))
}

fn script_warning(script: &Path) -> Option<String> {
    let name = script.display();
    let metadata = match std::fs::metadata(script) {
        Ok(metadata) => metadata,
        Err(error) => {
            return Some(format!(
                "health_script: {name}: {error}; every pass will be blocked"
            ));
        }
    };
    let mode = metadata.permissions().mode();
    if !metadata.is_file() || mode & EXECUTABLE == 0 {
        return Some(format!(
            "health_script: {name} is not an executable file, so every pass will be blocked; \
             chmod +x it"
        ));
    }
    (mode & WRITABLE_BY_OTHERS != 0).then(|| {
        format!("health_script: {name} can be changed by others than its owner; chmod go-w it")
    })
}

// === impl WindowSettings ===

impl WindowSettings {
    /// Whether any moment of the week is allowed.
    fn can_open(&self) -> bool {
        let parsed = |texts: &[String]| texts.iter().flat_map(|text| Window::parse(text)).collect();
        let windows = Windows {
            deny: parsed(&self.deny),
            allow: parsed(&self.allow),
        };
        windows
            .next_open(Timestamp::UNIX_EPOCH, &TimeZone::UTC)
            .is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ServerSettings;

    #[test]
    fn a_token_in_the_clear_deserves_a_word_unless_it_stays_here() {
        for (url, host) in [
            ("http://fleet.example:8080", Some("fleet.example")),
            ("HTTP://10.0.0.1/x", Some("10.0.0.1")),
            ("http://[2001:db8::1]:8080", Some("2001:db8::1")),
            ("http://localhost.example", Some("localhost.example")),
            ("http://127.0.0.1@fleet.example", Some("fleet.example")),
            ("http://localhost:8080", None),
            ("http://127.0.0.2", None),
            ("http://[::1]:8080/", None),
            ("https://fleet.example", None),
        ] {
            let mut settings = ServerSettings {
                url: url.to_owned(),
                token_file: Some("/token".into()),
                ca_file: None,
                identity: None,
            };
            let warning = StoreSettings::Server(settings.clone()).cleartext_warning();
            let sent_to =
                |host| format!("store.server.url: the token is sent unencrypted to {host},");
            match (host, &warning) {
                (Some(host), Some(text)) => assert!(text.starts_with(&sent_to(host)), "{text}"),
                (host, _) => assert_eq!((host, &warning), (None, &None), "{url}"),
            }
            settings.token_file = None;
            assert_eq!(StoreSettings::Server(settings).cleartext_warning(), None);
        }
    }
}
