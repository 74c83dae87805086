//! Settings as a list of keys and values: what a reload changed, and what is in force.

use super::settings::{
    DetectorSettingsKind, EtcdSettings, FleetLockSettings, ServerSettings, Settings, StoreSettings,
    TlsSettings,
};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// One key whose value differs between two settings; `null` where it is not set.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Changed {
    /// The key, as in the file.
    pub key: String,
    /// Its value before.
    pub before: Value,
    /// Its value after.
    pub after: Value,
}

/// What differs between two listings, in the order of the keys' names.
pub(super) fn changes(before: &Map<String, Value>, after: &Map<String, Value>) -> Vec<Changed> {
    let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let value = |map: &Map<String, Value>, key: &str| map.get(key).cloned().unwrap_or_default();
    let changes = keys.into_iter().map(|key| Changed {
        key: key.clone(),
        before: value(before, key),
        after: value(after, key),
    });
    changes
        .filter(|change| change.before != change.after)
        .collect()
}

// === impl Settings ===

impl Settings {
    /// What is different in `other`, in the order of the keys' names.
    pub fn diff(&self, other: &Self) -> Vec<Changed> {
        changes(&self.listing(), &other.listing())
    }

    /// Every setting in force by its key. The flat `etcd_` keys show as `store.etcd`.
    pub fn listing(&self) -> Map<String, Value> {
        let mut map = self.scalars();
        map.insert(
            "reboot_required_detectors".to_owned(),
            self.detector_listing(),
        );
        map.extend(store_listing(&self.store));
        map
    }

    fn scalars(&self) -> Map<String, Value> {
        let value = json!({
            "node_name": self.node_name,
            "group": self.group,
            "max": self.max,
            "health_script": self.health_script,
            "health_timeout_sec": self.health_timeout_secs,
            "health_publish_interval_sec": self.health_publish_interval_secs,
            "health_stale_after_sec": self.health_stale_after_secs,
            "post_reboot_soak_sec": self.post_reboot_soak_secs,
            "check_interval_sec": self.check_interval_secs,
            "backoff_min_sec": self.backoff_min_secs,
            "backoff_max_sec": self.backoff_max_secs,
            "audit_interval_sec": self.audit_interval_secs,
            "min_reboot_interval_sec": self.min_reboot_interval_secs,
            "max_reboots_per_day": self.max_reboots_per_day,
            "reboot_timeout_sec": self.reboot_timeout_secs,
            "reboot_delay_sec": self.reboot_delay_secs,
            "reboot_method": self.reboot_method.as_str(),
            "reboot_command": self.reboot_command,
            "dry_run": self.dry_run,
            "kill_switch_file": self.kill_switch_file,
            "hooks_dir": self.hooks_dir,
            "hook_timeout_sec": self.hook_timeout_secs,
            "cluster_policies.min_healthy_fraction": self.cluster_policies.min_healthy_fraction,
            "cluster_policies.min_healthy_absolute": self.cluster_policies.min_healthy_absolute,
            "cluster_policies.forbid_if_only_fallback_left":
                self.cluster_policies.forbid_if_only_fallback_left,
            "cluster_policies.fallback_nodes": self.cluster_policies.fallback_nodes,
            "windows.deny": self.windows.deny,
            "windows.allow": self.windows.allow,
            "windows.timezone": self.windows.timezone,
            "lock_key": self.lock_key,
            "lock_ttl_sec": self.lock_ttl_secs,
            "metrics.enabled": self.metrics.enabled,
            "metrics.listen": self.metrics.listen,
            "log_format": self.log_format.as_str(),
            "log_level": self.log_level.as_str(),
            "state_dir": self.state_dir,
            "run_dir": self.run_dir,
            "boot_id_file": self.boot_id_file,
            "machine_id_file": self.machine_id_file,
        });
        match value {
            Value::Object(map) => map,
            _ => Map::new(),
        }
    }

    fn detector_listing(&self) -> Value {
        let each = self.detectors.iter().map(|detector| match &detector.kind {
            DetectorSettingsKind::File { path } => {
                json!({"name": detector.name, "type": "file", "path": path})
            }
            DetectorSettingsKind::Command {
                cmd,
                success_exit_codes,
                timeout_secs,
            } => json!({
                "name": detector.name, "type": "command", "cmd": cmd,
                "success_exit_codes": success_exit_codes, "timeout_sec": timeout_secs,
            }),
            DetectorSettingsKind::Preset {
                preset,
                timeout_secs,
            } => json!({
                "name": detector.name, "type": "preset", "preset": preset,
                "timeout_sec": timeout_secs,
            }),
        });
        each.collect()
    }
}

fn store_listing(store: &StoreSettings) -> Map<String, Value> {
    let (choice, value) = match store {
        StoreSettings::Embedded { path } => ("embedded", json!({"path": path})),
        StoreSettings::Etcd(etcd) => ("etcd", etcd_listing(etcd)),
        StoreSettings::Kubernetes {
            namespace,
            kubeconfig,
        } => (
            "kubernetes",
            json!({"namespace": namespace, "kubeconfig": kubeconfig}),
        ),
        StoreSettings::Server(server) => ("server", server_listing(server)),
        StoreSettings::FleetLock(lock) => ("fleetlock", fleetlock_listing(lock)),
    };
    let mut map = Map::new();
    flatten(&mut map, &format!("store.{choice}"), value);
    map
}

fn server_listing(server: &ServerSettings) -> Value {
    let identity = server.identity.as_ref();
    json!({
        "url": server.url,
        "token_file": server.token_file,
        "ca_file": server.ca_file,
        "cert_file": identity.map(|(cert, _)| cert),
        "key_file": identity.map(|(_, key)| key),
    })
}

fn fleetlock_listing(lock: &FleetLockSettings) -> Value {
    let (username, password_file) = unzip(lock.password.as_ref());
    let (cert_file, key_file) = unzip(lock.identity.as_ref());
    json!({
        "url": lock.url,
        "group": lock.group,
        "id": lock.id,
        "path": lock.path,
        "token_file": lock.token_file,
        "username": username,
        "password_file": password_file,
        "ca_file": lock.ca_file,
        "cert_file": cert_file,
        "key_file": key_file,
    })
}

fn etcd_listing(etcd: &EtcdSettings) -> Value {
    let (username, password_file) = unzip(etcd.credentials.as_ref());
    json!({
        "endpoints": etcd.endpoints,
        "namespace": etcd.namespace,
        "tls": tls_listing(etcd.tls.as_ref()),
        "username": username,
        "password_file": password_file,
        "layout": etcd.layout.as_str(),
    })
}

fn tls_listing(tls: Option<&TlsSettings>) -> Value {
    let (cert_file, key_file) = unzip(tls.and_then(|tls| tls.identity.as_ref()));
    json!({
        "enabled": tls.is_some(),
        "ca_file": tls.and_then(|tls| tls.ca_file.as_ref()),
        "cert_file": cert_file,
        "key_file": key_file,
        "insecure_skip_verify": tls.is_some_and(|tls| tls.insecure_skip_verify),
    })
}

fn unzip<A>(pair: Option<&(A, PathBuf)>) -> (Option<&A>, Option<&PathBuf>) {
    (pair.map(|pair| &pair.0), pair.map(|pair| &pair.1))
}

fn flatten(map: &mut Map<String, Value>, path: &str, value: Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                flatten(map, &format!("{path}.{name}"), value);
            }
        }
        value => {
            map.insert(path.to_owned(), value);
        }
    }
}
