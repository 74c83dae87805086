//! A server that has no file descriptors left. It is one test and a program of its own: the limit
//! is the process's.

// A test fails best where it fails, and its functions need no documentation.
#![allow(clippy::unwrap_used, missing_docs)]
// The kit serves other tests too.
#![allow(dead_code)]

#[path = "../server/kit.rs"]
mod kit;

use kit::{House, of_max, until};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use reboot_server::audit::NoAudit;
use reboot_server::desk::Desk;
use reboot_server::doors::Doors;
use reboot_server::news::{News, Observer};
use reboot_server::view::View;
use reboot_store::embedded::{EmbeddedStore, Options};
use std::fs::File;
use std::sync::{Arc, Mutex};

/// Keeps what should be seen to.
#[derive(Default)]
struct Ear(Mutex<Vec<String>>);

impl Observer for Ear {
    fn told(&self, news: &News<'_>) {
        if let News::Warning { text } = news {
            self.0.lock().unwrap().push((*text).to_owned());
        }
    }
}

async fn house(ear: &Arc<Ear>) -> House {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("fleet.db");
    let store = Arc::new(EmbeddedStore::open(&path, Options::default()).unwrap());
    let view = Arc::new(View::open(store.clone()).await);
    let desk = Arc::new(Desk::new(view, of_max(1), ear.clone()));
    House::with(desk, (store, dir), Doors::open(), Arc::new(NoAudit)).await
}

/// Takes every descriptor that there is.
fn hoard() -> Vec<File> {
    std::iter::from_fn(|| File::open("/dev/null").ok()).collect()
}

#[tokio::test]
async fn a_server_without_descriptors_says_so_once_and_goes_on_when_there_are_some() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard.min(256), hard).unwrap();
    let ear = Arc::new(Ear::default());
    let warnings = || ear.0.lock().unwrap().clone();
    let house = house(&ear).await;
    assert_eq!(house.get("/healthz").await.status, 200);
    for round in 1..=2 {
        let mut hoard = hoard();
        drop(hoard.pop()); // for this end of the connection, and none for the other
        let mut line = house.line().await;
        until("it is told", || warnings().len() == round).await;
        let text = warnings().pop().unwrap();
        assert!(text.contains("no connection can be taken"), "{text}");
        assert!(text.contains("LimitNOFILE"), "{text}");
        drop(hoard);
        let answer = line.ask(b"GET /metrics HTTP/1.1\r\nhost: s\r\n\r\n").await;
        assert_eq!(answer.status, 200);
        let none = "clusterrebootd_server_accept_failures_total 0\n";
        assert!(!answer.body.contains(none), "{}", answer.body);
        assert_eq!(warnings().len(), round, "once, however often it was tried");
    }
}
