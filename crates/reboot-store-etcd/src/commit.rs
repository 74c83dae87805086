//! What a granted request writes: the record, a key for each hold, and all that belongs into the
//! same commit.

use crate::ask::{Asking, broken};
use crate::client::{Client, Compare, Is, Op, Txn};
use crate::keys::{Keys, Range, is_default};
use crate::lease;
use crate::look::{CooldownValue, View};
use crate::record::{self, Stored, hold_text};
use crate::semaphore::{Semaphore, is_foreign};
use crate::spares::{Spare, Used};
use crate::store::{EtcdStore, trouble};
use reboot_core::group::{Action, Applied, Group, HistoryEntry, Hold, Side};
use reboot_core::id::{GroupName, NodeName};
use reboot_core::undo::Undo;
use reboot_core::write::Trouble;
use std::time::{Duration, Instant};

/// A commit that takes no longer starts its timers soon enough.
const AT_ONCE: Duration = Duration::from_millis(500);

/// A lease that was granted no longer ago runs in full.
const YOUNG: Duration = Duration::from_millis(50);

/// Old marks that go in one commit: a transaction of etcd takes 128 operations.
const OLD_MARKS_AT_ONCE: usize = 16;

/// Lines of history kept for each group.
const HISTORY_MAX: u64 = 1_000;

/// Leases granted for timers of the commit; a lost race does not need new ones.
#[derive(Default)]
pub(crate) struct Leases {
    granted: Vec<(u64, i64)>,
    next: usize,
    /// Leases of timers that this commit puts out, for its own.
    lent: Vec<i64>,
    /// Leases of timers that this commit puts out, for later ones.
    freed: Vec<Used>,
    /// Deadlines that this commit starts, by the numbers of their holds.
    deadlines: Vec<(u64, Used)>,
    /// Since when the first of them runs.
    since: Option<Instant>,
}

/// What a commit writes.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) compares: Vec<Compare>,
    pub(crate) ops: Vec<Op>,
}

// === impl Asking ===

