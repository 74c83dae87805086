//! Requests of one process that go in one commit. A server asks for many clients at once; each by
//! itself would cost etcd a transaction, and all of them stand in one another's way at the record.
//!
//! They are applied one after the other, each to what the one before it leaves, and committed as
//! one, on what this process saw last: the commit compares all that any of them stands on. What
//! cannot go along, for whatever reason, goes alone and is told by its own reading.

use crate::ask::{Asking, Source, usual_reading};
use crate::client::Txn;
use crate::commit::Batch;
use crate::look::View;
use crate::reading::{Committed, Snapshot};
use crate::record::Stored;
use crate::store::{EtcdStore, trouble};
use crate::turns::Queued;
use futures_util::future::join_all;
use reboot_core::group::{Action, Group, Request, Side};
use reboot_core::id::{GroupName, NodeName};
use reboot_core::write::{Trouble, Written};

/// So many at once. Unless told otherwise etcd takes 128 operations or compares in a transaction,
/// and in one within it what that leaves: each member compares two ranges, beside the six of all.
const MEMBERS_MAX: usize = 24;

/// Whether a request may be taken along by another of this process: one of a client without an
/// agent, which stands on no session; and all that it needs is remembered. Where there are several
/// groups only those go that give a slot back: an admission reads whether its node holds elsewhere.
pub(crate) fn may_go(asking: &Asking<'_>) -> bool {
    let is_guests = matches!(
        asking.request.action,
        Action::Admit(_) | Action::Steady { .. }
    );
    let (keys, memory) = (&asking.store.keys, &asking.store.memory);
    is_guests && keys.semaphores().is_none() && memory.is_of_all()
}

/// Commits as many as can go together of those that wait. Who is not told that it was granted
/// goes alone. The turn is the caller's.
pub(crate) async fn commit(store: &EtcdStore, group: &GroupName) {
    let lane = store.turns.lane(group);
    let queued = lane.take(group, MEMBERS_MAX);
    if queued.len() < 2 {
        return;
    }
    let (fates, committed, leases) = {
        let Some(mut round) = Round::begin(store, group, &queued) else {
            return;
        };
        let fates = Vec::from_iter(queued.iter().map(|it| round.judge(&it.request)));
        let committed = round.commit().await;
        let leases = round.members.into_iter().map(|it| it.asking.leases);
        (fates, committed, Vec::from_iter(leases))
    };
    let stands = matches!(committed, Ok(true));
    let mut later = Vec::new();
    for (queued, fate) in queued.into_iter().zip(fates) {
        match fate {
            Fate::Goes(written) if stands => queued.grant(written),
            Fate::Later => later.push(queued),
            Fate::Goes(_) | Fate::Alone => {}
        }
    }
    lane.put_back(later);
    let settled = leases.into_iter().map(async |mut leases| match &committed {
        Ok(true) => leases.stand(store, group).await,
        Err(Trouble::Unknown(_)) => {} // timers may stand on them
        Ok(false) | Err(_) => leases.give_back(store).await,
    });
    join_all(settled).await;
}

/// What becomes of a request.
enum Fate {
    /// It goes along; this is its answer when the commit stands.
    Goes(Written),
    /// It may go with the next ones.
    Later,
    /// It goes alone.
    Alone,
}

/// Requests to a group that go in one commit.
struct Round<'a> {
    store: &'a EtcdStore,
    group: &'a GroupName,
    /// What this process saw last.
    snapshot: Snapshot,
    /// The record, as it was seen.
    before: Stored,
    /// The record that the members make of it.
    after: Group,
    members: Vec<Member<'a>>,
    /// Nobody else may go along.
    is_full: bool,
}

/// A request that goes along.
struct Member<'a> {
    asking: Asking<'a>,
    node: &'a NodeName,
    sides: Vec<Side>,
}

// === impl Round ===

impl<'a> Round<'a> {
    /// Nothing when this process has not seen all that they may need.
    fn begin(store: &'a EtcdStore, group: &'a GroupName, queued: &[Queued]) -> Option<Self> {
        let nodes = queued.iter().filter_map(|it| it.request.action.node());
        let snapshot = store.memory.recall(&store.keys, &Vec::from_iter(nodes))?;
        let view = View {
            keys: &store.keys,
            snapshot: &snapshot,
        };
        let before = view.record(group).ok()??;
        Some(Self {
            store,
            group,
            after: before.group.clone(),
            before,
            snapshot,
            members: Vec::new(),
            is_full: false,
        })
    }

