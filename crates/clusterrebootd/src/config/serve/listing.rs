//! What a reload changed of the server's settings, and what of that waits for the next start.

use super::{ServeGroup, ServeSettings};
use crate::config::Changed;
use crate::config::listing::changes;
use serde_json::{Map, Value, json};

/// Keys that are read at start only. What else cannot change makes a reload refuse the file.
const AT_START: [&str; 5] = [
    "limits.connections",
    "limits.header_timeout_sec",
    "limits.request_bytes",
    "log_format",
    "log_level",
];

// === impl ServeSettings ===

impl ServeSettings {
    /// What of `other` a running server goes by from now on, in the order of the keys' names.
    pub fn diff(&self, other: &Self) -> Vec<Changed> {
        let is_live = |change: &Changed| !AT_START.contains(&change.key.as_str());
        self.changes(other).into_iter().filter(is_live).collect()
    }

    /// What of `other` only a new start goes by.
    pub fn diff_at_start(&self, other: &Self) -> Vec<Changed> {
        let is_late = |change: &Changed| AT_START.contains(&change.key.as_str());
        self.changes(other).into_iter().filter(is_late).collect()
    }

    fn changes(&self, other: &Self) -> Vec<Changed> {
        changes(&self.listing(), &other.listing())
    }

    /// The settings that may be others after a reload, by their keys.
    fn listing(&self) -> Map<String, Value> {
        let limits = &self.limits;
        let mut map = Map::new();
        let mut put = |key: String, value: Value| drop(map.insert(key, value));
        for (key, value) in [
            ("open_groups", json!(self.open_groups.is_some())),
            ("default_max", json!(self.open_groups)),
            ("limits.request_bytes", json!(limits.request_bytes)),
            (
                "limits.requests_per_second",
                json!(limits.requests_per_second),
            ),
            ("limits.connections", json!(limits.connections)),
            (
                "limits.connections_per_address",
                json!(limits.connections_per_address),
            ),
            (
                "limits.header_timeout_sec",
                json!(limits.header_timeout_secs),
            ),
            ("log_format", json!(self.log_format.as_str())),
            ("log_level", json!(self.log_level.as_str())),
        ] {
            put(key.to_owned(), value);
        }
        for (id, name) in &self.node_names {
            put(format!("nodes[{id}].name"), json!(name));
        }
        for (name, group) in &self.groups {
            let keys = group.listing().into_iter();
            keys.for_each(|(key, value)| put(format!("groups[{name}].{key}"), value));
        }
        map
    }
}

// === impl ServeGroup ===

impl ServeGroup {
    fn listing(&self) -> Vec<(&'static str, Value)> {
        let policies = &self.cluster_policies;
        vec![
            ("max", json!(self.max)),
            ("windows.deny", json!(self.windows.deny)),
            ("windows.allow", json!(self.windows.allow)),
            ("windows.timezone", json!(self.windows.timezone)),
            (
                "min_reboot_interval_sec",
                json!(self.min_reboot_interval_secs),
            ),
            (
                "cluster_policies.min_healthy_fraction",
                json!(policies.min_healthy_fraction),
            ),
            (
                "cluster_policies.min_healthy_absolute",
                json!(policies.min_healthy_absolute),
            ),
            (
                "cluster_policies.forbid_if_only_fallback_left",
                json!(policies.forbid_if_only_fallback_left),
            ),
            (
                "cluster_policies.fallback_nodes",
                json!(policies.fallback_nodes),
            ),
            ("wait_sec", json!(self.wait_secs)),
            ("max_reboots_per_day", json!(self.max_reboots_per_day)),
            ("reboot_timeout_sec", json!(self.reboot_timeout_secs)),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::server_keys;
    use std::path::Path;

    fn parsed(text: &str) -> ServeSettings {
        ServeSettings::parse(Path::new("server.yaml"), text).unwrap()
    }

    /// Keys whose change makes a reload refuse the file.
    fn is_fixed(key: &str) -> bool {
        let fixed = [
            "listen",
            "base_path",
            "store",
            "tls",
            "auth",
            "metrics",
            "lock_key",
        ];
        fixed.iter().any(|it| key.split('.').next() == Some(it))
    }

    #[test]
    fn no_key_is_changed_in_silence() {
        let settings = parsed("nodes: {a: {name: b}}\nopen_groups: true\n");
        let listed = settings.listing();
        let leaves = server_keys().iter().filter(|key| key.is_leaf());
        for key in leaves.map(|key| key.path).filter(|key| !is_fixed(key)) {
            let key = key.replace("groups[]", "groups[default]");
            let key = key.replace("nodes[]", "nodes[a]");
            assert!(listed.contains_key(&key), "{key} is not in {listed:?}");
        }
        assert!(AT_START.iter().all(|key| listed.contains_key(*key)));
    }

    #[test]
    fn what_waits_for_a_start_is_told_apart() {
        let before = parsed("groups: {a: {max: 1}}\n");
        let after = parsed("groups: {a: {max: 2}}\nlog_level: debug\n");
        let key = |changes: Vec<Changed>| -> Vec<String> {
            changes.into_iter().map(|change| change.key).collect()
        };
        assert_eq!(key(before.diff(&after)), ["groups[a].max"]);
        assert_eq!(key(before.diff_at_start(&after)), ["log_level"]);
        assert_eq!(before.diff(&before), []);
    }
}
