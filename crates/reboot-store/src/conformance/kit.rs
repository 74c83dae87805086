//! Short words for the facts: nodes that claim, drain, fence and return.

use super::Harness;
use crate::{Interest, Store};
use reboot_core::boot::BootIdentity;
use reboot_core::fleet::{Fleet, GroupEntry, Health, NodeRecord};
use reboot_core::group::{
    Action, Claim, Group, Guest, Identity, Owner, Phase, Refusal, Reply, Request,
};
use reboot_core::group::{Facts, Pause, Way};
use reboot_core::id::{GroupName, Instance, MachineId, NodeName, RequestId, SessionId};
use reboot_core::line::Ticket;
use reboot_core::undo::Undo;
use reboot_core::write::{Trouble, Write, Written};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A lease that no fact outlives.
pub(crate) const LONG_MS: u64 = 100 * 24 * 60 * 60 * 1000;
/// How long a wake-up may take on a slow machine.
const PATIENCE: Duration = Duration::from_secs(20);

static NEXT: AtomicU64 = AtomicU64::new(1);

/// A number that no other process on this machine draws at this time.
fn unique() -> String {
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{}-{number}", std::process::id())
}

/// A store, and time.
pub(crate) struct Fleetful<'h> {
    pub(crate) harness: &'h dyn Harness,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) group: GroupName,
    pub(crate) max: u32,
}

/// One run of one agent.
#[derive(Clone)]
pub(crate) struct Agent {
    store: Arc<dyn Store>,
    pub(crate) group: GroupName,
    max: u32,
    pub(crate) identity: Identity,
    pub(crate) session: SessionId,
    pub(crate) interval_secs: u64,
    pub(crate) max_reboots_per_day: u32,
    pub(crate) deadline_secs: u64,
}

/// A request under an id of its own.
pub(crate) fn request(action: Action) -> Request {
    let id = format!("request-{}", unique());
    Request {
        id: RequestId::new(id).unwrap(),
        at: AT.to_owned(),
        action,
    }
}

/// When everything here happens, for people.
const AT: &str = "2026-01-01T00:00:00Z";

pub(crate) fn undo(name: &str) -> Undo {
    Undo::of([name.to_owned()])
}

pub(crate) fn pause() -> Pause {
    Pause {
        by: "operator".to_owned(),
        reason: "look first".to_owned(),
        until: None,
        session: None,
    }
}

