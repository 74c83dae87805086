//! A request to a group: read, apply by the rules, compare-and-swap. A race lost to somebody
//! else's change is read and applied again here; a refusal is only ever one of the rules, on
//! what was read just now.

use crate::client::{Compare, Fault, Is, Op, Txn};
use crate::keys::{Keys, Range, is_default};
use crate::lease;
use crate::look::{Broken, CooldownValue, View};
use crate::reading::{Reading, Snapshot};
use crate::record::{self, Stored, hold_text};
use crate::semaphore::{Semaphore, is_foreign};
use crate::store::{EtcdStore, trouble};
use reboot_core::group::{
    Action, Applied, Facts, Group, HistoryEntry, Hold, Refusal, Request, Side, apply,
};
use reboot_core::id::{GroupName, NodeName};
use reboot_core::write::{Trouble, Written};

/// Lines of history kept for each group.
pub(crate) const HISTORY_MAX: u64 = 1_000;
/// How often a race may be lost before the store counts as too busy.
const RACES_MAX: usize = 200;

/// One request on its way.
pub(crate) struct Asking<'a> {
    store: &'a EtcdStore,
    group: &'a GroupName,
    create_with_max: Option<u32>,
    request: &'a Request,
    leases: Leases,
}

/// Leases granted for timers of the commit; a lost race does not need new ones.
#[derive(Default)]
struct Leases {
    granted: Vec<(u64, i64)>,
    next: usize,
}

/// What a commit writes.
#[derive(Default)]
struct Batch {
    compares: Vec<Compare>,
    ops: Vec<Op>,
}

// === impl Asking ===

impl<'a> Asking<'a> {
    pub(crate) fn new(
        store: &'a EtcdStore,
        group: &'a GroupName,
        create_with_max: Option<u32>,
        request: &'a Request,
    ) -> Self {
        Self {
            store,
            group,
            create_with_max,
            request,
            leases: Leases::default(),
        }
    }

    pub(crate) async fn run(mut self) -> Result<Written, Trouble> {
        let result = self.try_until_it_stands().await;
        let is_unknown = matches!(result, Err(Trouble::Unknown(_)));
        if result.is_err() && !is_unknown {
            self.leases.give_back(self.store).await;
        }
        result
    }

    /// Applies the request to what this process saw last, if it saw that; the commit compares it
    /// all. A refusal counts only on what is read for it.
    async fn try_until_it_stands(&mut self) -> Result<Written, Trouble> {
        let mut needed = self.needed();
        let seen = match self.recall(&needed) {
            Some(seen) => self.attempt(&needed, &seen).await?.ok(),
            None => None,
        };
        let mut snapshot = match seen {
            Some(Attempt::Granted(written)) => return Ok(written),
            Some(Attempt::Overtaken(newer)) => newer,
            None => self.read(&needed).await?,
        };
        for _ in 0..RACES_MAX {
            if self.is_missing(&snapshot)? && !needed.knows_nodes {
                needed = needed.and_nodes(self.store);
                snapshot = self.read(&needed).await?;
            }
            match self
                .attempt(&needed, &snapshot)
                .await?
                .map_err(Trouble::Refused)?
            {
                Attempt::Granted(written) => return Ok(written),
                Attempt::Overtaken(newer) => snapshot = newer,
            }
        }
        Err(Trouble::Unavailable(format!(
            "group {} changes faster than etcd answers: tried {RACES_MAX} times",
            self.group
        )))
    }

    async fn read(&self, needed: &Needed) -> Result<Snapshot, Trouble> {
        let snapshot = needed.reading.read(&self.store.client).await;
        snapshot.map_err(trouble)
    }

    fn is_missing(&self, snapshot: &Snapshot) -> Result<bool, Trouble> {
        let view = View {
            keys: &self.store.keys,
            snapshot,
        };
        Ok(view.record(self.group).map_err(broken)?.is_none())
    }

