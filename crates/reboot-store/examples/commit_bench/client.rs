//! A node as the store sees it.

use crate::{Outcome, Work};
use reboot_core::boot::BootIdentity;
use reboot_core::fleet::{Health, NodeRecord};
use reboot_core::group::{Action, Claim, Identity, Owner, Phase, Reply, Request, Way};
use reboot_core::id::{GroupName, Instance, MachineId, NodeName, RequestId, SessionId};
use reboot_core::undo::Undo;
use reboot_core::write::{Write, Written};
use reboot_store::Store;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

const AT: &str = "2026-11-21T06:00:00Z";
/// Longer than any run of this program.
const LEASE_MS: u64 = 60 * 60 * 1000;

/// One node, in a group of its own.
pub(crate) struct Client {
    group: GroupName,
    identity: Identity,
    session: SessionId,
    requests: u64,
    held: Option<u64>,
}

// === impl Client ===

impl Client {
    /// Opens the node's lease.
    pub(crate) async fn open(store: &dyn Store, number: usize) -> Outcome<Self> {
        let client = Self {
            group: GroupName::new(format!("group-{number}"))?,
            identity: Identity {
                node: NodeName::new(format!("node-{number}"))?,
                machine_id: MachineId::new(format!("machine-{number}"))?,
                boot: BootIdentity::of_boot("boot-a"),
                instance: Instance::new(format!("run-{number}"))?,
            },
            session: SessionId::new(format!("lease-{number}"))?,
            requests: 0,
            held: None,
        };
        let open = Write::OpenSession {
            session: client.session.clone(),
            identity: client.identity.clone(),
            ttl_ms: LEASE_MS,
        };
        store.write(open).await?;
        Ok(client)
    }

    /// Commits the next piece of its work.
    pub(crate) async fn act(&mut self, store: &dyn Store, work: Work) -> Outcome<()> {
        self.requests += 1;
        let write = match work {
            Work::Slot => self.ask()?,
            Work::Word => self.publish(),
        };
        match store.write(write).await? {
            Written::Granted(Reply::Held { number, .. }) => self.held = Some(number),
            Written::Granted(Reply::Released) => self.held = None,
            _ => {}
        }
        Ok(())
    }

    fn ask(&self) -> Outcome<Write> {
        let node = &self.identity.node;
        // No other run of this program may have had the id: the store would not act again.
        let id = format!("{node}-{}-{}", std::process::id(), self.requests);
        let request = Request {
            id: RequestId::new(id)?,
            at: AT.to_owned(),
            action: self
                .held
                .map_or_else(|| self.claim(), |it| self.release(it)),
        };
        Ok(Write::Ask {
            group: self.group.clone(),
            create_with_max: Some(1),
            request,
        })
    }

    fn claim(&self) -> Action {
        Action::Claim(Claim {
            identity: self.identity.clone(),
            session: self.session.clone(),
            need: "kernel=6.1".to_owned(),
            pid: std::process::id(),
            interval_secs: 0,
            diagnostic: false,
        })
    }

    fn release(&self, number: u64) -> Action {
        Action::Release {
            owner: Owner {
                node: self.identity.node.clone(),
                number,
                instance: self.identity.instance.clone(),
                expects: Phase::Claimed,
            },
            boot: self.identity.boot.clone(),
            way: Way::GivenBack,
            undone: Undo::default(),
        }
    }

    fn publish(&self) -> Write {
        let identity = self.identity.clone();
        let record = NodeRecord {
            node: identity.node,
            machine_id: identity.machine_id,
            boot: identity.boot,
            instance: identity.instance,
            group: self.group.clone(),
            health: Health {
                healthy: true,
                stage: "heartbeat".to_owned(),
                reason: String::new(),
            },
            reported_at: format!("2026-11-21T06:00:00.{:09}Z", self.requests),
            activity: "idle".to_owned(),
            need: None,
            waiting_for: Vec::new(),
            hold: None,
            extra: serde_json::Map::new(),
        };
        Write::Publish {
            record: Box::new(record),
            stale_after_ms: LEASE_MS,
        }
    }
}

/// Drives every future to its end; the outputs come in the order of their ends.
pub(crate) async fn all<F: Future>(futures: &mut Vec<Pin<Box<F>>>) -> Vec<F::Output> {
    let mut outputs = Vec::new();
    poll_fn(|context| {
        futures.retain_mut(|future| match future.as_mut().poll(context) {
            Poll::Ready(output) => {
                outputs.push(output);
                false
            }
            Poll::Pending => true,
        });
        match futures.is_empty() {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    })
    .await;
    outputs
}
