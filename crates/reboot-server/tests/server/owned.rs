//! The configuration owns its groups, whatever a daemon of ours would make of them.

use crate::kit::{House, of_max};
use reboot_core::boot::BootIdentity;
use reboot_core::group::{Action, Claim, Identity, Request};
use reboot_core::id::{GroupName, Instance, MachineId, NodeName, RequestId, SessionId};
use reboot_core::write::{Trouble, Write, Written};
use reboot_server::settings::GroupRules;
use reboot_store::Store;
use reboot_store::remote::{Options, RemoteStore};

/// A daemon that would make a missing group with a thousand slots.
struct Daemon {
    store: RemoteStore,
    identity: Identity,
    session: SessionId,
}

// === impl Daemon ===

impl Daemon {
    async fn of(house: &House, name: &str) -> Self {
        let options = Options::new(format!("http://{}", house.address));
        let store = RemoteStore::new(&options).unwrap();
        let identity = Identity {
            node: NodeName::new(name).unwrap(),
            machine_id: MachineId::new(name).unwrap(),
            boot: BootIdentity::of_boot("boot"),
            instance: Instance::new(format!("run-{name}")).unwrap(),
        };
        let session = SessionId::new(format!("lease-{name}")).unwrap();
        let open = Write::OpenSession {
            session: session.clone(),
            identity: identity.clone(),
            ttl_ms: 3_600_000,
        };
        store.write(open).await.unwrap();
        Self {
            store,
            identity,
            session,
        }
    }

    async fn claims(&self, group: &GroupName) -> Result<Written, Trouble> {
        let claim = Claim {
            identity: self.identity.clone(),
            session: self.session.clone(),
            need: "need".to_owned(),
            pid: 1,
            interval_secs: 0,
            diagnostic: false,
        };
        self.asks(group, Action::Claim(claim)).await
    }

    async fn asks(&self, group: &GroupName, action: Action) -> Result<Written, Trouble> {
        let request = Request {
            id: RequestId::new(format!("request-{}", self.session)).unwrap(),
            at: "2026-01-01T00:00:00Z".to_owned(),
            action,
        };
        let write = Write::Ask {
            group: group.clone(),
            create_with_max: Some(1000),
            request,
        };
        self.store.write(write).await
    }
}

async fn slots(house: &House, group: &GroupName) -> Option<u32> {
    let fleet = house.store.look().await.unwrap();
    fleet.groups.get(group).map(|entry| entry.group.max)
}

#[tokio::test]
async fn a_daemons_claim_makes_a_group_as_the_configuration_has_it() {
    let house = House::open(of_max(1)).await;
    let group = GroupName::default();
    let [first, second] = [Daemon::of(&house, "a").await, Daemon::of(&house, "b").await];
    first.claims(&group).await.unwrap();
    assert_eq!(slots(&house, &group).await, Some(1));
    let refused = second.claims(&group).await;
    assert!(matches!(refused, Err(Trouble::Refused(_))), "{refused:?}");
}

#[tokio::test]
async fn an_operators_change_of_a_missing_group_begins_with_the_configurations_slots() {
    let house = House::open(of_max(2)).await;
    let group = GroupName::default();
    let operator = Daemon::of(&house, "a").await;
    let by = "operator".to_owned();
    let change = Action::SetMax { max: 3, by };
    let changed = operator.asks(&group, change).await.unwrap();
    let Written::Granted(reply) = changed else {
        panic!("{changed:?}")
    };
    assert_eq!(format!("{reply:?}"), "MaxChanged { old: 2, new: 3 }");
}

#[tokio::test]
async fn no_daemon_makes_a_group_on_a_server_that_keeps_others_out() {
    let house = House::open(of_max(1)).await;
    let (daemon, typo) = (
        Daemon::of(&house, "a").await,
        GroupName::new("dflt").unwrap(),
    );
    let refused = daemon.claims(&typo).await.unwrap_err().to_string();
    assert!(
        refused.contains("group dflt is not configured on this server"),
        "{refused}"
    );
    assert_eq!(slots(&house, &typo).await, None);
    let by = "operator".to_owned();
    let change = Action::SetMax { max: 5, by };
    daemon.asks(&typo, change).await.unwrap();
    daemon.claims(&typo).await.unwrap(); // an operator has made it
}

#[tokio::test]
async fn where_groups_are_open_a_daemons_begins_with_the_servers_slots() {
    let mut settings = of_max(1);
    settings.open_groups = Some(GroupRules::of_max(2));
    let house = House::open(settings).await;
    let (daemon, group) = (
        Daemon::of(&house, "a").await,
        GroupName::new("web").unwrap(),
    );
    daemon.claims(&group).await.unwrap();
    assert_eq!(slots(&house, &group).await, Some(2));
}