    /// Reads the request's group out of a snapshot, applies, and commits if it still stands so.
    async fn attempt(
        &mut self,
        needed: &Needed,
        snapshot: &Snapshot,
    ) -> Result<Result<Attempt, Refusal>, Trouble> {
        let view = View {
            keys: &self.store.keys,
            snapshot,
        };
        let stored = view.record(self.group).map_err(broken)?;
        let before = match &stored {
            Some(stored) => stored.clone(),
            None => self.create(&view)?,
        };
        let facts = self.facts(&view, &before.group)?;
        let applied = match apply(&before.group, self.request, &facts) {
            Ok(applied) => applied,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let written = Written::Granted(applied.reply.clone());
        if stored.is_some() && applied.group == before.group && applied.sides.is_empty() {
            return Ok(Ok(Attempt::Granted(written)));
        }
        let mut batch = self.batch(needed, &view, &before, &applied).await?;
        batch.ops.extend(needed.reading.ops()); // what the next request can build on
        let txn = Txn {
            compares: batch.compares,
            then: batch.ops,
            otherwise: needed.reading.ops(),
        };
        let answer = self.store.client.txn(txn).await;
        let answer = answer.map_err(|fault| self.lost(fault))?;
        let newer = Snapshot::of(answer.revision, answer.results);
        Ok(Ok(match answer.succeeded {
            true => {
                self.remember(needed, newer);
                Attempt::Granted(written)
            }
            false => Attempt::Overtaken(newer),
        }))
    }

    /// What this process saw last of all that the request needs.
    fn recall(&self, needed: &Needed) -> Option<Snapshot> {
        let node = self.request.action.node().filter(|_| needed.is_usual)?;
        let snapshot = self.store.recall(node)?;
        // A group that is not there is made from what nodes say, which is never remembered.
        let is_there = matches!(self.is_missing(&snapshot), Ok(false));
        is_there.then_some(snapshot)
    }

    fn remember(&self, needed: &Needed, snapshot: Snapshot) {
        if let Some(node) = self.request.action.node().filter(|_| needed.is_usual) {
            self.store.remember(node, snapshot);
        }
    }

    /// A lease that ended between look and commit is mostly the claim's own.
    fn lost(&self, fault: Fault) -> Trouble {
        let stands_on_session =
            matches!(self.request.action, Action::Claim(_) | Action::Adopt { .. });
        match fault {
            Fault::LeaseGone if stands_on_session => Trouble::Refused(Refusal::SessionEnded),
            Fault::LeaseGone => Trouble::Unavailable(
                "a lease ended in etcd before the commit that needs it: etcd is very slow"
                    .to_owned(),
            ),
            fault => trouble(fault),
        }
    }

    fn create(&self, view: &View<'_>) -> Result<Stored, Trouble> {
        let claiming = self.claiming(view)?;
        let Some(max) = self.create_with_max else {
            return Err(Trouble::Refused(match claiming.is_empty() {
                true => Refusal::NoGroup {
                    group: self.group.clone(),
                },
                false => Refusal::GroupLost { nodes: claiming },
            }));
        };
        let group = Group::create(max, self.epoch(view)?, &claiming).map_err(Trouble::Refused)?;
        Ok(Stored::new(group))
    }

    /// The newest epoch of any group: a store that was put back began one in all of them.
    fn epoch(&self, view: &View<'_>) -> Result<u64, Trouble> {
        let mut newest = 1;
        for name in view.group_names() {
            if let Some(stored) = view.record(&name).map_err(broken)? {
                newest = newest.max(stored.group.epoch);
            }
        }
        Ok(newest)
    }

    /// The nodes whose own records say that they hold in this group.
    fn claiming(&self, view: &View<'_>) -> Result<Vec<NodeName>, Trouble> {
        let nodes = view.nodes().map_err(broken)?;
        let holds_here = |record: &reboot_core::fleet::NodeRecord| {
            record.group == *self.group && record.hold.is_some()
        };
        let claiming = nodes.into_iter().filter(|(_, it)| holds_here(&it.record));
        Ok(claiming.map(|(node, _)| node).collect())
    }

    fn facts(&self, view: &View<'_>, group: &Group) -> Result<Facts, Trouble> {
        let mut facts = Facts {
            sessions: view.claims_alive(self.group, group),
            cooldown: view.cooldown(self.group).map_err(broken)?,
            pause: view.pause().map_err(broken)?,
            foreign: view.foreign(self.group),
            ..Facts::default()
        };
        let Some(node) = self.request.action.node() else {
            return Ok(facts);
        };
        let sessions = self.store.keys.sessions(node);
        facts.presences = view.presences(&sessions).map_err(broken)?;
        let own = facts.presences.iter().map(|it| it.session.clone());
        facts.sessions.extend(own);
        facts.marks = view.marks(node);
        facts.others_waiting = view.waiting_beside(self.group, node);
        if matches!(self.request.action, Action::Claim(_)) {
            facts.holds_in = self.holds_in(view, node)?;
        }
        Ok(facts)
    }

    /// Another group in which a node holds. A claim whose lease is gone is none.
    fn holds_in(&self, view: &View<'_>, node: &NodeName) -> Result<Option<GroupName>, Trouble> {
        for name in view.group_names() {
            let stored = view.record(&name).map_err(broken)?;
            let Some(stored) = stored.filter(|_| name != *self.group) else {
                continue;
            };
            let alive = view.claims_alive(&name, &stored.group);
            let counts = |hold: &&Hold| hold.phase.is_durable() || alive.contains(&hold.session);
            if stored.group.hold_of(node).filter(counts).is_some() {
                return Ok(Some(name));
            }
        }
        Ok(None)
    }
}

/// An unreadable key.
pub(crate) fn broken(broken: Broken) -> Trouble {
    Trouble::Broken(broken.to_string())
}

/// What came of trying to commit.
enum Attempt {
    /// Committed, or nothing to commit.
    Granted(Written),
    /// Somebody else committed first; this is how it stands now.
    Overtaken(Snapshot),
}

// === what is read ===

/// What a request reads, and what of it must stand unchanged at the commit.
struct Needed {
    reading: Reading,
    guards: Vec<Range>,
    /// Whether it reads just what every node's request reads.
    is_usual: bool,
    /// Whether the nodes' own records are read, to make a missing group.
    knows_nodes: bool,
}

/// What every request reads, of any group; and what it knows of the node that asks.
pub(crate) fn usual_reading(keys: &Keys, node: Option<&NodeName>) -> Reading {
    let group = GroupName::default();
    let document = keys.semaphore(&group).map(Range::one);
    let documents = keys.semaphores().map(Range::under);
    let old = document.into_iter().chain(documents);
    let reading = old
        .fold(Reading::default(), Reading::with)
        .with(Range::one(keys.record(&group)))
        .with(Range::under(keys.lock_directory(&group)))
        .with(Range::one(keys.cooldown(&group)))
        .with(Range::under(keys.groups()))
        .with(Range::one(keys.pause()));
    match node {
        None => reading,
        Some(node) => reading
            .with(Range::under(keys.sessions(node)))
            .with_keys(Range::under(keys.marks(node))),
    }
}

impl Asking<'_> {
    fn needed(&self) -> Needed {
        let (keys, action) = (&self.store.keys, &self.request.action);
        let mut reading = usual_reading(keys, action.node());
        let is_break = matches!(action, Action::Break { .. });
        let is_diagnostic = matches!(action, Action::Claim(claim) if claim.diagnostic);
        if is_break {
            reading = reading.with(Range::under(keys.all_owed()));
        }
        if is_diagnostic {
            reading = reading.with_keys(Range::under(keys.line(self.group)));
        }
        Needed {
            reading,
            guards: self.guards(),
            is_usual: action.node().is_some() && !is_diagnostic,
            knows_nodes: false,
        }
    }

