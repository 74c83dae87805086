//! Sessions: each is a key on a lease, and all that stands on the lease goes with it.

use crate::ask::broken;
use crate::client::{Compare, Fault, Granted, Is, Op, Txn};
use crate::commit::to_json;
use crate::keys::Range;
use crate::lease;
use crate::look::{SessionValue, View, parse};
use crate::reading::{Reading, Snapshot};
use crate::store::{EtcdStore, trouble};
use reboot_core::group::{Hold, Identity, Refusal};
use reboot_core::id::{GroupName, Instance, NodeName, SessionId};
use reboot_core::line::Ticket;
use reboot_core::write::{Trouble, Written};

/// How often a lease that ends just now is made anew.
const TRIES_MAX: usize = 5;

// === impl EtcdStore ===

impl EtcdStore {
    /// The lease of a session.
    pub(crate) fn lease_of(&self, session: &SessionId) -> i64 {
        lease::of_session(&self.keys.all_sessions(), session)
    }

    pub(crate) async fn open_session(
        &self,
        session: &SessionId,
        identity: &Identity,
        ttl_ms: u64,
    ) -> Result<Written, Trouble> {
        self.memory.is_of(&identity.node);
        let (lease, ttl_sec) = (self.lease_of(session), lease::secs(ttl_ms));
        let value = SessionValue {
            identity: identity.clone(),
            session: session.clone(),
            ttl_sec,
        };
        for _ in 0..TRIES_MAX {
            let granted = self.client.grant(lease, ttl_sec).await.map_err(trouble)?;
            if matches!(granted, Granted::Exists)
                && self.client.keep_alive(lease).await.map_err(trouble)? <= 0
            {
                continue; // it ended just now
            }
            match self.put_session(&value, lease).await {
                Err(Fault::LeaseGone) => continue,
                Err(fault) => return Err(trouble(fault)),
                Ok(Err(trouble)) => return Err(trouble),
                Ok(Ok(())) => return Ok(Written::Done),
            }
        }
        Err(Trouble::Unavailable(format!(
            "the lease of session {session} ends as soon as it is made: etcd is very slow"
        )))
    }

    /// Puts a session's key, unless it is somebody else's, or a dead claim bears its name.
    async fn put_session(
        &self,
        value: &SessionValue,
        lease: i64,
    ) -> Result<Result<(), Trouble>, Fault> {
        let key = self.keys.session(&value.identity.node, &value.session);
        let default = GroupName::default();
        let reading = Reading::default()
            .with(Range::one(&key))
            .with(Range::one(self.keys.record(&default)))
            .with(Range::under(self.keys.groups()));
        loop {
            let snapshot = reading.read(&self.client).await?;
            let view = View {
                keys: &self.keys,
                snapshot: &snapshot,
            };
            if let Some(kv) = snapshot.get(&key) {
                let alive = parse::<SessionValue>(&key, &kv.value);
                let is_own = alive.is_ok_and(|alive| alive.identity == value.identity);
                return Ok(match is_own {
                    true => Ok(()),
                    false => Err(Trouble::Refused(Refusal::SessionEnded)),
                });
            }
            match self.claims_on(&view, &value.session) {
                Err(trouble) => return Ok(Err(trouble)),
                Ok(true) => return Ok(Err(Trouble::Refused(Refusal::SessionEnded))),
                Ok(false) => {}
            }
            let text = match to_json(value) {
                Ok(text) => text,
                Err(trouble) => return Ok(Err(trouble)),
            };
            let txn = Txn {
                compares: vec![snapshot.unchanged(&Range::one(&key))],
                then: vec![Op::Put {
                    key: key.clone().into_bytes(),
                    value: text.into_bytes(),
                    lease,
                }],
                otherwise: Vec::new(),
            };
            if self.client.txn(txn).await?.succeeded {
                return Ok(Ok(()));
            }
        }
    }