/// The refusal in an answer.
pub(crate) fn refusal<T: std::fmt::Debug>(answer: Result<T, Trouble>) -> Refusal {
    match answer {
        Err(Trouble::Refused(refusal)) => refusal,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

/// The wake-up comes, and soon enough.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    let in_time = tokio::time::timeout(PATIENCE, what).await;
    in_time.expect("the wake-up came")
}

/// Pins the word that means "no facts" for a sequential replay.
pub(crate) fn alive(sessions: &[&SessionId]) -> Facts {
    Facts {
        sessions: sessions.iter().map(|&one| one.clone()).collect(),
        ..Facts::default()
    }
}

// === impl Fleetful ===

impl<'h> Fleetful<'h> {
    pub(crate) fn new(harness: &'h dyn Harness, max: u32) -> Self {
        Self {
            store: harness.store(),
            harness,
            group: GroupName::default(),
            max,
        }
    }

    /// An agent with a lease that lasts.
    pub(crate) async fn agent(&self, node: &str) -> Agent {
        self.agent_for(node, "boot-a", LONG_MS).await
    }

    /// An agent with a lease of the shortest kind.
    pub(crate) async fn brief_agent(&self, node: &str) -> Agent {
        self.agent_for(node, "boot-a", self.harness.lease_ms())
            .await
    }

    pub(crate) async fn agent_for(&self, node: &str, boot: &str, ttl_ms: u64) -> Agent {
        let run = unique();
        let agent = Agent {
            store: self.store.clone(),
            group: self.group.clone(),
            max: self.max,
            identity: Identity {
                node: NodeName::new(node).unwrap(),
                machine_id: MachineId::new(format!("machine-of-{node}")).unwrap(),
                boot: BootIdentity::of_boot(boot),
                instance: Instance::new(format!("run-{run}")).unwrap(),
            },
            session: SessionId::new(format!("lease-{run}")).unwrap(),
            interval_secs: 0,
            max_reboots_per_day: 10,
            deadline_secs: LONG_MS / 1000,
        };
        agent.open(ttl_ms).await.unwrap();
        agent
    }

    /// Lets the shortest lease end.
    pub(crate) async fn outlive_lease(&self) {
        self.harness.advance(self.harness.lease_ms() + 1).await;
    }

    pub(crate) async fn look(&self) -> Fleet {
        self.store.look().await.unwrap()
    }

    pub(crate) async fn entry(&self) -> GroupEntry {
        self.look().await.groups[&self.group].clone()
    }

    pub(crate) async fn record(&self) -> Group {
        self.entry().await.group
    }

    /// Who holds.
    pub(crate) async fn holders(&self) -> Vec<String> {
        let group = self.record().await;
        group
            .holds
            .iter()
            .map(|hold| hold.node.to_string())
            .collect()
    }

    /// Asks as an operator does.
    pub(crate) async fn operate(&self, action: Action) -> Result<Written, Trouble> {
        let write = Write::Ask {
            group: self.group.clone(),
            create_with_max: None,
            request: request(action),
        };
        self.store.write(write).await
    }

    /// A pause on a lease of the shortest kind.
    pub(crate) async fn brief_pause(&self) -> Pause {
        let keeper = self.brief_agent(Pause::keeper().as_str()).await;
        let session = Some(keeper.session);
        Pause { session, ..pause() }
    }

    pub(crate) async fn pause_fleet(&self, pause: Option<Pause>) {
        let write = Write::pause_fleet(pause, "operator", AT);
        self.store.write(write).await.unwrap();
    }
}

// === impl Agent ===

impl Agent {
    pub(crate) async fn write(&self, write: Write) -> Result<Written, Trouble> {
        self.store.write(write).await
    }

    pub(crate) async fn open(&self, ttl_ms: u64) -> Result<Written, Trouble> {
        let (session, identity) = (self.session.clone(), self.identity.clone());
        let write = Write::OpenSession {
            session,
            identity,
            ttl_ms,
        };
        self.write(write).await
    }

    pub(crate) async fn keep(&self) -> Result<Written, Trouble> {
        let session = self.session.clone();
        self.write(Write::KeepSession { session }).await
    }

    pub(crate) async fn end(&self) {
        let session = self.session.clone();
        self.write(Write::EndSession { session }).await.unwrap();
    }

    pub(crate) fn claim_request(&self, diagnostic: bool) -> Request {
        request(Action::Claim(Claim {
            identity: self.identity.clone(),
            session: self.session.clone(),
            need: "need".to_owned(),
            pid: 1,
            interval_secs: self.interval_secs,
            diagnostic,
        }))
    }

    pub(crate) async fn send(&self, request: Request) -> Result<Reply, Trouble> {
        let write = Write::Ask {
            group: self.group.clone(),
            create_with_max: Some(self.max),
            request,
        };
        match self.write(write).await? {
            Written::Granted(reply) => Ok(reply),
            other => panic!("a group answers with a reply, not {other:?}"),
        }
    }

    pub(crate) async fn try_claim(&self) -> Result<u64, Trouble> {
        match self.send(self.claim_request(false)).await? {
            Reply::Held { number, .. } => Ok(number),
            other => panic!("a claim is answered with a hold, not {other:?}"),
        }
    }

    pub(crate) async fn claim(&self) -> u64 {
        self.try_claim().await.unwrap()
    }

    pub(crate) fn owner(&self, number: u64, expects: Phase) -> Owner {
        Owner {
            node: self.identity.node.clone(),
            number,
            instance: self.identity.instance.clone(),
            expects,
        }
    }

    pub(crate) async fn drain(&self, number: u64, undo: Undo) -> Result<Reply, Trouble> {
        self.send(request(Action::Drain {
            owner: self.owner(number, Phase::Claimed),
            undo,
            deadline_secs: self.deadline_secs,
        }))
        .await
    }

    pub(crate) fn fence_request(&self, number: u64, expects: Phase) -> Request {
        request(Action::Fence {
            owner: self.owner(number, expects),
            boot: self.identity.boot.clone(),
            max_reboots_per_day: self.max_reboots_per_day,
            deadline_secs: self.deadline_secs,
        })
    }

    pub(crate) async fn fence(&self, number: u64) -> Result<Reply, Trouble> {
        self.send(self.fence_request(number, Phase::Claimed)).await
    }

    pub(crate) async fn return_(&self, number: u64) -> Result<Reply, Trouble> {
        self.send(request(Action::Return {
            owner: self.owner(number, Phase::Rebooting),
            boot: self.identity.boot.clone(),
            deadline_secs: self.deadline_secs,
        }))
        .await
    }

    pub(crate) fn release_request(
        &self,
        number: u64,
        expects: Phase,
        way: Way,
        undone: Undo,
    ) -> Request {
        request(Action::Release {
            owner: self.owner(number, expects),
            boot: self.identity.boot.clone(),
            way,
            undone,
        })
    }

    pub(crate) async fn release(
        &self,
        number: u64,
        expects: Phase,
        way: Way,
        undone: Undo,
    ) -> Result<Reply, Trouble> {
        let request = self.release_request(number, expects, way, undone);
        self.send(request).await
    }

    pub(crate) async fn give_back(&self, number: u64) {
        let answer = self.release(number, Phase::Claimed, Way::GivenBack, Undo::default());
        assert_eq!(answer.await.unwrap(), Reply::Released);
    }

    pub(crate) async fn adopt(
        &self,
        former: &Self,
        number: u64,
        expects: Phase,
    ) -> Result<Reply, Trouble> {
        self.send(request(Action::Adopt {
            owner: former.owner(number, expects),
            identity: self.identity.clone(),
            session: self.session.clone(),
            return_within_secs: None,
        }))
        .await
    }

    /// Asks as a client without an agent does, under this agent's name.
    pub(crate) async fn admit(&self) -> Result<Reply, Trouble> {
        self.send(request(Action::Admit(Guest {
            node: self.identity.node.clone(),
            id: None,
            protocol: "fleetlock".to_owned(),
            interval_secs: self.interval_secs,
            max_reboots_per_day: self.max_reboots_per_day,
            deadline_secs: self.deadline_secs,
        })))
        .await
    }

    /// Says what such a client says when it is back.
    pub(crate) async fn say_steady(&self) -> Reply {
        let (node, id) = (self.identity.node.clone(), None);
        let steady = Action::Steady { node, id };
        self.send(request(steady)).await.unwrap()
    }

    pub(crate) async fn join(&self) -> Result<Written, Trouble> {
        let ticket = Ticket {
            number: 0,
            node: self.identity.node.clone(),
            instance: self.identity.instance.clone(),
            session: self.session.clone(),
            since: AT.to_owned(),
        };
        let group = self.group.clone();
        self.write(Write::Join { group, ticket }).await
    }

    pub(crate) async fn leave(&self) {
        let (group, node) = (self.group.clone(), self.identity.node.clone());
        self.write(Write::Leave { group, node }).await.unwrap();
    }

    pub(crate) fn node_record(&self, hold: Option<u64>) -> NodeRecord {
        NodeRecord {
            node: self.identity.node.clone(),
            machine_id: self.identity.machine_id.clone(),
            boot: self.identity.boot.clone(),
            instance: self.identity.instance.clone(),
            group: self.group.clone(),
            health: Health {
                healthy: true,
                stage: "tick".to_owned(),
                reason: String::new(),
            },
            reported_at: AT.to_owned(),
            activity: "idle".to_owned(),
            need: None,
            waiting_for: Vec::new(),
            hold,
            extra: serde_json::Map::new(),
        }
    }

    pub(crate) async fn publish(&self, record: NodeRecord, stale_after_ms: u64) {
        let record = Box::new(record);
        let write = Write::Publish {
            record,
            stale_after_ms,
        };
        self.write(write).await.unwrap();
    }

    pub(crate) fn interest(&self) -> Interest {
        Interest::Slot {
            group: self.group.clone(),
            node: self.identity.node.clone(),
        }
    }

    /// Waits for a change after the last look.
    pub(crate) async fn changed_since(&self, seen: u64) {
        let interest = self.interest();
        soon(self.store.changed(&interest, seen)).await.unwrap();
    }
}
