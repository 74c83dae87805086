//! The laboratory cleans up after itself, and says what it lacks.

// A test fails best where it fails, and its functions need no documentation.
#![allow(clippy::unwrap_used, missing_docs)]

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use reboot_lab::{Etcd, LabError, LabOptions, Proxy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

fn runs(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

#[tokio::test]
async fn members_and_their_data_are_gone_when_the_cluster_is_dropped() {
    let etcd = Etcd::cluster(3, &LabOptions::default()).await.unwrap();
    let pids: Vec<_> = (0..3).map(|member| etcd.pid(member).unwrap()).collect();
    let data = etcd.data(0).to_owned();
    assert!(pids.iter().all(|pid| runs(*pid)) && data.exists());
    // A stopped process too.
    etcd.stop(1).unwrap();
    drop(etcd);
    assert!(!pids.iter().any(|pid| runs(*pid)) && !data.exists());
}

#[tokio::test]
async fn members_outlive_the_thread_that_started_them() {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let started = std::thread::spawn(move || {
        let options = LabOptions::default();
        runtime().block_on(Etcd::single(&options)).unwrap()
    });
    let mut etcd = started.join().unwrap();
    etcd.wait_healthy().await.unwrap();
    assert!(runs(etcd.pid(0).unwrap()));
}

#[tokio::test]
async fn a_program_that_is_missing_is_named_with_its_package() {
    let options = LabOptions {
        program: Some("no-such-etcd".to_owned()),
        ..LabOptions::default()
    };
    let Err(error) = Etcd::single(&options).await else {
        panic!("a program that is not there was started");
    };
    assert!(matches!(error, LabError::Missing { .. }), "{error}");
    let text = error.to_string();
    assert!(
        text.contains("no-such-etcd") && text.contains("apt-get install"),
        "{text}"
    );
}

#[tokio::test]
async fn a_member_that_does_not_start_shows_its_log() {
    let options = LabOptions {
        flags: vec!["--no-such-flag".to_owned()],
        ..LabOptions::default()
    };
    let Err(error) = Etcd::single(&options).await else {
        panic!("etcd took a flag that it does not know");
    };
    assert!(error.to_string().contains("no-such-flag"), "{error}");
}

#[tokio::test]
async fn a_killed_member_comes_back_with_its_data_and_another_leads_meanwhile() {
    let mut etcd = Etcd::cluster(3, &LabOptions::default()).await.unwrap();
    etcd.etcdctl(&["put", "/a", "1"]).await.unwrap();
    let leader = etcd.leader().await.unwrap();
    etcd.kill(leader);
    assert_ne!(etcd.new_leader(leader).await.unwrap(), leader);
    etcd.restart(leader).unwrap();
    etcd.wait_healthy().await.unwrap();
    let moved = etcd.move_leader().await.unwrap();
    assert_eq!(etcd.leader().await.unwrap(), moved);
    let read = etcd
        .etcdctl(&["get", "/a", "--print-value-only"])
        .await
        .unwrap();
    assert_eq!(read, "1\n");
}

/// Something that sends back what it hears.
async fn echo() -> std::net::SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                // It ends with its connection, in whatever way.
                let _ = tokio::io::copy(&mut from, &mut to).await;
            });
        }
    });
    address
}

async fn heard(stream: &mut TcpStream) -> Option<u8> {
    let moment = Duration::from_millis(200);
    let heard = timeout(moment, stream.read_u8()).await;
    heard.ok().map(|byte| byte.unwrap())
}

#[tokio::test]
async fn a_network_is_cut_held_and_healed() {
    let proxy = Proxy::start(echo().await).await.unwrap();
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    stream.write_u8(1).await.unwrap();
    assert_eq!(heard(&mut stream).await, Some(1));
    assert_eq!((proxy.request_bytes(), proxy.reply_bytes()), (1, 1));

    proxy.cut_replies();
    stream.write_u8(2).await.unwrap();
    assert_eq!(heard(&mut stream).await, None);
    assert_eq!((proxy.request_bytes(), proxy.reply_bytes()), (2, 1));
    proxy.heal();
    assert_eq!(heard(&mut stream).await, Some(2));

    proxy.hold_requests();
    stream.write_u8(3).await.unwrap();
    assert_eq!(heard(&mut stream).await, None);
    assert_eq!(proxy.request_bytes(), 2);
    proxy.heal();
    assert_eq!(heard(&mut stream).await, Some(3));

    proxy.cut();
    assert!(stream.read_u8().await.is_err());
    let mut again = TcpStream::connect(proxy.address()).await.unwrap();
    assert!(again.read_u8().await.is_err());
    proxy.heal();
    let mut again = TcpStream::connect(proxy.address()).await.unwrap();
    again.write_u8(4).await.unwrap();
    assert_eq!(heard(&mut again).await, Some(4));
    assert_eq!(proxy.connections(), 3);
}
