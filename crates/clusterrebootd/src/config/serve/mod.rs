//! The coordination server's configuration: `server.yaml`.

mod keys;
mod listing;

pub use keys::server_keys;

use super::build::check_listen;
use super::fields::Fields;
use super::problem::Problem;
use super::settings::{
    LogFormat, LogLevel, MetricsSettings, PolicySettings, StoreSettings, WindowSettings,
};
use super::shape::Values;
use super::{ConfigProblems, SERVER_MANUAL, checked, read, small, store, texts};
use reboot_core::id::{GroupName, NodeName};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where the server's configuration is, unless told otherwise.
pub const SERVER_PATH: &str = "/etc/clusterrebootd/server.yaml";

/// The server's configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct ServeSettings {
    /// `host:port`.
    pub listen: String,
    /// What every path begins with.
    pub base_path: String,
    /// Where the records stand.
    pub store: StoreSettings,
    /// The groups that this configuration owns.
    pub groups: BTreeMap<GroupName, ServeGroup>,
    /// Whether others are made when they are asked for, with how many slots.
    pub open_groups: Option<u32>,
    /// The nodes that clients are, by what they call themselves.
    pub node_names: BTreeMap<NodeName, NodeName>,
    /// Encryption.
    pub tls: Option<ServeTls>,
    /// Who may ask.
    pub auth: ServeAuth,
    /// What no client may exceed.
    pub limits: ServeLimits,
    /// A listener of its own for what is measured.
    pub metrics: MetricsSettings,
    /// The shape of the log.
    pub log_format: LogFormat,
    /// The least important level that is logged.
    pub log_level: LogLevel,
}

/// One group.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServeGroup {
    /// Slots.
    pub max: u32,
    /// When slots are given.
    pub windows: WindowSettings,
    /// The cooldown.
    pub min_reboot_interval_secs: u64,
    /// What must be left.
    pub cluster_policies: PolicySettings,
    /// How long a request waits.
    pub wait_secs: u64,
    /// How often a client may be given a slot within a day.
    pub max_reboots_per_day: u32,
    /// After so long it is overdue.
    pub reboot_timeout_secs: u64,
}

/// Encryption.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ServeTls {
    /// The server's certificate.
    pub cert_file: PathBuf,
    /// Its key.
    pub key_file: PathBuf,
    /// Who may sign the clients' certificates.
    pub client_ca_file: Option<PathBuf>,
    /// Whether clients must have one.
    pub require_client_cert: bool,
}

/// Who may ask.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ServeAuth {
    /// Hashed tokens.
    pub tokens_file: Option<PathBuf>,
    /// Hashed passwords.
    pub basic_file: Option<PathBuf>,
}

/// What no client may exceed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ServeLimits {
    /// The longest request.
    pub request_bytes: usize,
    /// Requests a second of one address; 0 is without limit.
    pub requests_per_second: u32,
    /// Connections at once.
    pub connections: usize,
    /// Connections of one address at once; 0 is without limit.
    pub connections_per_address: usize,
    /// How long a client may take.
    pub header_timeout_secs: u64,
}

// === impl ServeSettings ===

impl ServeSettings {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// Every problem of the file at once; one that cannot be read is a problem too.
    pub fn load(path: &Path) -> Result<Self, ConfigProblems> {
        let text = read(path)?;
        Self::parse(path, &text)
    }

    /// Checks a text, said to be of the file at `path`; an empty one is all defaults.
    ///
    /// # Errors
    /// Every problem of the text at once.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigProblems> {
        checked((server_keys(), SERVER_MANUAL), path, text, settings)
    }

    /// Listens somewhere else than the file says.
    ///
    /// # Errors
    /// When that is no address, said of the option.
    pub fn listen_on(&mut self, listen: &str) -> Result<(), ConfigProblems> {
        texts::listen_address(listen).map_err(|complaint| {
            let problem = Problem::of_file(&complaint.cause, &complaint.remedy);
            let problem = problem
                .of_key("--listen")
                .with_found(&format!("{listen:?}"));
            ConfigProblems::new(Path::new("command line"), "", vec![problem])
        })?;
        listen.clone_into(&mut self.listen);
        Ok(())
    }
}