impl Asking<'_> {
    /// All that the commit compares and writes.
    pub(crate) async fn batch(
        &mut self,
        view: &View<'_>,
        before: &Stored,
        applied: &Applied,
    ) -> Result<Batch, Trouble> {
        let mut batch = Batch {
            compares: self.compares(view),
            ops: Vec::new(),
        };
        self.leases.begin();
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
        batch.put_record(view, self.group, &after)?;
        self.put_holders(&mut batch, view, before, &after.group);
        if let Action::Claim(claim) = &self.request.action {
            let node = &claim.identity.node;
            self.touch_session(&mut batch, view, node, &claim.session);
            batch.delete(self.store.keys.ticket(self.group, node)); // it waits no longer
        }
        self.guard_leases(&mut batch, &before.group);
        Ok(batch)
    }

    /// That all that the request stands on is as it was seen.
    pub(crate) fn compares(&self, view: &View<'_>) -> Vec<Compare> {
        let copy = Range::one(self.store.keys.copy(self.group));
        let copy = (!view.is_ours(self.group)).then_some(copy);
        let guards = self.guards().into_iter().chain(copy);
        guards
            .map(|range| view.snapshot.unchanged(&range))
            .collect()
    }

    /// A lease that ends between look and commit leaves the record as it was. What the request
    /// stands on must still be there: the claim that it moves, the session of a new owner.
    fn guard_leases(&self, batch: &mut Batch, before: &Group) {
        let keys = &self.store.keys;
        let number = match &self.request.action {
            Action::Drain { owner, .. }
            | Action::Fence { owner, .. }
            | Action::Return { owner, .. }
            | Action::Release { owner, .. }
            | Action::Adopt { owner, .. } => owner.number,
            Action::Break { number, .. } => *number,
            Action::Claim(_)
            | Action::Admit(_)
            | Action::Steady { .. }
            | Action::SetMax { .. }
            | Action::Pause(_)
            | Action::Resume { .. }
            | Action::HoldBack { .. }
            | Action::LetGo { .. } => return,
        };
        let moved = before.holds.iter().find(|hold| hold.number == number);
        if let Some(claim) = moved.filter(|hold| !hold.phase.is_durable()) {
            let key = keys.holder(self.group, &claim.node);
            batch.compares.push(is_there(key));
        }
        if let Action::Adopt {
            identity, session, ..
        } = &self.request.action
        {
            let key = keys.session(&identity.node, session);
            batch.compares.push(is_there(key));
        }
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

    /// Each hold stands under a key of its own, a claim's on its lease.
    pub(crate) fn put_holders(
        &self,
        batch: &mut Batch,
        view: &View<'_>,
        before: &Stored,
        after: &Group,
    ) {
        let keys = &self.store.keys;
        let is_gone = |hold: &&Hold| after.hold_of(&hold.node).is_none();
        let holds = before.group.holds.iter().chain(&before.ended);
        for hold in holds.filter(is_gone) {
            batch.delete(keys.holder(self.group, &hold.node));
            let stays = |other: &Hold| other.machine_id == hold.machine_id;
            if let Some(machine) = keys.machine(&hold.machine_id)
                && !after.holds.iter().any(stays)
            {
                batch.delete(machine);
            }
        }
        for hold in &after.holds {
            let lease = match hold.phase.is_durable() {
                true => 0,
                false => self.store.lease_of(&hold.session),
            };
            let key = keys.holder(self.group, &hold.node);
            let stands = view.snapshot.get(&key).filter(|kv| kv.lease == lease);
            let is_as_before = || before.group.holds.contains(hold);
            if stands.is_some() && is_as_before() {
                continue;
            }
            let text = hold_text(hold);
            if stands.is_some_and(|kv| kv.value == text.as_bytes()) {
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
        batch.compares.push(is_there(key.clone()));
        if let Some(kv) = view.snapshot.get(&key) {
            batch.ops.push(Op::Put {
                key: key.into_bytes(),
                value: kv.value.clone(),
                lease: kv.lease,
            });
        }
    }

    pub(crate) async fn put_side(
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
                let duration_ms = secs.saturating_mul(1000);
                let lease = self.lease(duration_ms).await?;
                let used = Used { duration_ms, lease };
                self.leases.deadlines.push((*number, used));
                let key = keys.deadline(self.group, *number);
                batch.put(key, self.request.at.clone(), lease);
            }
            Side::EndDeadline { number } => {
                let spares = self.store.spares.as_ref();
                let used = spares.and_then(|it| it.deadline(self.group, *number));
                self.leases.freed.extend(used);
                batch.delete(keys.deadline(self.group, *number));
            }
            Side::MarkReboot { node, keep } => {
                let mut old = view.marks_before_the_last(node, keep.saturating_sub(1));
                old.truncate(OLD_MARKS_AT_ONCE);
                let lease = self.lease_of_mark(&old).await?;
                let key = keys.mark(node, &self.request.id);
                batch.put(key, self.request.at.clone(), lease);
                old.into_iter().for_each(|(key, _)| batch.delete(key));
            }
            Side::OweUndo { node, undo } => {
                batch.put_owed(view, node, undo)?;
            }
            Side::History(entry) => batch.put_history(&keys, self.group, after, entry)?,
        }
        Ok(())
    }

    /// A lease of its own, or that of a mark that goes, in full again.
    async fn lease_of_mark(&mut self, old: &[(String, i64)]) -> Result<i64, Trouble> {
        let duration_ms = self.store.marks_ttl_ms;
        let mut leases = old.iter().map(|(_, lease)| *lease).filter(|it| *it != 0);
        if self.store.spares.is_some() {
            let used = leases.map(|lease| Used { duration_ms, lease });
            self.leases.freed.extend(used);
        } else if let Some(lease) = leases.next() {
            let since = Instant::now();
            if self.store.client.keep_alive(lease).await.map_err(trouble)? > 0 {
                self.leases.lent.push(lease);
                self.leases.run_since(since);
                return Ok(lease);
            }
        }
        self.lease(duration_ms).await
    }

    /// A lease for a timer of this commit.
    async fn lease(&mut self, duration_ms: u64) -> Result<i64, Trouble> {
        let at = self.leases.next;
        self.leases.next += 1;
        if let Some((granted_ms, lease)) = self.leases.granted.get(at)
            && *granted_ms == duration_ms
        {
            let lease = *lease;
            if self.store.client.keep_alive(lease).await.map_err(trouble)? > 0 {
                return Ok(lease); // it runs in full again
            }
        }
        self.leases.granted.truncate(at);
        let lease = match self.spare(duration_ms).await? {
            Some(spare) => spare,
            None => self.granted(duration_ms).await?,
        };
        self.leases.granted.push((duration_ms, lease));
        Ok(lease)
    }

    async fn granted(&mut self, duration_ms: u64) -> Result<i64, Trouble> {
        let lease = lease::fresh();
        self.leases.run_since(Instant::now());
        let (client, secs) = (&self.store.client, lease::secs(duration_ms));
        client.grant(lease, secs).await.map_err(trouble)?;
        Ok(lease)
    }

    /// A lease that stands ready; it runs in full from now on, as far as a commit starts at once.
    async fn spare(&mut self, duration_ms: u64) -> Result<Option<i64>, Trouble> {
        let spares = self.store.spares.as_ref();
        let Some(Spare { lease, mut since }) = spares.and_then(|it| it.take(duration_ms)) else {
            return Ok(None);
        };
        if since.elapsed() > YOUNG {
            since = Instant::now();
            if self.store.client.keep_alive(lease).await.map_err(trouble)? <= 0 {
                return Ok(None); // it had ended
            }
        }
        self.leases.run_since(since);
        Ok(Some(lease))
    }
}

