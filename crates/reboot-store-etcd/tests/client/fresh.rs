//! A read never goes back behind what its client has seen, unless etcd itself has gone back.

use reboot_lab::{Etcd, LabOptions, Proxy};
use reboot_store_etcd::client::{Client, Fault};

use crate::support::{always, client, get, kvs, put};

/// One that is up to date, one that is not, and a client of both that has seen the first.
struct Pair {
    etcds: [Etcd; 2],
    proxies: [Proxy; 2],
    client: Client,
}

const UP_TO_DATE: usize = 0;
const OLDER: usize = 1;

impl Pair {
    /// The client has seen the up-to-date one, and is on the older one now.
    async fn new() -> Self {
        let one = || async { Etcd::single(&LabOptions::default()).await.unwrap() };
        let etcds = [one().await, one().await];
        let proxies = [
            Proxy::start(etcds[UP_TO_DATE].client_address(0))
                .await
                .unwrap(),
            Proxy::start(etcds[OLDER].client_address(0)).await.unwrap(),
        ];
        let endpoints = proxies.iter().map(|proxy| proxy.address().to_string());
        let pair = Self {
            client: client(&Vec::from_iter(endpoints)),
            etcds,
            proxies,
        };
        pair.proxies[OLDER].cut();
        for value in ["1", "2", "3", "4"] {
            pair.write(value).await.unwrap();
        }
        pair.go_over().await;
        pair
    }

    /// The client goes over to the older one.
    async fn go_over(&self) {
        self.proxies[OLDER].heal();
        self.proxies[UP_TO_DATE].cut();
        // A connection that broke under it leaves a write unknown; the next one goes on.
        while self.write("older").await.is_err() {}
    }

    async fn write(&self, value: &str) -> Result<(), Fault> {
        self.client.txn(always([put("/a", value)])).await.map(drop)
    }

    async fn read(&self) -> String {
        let answer = self.client.txn(always([get("/a")])).await.unwrap();
        let value = &kvs(&answer, 0)[0].value;
        String::from_utf8(value.clone()).unwrap()
    }

    /// Whether the client talks to this one.
    fn is_on(&self, which: usize) -> bool {
        let address = self.proxies[which].address().to_string();
        self.client
            .endpoint()
            .is_some_and(|it| it.ends_with(&address))
    }
}

#[tokio::test]
async fn a_read_that_shows_less_than_was_seen_is_asked_of_another_member() {
    let pair = Pair::new().await;
    pair.proxies[UP_TO_DATE].heal();
    assert!(pair.is_on(OLDER));
    assert_eq!(pair.read().await, "4");
    assert!(pair.is_on(UP_TO_DATE));
}

#[tokio::test]
async fn a_leader_whose_successor_was_seen_is_not_asked() {
    let mut pair = Pair::new().await;
    // It comes back with a leader of a later term; the other one has more revisions by then.
    assert_eq!(pair.read().await, "older");
    for _ in 0..8 {
        pair.write("older").await.unwrap();
    }
    pair.etcds[UP_TO_DATE].terminate(0).unwrap();
    pair.etcds[UP_TO_DATE].restart(0).unwrap();
    pair.etcds[UP_TO_DATE].wait_healthy().await.unwrap();
    pair.proxies[UP_TO_DATE].heal();
    pair.proxies[OLDER].cut();
    while pair.write("new").await.is_err() {}
    pair.go_over().await;
    pair.proxies[UP_TO_DATE].heal();
    assert!(pair.is_on(OLDER));
    assert_eq!(pair.read().await, "new");
}

#[tokio::test]
async fn an_etcd_that_was_put_back_is_believed_when_nobody_knows_better() {
    let pair = Pair::new().await;
    assert_eq!(pair.read().await, "older");
    // And from then on at once, though the other one is there again.
    pair.proxies[UP_TO_DATE].heal();
    assert_eq!(pair.read().await, "older");
    assert!(pair.is_on(OLDER));
    drop(pair.etcds);
}