fn settings(values: Values, problems: &mut Vec<Problem>) -> Option<ServeSettings> {
    let mut fields = Fields::new(server_keys(), values, problems);
    let store = match fields.is_given("store") {
        true => store::settings(&mut fields),
        false => Some(StoreSettings::Embedded {
            path: fields.path_or_default("store.embedded.path"),
        }),
    };
    let default_max = small(fields.whole_or_default("default_max"));
    let tls = tls(&mut fields);
    let node_names = node_names(&mut fields);
    check_listen(&mut fields);
    let settings = ServeSettings {
        listen: fields.text_or_default("listen"),
        base_path: fields.text_or_default("base_path"),
        store: store?,
        groups: groups(&fields),
        open_groups: fields.flag("open_groups").then_some(default_max),
        node_names,
        tls,
        auth: ServeAuth {
            tokens_file: fields.path("auth.tokens_file"),
            basic_file: fields.path("auth.basic_file"),
        },
        limits: ServeLimits {
            request_bytes: whole(&fields, "limits.request_bytes"),
            requests_per_second: small(fields.whole_or_default("limits.requests_per_second")),
            connections: whole(&fields, "limits.connections"),
            connections_per_address: whole(&fields, "limits.connections_per_address"),
            header_timeout_secs: fields.whole_or_default("limits.header_timeout_sec"),
        },
        metrics: MetricsSettings {
            enabled: fields.flag("metrics.enabled"),
            listen: fields.text_or_default("metrics.listen"),
        },
        log_format: LogFormat::from_word(&fields.text_or_default("log_format"))?,
        log_level: LogLevel::from_word(&fields.text_or_default("log_level"))?,
    };
    problems.is_empty().then_some(settings)
}

/// Two clients cannot be one node: the second would find its slot taken by the first.
fn node_names(fields: &mut Fields<'_>) -> BTreeMap<NodeName, NodeName> {
    let mut names = BTreeMap::new();
    let mut ids = BTreeMap::new();
    for id in fields.texts("nodes") {
        let key = format!("nodes[{id}].name");
        let name = fields.text(&key).map(NodeName::new);
        let (Some(Ok(name)), Ok(node_id)) = (name, NodeName::new(id.as_str())) else {
            continue; // told already
        };
        if let Some(other) = ids.insert(name.clone(), id) {
            let cause = format!("is {name}, and so is {other}");
            fields.complain(&[&key], &cause, "give every id a node of its own");
        }
        names.insert(node_id, name);
    }
    names
}

/// A certificate and its key, or neither; and nothing of clients without them.
fn tls(fields: &mut Fields<'_>) -> Option<ServeTls> {
    let identity = store::identity(fields, "tls");
    let client_ca_file = fields.path("tls.client_ca_file");
    let require_client_cert = fields.flag("tls.require_client_cert");
    let is_missing = |file: &str| fields.path(&format!("tls.{file}")).is_none();
    let alone = match (&client_ca_file, require_client_cert) {
        (None, true) => Some(("tls.require_client_cert", "client_ca_file")),
        (Some(_), _) if is_missing("cert_file") && is_missing("key_file") => {
            Some(("tls.client_ca_file", "cert_file and key_file"))
        }
        _ => None,
    };
    if let Some((key, needs)) = alone {
        let cause = format!("is given without {needs}");
        fields.complain(&[key], &cause, "add that, or remove this");
    }
    let (cert_file, key_file) = identity?;
    Some(ServeTls {
        cert_file,
        key_file,
        client_ca_file,
        require_client_cert,
    })
}

fn whole(fields: &Fields<'_>, path: &str) -> usize {
    usize::try_from(fields.whole_or_default(path)).unwrap_or(usize::MAX)
}

fn groups(fields: &Fields<'_>) -> BTreeMap<GroupName, ServeGroup> {
    let named = fields.texts("groups").into_iter().filter_map(|name| {
        let group = group(fields, &format!("groups[{name}]"));
        Some((GroupName::new(name).ok()?, group))
    });
    let mut groups: BTreeMap<_, _> = named.collect();
    if groups.is_empty() {
        groups.insert(GroupName::default(), group(fields, "groups[default]"));
    }
    groups
}

fn group(fields: &Fields<'_>, at: &str) -> ServeGroup {
    let whole = |name: &str| fields.whole_or_default(&format!("{at}.{name}"));
    ServeGroup {
        max: small(whole("max")),
        windows: windows(fields, &format!("{at}.windows")),
        min_reboot_interval_secs: whole("min_reboot_interval_sec"),
        cluster_policies: policies(fields, &format!("{at}.cluster_policies")),
        wait_secs: whole("wait_sec"),
        max_reboots_per_day: small(whole("max_reboots_per_day")),
        reboot_timeout_secs: whole("reboot_timeout_sec"),
    }
}

/// The policies in the section `at`.
pub(super) fn policies(fields: &Fields<'_>, at: &str) -> PolicySettings {
    let fallback = fields.texts(&format!("{at}.fallback_nodes"));
    PolicySettings {
        min_healthy_fraction: fields.fraction(&format!("{at}.min_healthy_fraction")),
        min_healthy_absolute: fields.whole(&format!("{at}.min_healthy_absolute")),
        forbid_if_only_fallback_left: fields.flag(&format!("{at}.forbid_if_only_fallback_left")),
        fallback_nodes: fallback
            .into_iter()
            .filter_map(|name| NodeName::new(name).ok())
            .collect(),
    }
}

