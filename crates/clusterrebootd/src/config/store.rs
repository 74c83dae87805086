//! Which store: exactly one of the choices beneath `store`, or the original's flat etcd keys.

use super::fields::Fields;
use super::settings::{
    EtcdLayout, EtcdSettings, FleetLockSettings, ServerSettings, StoreSettings, TlsSettings,
};
use reboot_core::id::NodeName;
use std::path::PathBuf;

const CHOICES: [&str; 5] = [
    "store.embedded",
    "store.etcd",
    "store.kubernetes",
    "store.server",
    "store.fleetlock",
];
const FLAT_KEYS: [&str; 3] = ["etcd_endpoints", "etcd_namespace", "etcd_tls"];
const NO_STORE: &str = "\
write `store:` with one of `embedded: {}` (this machine only), `etcd: {endpoints: [HOST:2379]}`, \
`kubernetes: {}`, `server: {url: URL}`, `fleetlock: {url: URL}` beneath it, or \
`etcd_endpoints: [HOST:2379]`";

/// The store, or problems that say why not.
pub(super) fn settings(fields: &mut Fields<'_>) -> Option<StoreSettings> {
    let chosen: Vec<&str> = CHOICES
        .into_iter()
        .filter(|path| fields.is_given(path))
        .collect();
    match chosen[..] {
        [] => flat(fields),
        [choice] => {
            refuse_flat(fields, choice);
            one(fields, choice)
        }
        [first, second, ..] => {
            let cause = format!("is given beside {first}");
            fields.complain(&[second], &cause, "keep one store");
            None
        }
    }
}

fn one(fields: &mut Fields<'_>, choice: &str) -> Option<StoreSettings> {
    match choice {
        "store.embedded" => {
            let path = fields.path_or_default("store.embedded.path");
            Some(StoreSettings::Embedded { path })
        }
        "store.etcd" => nested_etcd(fields).map(StoreSettings::Etcd),
        "store.kubernetes" => Some(StoreSettings::Kubernetes {
            namespace: fields.text_or_default("store.kubernetes.namespace"),
            kubeconfig: fields.path("store.kubernetes.kubeconfig"),
        }),
        "store.fleetlock" => fleetlock(fields).map(StoreSettings::FleetLock),
        _ => server(fields).map(StoreSettings::Server),
    }
}

/// The original's keys alone mean etcd.
fn flat(fields: &mut Fields<'_>) -> Option<StoreSettings> {
    if fields.is_given("etcd_endpoints") {
        return Some(StoreSettings::Etcd(EtcdSettings {
            endpoints: fields.texts("etcd_endpoints"),
            namespace: fields.text_or_default("etcd_namespace"),
            lock_key: fields.text_or_default("lock_key"),
            tls: tls(fields, "etcd_tls"),
            credentials: None,
            layout: EtcdLayout::Native,
        }));
    }
    tls(fields, "etcd_tls");
    if !fields.is_refused("store") && !fields.is_refused("etcd_endpoints") {
        fields.complain(&["store"], "is missing", NO_STORE);
    }
    None
}

/// Two settings for one thing: whichever won would surprise somebody.
fn refuse_flat(fields: &mut Fields<'_>, choice: &str) {
    for key in FLAT_KEYS {
        let is_set = match key {
            "etcd_tls" => fields.flag("etcd_tls.enabled"),
            _ => fields.is_given(key),
        };
        if is_set {
            let cause = format!("is given beside {choice}, which chooses the store too");
            fields.complain(&[key], &cause, &format!("remove {key}, or {choice}"));
        }
    }
}

fn nested_etcd(fields: &mut Fields<'_>) -> Option<EtcdSettings> {
    let endpoints = fields.texts("store.etcd.endpoints");
    let credentials = credentials(fields, "store.etcd");
    if endpoints.is_empty() && !fields.is_refused("store.etcd.endpoints") {
        fields.complain(
            &["store.etcd.endpoints"],
            "is empty",
            "add at least one HOST:PORT",
        );
    }
    Some(EtcdSettings {
        endpoints,
        namespace: fields.text_or_default("store.etcd.namespace"),
        lock_key: fields.text_or_default("lock_key"),
        tls: tls(fields, "store.etcd.tls"),
        credentials,
        layout: EtcdLayout::from_word(&fields.text_or_default("store.etcd.layout"))?,
    })
}

