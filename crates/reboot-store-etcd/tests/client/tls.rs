//! Certificates: good ones, bad ones, and ones that change under a client.

use std::path::Path;
use std::time::Duration;

use reboot_lab::{Authority, Etcd, Identity, LabOptions, ServerTls, Validity};
use reboot_store_etcd::client::{Client, Fault, Options, Tls, WatchRange};
use tempfile::TempDir;

use crate::support::{always, get, kvs, options, put, until};

const HOSTS: &[&str] = &["127.0.0.1", "localhost", "::1"];

/// A member that speaks TLS, and whoever signs for it.
struct Secure {
    etcd: Etcd,
    authority: Authority,
    folder: TempDir,
}

impl Secure {
    /// A member with a certificate for `hosts`, which may want one of its clients.
    async fn start(hosts: &[&str], validity: Validity, wants_client: bool) -> Self {
        let folder = TempDir::new().unwrap();
        let authority = Authority::new(folder.path(), "good").unwrap();
        let server = authority.server("server", hosts, validity).unwrap();
        let lab = LabOptions {
            tls: Some(ServerTls {
                cert: server.cert,
                key: server.key,
                client_ca: wants_client.then(|| authority.ca_file.clone()),
            }),
            ..LabOptions::default()
        };
        let etcd = Etcd::single(&lab).await.unwrap();
        Self {
            etcd,
            authority,
            folder,
        }
    }

    fn options(&self, tls: Option<Tls>) -> Options {
        Options {
            tls,
            ..options(&self.etcd.endpoints())
        }
    }

    fn trusting(&self, identity: Option<&Identity>) -> Tls {
        Tls {
            ca_file: Some(self.authority.ca_file.clone()),
            identity: identity.map(|identity| (identity.cert.clone(), identity.key.clone())),
            insecure_skip_verify: false,
        }
    }

    /// What a client with this TLS is told.
    async fn refusal(&self, tls: Option<Tls>) -> Fault {
        refusal(self.options(tls)).await
    }
}

async fn works(options: Options) -> Client {
    let client = Client::new(options).unwrap();
    client.txn(always([put("/a", "1")])).await.unwrap();
    client
}

async fn refusal(options: Options) -> Fault {
    let client = Client::new(options).unwrap();
    client.txn(always([get("/a")])).await.unwrap_err()
}

/// The fault, after a look that it names the endpoint and each of these.
fn says(fault: &Fault, endpoint: &str, words: &[&str]) {
    let text = fault.to_string();
    for word in words.iter().chain([&endpoint]) {
        assert!(text.contains(word), "`{word}` is not in: {text}");
    }
}

#[tokio::test]
async fn an_authority_of_our_own_is_enough_where_etcd_asks_for_no_more() {
    let secure = Secure::start(HOSTS, Validity::Now, false).await;
    works(secure.options(Some(secure.trusting(None)))).await;
    let port = secure.etcd.client_address(0).port();
    for endpoint in [
        format!("localhost:{port}"),
        format!("https://localhost:{port}"),
    ] {
        let tls = Some(secure.trusting(None));
        works(Options {
            tls,
            ..options(&[endpoint])
        })
        .await;
    }
}

#[tokio::test]
async fn an_authority_that_we_do_not_know_is_refused() {
    let secure = Secure::start(HOSTS, Validity::Now, false).await;
    let endpoint = &secure.etcd.endpoints()[0];
    let other = Authority::new(secure.folder.path(), "other").unwrap();
    let wrong = Tls {
        ca_file: Some(other.ca_file),
        ..Tls::default()
    };
    let words = ["signed by an authority that we do not trust", "ca_file"];
    says(&secure.refusal(Some(wrong)).await, endpoint, &words);
    // The system's authorities do not know it either.
    says(&secure.refusal(None).await, endpoint, &words);
    let trusting = Tls {
        insecure_skip_verify: true,
        ..Tls::default()
    };
    works(secure.options(Some(trusting))).await;
}

#[tokio::test]
async fn a_certificate_out_of_its_time_is_refused() {
    for (validity, words) in [
        (Validity::Expired, ["its certificate has expired", "clock"]),
        (
            Validity::Future,
            ["its certificate is not valid yet", "clock"],
        ),
    ] {
        let secure = Secure::start(HOSTS, validity, false).await;
        let fault = secure.refusal(Some(secure.trusting(None))).await;
        says(&fault, &secure.etcd.endpoints()[0], &words);
        assert!(matches!(fault, Fault::Unavailable(_)), "{fault:?}");
    }
}

