//! The etcd that the tests of one process share.

use reboot_lab::{Etcd, LabOptions};
use reboot_store_etcd::client::{Client, Options};
use tokio::sync::OnceCell;

static ONE: OnceCell<Etcd> = OnceCell::const_new();
static THREE: OnceCell<Etcd> = OnceCell::const_new();

/// A client of one member.
pub(crate) async fn client() -> Client {
    let start = || async { Etcd::single(&LabOptions::default()).await.unwrap() };
    client_of(ONE.get_or_init(start).await)
}

/// A client of three members.
pub(crate) async fn cluster_client() -> Client {
    let start = || async { Etcd::cluster(3, &LabOptions::default()).await.unwrap() };
    client_of(THREE.get_or_init(start).await)
}

fn client_of(etcd: &Etcd) -> Client {
    Client::new(Options::new(etcd.endpoints())).unwrap()
}
