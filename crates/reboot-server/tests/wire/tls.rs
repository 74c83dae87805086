//! Encrypted, with certificates on both sides.

use crate::kit::{Place, limits};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use reboot_core::id::NodeName;
use reboot_core::undo::Undo;
use reboot_core::write::{Trouble, Write};
use reboot_lab::{Authority, Identity, Validity};
use reboot_server::audit::NoAudit;
use reboot_server::doors::{DoorSettings, Doors};
use reboot_server::tls::{Acceptor, TlsSettings};
use reboot_server::view::View;
use reboot_server::wire::{self, Nobody, Wire};
use reboot_store::Store;
use reboot_store::embedded::Options;
use reboot_store::remote::{self, RemoteStore};
use reboot_store::tls::Tls;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

const PATIENCE: Duration = Duration::from_secs(2);

/// An encrypted server, and who signs for it.
struct Site {
    dir: TempDir,
    authority: Authority,
    address: SocketAddr,
    _place: Place,
    _closing: watch::Sender<bool>,
    _tasks: JoinSet<()>,
}

// === impl Site ===

impl Site {
    async fn new(require_client_cert: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::new(dir.path(), "fleet").unwrap();
        let own = authority.server("server", &["127.0.0.1"], Validity::Now);
        let own = own.unwrap();
        let acceptor = Acceptor::new(TlsSettings {
            cert_file: own.cert,
            key_file: own.key,
            client_ca_file: Some(authority.ca_file.clone()),
            require_client_cert,
        });
        let acceptor = acceptor.unwrap();
        let place = Place::new(Options::default());
        let view = Arc::new(View::open(place.store.clone()).await);
        let closing = watch::Sender::new(false);
        let doors = Doors::new(&DoorSettings {
            certificates: true,
            ..DoorSettings::default()
        });
        let wire = Wire::open_behind(
            view.clone(),
            limits(),
            closing.subscribe(),
            (
                Arc::new(doors.unwrap()),
                Arc::new(NoAudit),
                Arc::new(Nobody),
            ),
        );
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { view.follow().await });
        tasks.spawn(listen(listener, acceptor, wire));
        Self {
            dir,
            authority,
            address,
            _place: place,
            _closing: closing,
            _tasks: tasks,
        }
    }

    fn client(&self, identity: Option<Identity>) -> RemoteStore {
        self.client_trusting(&self.authority, identity)
    }

    fn client_trusting(&self, authority: &Authority, identity: Option<Identity>) -> RemoteStore {
        let options = remote::Options {
            tls: Some(Tls {
                ca_file: Some(authority.ca_file.clone()),
                identity: identity.map(|it| (it.cert, it.key)),
                insecure_skip_verify: false,
            }),
            ..remote::Options::new(format!("https://{}", self.address))
        };
        RemoteStore::new(&options).unwrap()
    }

    fn papers(&self, name: &str, validity: Validity) -> Identity {
        self.authority.client(name, name, validity).unwrap()
    }
}

async fn listen(listener: TcpListener, acceptor: Acceptor, wire: Arc<Wire>) {
    let acceptor = Arc::new(acceptor);
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, routes) = (acceptor.clone(), wire::routes::<()>(wire.clone()));
        connections.spawn(async move {
            let Ok((stream, name)) = acceptor.accept(stream, PATIENCE).await else {
                return;
            };
            let routes = match name {
                Some(name) => routes.layer(axum::Extension(name)),
                None => routes,
            };
            let service = TowerToHyperService::new(routes);
            let http = hyper::server::conn::http1::Builder::new();
            let _ = http.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

fn undone(name: &str) -> Write {
    Write::Undone {
        node: NodeName::new(name).unwrap(),
        undone: Undo::default(),
    }
}

fn unavailable<T: std::fmt::Debug>(answer: Result<T, Trouble>) -> String {
    match answer {
        Err(Trouble::Unavailable(text)) => text,
        other => panic!("it is away, but {other:?}"),
    }
}

#[tokio::test]
async fn a_certificate_is_its_nodes_and_nobody_elses() {
    let site = Site::new(false).await;
    let client = site.client(Some(site.papers("n1", Validity::Now)));
    client.look().await.unwrap();
    client.write(undone("n1")).await.unwrap();
    let text = unavailable(client.write(undone("n2")).await);
    assert!(
        text.contains("forbidden") && text.contains("node:n2"),
        "{text}"
    );
    let nobody = unavailable(site.client(None).look().await);
    assert!(nobody.contains("unauthorized"), "{nobody}");
}

#[tokio::test]
async fn without_a_good_certificate_nobody_comes_as_far_as_a_request() {
    let site = Site::new(true).await;
    let good = site.client(Some(site.papers("n1", Validity::Now)));
    good.look().await.unwrap();
    let text = unavailable(site.client(None).look().await);
    assert!(text.contains("client certificate"), "{text}");
    let text = unavailable(
        site.client(Some(site.papers("n2", Validity::Expired)))
            .look()
            .await,
    );
    assert!(
        text.contains("our client certificate has expired"),
        "{text}"
    );
    let others = Authority::new(site.dir.path(), "others").unwrap();
    let forged = others.client("forged", "n1", Validity::Now).unwrap();
    let text = unavailable(site.client(Some(forged)).look().await);
    assert!(text.contains("client certificate"), "{text}");
}

#[tokio::test]
async fn a_server_that_we_do_not_trust_is_named() {
    let site = Site::new(false).await;
    let others = Authority::new(site.dir.path(), "others").unwrap();
    let text = unavailable(site.client_trusting(&others, None).look().await);
    assert!(text.contains("an authority that we do not trust"), "{text}");
    assert!(text.contains("ca_file"), "{text}");
    let plain = RemoteStore::new(&remote::Options::new(format!("http://{}", site.address)));
    let text = unavailable(plain.unwrap().look().await);
    assert!(
        text.contains("http:// or https://") || text.contains("hung up"),
        "{text}"
    );
}

#[tokio::test]
async fn a_changed_certificate_is_served_before_long() {
    let site = Site::new(false).await;
    let client = || site.client(Some(site.papers("n1", Validity::Now)));
    client().look().await.unwrap();
    let old = site
        .authority
        .server("server", &["127.0.0.1"], Validity::Expired);
    old.unwrap();
    let end = tokio::time::Instant::now() + Duration::from_secs(20);
    let text = loop {
        match client().look().await {
            Ok(_) => assert!(tokio::time::Instant::now() < end, "still the old one"),
            other => break unavailable(other),
        }
    };
    assert!(text.contains("its certificate has expired"), "{text}");
}

#[test]
fn files_that_do_not_hold_together_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new(dir.path(), "fleet").unwrap();
    let one = authority
        .server("one", &["127.0.0.1"], Validity::Now)
        .unwrap();
    let two = authority
        .server("two", &["127.0.0.1"], Validity::Now)
        .unwrap();
    let mut settings = TlsSettings {
        cert_file: one.cert.clone(),
        key_file: two.key,
        client_ca_file: None,
        require_client_cert: false,
    };
    let error = Acceptor::new(settings.clone()).err().unwrap();
    assert!(error.contains("do not go together"), "{error}");
    settings.key_file = one.cert;
    let error = Acceptor::new(settings.clone()).err().unwrap();
    assert!(error.contains("one.pem"), "{error}");
    fs::write(dir.path().join("empty"), "").unwrap();
    settings.cert_file = dir.path().join("empty");
    let error = Acceptor::new(settings).err().unwrap();
    assert!(error.contains("empty holds no certificate"), "{error}");
}
