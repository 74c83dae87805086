//! The checked settings of a node daemon: every default filled in, every rule held.

use reboot_core::id::{GroupName, NodeName};
use std::path::{Path, PathBuf};

/// What a node daemon is told. Times are whole seconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// This node's name.
    pub node_name: NodeName,
    /// The group whose slots it shares.
    pub group: GroupName,
    /// Slots the group is created with.
    pub max: u32,
    /// The same, when the file names a number.
    pub max_as_written: Option<u32>,
    /// What tells that a reboot is needed; at least one, names unique.
    pub detectors: Vec<DetectorSettings>,
    /// The script that allows a reboot.
    pub health_script: PathBuf,
    /// How long the script may take.
    pub health_timeout_secs: u64,
    /// How often this node publishes its health.
    pub health_publish_interval_secs: u64,
    /// A peer's record older than this is unknown.
    pub health_stale_after_secs: u64,
    /// Healthy for so long after a reboot before the slot is given back.
    pub post_reboot_soak_secs: u64,
    /// How often the detectors run.
    pub check_interval_secs: u64,
    /// The shortest wait after a failed try.
    pub backoff_min_secs: u64,
    /// The longest wait after a failed try; not below the shortest.
    pub backoff_max_secs: u64,
    /// How often everything that is watched is also looked at.
    pub audit_interval_secs: u64,
    /// The cooldown; 0 for none.
    pub min_reboot_interval_secs: u64,
    /// How often this node may reboot within a day.
    pub max_reboots_per_day: u32,
    /// After so long a machine is overdue.
    pub reboot_timeout_secs: u64,
    /// A pause before the last look at all gates.
    pub reboot_delay_secs: u64,
    /// How to reboot.
    pub reboot_method: RebootMethod,
    /// The command, not yet expanded; never empty.
    pub reboot_command: Vec<String>,
    /// Whether to do everything but the reboot.
    pub dry_run: bool,
    /// While it exists, no reboot.
    pub kill_switch_file: PathBuf,
    /// Holds `pre-reboot.d` and `post-reboot.d`.
    pub hooks_dir: PathBuf,
    /// How long a hook may take.
    pub hook_timeout_secs: u64,
    /// What must be left of the cluster.
    pub cluster_policies: PolicySettings,
    /// When reboots may happen.
    pub windows: WindowSettings,
    /// Where the group's record stands.
    pub store: StoreSettings,
    /// Where the default group's record stands in etcd.
    pub lock_key: String,
    /// A vanished node's claim ends after so long; above the health timeout.
    pub lock_ttl_secs: u64,
    /// The Prometheus listener.
    pub metrics: MetricsSettings,
    /// The shape of the log.
    pub log_format: LogFormat,
    /// The least important level that is logged.
    pub log_level: LogLevel,
    /// Holds what must survive a reboot.
    pub state_dir: PathBuf,
    /// Holds the daemon's lock file.
    pub run_dir: PathBuf,
    /// Tells one boot from the next.
    pub boot_id_file: PathBuf,
    /// Tells this machine from its clones.
    pub machine_id_file: PathBuf,
}

/// One detector.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DetectorSettings {
    /// Its name, unique in the file.
    pub name: String,
    /// What it looks at.
    pub kind: DetectorSettingsKind,
}

/// What a detector looks at.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum DetectorSettingsKind {
    /// Fires when the path exists.
    File {
        /// The path.
        path: PathBuf,
    },
    /// Fires by exit code.
    Command {
        /// The command and its arguments; never empty.
        cmd: Vec<String>,
        /// The codes that mean a reboot; empty for any but 0.
        success_exit_codes: Vec<i32>,
        /// After so long it is killed and has failed; `None` for never.
        timeout_secs: Option<u64>,
    },
    /// A built-in detector, one of [`super::PRESETS`].
    Preset {
        /// Its name.
        preset: String,
        /// After so long it is killed and has failed; `None` for the preset's own limit.
        timeout_secs: Option<u64>,
    },
}

/// How to reboot.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RebootMethod {
    /// By `reboot_command`.
    Command,
    /// By systemd-logind.
    Logind,
    /// User space only.
    Soft,
}

/// What must be left of the cluster while this node is down.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PolicySettings {
    /// At least this part of the known nodes, above 0 and up to 1.
    pub min_healthy_fraction: Option<f64>,
    /// At least so many nodes.
    pub min_healthy_absolute: Option<u64>,
    /// No reboot when only fallback nodes would be left.
    pub forbid_if_only_fallback_left: bool,
    /// Nodes that do not count as a cluster by themselves.
    pub fallback_nodes: Vec<NodeName>,
}

