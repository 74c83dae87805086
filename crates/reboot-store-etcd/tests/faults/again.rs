//! A request that is asked again, and then only sweeps: its first grant does not tell of that.

use crate::campaign::{Crew, store};
use crate::journal::Seen;
use crate::judge::judge;
use crate::node::{Shared, outcome};
use crate::{LEASE_MS, SLOTS};
use reboot_core::boot::BootIdentity;
use reboot_core::group::{Action, Claim, Identity, Owner, Phase, Reply, Request};
use reboot_core::id::{GroupName, Instance, MachineId, NodeName, SessionId};
use reboot_core::write::{Trouble, Write, Written};
use reboot_lab::{Etcd, LabOptions};
use reboot_store::Store;
use reboot_store_etcd::EtcdStore;
use std::sync::Arc;

/// Somebody who asks, and writes down what comes of it.
struct Desk {
    store: EtcdStore,
    shared: Arc<Shared>,
}

// === impl Desk ===

impl Desk {
    async fn open(&self, node: &str) {
        let open = Write::OpenSession {
            session: session(node),
            identity: identity(node),
            ttl_ms: 300 * LEASE_MS,
        };
        self.store.write(open).await.unwrap();
    }

    async fn ask(&self, request: &Request) -> Result<Written, Trouble> {
        let group = GroupName::default();
        let write = Write::Ask {
            group: group.clone(),
            create_with_max: Some(SLOTS),
            request: request.clone(),
        };
        let asked = self.shared.journal.now();
        let answer = self.store.write(write).await;
        self.shared
            .note_try(&group, request, asked, outcome(&answer));
        answer
    }

    async fn claim(&self, node: &str) -> u64 {
        let claim = Action::Claim(Claim {
            identity: identity(node),
            session: session(node),
            need: "kernel".to_owned(),
            pid: 1,
            interval_secs: 0,
            diagnostic: false,
        });
        match self.ask(&self.shared.request(claim)).await.unwrap() {
            Written::Granted(Reply::Held { number, .. }) => number,
            other => panic!("a claim is answered with a hold, not {other:?}"),
        }
    }

    async fn look(&self, node: &str) {
        let asked = self.shared.journal.now();
        let fleet = self.store.look().await.unwrap();
        let groups = fleet.groups.iter();
        let seen = Seen {
            node: NodeName::new(node).unwrap(),
            asked,
            answered: self.shared.journal.now(),
            revision: i64::try_from(fleet.revision).unwrap(),
            groups: groups
                .map(|(name, entry)| (name.clone(), entry.group.clone()))
                .collect(),
        };
        self.shared.journal.note(|notes| notes.looks.push(seen));
    }
}

fn identity(node: &str) -> Identity {
    Identity {
        node: NodeName::new(node).unwrap(),
        machine_id: MachineId::new(format!("machine-of-{node}")).unwrap(),
        boot: BootIdentity::of_boot("boot-1"),
        instance: Instance::new(format!("run-of-{node}")).unwrap(),
    }
}

fn session(node: &str) -> SessionId {
    SessionId::new(format!("session-of-{node}")).unwrap()
}

fn fence(node: &str, number: u64) -> Action {
    Action::Fence {
        owner: Owner {
            node: NodeName::new(node).unwrap(),
            number,
            instance: identity(node).instance,
            expects: Phase::Claimed,
        },
        boot: identity(node).boot,
        max_reboots_per_day: 10,
        deadline_secs: 600,
    }
}

/// Others claim and look between the grant and the sweep; a later one is told of the sweep.
#[tokio::test(flavor = "multi_thread")]
async fn a_grant_tells_of_its_commit_and_not_of_what_is_swept_when_it_is_asked_again() {
    let mut etcd = Etcd::single(&LabOptions::default()).await.unwrap();
    let crew = Crew::new(&etcd);
    let desk = || Desk {
        store: store(&etcd.endpoints()),
        shared: crew.shared.clone(),
    };
    let (own, other) = (desk(), desk());
    own.open("n1").await;
    let number = own.claim("n1").await;
    let request = own.shared.request(fence("n1", number));
    own.ask(&request).await.unwrap();
    other.open("n2").await;
    other.claim("n2").await;
    let session = session("n2");
    other
        .store
        .write(Write::EndSession { session })
        .await
        .unwrap();
    other.look("n3").await;
    desk().ask(&request).await.unwrap(); // by who remembers nothing, so that it sweeps
    other.look("n3").await;
    let verdict = judge(&crew.gather(&mut etcd).await);
    assert_eq!(verdict.figures.verbs["expire"], 1);
    assert!(verdict.violations.is_empty(), "{:#?}", verdict.violations);
}
