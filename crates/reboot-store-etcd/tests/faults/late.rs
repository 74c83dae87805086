//! Facts that change between a request's look and its commit.

use crate::campaign::{layout, store};
use crate::node::pause;
use reboot_core::boot::BootIdentity;
use reboot_core::group::{Action, Claim, Identity, Owner, Phase, Refusal, Reply, Request};
use reboot_core::id::{GroupName, Instance, MachineId, NodeName, RequestId, SessionId};
use reboot_core::write::{Trouble, Write, Written};
use reboot_lab::{Etcd, LabOptions, Proxy};
use reboot_store::Store;
use reboot_store_etcd::EtcdStore;
use reboot_store_etcd::client::{Client, Options};
use std::time::{Duration, Instant};

/// Each way: a request's look and its commit are several of these apart.
const DELAY: Duration = Duration::from_millis(300);

fn identity() -> Identity {
    Identity {
        node: NodeName::new("n1").unwrap(),
        machine_id: MachineId::new("m1").unwrap(),
        boot: BootIdentity::of_boot("boot-1"),
        instance: Instance::new("run-1").unwrap(),
    }
}

fn session() -> SessionId {
    SessionId::new("session-1").unwrap()
}

fn ask(id: &str, action: Action) -> Write {
    Write::Ask {
        group: GroupName::default(),
        create_with_max: Some(1),
        request: Request {
            id: RequestId::new(id).unwrap(),
            at: "2026-01-01T00:00:00Z".to_owned(),
            action,
        },
    }
}

async fn claim(store: &EtcdStore) -> u64 {
    let open = Write::OpenSession {
        session: session(),
        identity: identity(),
        ttl_ms: 600_000,
    };
    store.write(open).await.unwrap();
    let claim = Action::Claim(Claim {
        identity: identity(),
        session: session(),
        need: "kernel".to_owned(),
        pid: 1,
        interval_secs: 0,
        diagnostic: false,
    });
    match store.write(ask("claim", claim)).await.unwrap() {
        Written::Granted(Reply::Held { number, .. }) => number,
        other => panic!("a claim is answered with a hold, not {other:?}"),
    }
}

fn fence(number: u64) -> Action {
    Action::Fence {
        owner: Owner {
            node: identity().node,
            number,
            instance: identity().instance,
            expects: Phase::Claimed,
        },
        boot: identity().boot,
        max_reboots_per_day: 10,
        deadline_secs: 600,
    }
}

/// How many leases there are: a fence has looked once it makes one for its deadline.
async fn leases(etcd: &Etcd) -> usize {
    let list = etcd.etcdctl(&["lease", "list"]).await.unwrap();
    list.lines().skip(1).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_whose_lease_ends_amid_its_fence_does_not_become_durable() {
    let etcd = Etcd::single(&LabOptions::default()).await.unwrap();
    let near = store(&etcd.endpoints());
    let number = claim(&near).await;
    let proxy = Proxy::start(etcd.client_address(0)).await.unwrap();
    proxy.delay(DELAY);
    let options = Options {
        call_timeout: Duration::from_secs(20),
        connect_timeout: Duration::from_secs(20),
        ..Options::new([format!("http://{}", proxy.address())])
    };
    let far = EtcdStore::new(Client::new(options).unwrap(), &layout());
    let before = leases(&etcd).await;
    let fence = tokio::spawn(async move { far.write(ask("fence", fence(number))).await });
    let deadline = Instant::now() + Duration::from_secs(20);
    while leases(&etcd).await == before {
        assert!(Instant::now() < deadline, "the fence makes no lease");
        pause(Duration::from_millis(5)).await;
    }
    let end = Write::EndSession { session: session() };
    near.write(end).await.unwrap();
    let refused = fence.await.unwrap().unwrap_err();
    let gone = Refusal::HoldGone {
        node: identity().node,
        number,
    };
    assert_eq!(refused, Trouble::Refused(gone));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_whose_lease_ended_unseen_does_not_become_durable() {
    let etcd = Etcd::single(&LabOptions::default()).await.unwrap();
    let own = store(&etcd.endpoints());
    let number = claim(&own).await;
    // What the node itself still remembers is another program's to end.
    let end = Write::EndSession { session: session() };
    store(&etcd.endpoints()).write(end).await.unwrap();
    let refused = own.write(ask("fence", fence(number))).await.unwrap_err();
    let gone = Refusal::HoldGone {
        node: identity().node,
        number,
    };
    assert_eq!(refused, Trouble::Refused(gone));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_asked_again_is_answered_by_what_stands_now() {
    let etcd = Etcd::single(&LabOptions::default()).await.unwrap();
    let own = store(&etcd.endpoints());
    let number = claim(&own).await;
    own.write(ask("fence", fence(number))).await.unwrap();
    let unlock = Action::Break {
        number,
        by: "operator".to_owned(),
        reason: "it takes too long".to_owned(),
    };
    let other = store(&etcd.endpoints());
    other.write(ask("break", unlock)).await.unwrap();
    let refused = own.write(ask("fence", fence(number))).await.unwrap_err();
    let gone = Refusal::HoldGone {
        node: identity().node,
        number,
    };
    assert_eq!(refused, Trouble::Refused(gone));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_asked_again_sweeps_a_dead_claim_and_does_nothing_else() {
    let etcd = Etcd::single(&LabOptions::default()).await.unwrap();
    let own = store(&etcd.endpoints());
    let number = claim(&own).await;
    let by = "operator".to_owned();
    own.write(ask("more", Action::SetMax { max: 2, by }))
        .await
        .unwrap();
    own.write(ask("fence", fence(number))).await.unwrap();
    let dying = Identity {
        node: NodeName::new("n2").unwrap(),
        ..identity()
    };
    let session = SessionId::new("session-2").unwrap();
    let open = Write::OpenSession {
        session: session.clone(),
        identity: dying.clone(),
        ttl_ms: 600_000,
    };
    own.write(open).await.unwrap();
    let claim = Action::Claim(Claim {
        identity: dying,
        session: session.clone(),
        need: "kernel".to_owned(),
        pid: 1,
        interval_secs: 0,
        diagnostic: false,
    });
    own.write(ask("another", claim)).await.unwrap();
    own.write(Write::EndSession { session }).await.unwrap();
    let again = store(&etcd.endpoints());
    again.write(ask("fence", fence(number))).await.unwrap();
    let lines = again.history(&GroupName::default(), 10).await.unwrap();
    let events = Vec::from_iter(lines.iter().map(|line| line.event.as_str()));
    assert_eq!(events, ["claim", "set-max", "fence", "claim", "expire"]);
}
