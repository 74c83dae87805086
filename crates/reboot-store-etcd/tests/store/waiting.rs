//! Who waits misses nothing that happened between its look and its watch.

use crate::bench::{Bench, request, session_of};
use reboot_core::group::{Action, Pause, Way};
use reboot_core::id::{GroupName, NodeName};
use reboot_core::line::Ticket;
use reboot_core::write::Write;
use reboot_lab::{Etcd, LabOptions};
use reboot_store::{Interest, Store};
use reboot_store_etcd::client::{Client, Options};

fn node(name: &str) -> NodeName {
    NodeName::new(name).unwrap()
}

impl Bench {
    async fn join(&self, name: &str) {
        let identity = self.identity(name);
        let ticket = Ticket {
            number: 0,
            node: identity.node,
            instance: identity.instance,
            session: session_of(name),
            since: "2026-01-01T00:00:00Z".to_owned(),
        };
        let group = GroupName::default();
        self.store
            .write(Write::Join { group, ticket })
            .await
            .unwrap();
    }

    async fn look(&self) -> u64 {
        self.store.look().await.unwrap().revision
    }

    async fn woken(&self, name: &str, seen: u64) {
        let interest = Interest::Slot {
            group: GroupName::default(),
            node: node(name),
        };
        self.soon(self.store.changed(&interest, seen))
            .await
            .unwrap();
    }

    async fn pause(&self) {
        let pause = Pause {
            by: "ann".to_owned(),
            reason: "a storm".to_owned(),
            until: None,
            session: None,
        };
        let action = Action::Pause(pause);
        self.ask(request(action)).await.unwrap();
    }

    /// One holds, two wait.
    async fn with_a_line() -> (Self, u64) {
        Self::new().await.lined_up().await
    }

    async fn lined_up(self) -> (Self, u64) {
        for name in ["holder", "first", "second"] {
            self.open(name).await;
        }
        let number = self.claim("holder").await.unwrap();
        self.join("first").await;
        self.join("second").await;
        (self, number)
    }
}

#[tokio::test]
async fn the_first_in_line_learns_of_a_slot_that_was_given_back_before_it_listened() {
    let (bench, number) = Bench::with_a_line().await;
    let seen = bench.look().await;
    bench.release("holder", number, Way::GivenBack).await;
    bench.woken("first", seen).await;
}

#[tokio::test]
async fn the_first_in_line_learns_of_a_pause_before_it_listened() {
    let (bench, _) = Bench::with_a_line().await;
    let seen = bench.look().await;
    bench.pause().await;
    bench.woken("first", seen).await;
}

#[tokio::test]
async fn who_stands_behind_another_learns_that_it_left_before_it_listened() {
    let (bench, _) = Bench::with_a_line().await;
    let seen = bench.look().await;
    let leave = Write::Leave {
        group: GroupName::default(),
        node: node("first"),
    };
    bench.store.write(leave).await.unwrap();
    bench.woken("second", seen).await;
}

#[tokio::test]
async fn who_waits_learns_that_its_own_lease_ended_before_it_listened() {
    let (bench, _) = Bench::with_a_line().await;
    let seen = bench.look().await;
    bench.end_session("second").await;
    bench.woken("second", seen).await;
}

#[tokio::test]
async fn a_holder_learns_that_its_hold_was_moved_before_it_listened() {
    let (bench, number) = Bench::with_a_line().await;
    let seen = bench.look().await;
    bench.fence("holder", number).await;
    bench.woken("holder", seen).await;
}

#[tokio::test]
async fn who_waits_looks_again_when_the_past_of_its_look_is_compacted() {
    let etcd = Etcd::single(&LabOptions::default()).await.unwrap();
    let client = Client::new(Options::new(etcd.endpoints())).unwrap();
    let (bench, _) = Bench::on(client).lined_up().await;
    let seen = bench.look().await;
    bench.put("/elsewhere", "1").await;
    bench.put("/elsewhere", "2").await;
    let newest = (seen + 2).to_string();
    etcd.etcdctl(&["compaction", &newest]).await.unwrap();
    bench.woken("second", seen).await;
}
