//! Endpoints that lead nowhere, or to something else: each text says what to check.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use reboot_lab::{Etcd, LabOptions, Proxy};
use reboot_store_etcd::client::{Client, Fault, Granted, Options};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::support::{always, client, get, options, put};

/// What a client of this endpoint is told, after a look that each of these is in it.
async fn unavailable(endpoint: &str, words: &[&str]) {
    let short = Options {
        connect_timeout: Duration::from_secs(1),
        ..options(&[endpoint.to_owned()])
    };
    let client = Client::new(short).unwrap();
    let fault = client.txn(always([put("/a", "1")])).await.unwrap_err();
    let Fault::Unavailable(text) = &fault else {
        panic!("{fault:?} is not surely undone");
    };
    for word in words.iter().chain([&endpoint, &"check"]) {
        assert!(text.contains(word), "`{word}` is not in: {text}");
    }
}

/// Something that answers every connection with these words.
async fn impostor(words: &'static [u8]) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut asked = [0; 1024];
            // Whether it hears them is its own affair.
            let _ = stream.read(&mut asked).await;
            let _ = stream.write_all(words).await;
        }
    });
    format!("http://{address}")
}

#[tokio::test]
async fn an_endpoint_where_nobody_listens_is_told_at_once() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let began = Instant::now();
    unavailable(&endpoint, &["connection refused", "client port"]).await;
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn a_host_that_nobody_knows_is_told() {
    let words = [
        "cannot find the address of no-such-host.invalid",
        "spelling",
    ];
    unavailable("http://no-such-host.invalid:2379", &words).await;
}

#[tokio::test]
async fn something_that_is_not_etcd_is_told() {
    let web = impostor(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await;
    unavailable(&web, &["does not speak HTTP/2", "client port"]).await;
    let closes = impostor(b"").await;
    unavailable(&closes, &["hangs up", "https://"]).await;
}

#[tokio::test]
async fn something_that_says_nothing_is_told_and_nothing_is_sent() {
    let etcd = Etcd::single(&LabOptions::default()).await.unwrap();
    let proxy = Proxy::start(etcd.client_address(0)).await.unwrap();
    proxy.silence();
    let endpoint = format!("http://{}", proxy.address());
    unavailable(&endpoint, &["no answer within 1 s"]).await;
    proxy.heal();
    let straight = client(&etcd.endpoints());
    let read = straight.txn(always([get("/a")])).await.unwrap();
    assert_eq!(crate::support::kvs(&read, 0), []);
}

#[tokio::test]
async fn every_endpoint_that_failed_is_named_with_its_cause() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let refused = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let web = impostor(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    let client = client(&[refused.clone(), web.clone()]);
    let text = client
        .txn(always([get("/a")]))
        .await
        .unwrap_err()
        .to_string();
    for word in [&*refused, &*web, "connection refused", "HTTP/2"] {
        assert!(text.contains(word), "`{word}` is not in: {text}");
    }
}

#[tokio::test]
async fn one_bad_endpoint_among_good_ones_does_no_harm() {
    let etcd = Etcd::single(&LabOptions::default()).await.unwrap();
    let web = impostor(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    for _ in 0..6 {
        let client = client(&[web.clone(), etcd.endpoints().remove(0)]);
        client.txn(always([put("/a", "1")])).await.unwrap();
        assert_eq!(client.endpoint(), etcd.endpoints().first().cloned());
    }
}

#[tokio::test]
async fn etcd_on_an_address_of_the_sixth_version_is_reached() {
    let lab = LabOptions {
        address: Ipv6Addr::LOCALHOST.into(),
        ..LabOptions::default()
    };
    let etcd = Etcd::single(&lab).await.unwrap();
    assert!(etcd.endpoints()[0].starts_with("http://[::1]:"));
    client(&etcd.endpoints())
        .txn(always([put("/a", "1")]))
        .await
        .unwrap();
}

/// The member that notices first has done what it says it has no space for.
#[tokio::test]
async fn an_etcd_without_space_says_so_and_how_to_make_some() {
    let lab = LabOptions {
        flags: vec!["--quota-backend-bytes=2000000".to_owned()],
        ..LabOptions::default()
    };
    let etcd = Etcd::single(&lab).await.unwrap();
    let client = client(&etcd.endpoints());
    let large = "x".repeat(200_000);
    let mut last = Ok(());
    for number in 0..100 {
        last = client
            .txn(always([put(&number.to_string(), &large)]))
            .await
            .map(|_| ());
        if last.is_err() {
            break;
        }
    }
    let Err(Fault::NoSpace(text)) = last else {
        panic!("{last:?}");
    };
    assert!(
        text.contains(&etcd.endpoints()[0]) && text.contains("etcdctl alarm"),
        "{text}"
    );
    // What changes nothing still works, all of it as of one moment.
    let read = client
        .txn(always([get("0"), get("none"), get("1")]))
        .await
        .unwrap();
    assert!(read.succeeded && read.revision > 1, "{read:?}");
    let found: Vec<_> = (0..3)
        .map(|index| crate::support::kvs(&read, index).len())
        .collect();
    assert_eq!(found, [1, 0, 1]);
    // Whether a deletion does is up to the version.
    let deleted = client.txn(always([crate::support::delete("0")])).await;
    assert!(
        matches!(deleted, Err(Fault::NoSpace(_)) | Ok(_)),
        "{deleted:?}"
    );
    let refused = client.grant(0x1ea5_0006, 60).await;
    assert!(
        matches!(refused, Err(Fault::NoSpace(_)) | Ok(Granted::New { .. })),
        "{refused:?}"
    );
}