/// When reboots may happen; every entry parses.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct WindowSettings {
    /// Times without reboots, as written.
    pub deny: Vec<String>,
    /// With any entry, the only times with reboots, as written.
    pub allow: Vec<String>,
    /// IANA name; `None` for the host's.
    pub timezone: Option<String>,
}

/// Where the group's record stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum StoreSettings {
    /// A database file for the daemons of one machine.
    Embedded {
        /// The file.
        path: PathBuf,
    },
    /// An etcd cluster.
    Etcd(EtcdSettings),
    /// A Kubernetes cluster's API.
    Kubernetes {
        /// Where the objects stand.
        namespace: String,
        /// How to reach it from outside; `None` inside a pod.
        kubeconfig: Option<PathBuf>,
    },
    /// A coordination server of ours.
    Server(ServerSettings),
    /// A FleetLock server's slot before a store of the node's own.
    FleetLock(FleetLockSettings),
}

// === impl StoreSettings ===

impl StoreSettings {
    /// The file of an embedded store, where this machine keeps one.
    pub fn own_file(&self) -> Option<&Path> {
        match self {
            Self::Embedded { path } => Some(path),
            Self::FleetLock(lock) => Some(&lock.path),
            Self::Etcd(_) | Self::Kubernetes { .. } | Self::Server(_) => None,
        }
    }
}

/// A FleetLock server's slot before a store of the node's own.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FleetLockSettings {
    /// The server's address, without `/v1`.
    pub url: String,
    /// The server's group.
    pub group: String,
    /// The node, as its own store knows it.
    pub node: NodeName,
    /// What the server knows it by.
    pub id: String,
    /// The file of its own store.
    pub path: PathBuf,
    /// Holds the token to show.
    pub token_file: Option<PathBuf>,
    /// A user and the file with its password.
    pub password: Option<(String, PathBuf)>,
    /// Certificates that may sign the server's; `None` for the system's.
    pub ca_file: Option<PathBuf>,
    /// This node's certificate and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// A coordination server of ours.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ServerSettings {
    /// Its address.
    pub url: String,
    /// Holds the token to show.
    pub token_file: Option<PathBuf>,
    /// Certificates that may sign the server's; `None` for the system's.
    pub ca_file: Option<PathBuf>,
    /// This node's certificate and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// An etcd cluster.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EtcdSettings {
    /// `host:port` or URL; at least one.
    pub endpoints: Vec<String>,
    /// What all keys begin with; may be empty.
    pub namespace: String,
    /// Where the default group's record stands, beneath the namespace.
    pub lock_key: String,
    /// Encryption; `None` when it is off.
    pub tls: Option<TlsSettings>,
    /// The user, and the file that holds the password.
    pub credentials: Option<(String, PathBuf)>,
    /// Where the records stand.
    pub layout: EtcdLayout,
}

/// Where the records stand in etcd.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EtcdLayout {
    /// Below `lock_key` and the namespace.
    Native,
    /// Where the old rebootlock command has them.
    Rebootlock,
}

/// Encryption of a connection.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TlsSettings {
    /// Certificates that may sign the server's; `None` for the system's.
    pub ca_file: Option<PathBuf>,
    /// This node's certificate and key.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// Whether to believe any server.
    pub insecure_skip_verify: bool,
}

/// The Prometheus listener.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MetricsSettings {
    /// Whether to listen.
    pub enabled: bool,
    /// `host:port`; without a host, every address.
    pub listen: String,
}

/// The shape of the log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// Lines for people.
    Text,
    /// Text on a terminal, JSON elsewhere.
    Auto,
}

/// How important a log line is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum LogLevel {
    /// Something failed.
    Error,
    /// Something needs attention.
    Warn,
    /// What happens.
    Info,
    /// Why it happens.
    Debug,
}

/// An enum that stands for a word of the file.
macro_rules! words {
    ($name:ident { $($variant:ident => $word:literal),+ $(,)? }) => {
        impl $name {
            /// The word that stands for it in the file and on the command line.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// What the word stands for.
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

words!(RebootMethod { Command => "command", Logind => "logind", Soft => "soft" });
words!(EtcdLayout { Native => "native", Rebootlock => "rebootlock" });
words!(LogFormat { Json => "json", Text => "text", Auto => "auto" });
words!(LogLevel { Error => "error", Warn => "warn", Info => "info", Debug => "debug" });
