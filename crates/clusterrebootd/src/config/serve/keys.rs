//! Every key of the coordination server's configuration.

use crate::config::keys::{COUNT, NODE_KEYS, SECONDS, SECONDS_OR_NONE, key};
use crate::config::schema::{Default, Key, Kind};
use crate::config::texts;
use std::sync::LazyLock;

/// The keys that are the server's alone, in the order of the reference.
#[rustfmt::skip] // one key a paragraph reads best
const OWN_KEYS: &[Key] = &[
    key("listen", Kind::Text(texts::listen_address),
        Default::Text("127.0.0.1:8080"), "host:port",
        "Where to listen."),
    key("base_path", Kind::Text(texts::base_path), Default::Text("/"), "",
        "What the path of every address begins with."),

    key("groups", Kind::Named(texts::group_name),
        Default::Computed("default: {max: 1}"), "",
        "The groups, by name. This file owns them: their slots are set to max at start and at \
         every reload."),
    key("groups[].max", Kind::Whole { min: 0, max: 1000 },
        Default::Whole(1), "0 pauses the group",
        "Slots: how many of its nodes may be down at once."),
    key("groups[].windows", Kind::Section, Default::Nothing, "",
        "When clients are given a slot."),
    key("groups[].windows.deny", Kind::Texts(texts::window),
        Default::Texts(&[]), "DAYS HH:MM-HH:MM",
        "Times without; they win over allow."),
    key("groups[].windows.allow", Kind::Texts(texts::window),
        Default::Texts(&[]), "DAYS HH:MM-HH:MM",
        "With any entry, a slot is given at these times only."),
    key("groups[].windows.timezone", Kind::Text(texts::timezone),
        Default::Computed("the host's"), "IANA name",
        "The time zone of the windows."),
    key("groups[].min_reboot_interval_sec", SECONDS_OR_NONE, Default::Whole(0), "",
        "The cooldown: so long after a slot was given, no other is."),
    key("groups[].cluster_policies", Kind::Section, Default::Nothing, "",
        "What must be left of the nodes that report their health."),
    key("groups[].cluster_policies.min_healthy_fraction", Kind::Fraction, Default::Nothing, "",
        "At least this part of the known nodes, rounded up, must be healthy."),
    key("groups[].cluster_policies.min_healthy_absolute", COUNT, Default::Nothing, "",
        "At least so many nodes must be healthy."),
    key("groups[].cluster_policies.forbid_if_only_fallback_left", Kind::Flag,
        Default::Flag(false), "",
        "Give no slot when only fallback nodes would be left."),
    key("groups[].cluster_policies.fallback_nodes", Kind::Texts(texts::node_name),
        Default::Texts(&[]), "",
        "Nodes that do not count as a cluster by themselves."),
    key("groups[].wait_sec", Kind::Whole { min: 0, max: 1_740 }, Default::Whole(0),
        "below the 30 minutes after which Zincati gives up",
        "How long a request waits for a slot before it is refused."),
    key("groups[].max_reboots_per_day", Kind::Whole { min: 0, max: 1000 }, Default::Whole(0),
        "0 is without limit",
        "How often a client may be given a slot within a day."),
    key("groups[].reboot_timeout_sec", SECONDS, Default::Whole(1800), "",
        "A client that is not back after so long is reported overdue."),
    key("open_groups", Kind::Flag, Default::Flag(false), "",
        "Whether groups that are not named here are made when they are asked for."),
    key("default_max", Kind::Whole { min: 1, max: 1000 }, Default::Whole(1), "",
        "The slots that such a group is made with."),

    key("nodes", Kind::Named(texts::node_name), Default::Nothing, "",
        "The nodes that FleetLock clients are, by the id that they send: slots, history, limits \
         and policies go by the name then. Others are named by their id."),
    key("nodes[].name", Kind::Text(texts::node_name),
        Default::Required, "each node once",
        "The node's name."),

    key("tls", Kind::Section, Default::Nothing, "",
        "Encryption. The files are read again within seconds of a change."),
    key("tls.cert_file", Kind::Text(texts::absolute_path),
        Default::Nothing, "with key_file, or not at all",
        "The server's certificate."),
    key("tls.key_file", Kind::Text(texts::absolute_path),
        Default::Nothing, "with cert_file, or not at all",
        "The server's key."),
    key("tls.client_ca_file", Kind::Text(texts::absolute_path),
        Default::Nothing, "with cert_file",
        "Certificates that may sign the clients'. A client's common name is the node it acts for."),
    key("tls.require_client_cert", Kind::Flag, Default::Flag(false), "with client_ca_file",
        "Whether a client without a certificate is turned away at once."),
    key("auth", Kind::Section, Default::Nothing, "",
        "Who may ask, and for what. The files are read again within seconds of a change."),
    key("auth.tokens_file", Kind::Text(texts::absolute_path), Default::Nothing, "",
        "Bearer tokens, hashed: a line of NAME ROLE HASH each, as serve hash-secret makes them."),
    key("auth.basic_file", Kind::Text(texts::absolute_path), Default::Nothing, "",
        "Names and passwords (HTTP Basic), hashed: lines as in tokens_file."),

    key("limits", Kind::Section, Default::Nothing, "",
        "What no client may exceed."),
    key("limits.request_bytes", Kind::Whole { min: 1024, max: 16 * 1024 * 1024 },
        Default::Whole(65_536), "",
        "The longest request, in bytes."),
    key("limits.requests_per_second", COUNT, Default::Whole(1000), "0 is without limit",
        "What one address may ask in the long run. Raise it behind a reverse proxy, where all \
         clients have one."),
    key("limits.connections", Kind::Whole { min: 1, max: 1_000_000 }, Default::Whole(20_000), "",
        "Connections at once; more wait. Each is an open file: a limit of those that is lower is \
         warned of at start."),
    key("limits.connections_per_address", COUNT, Default::Whole(10_000), "0 is without limit",
        "Connections that one address may have at once; more are closed. Set it to 0 behind a \
         reverse proxy, where all clients have one."),
    key("limits.header_timeout_sec", Kind::Whole { min: 1, max: 3600 }, Default::Whole(30), "",
        "How long a client may take to send a request or to read the answer."),

    key("metrics", Kind::Section, Default::Nothing, "",
        "A listener of its own for /metrics, which asks nobody who it is. The server's own \
         address has /metrics in any case."),
    key("metrics.enabled", Kind::Flag, Default::Flag(false), "",
        "Whether to listen."),
    key("metrics.listen", Kind::Text(texts::any),
        Default::Text("127.0.0.1:9090"), "host:port; empty means the default",
        "Where to listen."),
];

/// Keys of the node daemon that mean the same here.
fn is_shared(key: &&Key) -> bool {
    let is_client = ["store.server", "store.fleetlock"]
        .iter()
        .any(|it| key.path.starts_with(it));
    let is_store = key.path == "store" || key.path.starts_with("store.");
    let is_log = matches!(key.path, "log_format" | "log_level" | "lock_key");
    (is_store && !is_client) || is_log
}

static TABLE: LazyLock<Vec<Key>> = LazyLock::new(|| {
    let shared = NODE_KEYS.iter().filter(is_shared);
    OWN_KEYS.iter().chain(shared).copied().collect()
});

/// The table, in the order of the reference.
pub fn server_keys() -> &'static [Key] {
    &TABLE
}
