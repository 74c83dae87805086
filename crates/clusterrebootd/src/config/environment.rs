//! The static part of the environment of health scripts, and of the expansion of the reboot
//! command.

use super::settings::{Settings, StoreSettings};

// === impl Settings ===

impl Settings {
    /// The `RC_` variables that follow from the settings alone, in a fixed order. Absent settings
    /// export nothing.
    ///
    /// `metrics_endpoint` is the `host:port` the listener is bound to; without one, and with
    /// metrics on, the configured address stands for it.
    pub fn static_environment(&self, metrics_endpoint: Option<&str>) -> Vec<(String, String)> {
        let policies = &self.cluster_policies;
        let fallback: Vec<&str> = policies
            .fallback_nodes
            .iter()
            .map(|node| node.as_str())
            .collect();
        let configured = self.metrics.enabled.then_some(self.metrics.listen.as_str());
        let variables = [
            ("RC_NODE_NAME", Some(self.node_name.to_string())),
            ("RC_DRY_RUN", Some(self.dry_run.to_string())),
            ("RC_LOCK_KEY", Some(self.lock_key.clone())),
            ("RC_ETCD_ENDPOINTS", self.etcd_endpoints()),
            (
                "RC_KILL_SWITCH_FILE",
                Some(self.kill_switch_file.display().to_string()),
            ),
            (
                "RC_CLUSTER_MIN_HEALTHY_FRACTION",
                policies
                    .min_healthy_fraction
                    .map(|fraction| fraction.to_string()),
            ),
            (
                "RC_CLUSTER_MIN_HEALTHY_ABSOLUTE",
                policies.min_healthy_absolute.map(|count| count.to_string()),
            ),
            (
                "RC_CLUSTER_FORBID_IF_ONLY_FALLBACK_LEFT",
                Some(policies.forbid_if_only_fallback_left.to_string()),
            ),
            ("RC_CLUSTER_FALLBACK_NODES", list(&fallback)),
            ("RC_WINDOWS_ALLOW", list(&self.windows.allow)),
            ("RC_WINDOWS_DENY", list(&self.windows.deny)),
            (
                "RC_METRICS_ENDPOINT",
                metrics_endpoint.or(configured).map(str::to_owned),
            ),
        ];
        let given = variables
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)));
        given
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }

    fn etcd_endpoints(&self) -> Option<String> {
        match &self.store {
            StoreSettings::Etcd(etcd) => list(&etcd.endpoints),
            _ => None,
        }
    }
}

/// A comma list; nothing for an empty one.
fn list(texts: &[impl AsRef<str>]) -> Option<String> {
    let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
    (!texts.is_empty()).then(|| texts.join(","))
}
