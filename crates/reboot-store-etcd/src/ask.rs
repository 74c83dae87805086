//! A request to a group: read, apply by the rules, compare-and-swap. A race lost to somebody
//! else's change is read and applied again here; a refusal is only ever one of the rules, on
//! what was read just now.

use crate::client::{Fault, Txn};
use crate::commit::Leases;
use crate::keys::{Keys, Range};
use crate::look::{Broken, View};
use crate::reading::{Committed, Reading, Snapshot};
use crate::record::Stored;
use crate::semaphore::refuse_second_hold;
use crate::store::{EtcdStore, trouble};
use crate::together;
use reboot_core::group::{Action, Applied, Facts, Group, Hold, Pause, Refusal, Request, apply};
use reboot_core::id::{GroupName, NodeName};
use reboot_core::write::{Trouble, Written};
use tokio::sync::MutexGuard;

/// How often a race may be lost before the store counts as too busy.
const RACES_MAX: usize = 200;

/// One request on its way.
pub(crate) struct Asking<'a> {
    pub(crate) store: &'a EtcdStore,
    pub(crate) group: &'a GroupName,
    create_with_max: Option<u32>,
    pub(crate) request: &'a Request,
    pub(crate) leases: Leases,
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

    pub(crate) async fn run(self) -> Result<Written, Trouble> {
        let lane = self.store.turns.lane(self.group);
        if !together::may_go(&self) {
            let turn = lane.turn().await;
            return self.alone(turn).await;
        }
        let (ticket, mut granted) = lane.queue(self.group, self.request);
        let turn = loop {
            let turn = tokio::select! {
                biased;
                granted = &mut granted => match granted {
                    Ok(written) => return Ok(written),
                    Err(_) => break lane.turn().await,
                },
                turn = lane.turn() => turn,
            };
            if turn.is_some() {
                together::commit(self.store, self.group).await;
            }
            if lane.withdraw(ticket) {
                break turn;
            }
            if turn.is_some() {
                // Only who has the turn has requests in hand: this one's fate is known.
                match granted.await {
                    Ok(written) => return Ok(written),
                    Err(_) => break turn,
                }
            }
            // Somebody else has it in hand, and may put it back.
        };
        self.alone(turn).await
    }

    async fn alone(mut self, turn: Option<MutexGuard<'_, ()>>) -> Result<Written, Trouble> {
        let result = self.try_until_it_stands().await;
        drop(turn);
        if !matches!(result, Err(Trouble::Unknown(_))) {
            self.leases.give_back(self.store).await;
        }
        result
    }

    /// Applies the request to what this process saw last, if it saw that; the commit compares it
    /// all. What commits nothing, a refusal or a repeated request, counts only on what is read
    /// for it.
    async fn try_until_it_stands(&mut self) -> Result<Written, Trouble> {
        let mut needed = self.needed();
        let seen = match self.recall(&needed) {
            Some(seen) => match self.attempt(&needed, &seen, Source::Memory).await {
                Err(Trouble::Broken(_)) => None, // it may be mended by now
                attempt => attempt?.ok(),
            },
            None => None,
        };
        let mut snapshot = match seen {
            Some(Attempt::Granted(written)) => return Ok(written),
            Some(Attempt::Overtaken(newer)) => newer,
            Some(Attempt::Stands(_)) | None => self.read(&needed).await?,
        };
        for _ in 0..RACES_MAX {
            if self.is_missing(&snapshot)? && !needed.knows_nodes {
                needed = needed.and_nodes(self.store);
                snapshot = self.read(&needed).await?;
            }
            match self
                .attempt(&needed, &snapshot, Source::Etcd)
                .await?
                .map_err(Trouble::Refused)?
            {
                Attempt::Granted(written) | Attempt::Stands(written) => return Ok(written),
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
        source: Source,
    ) -> Result<Result<Attempt, Refusal>, Trouble> {
        let view = View {
            keys: &self.store.keys,
            snapshot,
        };
        let stored = view.record(self.group).map_err(broken)?;
        let before = match &stored {
            Some(stored) => stored.clone(),
            // A group is made from what nodes say, which is never remembered.
            None if source == Source::Memory => {
                let group = self.group.clone();
                return Ok(Err(Refusal::NoGroup { group }));
            }
            None => self.create(&view)?,
        };
        let applied = match self.applied(&view, &before, source)? {
            Ok(applied) => applied,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let written = Written::Granted(applied.reply.clone());
        if stored.is_some() && applied.group == before.group && applied.sides.is_empty() {
            return Ok(Ok(Attempt::Stands(written)));
        }
        let batch = self.batch(&view, &before, &applied).await?;
        let ops = batch.ops.clone();
        let stand = match needed.is_usual {
            true => self.what_claims_stand_on(),
            false => Reading::default(), // nobody remembers what was asked
        };
        let mut then = batch.ops;
        then.extend(stand.ops());
        let txn = Txn {
            compares: batch.compares,
            then,
            otherwise: needed.reading.ops(),
        };
        let answer = self.store.client.txn(txn).await;
        let answer = answer.map_err(|fault| self.lost(fault))?;
        if !answer.succeeded {
            let newer = Snapshot::of(answer.revision, answer.results);
            return Ok(Ok(Attempt::Overtaken(newer)));
        }
        self.leases.stand(self.store, self.group).await;
        if needed.is_usual {
            let answer = (answer.revision, answer.results);
            let commit = Committed::new(answer, ops, self.guards(), &stand);
            self.remember(snapshot, source, &commit);
        }
        Ok(Ok(Attempt::Granted(written)))
    }

    /// What the rules make of the request.
    pub(crate) fn applied(
        &self,
        view: &View<'_>,
        before: &Stored,
        source: Source,
    ) -> Result<Result<Applied, Refusal>, Trouble> {
        let facts = self.facts(view, &before.group)?;
        // What was not seen is not gone: who is swept is read.
        if source == Source::Memory && before.group.swept(&facts).0 != before.group {
            return Ok(Err(Refusal::SessionEnded));
        }
        let applied = match apply(&before.group, self.request, &facts) {
            Ok(applied) => applied,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let second = match self.store.keys.semaphores() {
            Some(_) => refuse_second_hold(&before.group, &applied.group),
            None => Ok(()),
        };
        Ok(second.map(|()| applied))
    }

    /// What this process saw last of all that the request needs.
    fn recall(&self, needed: &Needed) -> Option<Snapshot> {
        let node = self.request.action.node().filter(|_| needed.is_usual)?;
        let snapshot = self.store.memory.recall(&self.store.keys, &[node])?;
        let is_claim = self.request.action.takes_a_slot();
        if is_claim && self.has_other_groups(&snapshot) {
            return None; // whether it holds there must be read now
        }
        Some(snapshot)
    }

    pub(crate) fn has_other_groups(&self, snapshot: &Snapshot) -> bool {
        let view = View {
            keys: &self.store.keys,
            snapshot,
        };
        view.group_names().iter().any(|name| name != self.group)
    }

    /// Notes what the commit made of what it stood on.
    fn remember(&self, seen: &Snapshot, source: Source, commit: &Committed) {
        let (keys, memory) = (&self.store.keys, &self.store.memory);
        if let Some(node) = self.request.action.node() {
            if source == Source::Etcd {
                memory.note(keys, &[node], seen);
            }
            memory.note_commit(keys, &[node], seen.clone(), commit);
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
            foreign: view.foreign(self.group, Some(group)),
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
        if self.request.action.takes_a_slot() {
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

/// Where a snapshot comes from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Source {
    /// It was read for this request, or is the answer to it.
    Etcd,
    /// This process saw it before.
    Memory,
}

/// What came of trying to commit.
enum Attempt {
    /// Committed.
    Granted(Written),
    /// It was committed before, by what was seen: nothing was asked of etcd.
    Stands(Written),
    /// Somebody else committed first; this is how it stands now.
    Overtaken(Snapshot),
}

// === what is read ===

/// What a request reads.
pub(crate) struct Needed {
    pub(crate) reading: Reading,
    /// Whether it reads just what every node's request reads.
    is_usual: bool,
    /// Whether the nodes' own records are read, to make a missing group.
    knows_nodes: bool,
}

/// What every request reads, of any group; and what it knows of the nodes that ask.
pub(crate) fn usual_reading<'n>(
    keys: &Keys,
    nodes: impl IntoIterator<Item = &'n NodeName>,
) -> Reading {
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
        .with(Range::one(keys.pause()))
        .with_keys(Range::under(keys.sessions(&Pause::keeper())));
    nodes.into_iter().fold(reading, |reading, node| {
        reading
            .with(Range::under(keys.sessions(node)))
            .with_keys(Range::under(keys.marks(node)))
    })
}

impl Asking<'_> {
    fn needed(&self) -> Needed {
        let (keys, action) = (&self.store.keys, &self.request.action);
        let mut reading = usual_reading(keys, action.node());
        let is_break = matches!(action, Action::Break { .. });
        let is_diagnostic = matches!(action, Action::Claim(claim) if claim.diagnostic);
        // An unlock by the old command leaves a debt to whoever commits next.
        if is_break || keys.semaphores().is_some() {
            reading = reading.with(Range::under(keys.all_owed()));
        }
        if is_diagnostic {
            reading = reading.with_keys(Range::under(keys.line(self.group)));
        }
        Needed {
            reading,
            is_usual: action.node().is_some() && !is_diagnostic && keys.semaphores().is_none(),
            knows_nodes: false,
        }
    }

    /// What is read at the commit, for the next one: whose claim is dead by then is swept by that.
    pub(crate) fn what_claims_stand_on(&self) -> Reading {
        let keys = &self.store.keys;
        Reading::default()
            .with_keys(Range::under(keys.lock_directory(self.group)))
            .with_keys(Range::under(keys.sessions(&Pause::keeper())))
    }

    /// What of it must stand unchanged at the commit.
    pub(crate) fn guards(&self) -> Vec<Range> {
        let (keys, group) = (&self.store.keys, self.group);
        let mut guards = vec![
            Range::one(keys.record(group)),
            Range::one(keys.cooldown(group)),
            Range::one(keys.pause()),
            Range::under(keys.sessions(&Pause::keeper())),
            // Whose claim counts as dead, by what stands here and what does not.
            Range::under(keys.lock_directory(group)),
        ];
        guards.extend(keys.semaphore(group).map(Range::one));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{Client, Options};
    use crate::store::Layout;
    use reboot_core::id::RequestId;
    use std::time::Duration;

    /// A watch tells of a record and of its holders apart: who is swept by half of what a commit
    /// wrote is alive.
    #[tokio::test]
    async fn every_commit_compares_what_claims_stand_on() {
        let client = Client::new(Options::new(["http://127.0.0.1:1"])).unwrap();
        let store = EtcdStore::new(client, &Layout::default()).for_many_nodes();
        let group = GroupName::default();
        let node = NodeName::new("a").unwrap();
        let by = || "operator".to_owned();
        for action in [
            Action::Steady { node, id: None },
            Action::Break {
                number: 1,
                by: by(),
                reason: String::new(),
            },
            Action::SetMax { max: 1, by: by() },
        ] {
            let request = Request {
                id: RequestId::new("request").unwrap(),
                at: String::new(),
                action,
            };
            let guards = Asking::new(&store, &group, None, &request).guards();
            let keys = store.keys();
            for needed in [keys.lock_directory(&group), keys.sessions(&Pause::keeper())] {
                assert!(
                    guards.contains(&Range::under(needed)),
                    "{:?}",
                    request.action
                );
            }
        }
    }

    /// Whoever takes a request along may put it back, after its owner has lost its patience.
    #[tokio::test(start_paused = true)]
    async fn a_request_that_was_taken_and_put_back_is_answered() {
        let client = Client::new(Options::new(["http://127.0.0.1:1"])).unwrap();
        let store = EtcdStore::new(client, &Layout::default()).for_many_nodes();
        let group = GroupName::default();
        let request = Request {
            id: RequestId::new("request").unwrap(),
            at: String::new(),
            action: Action::Steady {
                node: NodeName::new("a").unwrap(),
                id: None,
            },
        };
        let lane = store.turns.lane(&group);
        let leads = async {
            let turn = lane.turn().await;
            tokio::task::yield_now().await; // it queues
            let taken = lane.take(&group, 9);
            assert_eq!(taken.len(), 1);
            assert!(lane.turn().await.is_none(), "patience ends");
            lane.put_back(taken);
            drop(turn);
        };
        let asks = Asking::new(&store, &group, None, &request).run();
        let both = async { tokio::join!(leads, asks).1 };
        let answer = tokio::time::timeout(Duration::from_secs(600), both).await;
        let away = matches!(answer, Ok(Err(Trouble::Unavailable(_))));
        assert!(away, "{answer:?}");
    }
}