    fn view(&self) -> View<'_> {
        View {
            keys: &self.store.keys,
            snapshot: &self.snapshot,
        }
    }

    /// Applies a request to what the members before it leave.
    fn judge(&mut self, request: &'a Request) -> Fate {
        let Some(node) = request.action.node() else {
            return Fate::Alone;
        };
        // What a node's next request stands on is known when the one before it is committed.
        if self.is_full || self.members.iter().any(|it| it.node == node) {
            return Fate::Later;
        }
        let asking = Asking::new(self.store, self.group, None, request);
        if request.action.takes_a_slot() && asking.has_other_groups(&self.snapshot) {
            return Fate::Alone; // whether it holds there must be read now
        }
        let before = Stored::new(self.after.clone());
        let applied = asking.applied(&self.view(), &before, Source::Memory);
        let Ok(Ok(applied)) = applied else {
            return Fate::Alone; // a refusal counts on what is read for it
        };
        if applied.group == before.group {
            return Fate::Alone; // so does what stands already
        }
        // Nobody is granted anything until that is over.
        let starts_cooldown = |side: &Side| matches!(side, Side::StartCooldown { .. });
        self.is_full = applied.sides.iter().any(starts_cooldown);
        self.after = applied.group;
        self.members.push(Member {
            asking,
            node,
            sides: applied.sides,
        });
        Fate::Goes(Written::Granted(applied.reply))
    }

    /// Commits them as one; answers whether they stand. They do not when something was not as it
    /// was remembered, and when they are no more than one.
    async fn commit(&mut self) -> Result<bool, Trouble> {
        if self.members.len() < 2 {
            return Ok(false);
        }
        let Ok(batch) = self.batch().await else {
            return Ok(false); // nothing was sent
        };
        let nodes = Vec::from_iter(self.members.iter().map(|it| it.node));
        let (store, keys) = (self.store, &self.store.keys);
        let stand = self.members[0].asking.what_claims_stand_on();
        let mut then = batch.ops.clone();
        then.extend(stand.ops());
        let txn = Txn {
            compares: batch.compares,
            then,
            otherwise: usual_reading(keys, nodes.iter().copied()).ops(),
        };
        let answer = store.client.txn(txn).await.map_err(trouble)?;
        let succeeded = answer.succeeded;
        if succeeded {
            let mut guards = Vec::from_iter(self.members.iter().flat_map(|it| it.asking.guards()));
            guards.sort_unstable();
            guards.dedup();
            let answer = (answer.revision, answer.results);
            let commit = Committed::new(answer, batch.ops, guards, &stand);
            let seen = std::mem::take(&mut self.snapshot);
            store.memory.note_commit(keys, &nodes, seen, &commit);
        } else {
            let newer = Snapshot::of(answer.revision, answer.results);
            store.memory.note(keys, &nodes, &newer);
        }
        Ok(succeeded)
    }

    /// All that the commit compares and writes.
    async fn batch(&mut self) -> Result<Batch, Trouble> {
        let view = View {
            keys: &self.store.keys,
            snapshot: &self.snapshot,
        };
        let mut after = Stored {
            history: self.before.history,
            ..Stored::new(self.after.clone())
        };
        let mut batch = Batch::default();
        for member in &self.members {
            let new = member.asking.compares(&view).into_iter();
            for compare in new {
                if !batch.compares.contains(&compare) {
                    batch.compares.push(compare);
                }
            }
        }
        let mut history = after.history;
        let parts = self.members.iter_mut().map(|member| {
            let begun = history;
            let is_line = |side: &&Side| matches!(side, Side::History(_));
            history += member.sides.iter().filter(is_line).count() as u64;
            member.part(&view, &self.before, begun)
        });
        // Each may have to ask for leases.
        for part in join_all(parts).await {
            let part = part?;
            batch.compares.extend(part.compares);
            batch.ops.extend(part.ops);
        }
        after.history = history;
        batch.put_record(&view, self.group, &after)?;
        if let Some(member) = self.members.first() {
            let asking = &member.asking;
            asking.put_holders(&mut batch, &view, &self.before, &after.group);
        }
        Ok(batch)
    }
}

// === impl Member ===

impl Member<'_> {
    /// What its request alone writes, as the first after this line of history.
    async fn part(
        &mut self,
        view: &View<'_>,
        before: &Stored,
        history: u64,
    ) -> Result<Batch, Trouble> {
        let mut counted = Stored {
            history,
            ..before.clone()
        };
        let mut part = Batch::default();
        for side in &self.sides {
            let asking = &mut self.asking;
            asking.put_side(&mut part, view, &mut counted, side).await?;
        }
        Ok(part)
    }
}