/// A value as it is stored.
pub(crate) fn to_json(value: &impl serde::Serialize) -> Result<String, Trouble> {
    serde_json::to_string(value).map_err(|error| Trouble::Broken(error.to_string()))
}

/// That a key is there.
fn is_there(key: String) -> Compare {
    Compare::Version {
        key: key.into_bytes(),
        end: None,
        is: Is::Greater,
        version: 0,
    }
}

// === impl Batch ===

impl Batch {
    /// Commits; answers whether nothing that it compares was changed meanwhile.
    pub(crate) async fn commit(self, client: &Client) -> Result<bool, Trouble> {
        let txn = Txn {
            compares: self.compares,
            then: self.ops,
            otherwise: Vec::new(),
        };
        Ok(client.txn(txn).await.map_err(trouble)?.succeeded)
    }

    /// A line of history that no request to the group leaves; answers whether it was put. A record
    /// with a feature that we do not know is not ours to write, and what another program did is
    /// settled first, by whoever commits next.
    pub(crate) fn put_note(
        &mut self,
        view: &View<'_>,
        group: &GroupName,
        mut stored: Stored,
        note: &HistoryEntry,
    ) -> Result<bool, Trouble> {
        if stored.group.unknown_feature().is_some() || !stored.ended.is_empty() {
            return Ok(false);
        }
        self.put_history(view.keys, group, &mut stored, note)?;
        self.put_record(view, group, &stored)?;
        Ok(true)
    }