#[tokio::test]
async fn a_certificate_for_another_host_is_refused() {
    let secure = Secure::start(&["etcd.example"], Validity::Now, false).await;
    let fault = secure.refusal(Some(secure.trusting(None))).await;
    let words = ["not made out to 127.0.0.1", "stands in the certificate"];
    says(&fault, &secure.etcd.endpoints()[0], &words);
}

#[tokio::test]
async fn etcd_may_want_a_certificate_of_us() {
    let secure = Secure::start(HOSTS, Validity::Now, true).await;
    let endpoint = &secure.etcd.endpoints()[0];
    let authority = &secure.authority;
    let good = authority.client("good", "node", Validity::Now).unwrap();
    works(secure.options(Some(secure.trusting(Some(&good))))).await;

    let fault = secure.refusal(Some(secure.trusting(None))).await;
    says(
        &fault,
        endpoint,
        &["wants a client certificate", "cert_file and key_file"],
    );
    assert!(matches!(fault, Fault::Denied(_)), "{fault:?}");

    let old = authority.client("old", "node", Validity::Expired).unwrap();
    let fault = secure.refusal(Some(secure.trusting(Some(&old)))).await;
    says(&fault, endpoint, &["client certificate", "not expired"]);
    assert!(matches!(fault, Fault::Denied(_)), "{fault:?}");

    let other = Authority::new(secure.folder.path(), "other").unwrap();
    let foreign = other.client("foreign", "node", Validity::Now).unwrap();
    let fault = secure.refusal(Some(secure.trusting(Some(&foreign)))).await;
    says(
        &fault,
        endpoint,
        &["client certificate", "--trusted-ca-file"],
    );
    assert!(matches!(fault, Fault::Denied(_)), "{fault:?}");
}

