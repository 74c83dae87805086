//! Opens the store that the settings name.

use super::assemble::make_parent;
use crate::config::{
    EtcdLayout, EtcdSettings, FleetLockSettings, ServerSettings, StoreSettings, TlsSettings,
};
use anyhow::{Context, Result, anyhow};
use reboot_store::Store;
use reboot_store::embedded::{self, EmbeddedStore};
use reboot_store::fleetlock::{self, FleetLockStore};
use reboot_store::remote::{self, RemoteStore};
use reboot_store::tls::Tls;
use reboot_store_etcd::client::{self, Client};
use reboot_store_etcd::{EtcdStore, Layout};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Opens the store for the daemon of a node: with a FleetLock server, its slot is the daemon's
/// alone to take and to give back.
///
/// # Errors
/// As for [`open_store`].
pub(crate) fn open_as_daemon(settings: &StoreSettings) -> Result<Arc<dyn Store>> {
    match settings {
        StoreSettings::FleetLock(lock) => Ok(Arc::new(behind(lock)?)),
        other => open_store(other),
    }
}

/// Opens the store that the settings name. One on the network is not asked anything yet.
///
/// # Errors
/// When it cannot be used, or this version does not have it yet.
pub(crate) fn open_store(settings: &StoreSettings) -> Result<Arc<dyn Store>> {
    let later = |name: &str| {
        anyhow!(
            "store.{name}: this version does not have that store yet: use store.embedded for the \
             daemons of one machine, store.etcd for a fleet, or a later version"
        )
    };
    match settings {
        StoreSettings::Embedded { path } => embedded(path),
        StoreSettings::Etcd(etcd) => Ok(Arc::new(in_etcd(etcd)?)),
        StoreSettings::Kubernetes { .. } => Err(later("kubernetes")),
        StoreSettings::Server(server) => Ok(Arc::new(of_server(server)?)),
        StoreSettings::FleetLock(lock) => embedded(&lock.path),
    }
}

/// The store that a server keeps a fleet's state in.
///
/// # Errors
/// As for [`open_store`].
pub(crate) fn open_store_of_many(settings: &StoreSettings) -> Result<Arc<dyn Store>> {
    match settings {
        StoreSettings::Etcd(etcd) => Ok(Arc::new(in_etcd(etcd)?.for_many_nodes())),
        other => open_store(other),
    }
}

fn embedded(path: &Path) -> Result<Arc<dyn Store>> {
    make_parent(path)?;
    let store = EmbeddedStore::open(path, embedded::Options::default())?;
    Ok(Arc::new(store))
}

/// A fleet's place in etcd, which is not asked anything yet.
///
/// # Errors
/// When the settings make no client.
pub(crate) fn in_etcd(etcd: &EtcdSettings) -> Result<EtcdStore> {
    let credentials = etcd.credentials.clone();
    let options = client::Options {
        tls: etcd.tls.as_ref().map(tls),
        credentials: credentials.map(|(username, password_file)| client::Credentials {
            username,
            password_file,
        }),
        ..client::Options::new(etcd.endpoints.clone())
    };
    let client = Client::new(options).context("the etcd store cannot be used")?;
    let layout = match etcd.layout {
        EtcdLayout::Rebootlock => Layout::Rebootlock,
        EtcdLayout::Native => Layout::Native {
            namespace: etcd.namespace.clone(),
            lock_key: etcd.lock_key.clone(),
        },
    };
    Ok(EtcdStore::new(client, &layout))
}

/// What a server keeps, which is not asked anything yet.
fn of_server(server: &ServerSettings) -> Result<RemoteStore> {
    let options = remote::Options {
        tls: certificates(&server.ca_file, &server.identity),
        token_file: server.token_file.clone(),
        ..remote::Options::new(&server.url)
    };
    RemoteStore::new(&options).context("the server cannot be used as the store")
}

/// The node's own store behind a FleetLock server, which is not asked anything yet.
fn behind(lock: &FleetLockSettings) -> Result<FleetLockStore> {
    let options = remote::Options {
        tls: certificates(&lock.ca_file, &lock.identity),
        token_file: lock.token_file.clone(),
        password: lock.password.clone(),
        ..remote::Options::new(&lock.url)
    };
    let client = fleetlock::Client {
        node: lock.node.clone(),
        id: lock.id.clone(),
        group: lock.group.clone(),
    };
    let store = FleetLockStore::new(embedded(&lock.path)?, &options, &client);
    store.context("the FleetLock server cannot be used")
}

/// How to check a server of HTTP and who we are to it, where any of it is given.
fn certificates(ca_file: &Option<PathBuf>, identity: &Option<(PathBuf, PathBuf)>) -> Option<Tls> {
    let is_given = ca_file.is_some() || identity.is_some();
    is_given.then(|| Tls {
        ca_file: ca_file.clone(),
        identity: identity.clone(),
        insecure_skip_verify: false,
    })
}

fn tls(tls: &TlsSettings) -> client::Tls {
    client::Tls {
        ca_file: tls.ca_file.clone(),
        identity: tls.identity.clone(),
        insecure_skip_verify: tls.insecure_skip_verify,
    }
}