    /// A group's record, and all that says the same: its copy, the old command's document.
    pub(crate) fn put_record(
        &mut self,
        view: &View<'_>,
        group: &GroupName,
        stored: &Stored,
    ) -> Result<(), Trouble> {
        let text = stored
            .to_text()
            .map_err(|why| Trouble::Broken(format!("group {group}: {why}")))?;
        if is_default(group) {
            self.put(view.keys.copy(group), text.clone(), 0);
        }
        self.put(view.keys.record(group), text, 0);
        if let Some(key) = view.keys.semaphore(group) {
            let before = view.semaphore(group).map_err(broken)?;
            let document = Semaphore::of(&stored.group, before.map(|(_, document)| document));
            self.put(key, to_json(&document)?, 0);
        }
        Ok(())
    }

    /// What a broken hold leaves to be undone on a node, added to what it owes already.
    pub(crate) fn put_owed(
        &mut self,
        view: &View<'_>,
        node: &NodeName,
        undo: &Undo,
    ) -> Result<(), Trouble> {
        if undo.is_empty() {
            return Ok(());
        }
        let mut owed = view.owed(node).map_err(broken)?;
        owed.merge(undo);
        let key = view.keys.owed(node);
        self.compares
            .push(view.snapshot.unchanged(&Range::one(&key)));
        self.put(key, to_json(&owed)?, 0);
        Ok(())
    }

    /// A line of a group's history; the oldest goes for it.
    pub(crate) fn put_history(
        &mut self,
        keys: &Keys,
        group: &GroupName,
        after: &mut Stored,
        entry: &HistoryEntry,
    ) -> Result<(), Trouble> {
        after.history += 1;
        self.put(keys.history_line(group, after.history), to_json(entry)?, 0);
        let old = after.history.checked_sub(HISTORY_MAX);
        if let Some(old) = old.filter(|old| *old > 0) {
            self.delete(keys.history_line(group, old));
        }
        Ok(())
    }

    pub(crate) fn put(&mut self, key: String, value: String, lease: i64) {
        self.ops.push(Op::Put {
            key: key.into_bytes(),
            value: value.into_bytes(),
            lease,
        });
    }

    pub(crate) fn delete(&mut self, key: String) {
        self.delete_all(Range::one(key));
    }

    /// All keys that begin so; the prefix ends with a slash.
    pub(crate) fn delete_under(&mut self, prefix: String) {
        self.delete_all(Range::under(prefix));
    }

    fn delete_all(&mut self, range: Range) {
        self.ops.push(Op::Delete {
            key: range.from.into_bytes(),
            end: range.end.map(String::into_bytes),
        });
    }
}

// === impl Leases ===

impl Leases {
    /// Another attempt begins, with what was granted for the one before it.
    fn begin(&mut self) {
        self.next = 0;
        self.lent.clear();
        self.freed.clear();
        self.deadlines.clear();
    }

    fn run_since(&mut self, since: Instant) {
        self.since = Some(self.since.map_or(since, |it| it.min(since)));
    }

    /// Timers stand on them now. After a slow commit they start with it, not with the lease before
    /// it.
    pub(crate) async fn stand(&mut self, store: &EtcdStore, group: &GroupName) {
        if let Some(spares) = &store.spares {
            self.freed.drain(..).for_each(|used| spares.give_back(used));
            let deadlines = self.deadlines.drain(..);
            deadlines.for_each(|(number, used)| spares.note_deadline(group, number, used));
        }
        let standing = self.granted.drain(..).map(|(_, lease)| lease);
        let standing = Vec::from_iter(standing.chain(self.lent.drain(..)));
        let since = self.since.take();
        if since.is_some_and(|since| since.elapsed() > AT_ONCE) {
            for lease in standing {
                let _ = store.client.keep_alive(lease).await;
            }
        }
    }

    /// Nothing stands on them: they serve later commits, or end. One that another commit had
    /// before is never ended, for a store that was put back may have what stood on it then.
    pub(crate) async fn give_back(&mut self, store: &EtcdStore) {
        for (duration_ms, lease) in self.granted.drain(..) {
            match &store.spares {
                Some(spares) => spares.give_back(Used { duration_ms, lease }),
                None => drop(store.client.revoke(lease).await),
            }
        }
    }
}
