//! An etcd that was put back from a copy: a new epoch, in which nobody acts before an operator
//! has said who is down.

use crate::bench::{Bench, request, session_of};
use reboot_core::group::{Action, Identity, Pause, Phase, Refusal};
use reboot_core::id::{GroupName, NodeName};
use reboot_core::order::Order;
use reboot_core::write::{Trouble, Write};
use reboot_lab::{Etcd, LabOptions};
use reboot_store::Store;
use reboot_store_etcd::client::{Client, Options};
use std::path::Path;
use std::process::Command;

/// Copies a member's data, while it does not run.
fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp")
        .arg("-a")
        .arg(from)
        .arg(to)
        .status()
        .unwrap();
    assert!(
        status.success(),
        "cp -a {} {}",
        from.display(),
        to.display()
    );
}

async fn put_back(etcd: &mut Etcd, kept: &Path) {
    etcd.terminate(0).unwrap();
    let data = etcd.data(0).to_owned();
    std::fs::remove_dir_all(&data).unwrap();
    copy(kept, &data);
    etcd.restart(0).unwrap();
    etcd.wait_healthy().await.unwrap();
}

/// An order that the copy knows, and that may have been taken back since.
async fn order(bench: &Bench, node: &str) {
    let order = Order {
        by: "ann".to_owned(),
        reason: "a new disk".to_owned(),
        at: String::new(),
        not_before: None,
        boot: bench.identity(node).boot,
        extra: Default::default(),
    };
    let write = Write::Order {
        node: NodeName::new(node).unwrap(),
        group: GroupName::default(),
        order,
    };
    bench.store.write(write).await.unwrap();
    assert_eq!(bench.store.look().await.unwrap().orders.len(), 1);
}

#[tokio::test]
async fn a_copy_put_back_begins_a_new_epoch_and_pauses() {
    let mut etcd = Etcd::single(&LabOptions::default()).await.unwrap();
    let client = Client::new(Options::new(etcd.endpoints())).unwrap();
    let bench = Bench::on(client);
    bench.open("one").await;
    bench.open("two").await;
    let number = bench.claim("one").await.unwrap();
    bench.set_max(2).await;
    bench.fence("one", number).await;
    bench.claim("two").await.unwrap();
    order(&bench, "one").await;
    let kept = etcd.folder().join("kept");
    etcd.terminate(0).unwrap();
    copy(etcd.data(0), &kept);
    etcd.restart(0).unwrap();
    etcd.wait_healthy().await.unwrap();
    bench
        .release("two", 2, reboot_core::group::Way::GivenBack)
        .await;
    let seen = bench.record().await.mark();
    put_back(&mut etcd, &kept).await;
    assert!(
        bench.record().await.mark() <= seen,
        "it has forgotten a commit"
    );

    let pause = Pause {
        by: "ann".to_owned(),
        reason: "the copy of monday".to_owned(),
        until: None,
        session: None,
    };
    let begun = bench
        .store
        .begin_epoch(&pause, "2026-01-01T00:00:00Z")
        .await
        .unwrap();
    assert_eq!((begun.epoch, begun.dropped_claims), (2, 1));
    assert_eq!(begun.paused, [GroupName::default()]);
    let fleet = bench.store.look().await.unwrap();
    assert!(fleet.presences.is_empty() && fleet.orders.is_empty());
    let group = &fleet.groups[&GroupName::default()].group;
    assert!(group.mark() > seen, "whoever has seen more goes on");
    assert_eq!(group.pause, Some(pause));
    assert_eq!(group.holds.len(), 1);
    assert_eq!(
        (group.holds[0].number, group.holds[0].phase),
        (number, Phase::Rebooting)
    );
    bench.end_session("two").await;
    bench.open("two").await;
    let refused = bench.claim("two").await.unwrap_err();
    assert!(
        matches!(refused, Trouble::Refused(Refusal::Paused { .. })),
        "{refused}"
    );
    let again = Pause {
        by: "ann".to_owned(),
        reason: "again".to_owned(),
        until: None,
        session: None,
    };
    let begun = bench
        .store
        .begin_epoch(&again, "2026-01-01T00:00:00Z")
        .await
        .unwrap();
    assert_eq!(begun.epoch, 3);
}

/// Nobody knows how much of the time was left, so nobody is let go by it.
#[tokio::test]
async fn a_new_epoch_keeps_who_is_held_back_and_the_fleets_pause_and_ends_neither() {
    let bench = Bench::new().await;
    bench.set_max(1).await;
    let session = session_of("keeper");
    let identity = Identity {
        node: Pause::keeper(),
        ..bench.identity("keeper")
    };
    let open = Write::OpenSession {
        session: session.clone(),
        identity,
        ttl_ms: 600_000,
    };
    bench.store.write(open).await.unwrap();
    let stop = Pause {
        by: "ann".to_owned(),
        reason: "its disk".to_owned(),
        until: Some("2026-12-24T06:00:00Z".to_owned()),
        session: Some(session),
    };
    let node = NodeName::new("two").unwrap();
    let hold_back = Action::HoldBack {
        node: node.clone(),
        stop: stop.clone(),
    };
    bench.ask(request(hold_back)).await.unwrap();
    let now = "2026-01-01T00:00:00Z";
    let write = Write::pause_fleet(Some(stop.clone()), "ann", now);
    bench.store.write(write).await.unwrap();
    let of_group = Pause {
        until: None,
        session: None,
        ..stop
    };
    bench.store.begin_epoch(&of_group, now).await.unwrap();
    bench.end_session("keeper").await;
    let look = bench.store.look().await.unwrap();
    let kept = look.pause.unwrap();
    assert_eq!((&kept.until, &kept.session), (&None, &None));
    let told = "its disk (its end 2026-12-24T06:00:00Z was lost in a restore: end it by hand)";
    assert_eq!(kept.reason, told);
    let group = &look.groups[&GroupName::default()].group;
    assert_eq!(group.held_back[&node], kept);
}

#[tokio::test]
async fn a_pause_and_an_epoch_reach_any_number_of_groups() {
    const GROUPS: usize = 300;
    let bench = Bench::new().await;
    bench.set_max(1).await;
    let model = bench.store.keys().record(&GroupName::default());
    let model = bench.get(&model).await.to_string();
    for number in 1..GROUPS {
        let name = GroupName::new(format!("group-{number}")).unwrap();
        bench.put(&bench.store.keys().record(&name), &model).await;
    }
    let pause = Pause {
        by: "ann".to_owned(),
        reason: "everything".to_owned(),
        until: None,
        session: None,
    };
    let now = "2026-01-01T00:00:00Z".to_owned();
    let write = Write::pause_fleet(Some(pause.clone()), "ann".to_owned(), now.clone());
    bench.store.write(write).await.unwrap();
    assert_eq!(bench.store.look().await.unwrap().pause, Some(pause.clone()));
    let last = GroupName::new("group-299").unwrap();
    let history = bench.store.history(&last, 10).await.unwrap();
    assert_eq!(history.last().unwrap().event, "pause-fleet");
    let begun = bench.store.begin_epoch(&pause, &now).await.unwrap();
    assert_eq!((begun.epoch, begun.paused.len()), (2, GROUPS));
}