    fn guards(&self) -> Vec<Range> {
        let (keys, group) = (&self.store.keys, self.group);
        let mut guards = vec![
            Range::one(keys.record(group)),
            Range::one(keys.cooldown(group)),
            Range::one(keys.pause()),
        ];
        guards.extend(keys.semaphore(group).map(Range::one));
        if matches!(self.request.action, Action::Claim(_)) {
            guards.push(Range::under(keys.lock_directory(group)));
        }
        if let Some(node) = self.request.action.node() {
            guards.push(Range::under(keys.sessions(node)));
            guards.push(Range::under(keys.marks(node)));
        }
        guards
    }
}

// === impl Needed ===

impl Needed {
    fn and_nodes(self, store: &EtcdStore) -> Self {
        let all_health = Range::under(store.keys.all_health());
        Self {
            reading: self.reading.with(all_health),
            knows_nodes: true,
            ..self
        }
    }
}

// === what is written ===

impl Asking<'_> {
    async fn batch(
        &mut self,
        needed: &Needed,
        view: &View<'_>,
        before: &Stored,
        applied: &Applied,
    ) -> Result<Batch, Trouble> {
        let copy = Range::one(self.store.keys.copy(self.group));
        let guards = needed.guards.iter();
        let guards = guards.chain((!view.is_ours(self.group)).then_some(&copy));
        let mut batch = Batch {
            compares: guards.map(|range| view.snapshot.unchanged(range)).collect(),
            ops: Vec::new(),
        };
        self.leases.next = 0;
        let mut after = Stored {
            history: before.history,
            ..Stored::new(applied.group.clone())
        };
        let ended = before
            .ended
            .iter()
            .flat_map(|hold| self.ended_by_others(hold));
        let sides = Vec::from_iter(ended.chain(applied.sides.iter().cloned()));
        for side in sides {
            self.put_side(&mut batch, view, &mut after, &side).await?;
        }
        self.put_record(&mut batch, view, &after)?;
        self.put_holders(&mut batch, view, before, &after.group);
        if let Action::Claim(claim) = &self.request.action {
            let node = &claim.identity.node;
            self.touch_session(&mut batch, view, node, &claim.session);
            batch.delete(self.store.keys.ticket(self.group, node)); // it waits no longer
        }
        Ok(batch)
    }

    /// What belongs to the end of a hold that another program took out of the old document.
    fn ended_by_others(&self, hold: &Hold) -> Vec<Side> {
        let (number, node) = (hold.number, hold.node.clone());
        let note = HistoryEntry {
            at: self.request.at.clone(),
            event: "break".to_owned(),
            node: Some(node.clone()),
            number: Some(number),
            detail: "another program unlocked it".to_owned(),
        };
        let mut sides = vec![Side::EndDeadline { number }, Side::History(note)];
        if !hold.undo.is_empty() {
            let undo = hold.undo.clone();
            sides.push(Side::OweUndo { node, undo });
        }
        sides
    }

    fn put_record(
        &self,
        batch: &mut Batch,
        view: &View<'_>,
        stored: &Stored,
    ) -> Result<(), Trouble> {
        let keys = &self.store.keys;
        let key = keys.record(self.group);
        let text = stored
            .to_text()
            .map_err(|why| Trouble::Broken(format!("group {}: {why}", self.group)))?;
        if is_default(self.group) {
            batch.put(keys.copy(self.group), text.clone(), 0);
        }
        batch.put(key, text, 0);
        if let Some(key) = keys.semaphore(self.group) {
            let before = view.semaphore(self.group).map_err(broken)?;
            let document = Semaphore::of(&stored.group, before.map(|(_, document)| document));
            batch.put(key, to_json(&document)?, 0);
        }
        Ok(())
    }

    /// Each hold stands under a key of its own, a claim's on its lease.
    fn put_holders(&self, batch: &mut Batch, view: &View<'_>, before: &Stored, after: &Group) {
        let keys = &self.store.keys;
        let is_gone = |hold: &&Hold| after.hold_of(&hold.node).is_none();
        let holds = before.group.holds.iter().chain(&before.ended);
        for hold in holds.filter(is_gone) {
            batch.delete(keys.holder(self.group, &hold.node));
            if let Some(machine) = keys.machine(&hold.machine_id) {
                batch.delete(machine);
            }
        }
        for hold in &after.holds {
            let lease = match hold.phase.is_durable() {
                true => 0,
                false => self.store.lease_of(&hold.session),
            };
            let (key, text) = (keys.holder(self.group, &hold.node), hold_text(hold));
            let stands = view.snapshot.get(&key);
            let is_same = stands.is_some_and(|kv| kv.value == text.as_bytes() && kv.lease == lease);
            if is_same {
                continue;
            }
            if let Some(machine) = keys.machine(&hold.machine_id)
                && !is_foreign(hold)
            {
                batch.put(machine, record::machine_text(hold), 0);
            }
            batch.put(key, text, lease);
        }
    }

    /// A node's claims in several groups meet at its session.
    fn touch_session(
        &self,
        batch: &mut Batch,
        view: &View<'_>,
        node: &NodeName,
        session: &reboot_core::id::SessionId,
    ) {
        let key = self.store.keys.session(node, session);
        batch.compares.push(Compare::Version {
            key: key.clone().into_bytes(),
            end: None,
            is: Is::Greater,
            version: 0,
        });
        if let Some(kv) = view.snapshot.get(&key) {
            batch.ops.push(Op::Put {
                key: key.into_bytes(),
                value: kv.value.clone(),
                lease: kv.lease,
            });
        }
    }

    async fn put_side(
        &mut self,
        batch: &mut Batch,
        view: &View<'_>,
        after: &mut Stored,
        side: &Side,
    ) -> Result<(), Trouble> {
        let keys = self.store.keys.clone();
        match side {
            Side::StartCooldown { node, secs } => {
                let value = CooldownValue {
                    node: node.clone(),
                    started_at: self.request.at.clone(),
                    duration_sec: *secs,
                };
                let lease = self.lease(secs.saturating_mul(1000)).await?;
                batch.put(keys.cooldown(self.group), to_json(&value)?, lease);
            }
            Side::StartDeadline { number, secs } => {
                let lease = self.lease(secs.saturating_mul(1000)).await?;
                let key = keys.deadline(self.group, *number);
                batch.put(key, self.request.at.clone(), lease);
            }
            Side::EndDeadline { number } => batch.delete(keys.deadline(self.group, *number)),
            Side::MarkReboot { node } => {
                let lease = self.lease(self.store.marks_ttl_ms).await?;
                let key = keys.mark(node, &self.request.id);
                batch.put(key, self.request.at.clone(), lease);
            }
            Side::OweUndo { node, undo } => {
                let mut owed = view.owed(node).map_err(broken)?;
                owed.merge(undo);
                let key = keys.owed(node);
                let before = Range::one(&key);
                batch.compares.push(view.snapshot.unchanged(&before));
                batch.put(key, to_json(&owed)?, 0);
            }
            Side::History(entry) => self.put_history(batch, after, entry)?,
        }
        Ok(())
    }

    fn put_history(
        &self,
        batch: &mut Batch,
        after: &mut Stored,
        entry: &HistoryEntry,
    ) -> Result<(), Trouble> {
        let keys = &self.store.keys;
        after.history += 1;
        let key = keys.history_line(self.group, after.history);
        batch.put(key, to_json(entry)?, 0);
        if let Some(old) = after
            .history
            .checked_sub(HISTORY_MAX)
            .filter(|old| *old > 0)
        {
            batch.delete(keys.history_line(self.group, old));
        }
        Ok(())
    }

    /// A lease for a timer of this commit.
    async fn lease(&mut self, duration_ms: u64) -> Result<i64, Trouble> {
        let at = self.leases.next;
        self.leases.next += 1;
        if let Some((granted_ms, lease)) = self.leases.granted.get(at)
            && *granted_ms == duration_ms
        {
            return Ok(*lease);
        }
        self.leases.granted.truncate(at);
        let lease = lease::fresh();
        let granted = self
            .store
            .client
            .grant(lease, lease::secs(duration_ms))
            .await;
        granted.map_err(trouble)?;
        self.leases.granted.push((duration_ms, lease));
        Ok(lease)
    }
}

/// A value as it is stored.
pub(crate) fn to_json(value: &impl serde::Serialize) -> Result<String, Trouble> {
    serde_json::to_string(value).map_err(|error| Trouble::Broken(error.to_string()))
}

// === impl Batch ===

impl Batch {
    fn put(&mut self, key: String, value: String, lease: i64) {
        self.ops.push(Op::Put {
            key: key.into_bytes(),
            value: value.into_bytes(),
            lease,
        });
    }

    fn delete(&mut self, key: String) {
        self.ops.push(Op::Delete {
            key: key.into_bytes(),
            end: None,
        });
    }
}

// === impl Leases ===

impl Leases {
    /// Ends those that nothing stands on; they would end by themselves.
    async fn give_back(&mut self, store: &EtcdStore) {
        for (_, lease) in self.granted.drain(..) {
            let _ = store.client.revoke(lease).await;
        }
    }
}
