//! One node of a fleet on etcd: what its daemon asks of the store, without a machine.

use crate::Outcome;
use reboot_core::boot::BootIdentity;
use reboot_core::fleet::{GroupEntry, Health, NodeRecord};
use reboot_core::group::{Action, Claim, Identity, Owner, Phase, Reply, Request, Way};
use reboot_core::id::{GroupName, Instance, MachineId, NodeName, RequestId, SessionId};
use reboot_core::line::Ticket;
use reboot_core::undo::Undo;
use reboot_core::write::{Trouble, Write, Written};
use reboot_lab::Etcd;
use reboot_store::{Interest, Store};
use reboot_store_etcd::client::{Client, Options};
use reboot_store_etcd::{EtcdStore, Layout};
use std::sync::atomic::{AtomicU64, Ordering};

/// A lease that no measurement outlives, in milliseconds.
const LEASE_MS: u64 = 600_000;

static REQUESTS: AtomicU64 = AtomicU64::new(0);

/// A node, with a connection of its own.
pub(crate) struct Node {
    pub(crate) store: EtcdStore,
    identity: Identity,
    session: SessionId,
    /// Claims it sent.
    pub(crate) attempts: u64,
}

/// A namespace, as operators write it.
pub(crate) fn layout(namespace: &str) -> Layout {
    Layout::Native {
        namespace: namespace.to_owned(),
        lock_key: "lock".to_owned(),
    }
}

/// A connection.
pub(crate) fn connect(etcd: &Etcd) -> Outcome<Client> {
    Ok(Client::new(Options::new(etcd.endpoints()))?)
}

// === impl Node ===

impl Node {
    /// A node whose daemon runs since a while: its lease is there.
    pub(crate) async fn start(client: Client, namespace: &str, number: usize) -> Outcome<Self> {
        let name = format!("node-{number}");
        let identity = Identity {
            node: NodeName::new(&name)?,
            machine_id: MachineId::new(format!("machine-{number}"))?,
            boot: BootIdentity::of_boot("boot-1"),
            instance: Instance::new(&name)?,
        };
        let mut node = Self {
            store: EtcdStore::new(client, &layout(namespace)),
            session: SessionId::new(&name)?,
            identity,
            attempts: 0,
        };
        node.open().await?;
        Ok(node)
    }

    async fn open(&mut self) -> Outcome<()> {
        let open = Write::OpenSession {
            session: self.session.clone(),
            identity: self.identity.clone(),
            ttl_ms: LEASE_MS,
        };
        self.store.write(open).await?;
        Ok(())
    }

    pub(crate) async fn publish(&self) -> Outcome<()> {
        let identity = self.identity.clone();
        let record = NodeRecord {
            node: identity.node,
            machine_id: identity.machine_id,
            boot: identity.boot,
            instance: identity.instance,
            group: GroupName::default(),
            health: Health {
                healthy: true,
                stage: "monitor".to_owned(),
                reason: String::new(),
            },
            reported_at: "2026-01-01T00:00:00Z".to_owned(),
            activity: "idle".to_owned(),
            need: Some("kernel 6.12.1".to_owned()),
            waiting_for: vec!["every slot is taken".to_owned()],
            hold: None,
            extra: serde_json::Map::new(),
        };
        let publish = Write::Publish {
            record: Box::new(record),
            stale_after_ms: LEASE_MS,
        };
        self.store.write(publish).await?;
        Ok(())
    }

    pub(crate) async fn join(&self) -> Outcome<()> {
        let ticket = Ticket {
            number: 0,
            node: self.identity.node.clone(),
            instance: self.identity.instance.clone(),
            session: self.session.clone(),
            since: "2026-01-01T00:00:00Z".to_owned(),
        };
        let group = GroupName::default();
        self.store.write(Write::Join { group, ticket }).await?;
        Ok(())
    }

    /// Waits until something of interest has changed since a look.
    pub(crate) async fn changed(&self, seen: u64) -> Outcome<()> {
        let interest = Interest::Slot {
            group: GroupName::default(),
            node: self.identity.node.clone(),
        };
        self.store.changed(&interest, seen).await?;
        Ok(())
    }