/// A user and the file with the password: both or neither.
fn credentials(fields: &mut Fields<'_>, section: &str) -> Option<(String, PathBuf)> {
    let names = ["username", "password_file"];
    let user = fields.text(&format!("{section}.{}", names[0]));
    let file = fields.path(&format!("{section}.{}", names[1]));
    both(fields, section, names, (user, file), "add it")
}

fn tls(fields: &mut Fields<'_>, section: &str) -> Option<TlsSettings> {
    if !fields.flag(&format!("{section}.enabled")) {
        return None;
    }
    let identity = identity(fields, section);
    Some(TlsSettings {
        ca_file: fields.path(&format!("{section}.ca_file")),
        identity,
        insecure_skip_verify: fields.flag(&format!("{section}.insecure_skip_verify")),
    })
}

/// A certificate and its key: both or neither.
pub(super) fn identity(fields: &mut Fields<'_>, section: &str) -> Option<(PathBuf, PathBuf)> {
    let names = ["cert_file", "key_file"];
    let files = names.map(|name| fields.path(&format!("{section}.{name}")));
    let [cert, key] = files;
    both(
        fields,
        section,
        names,
        (cert, key),
        "add it, or remove both",
    )
}

/// Two keys of a section that mean something together alone.
fn both<A, B>(
    fields: &mut Fields<'_>,
    section: &str,
    [first, second]: [&str; 2],
    given: (Option<A>, Option<B>),
    remedy: &str,
) -> Option<(A, B)> {
    let (missing, there) = match given {
        (Some(one), Some(other)) => return Some((one, other)),
        (None, None) => return None,
        (Some(_), None) => (second, first),
        (None, Some(_)) => (first, second),
    };
    let cause = format!("is missing beside {there}");
    fields.complain(&[&format!("{section}.{missing}")], &cause, remedy);
    None
}

fn server(fields: &mut Fields<'_>) -> Option<ServerSettings> {
    let settings = ServerSettings {
        url: fields.text("store.server.url")?,
        token_file: fields.path("store.server.token_file"),
        ca_file: fields.path("store.server.ca_file"),
        identity: identity(fields, "store.server"),
    };
    let has_certificates = settings.ca_file.is_some() || settings.identity.is_some();
    refuse_cleartext(fields, "store.server.url", &settings.url, has_certificates);
    Some(settings)
}

fn fleetlock(fields: &mut Fields<'_>) -> Option<FleetLockSettings> {
    let at = |key: &str| format!("store.fleetlock.{key}");
    let node = fields.text("node_name")?;
    let password = credentials(fields, "store.fleetlock");
    let token_file = fields.path(&at("token_file"));
    if token_file.is_some() && password.is_some() {
        let cause = "is given beside username";
        fields.complain(&[&at("token_file")], cause, "show one of them");
    }
    let settings = FleetLockSettings {
        url: fields.text(&at("url"))?,
        group: fields.text_or_default(&at("group")),
        id: fields.text(&at("id")).unwrap_or_else(|| node.clone()),
        node: NodeName::new(node).ok()?,
        path: fields.path_or_default(&at("path")),
        token_file,
        password,
        ca_file: fields.path(&at("ca_file")),
        identity: identity(fields, "store.fleetlock"),
    };
    let has_certificates = settings.ca_file.is_some() || settings.identity.is_some();
    refuse_cleartext(fields, &at("url"), &settings.url, has_certificates);
    Some(settings)
}

/// What certificates protect must not go out in the clear.
fn refuse_cleartext(fields: &mut Fields<'_>, key: &str, url: &str, has_certificates: bool) {
    if has_certificates && url.starts_with("http://") {
        let cause = "is not encrypted, though certificates are given";
        fields.complain(&[key], cause, "write https://, or drop them");
    }
}