/// The windows in the section `at`.
pub(super) fn windows(fields: &Fields<'_>, at: &str) -> WindowSettings {
    WindowSettings {
        deny: fields.texts(&format!("{at}.deny")),
        allow: fields.texts(&format!("{at}.allow")),
        timezone: fields.text(&format!("{at}.timezone")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<ServeSettings, ConfigProblems> {
        ServeSettings::parse(Path::new("server.yaml"), text)
    }

    #[test]
    fn without_a_word_one_group_is_served_to_this_machine() {
        let settings = parse("").unwrap();
        assert_eq!(settings.listen, "127.0.0.1:8080");
        assert_eq!(settings.groups.len(), 1);
        let group = &settings.groups[&GroupName::default()];
        assert_eq!(
            (group.max, group.wait_secs, group.reboot_timeout_secs),
            (1, 0, 1800)
        );
        assert_eq!(settings.open_groups, None);
        let path = "/var/lib/clusterrebootd/fleet.db".into();
        assert_eq!(settings.store, StoreSettings::Embedded { path });
    }

    #[test]
    fn groups_have_names_and_rules_of_their_own() {
        let settings = parse(
            "open_groups: true\ndefault_max: 3\ngroups:\n  a.b:\n    max: 2\n    wait_sec: 60\n    \
             windows: {allow: [\"Sat 01:00-05:00\"], timezone: Europe/Berlin}\n  workers:\n",
        );
        let settings = settings.unwrap();
        let group = &settings.groups[&GroupName::new("a.b").unwrap()];
        assert_eq!((group.max, group.wait_secs), (2, 60));
        assert_eq!(group.windows.allow, ["Sat 01:00-05:00"]);
        assert_eq!(settings.groups[&GroupName::new("workers").unwrap()].max, 1);
        assert_eq!((settings.groups.len(), settings.open_groups), (2, Some(3)));
    }

    #[test]
    fn every_client_is_a_node_of_its_own() {
        let id = |text: &str| NodeName::new(text).unwrap();
        let names = parse("nodes:\n  978a225b: {name: web-1}\n  12345678: {name: web-2}\n");
        let names = names.unwrap().node_names;
        let expected = [("12345678", "web-2"), ("978a225b", "web-1")];
        let expected = expected.map(|(client, node)| (id(client), id(node)));
        assert_eq!(names.into_iter().collect::<Vec<_>>(), expected);
        let twice = parse("nodes: {a: {name: web-1}, b: {name: web-1}}");
        let text = twice.unwrap_err().render(false);
        assert!(text.contains("nodes[b].name"), "{text}");
        assert!(text.contains("is web-1, and so is a"), "{text}");
        let nameless = parse("nodes: {a: {}}").unwrap_err().render(false);
        assert!(nameless.contains("nodes[a].name"), "{nameless}");
    }

    #[test]
    fn certificates_come_together_or_not_at_all() {
        let problem = |text: &str| parse(text).unwrap_err().render(false);
        let text = problem("tls: {cert_file: /c}");
        assert!(text.contains("tls.key_file: is missing"), "{text}");
        let text = problem("tls: {require_client_cert: true}");
        assert!(text.contains("without client_ca_file"), "{text}");
        let text = problem("tls: {client_ca_file: /ca}");
        assert!(text.contains("without cert_file and key_file"), "{text}");
        let text = "tls: {cert_file: /c, key_file: /k, client_ca_file: /ca}\n\
                    auth: {tokens_file: /t, basic_file: /b}";
        let settings = parse(text).unwrap();
        assert_eq!(settings.tls.unwrap().client_ca_file, Some("/ca".into()));
        assert_eq!(settings.auth.basic_file, Some("/b".into()));
    }

    #[test]
    fn every_mistake_is_named_with_its_place() {
        let problems = parse(
            "listen: nowhere\nbase_path: \"{x}\"\ngroups:\n  \"a b\": {max: 1}\n  c: {mx: 1}\n  \
             d: {max: 1001, windows: {deny: [Blue]}}\n  e: 3\nstore: {server: {url: \"http://x\"}}\n",
        );
        let text = problems.unwrap_err().render(false);
        for part in [
            "listen",
            "base_path",
            "groups[a b]",
            "groups[c].mx",
            "did you mean `max`?",
            "groups[d].max",
            "groups[d].windows.deny[0]",
            "groups[e]",
            "store.server",
        ] {
            assert!(text.contains(part), "{part} is not in:\n{text}");
        }
    }
}