    /// Whether any claim stands on a session of this name: a dead claim must not come to life
    /// again under a lease of the same name.
    fn claims_on(&self, view: &View<'_>, session: &SessionId) -> Result<bool, Trouble> {
        let is_it = |hold: &Hold| !hold.phase.is_durable() && hold.session == *session;
        for name in view.group_names() {
            let stored = view.record(&name).map_err(broken)?;
            if stored.is_some_and(|stored| stored.group.holds.iter().any(is_it)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub(crate) async fn keep_session(&self, session: &SessionId) -> Result<Written, Trouble> {
        let lease = self.lease_of(session);
        match self.client.keep_alive(lease).await.map_err(trouble)? {
            left if left > 0 => Ok(Written::Done),
            _ => Err(Trouble::Refused(Refusal::SessionEnded)),
        }
    }

    pub(crate) async fn end_session(&self, session: &SessionId) -> Result<Written, Trouble> {
        let lease = self.lease_of(session);
        self.client.revoke(lease).await.map_err(trouble)?;
        Ok(Written::Done)
    }

    /// Ends every session of a run.
    pub(crate) async fn end_instance(&self, instance: &Instance) -> Result<Written, Trouble> {
        let prefix = self.keys.all_sessions();
        let reading = Reading::default().with(Range::under(&prefix));
        let snapshot = reading.read(&self.client).await.map_err(trouble)?;
        for (rest, kv) in snapshot.under(&prefix) {
            let key = format!("{prefix}{rest}");
            let value: SessionValue = parse(&key, &kv.value).map_err(broken)?;
            if value.identity.instance == *instance {
                self.client.revoke(kv.lease).await.map_err(trouble)?;
            }
        }
        Ok(Written::Done)
    }
}

// === impl EtcdStore: the line ===

impl EtcdStore {
    /// Tickets stand in the order in which etcd made them; a node that waits keeps its place. One
    /// that holds, whose hold has a key of its own, has none.
    pub(crate) async fn join(
        &self,
        group: &GroupName,
        ticket: &Ticket,
    ) -> Result<Written, Trouble> {
        let key = self.keys.ticket(group, &ticket.node);
        let session = self.keys.session(&ticket.node, &ticket.session);
        let hold = self.keys.holder(group, &ticket.node);
        let txn = Txn {
            compares: vec![versions(&session, Is::Greater), versions(&hold, Is::Equal)],
            then: vec![
                Op::Put {
                    key: key.clone().into_bytes(),
                    value: to_json(ticket)?.into_bytes(),
                    lease: self.lease_of(&ticket.session),
                },
                Reading::default()
                    .with_keys(Range::one(&key))
                    .ops()
                    .remove(0),
            ],
            otherwise: Reading::default().with(Range::one(&hold)).ops(),
        };
        let ended = || Trouble::Refused(Refusal::SessionEnded);
        let answer = match self.client.txn(txn).await {
            Err(Fault::LeaseGone) => return Err(ended()),
            answer => answer.map_err(trouble)?,
        };
        let snapshot = Snapshot::of(answer.revision, answer.results);
        if !answer.succeeded {
            let held = snapshot
                .get(&hold)
                .map(|kv| parse::<Hold>(&hold, &kv.value));
            let held = held.transpose().map_err(broken)?;
            return Err(held.map_or_else(ended, |hold| Trouble::Refused(hold.already_holds())));
        }
        let made = snapshot.get(&key).map_or(0, |kv| kv.create_revision);
        Ok(Written::Ticket(u64::try_from(made).unwrap_or(0)))
    }

    pub(crate) async fn leave(
        &self,
        group: &GroupName,
        node: &NodeName,
    ) -> Result<Written, Trouble> {
        self.delete(self.keys.ticket(group, node)).await
    }

    async fn delete(&self, key: String) -> Result<Written, Trouble> {
        let txn = Txn {
            then: vec![Op::Delete {
                key: key.into_bytes(),
                end: None,
            }],
            ..Txn::default()
        };
        self.client.txn(txn).await.map_err(trouble)?;
        Ok(Written::Done)
    }
}

/// How a key's number of changes compares with none: whether it is there.
fn versions(key: &str, is: Is) -> Compare {
    Compare::Version {
        key: key.as_bytes().to_vec(),
        end: None,
        is,
        version: 0,
    }
}
