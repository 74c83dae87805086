//! What the server's crate takes, of the configuration.

use crate::config::{ServeGroup, ServeSettings, ServeTls};
use crate::daemon::{policies, windows, zone};
use anyhow::{Context, Error, Result};
use reboot_server::doors::{DoorSettings, Doors};
use reboot_server::settings::{BasePath, GroupRules, Limits, ServerSettings};
use reboot_server::tls::{Acceptor, TlsSettings};
use std::time::Duration;

/// What the server is told.
///
/// # Errors
/// When this machine lacks something that the configuration names, such as a time zone.
pub(super) fn server_settings(settings: &ServeSettings) -> Result<ServerSettings> {
    let mut groups = Vec::new();
    for (name, group) in &settings.groups {
        let rules = rules(group).with_context(|| format!("groups.{name}"))?;
        groups.push((name.clone(), rules));
    }
    let limits = &settings.limits;
    Ok(ServerSettings {
        base_path: BasePath::new(&settings.base_path)?,
        groups: groups.into_iter().collect(),
        open_groups: settings.open_groups.map(|max| GroupRules {
            max_reboots_per_day: u32::MAX,
            ..GroupRules::of_max(max)
        }),
        node_names: settings.node_names.clone(),
        limits: Limits {
            request_bytes: limits.request_bytes,
            requests_per_second: limits.requests_per_second,
            connections: limits.connections,
            connections_per_address: limits.connections_per_address,
            patience: Duration::from_secs(limits.header_timeout_secs),
        },
    })
}

/// Who may ask, by files that are read now.
///
/// # Errors
/// Names the file that cannot be used.
pub(super) fn doors(settings: &ServeSettings) -> Result<Doors> {
    let client_ca = settings.tls.as_ref().map(|tls| &tls.client_ca_file);
    let doors = Doors::new(&DoorSettings {
        tokens_file: settings.auth.tokens_file.clone(),
        basic_file: settings.auth.basic_file.clone(),
        certificates: client_ca.is_some_and(Option::is_some),
    });
    doors.map_err(Error::msg).context("auth")
}

/// The encryption, by files that are read now.
///
/// # Errors
/// Names the file that cannot be used.
pub(super) fn acceptor(tls: &ServeTls) -> Result<Acceptor> {
    let acceptor = Acceptor::new(TlsSettings {
        cert_file: tls.cert_file.clone(),
        key_file: tls.key_file.clone(),
        client_ca_file: tls.client_ca_file.clone(),
        require_client_cert: tls.require_client_cert,
    });
    acceptor.map_err(Error::msg).context("tls")
}

fn rules(group: &ServeGroup) -> Result<GroupRules> {
    Ok(GroupRules {
        max: group.max,
        windows: windows(&group.windows)?,
        zone: zone(&group.windows)?.rules,
        interval_secs: group.min_reboot_interval_secs,
        policies: policies(&group.cluster_policies)?,
        wait_secs: group.wait_secs,
        max_reboots_per_day: match group.max_reboots_per_day {
            0 => u32::MAX,
            max => max,
        },
        deadline_secs: group.reboot_timeout_secs,
    })
}