    async fn ask(&self, action: Action) -> Result<Reply, Trouble> {
        let number = REQUESTS.fetch_add(1, Ordering::Relaxed);
        let id = RequestId::new(format!("{}.{number}", self.identity.instance));
        let write = Write::Ask {
            group: GroupName::default(),
            create_with_max: Some(1),
            request: Request {
                id: id.map_err(|error| Trouble::Broken(error.to_string()))?,
                at: "2026-01-01T00:00:00Z".to_owned(),
                action,
            },
        };
        match self.store.write(write).await? {
            Written::Granted(reply) => Ok(reply),
            other => Err(Trouble::Broken(format!("a group does not say {other:?}"))),
        }
    }

    /// Claims; nothing when the rules refuse.
    pub(crate) async fn try_claim(&mut self) -> Outcome<Option<u64>> {
        self.attempts += 1;
        let claim = Action::Claim(Claim {
            identity: self.identity.clone(),
            session: self.session.clone(),
            need: "kernel".to_owned(),
            pid: 1,
            interval_secs: 0,
            diagnostic: false,
        });
        match self.ask(claim).await {
            Ok(Reply::Held { number, .. }) => Ok(Some(number)),
            Ok(other) => Err(format!("a claim is not answered with {other:?}").into()),
            Err(Trouble::Refused(_)) => Ok(None),
            Err(trouble) => Err(trouble.into()),
        }
    }

    /// Whether its turn has come.
    pub(crate) fn may_try(&self, entry: &GroupEntry) -> bool {
        entry.line.may_try(&self.identity.node, entry.free())
    }

    /// Whether nobody waits before it.
    pub(crate) fn is_first(&self, entry: &GroupEntry) -> bool {
        entry.line.ahead_of(&self.identity.node) == Some(0)
    }

    pub(crate) async fn claim(&mut self) -> Outcome<u64> {
        Ok(self.try_claim().await?.ok_or("nobody else claims")?)
    }

    fn owner(&self, number: u64, expects: Phase) -> Owner {
        Owner {
            node: self.identity.node.clone(),
            number,
            instance: self.identity.instance.clone(),
            expects,
        }
    }

    pub(crate) async fn give_back(&self, number: u64) -> Outcome<()> {
        self.release(number, Phase::Claimed, Way::GivenBack).await
    }

    pub(crate) async fn drain(&self, number: u64) -> Outcome<()> {
        self.ask(Action::Drain {
            owner: self.owner(number, Phase::Claimed),
            undo: Undo::of(["10-drain".to_owned()]),
            deadline_secs: 600,
        })
        .await?;
        Ok(())
    }

    pub(crate) async fn fence(&self, number: u64, expects: Phase) -> Outcome<()> {
        self.ask(Action::Fence {
            owner: self.owner(number, expects),
            boot: self.identity.boot.clone(),
            max_reboots_per_day: 1_000_000,
            deadline_secs: 600,
        })
        .await?;
        Ok(())
    }

    /// Goes down and comes back at once: another boot, another run, another session.
    pub(crate) async fn reboot(&mut self, number: u64) -> Outcome<()> {
        let session = self.session.clone();
        self.store.write(Write::EndSession { session }).await?;
        let former = self.owner(number, Phase::Rebooting);
        self.identity.boot = BootIdentity::of_boot("boot-2");
        self.identity.instance = Instance::new(format!("{}-2", self.identity.instance))?;
        self.session = SessionId::new(format!("{}-2", self.session))?;
        self.open().await?;
        self.ask(Action::Adopt {
            owner: former,
            identity: self.identity.clone(),
            session: self.session.clone(),
            return_within_secs: Some(600),
        })
        .await?;
        Ok(())
    }

    pub(crate) async fn release(&self, number: u64, expects: Phase, way: Way) -> Outcome<()> {
        let undone = match way {
            Way::GivenBack => Undo::default(),
            _ => Undo::of(["10-drain".to_owned()]),
        };
        self.ask(Action::Release {
            owner: self.owner(number, expects),
            boot: self.identity.boot.clone(),
            way,
            undone,
        })
        .await?;
        Ok(())
    }
}