#[tokio::test]
async fn files_that_cannot_be_used_are_named() {
    let secure = Secure::start(HOSTS, Validity::Now, false).await;
    let endpoint = &secure.etcd.endpoints()[0];
    let file = |name: &str, text: &str| {
        let path = secure.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let ca = |path: &Path| Tls {
        ca_file: Some(path.to_owned()),
        ..Tls::default()
    };
    let missing = secure.folder.path().join("missing.pem");
    let fault = secure.refusal(Some(ca(&missing))).await;
    says(&fault, endpoint, &["missing.pem", "No such file"]);
    let empty = file("empty.pem", "nothing\n");
    let fault = secure.refusal(Some(ca(&empty))).await;
    says(&fault, endpoint, &["empty.pem holds no certificate"]);

    let one = secure
        .authority
        .client("one", "node", Validity::Now)
        .unwrap();
    let two = secure
        .authority
        .client("two", "node", Validity::Now)
        .unwrap();
    let mixed = Identity {
        cert: one.cert,
        key: two.key,
    };
    let fault = secure.refusal(Some(secure.trusting(Some(&mixed)))).await;
    says(
        &fault,
        endpoint,
        &["one.pem", "two.key", "do not go together"],
    );
}

#[tokio::test]
async fn a_scheme_that_etcd_does_not_speak_is_told() {
    let secure = Secure::start(HOSTS, Validity::Now, false).await;
    let port = secure.etcd.client_address(0).port();
    let plain = format!("http://127.0.0.1:{port}");
    let fault = refusal(options(std::slice::from_ref(&plain))).await;
    says(&fault, &plain, &["https://"]);

    let open = Etcd::single(&LabOptions::default()).await.unwrap();
    let encrypted = format!("https://127.0.0.1:{}", open.client_address(0).port());
    let tls = Some(secure.trusting(None));
    let fault = refusal(Options {
        tls,
        ..options(std::slice::from_ref(&encrypted))
    })
    .await;
    says(
        &fault,
        &encrypted,
        &["hung up during the TLS handshake", "http://"],
    );
}

fn copy(from: &Identity, to: &Identity) {
    // As tools do it: written beside, then moved over, one file after the other.
    for (from, to) in [(&from.cert, &to.cert), (&from.key, &to.key)] {
        let beside = to.with_extension("new");
        std::fs::copy(from, &beside).unwrap();
        std::fs::rename(&beside, to).unwrap();
    }
}

/// A client's certificate changes: calls never fail, and before long the new one is in use, to
/// be seen by the user it stands for. A watch that stands on the old one stands.
#[tokio::test]
async fn a_changed_certificate_is_used_before_long_and_no_call_fails() {
    let secure = Secure::start(HOSTS, Validity::Now, true).await;
    let authority = &secure.authority;
    let root = authority.client("root", "root", Validity::Now).unwrap();
    secure.etcd.identify(authority, &root);
    let reader = reboot_lab::User {
        name: "reader",
        password: "",
        grants: &[reboot_lab::Grant {
            access: reboot_lab::Access::Read,
            key: "/a",
            prefix: false,
        }],
    };
    let writer = reboot_lab::User {
        name: "writer",
        grants: &[reboot_lab::Grant {
            access: reboot_lab::Access::ReadWrite,
            key: "/a",
            prefix: false,
        }],
        ..reader
    };
    secure
        .etcd
        .enable_auth("secret", &[reader, writer])
        .await
        .unwrap();
    let reader = authority.client("reader", "reader", Validity::Now).unwrap();
    let writer = authority.client("writer", "writer", Validity::Now).unwrap();
    let used = authority.client("used", "nobody", Validity::Now).unwrap();
    copy(&reader, &used);

    let client = Client::new(secure.options(Some(secure.trusting(Some(&used))))).unwrap();
    let denied = client.txn(always([put("/a", "1")])).await.unwrap_err();
    assert!(
        matches!(&denied, Fault::Denied(text) if text.contains("/a")),
        "{denied:?}"
    );
    let range = WatchRange {
        key: b"/a".to_vec(),
        end: None,
        from_revision: 0,
        puts: true,
        deletes: true,
        previous: false,
    };
    let mut watch = client.watch(vec![range]).await.unwrap();

    copy(&writer, &used);
    until("a call with the new certificate", || async {
        client.txn(always([get("/a")])).await.unwrap();
        client.txn(always([put("/a", "2")])).await.is_ok()
    })
    .await;
    assert_eq!(watch.next().await.unwrap()[0].kv.value, b"2");

    // A file that is half written, or broken, costs nothing: the last good pair serves.
    std::fs::write(&used.cert, "-----BEGIN CERTIFICATE-----\n").unwrap();
    let mut calls = 0_u32;
    let broken_for = tokio::time::Instant::now();
    while broken_for.elapsed() < Duration::from_secs(6) {
        client.txn(always([put("/a", "3")])).await.unwrap();
        calls += 1;
    }
    assert!(calls > 10);
    let read = client.txn(always([get("/a")])).await.unwrap();
    assert_eq!(kvs(&read, 0)[0].value, b"3");
}

/// A certificate that etcd does not take replaces a good one: what works goes on working, until
/// the connection ends; then the refusal is told.
#[tokio::test]
async fn a_changed_certificate_that_etcd_refuses_costs_no_call() {
    let mut secure = Secure::start(HOSTS, Validity::Now, true).await;
    let used = secure
        .authority
        .client("used", "node", Validity::Now)
        .unwrap();
    let expired = secure
        .authority
        .client("old", "node", Validity::Expired)
        .unwrap();
    let client = works(secure.options(Some(secure.trusting(Some(&used))))).await;
    copy(&expired, &used);
    let began = tokio::time::Instant::now();
    let mut slow = 0;
    while began.elapsed() < Duration::from_secs(7) {
        let asked = tokio::time::Instant::now();
        client.txn(always([put("/a", "2")])).await.unwrap();
        slow += u32::from(asked.elapsed() > Duration::from_millis(200));
    }
    assert!(slow < 20, "{slow} calls waited for another connection");
    secure.etcd.restart(0).unwrap();
    secure.etcd.wait_healthy().await.unwrap();
    let fault = loop {
        match client.txn(always([get("/a")])).await {
            // The old connection may not have noticed yet.
            Ok(_) => {}
            Err(fault) => break fault,
        }
    };
    says(
        &fault,
        &secure.etcd.endpoints()[0],
        &["client certificate", "not expired"],
    );
}

#[tokio::test]
async fn a_changed_authority_is_trusted_at_the_next_connection() {
    let secure = Secure::start(HOSTS, Validity::Now, false).await;
    let other = Authority::new(secure.folder.path(), "other").unwrap();
    let ca_file = secure.folder.path().join("used.pem");
    std::fs::copy(&other.ca_file, &ca_file).unwrap();
    let tls = Tls {
        ca_file: Some(ca_file.clone()),
        ..Tls::default()
    };
    let client = Client::new(secure.options(Some(tls))).unwrap();
    let fault = client.txn(always([get("/a")])).await.unwrap_err();
    assert!(fault.to_string().contains("do not trust"), "{fault}");
    std::fs::copy(&secure.authority.ca_file, &ca_file).unwrap();
    client.txn(always([get("/a")])).await.unwrap();
}
