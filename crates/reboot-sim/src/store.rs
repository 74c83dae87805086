//! A store in memory and virtual time: leases, timers and the line around the very rules that
//! every store applies. It checks what a grant may be whenever it commits one.

use reboot_core::fleet::{Fleet, GroupEntry, NodeEntry, NodeRecord};
use reboot_core::group::{
    Action, Cooldown, Facts, Group, HistoryEntry, Identity, Pause, Presence, Refusal, Request,
    Side, apply,
};
use reboot_core::id::{GroupName, NodeName, SessionId};
use reboot_core::line::{Line, Ticket};
use reboot_core::undo::Undo;
use reboot_core::write::{Write, Written};
use std::collections::{BTreeMap, BTreeSet};

const DAY_MS: u64 = 86_400_000;

#[derive(Clone, Debug)]
struct Lease {
    identity: Identity,
    ttl_ms: u64,
    ends_ms: u64,
}

/// A group with its line and timers.
#[derive(Clone, Debug)]
struct Slots {
    group: Option<Group>,
    line: Line,
    cooldown: Option<(Cooldown, u64)>,
    deadlines: BTreeMap<u64, u64>,
}

#[derive(Clone, Debug, Default)]
struct Known {
    record: Option<NodeRecord>,
    fresh_until_ms: u64,
    owed: Undo,
    marks: Vec<u64>,
}

/// The store.
#[derive(Clone, Debug, Default)]
pub struct Store {
    pub now_ms: u64,
    pub revision: u64,
    pub pause: Option<Pause>,
    pub history: Vec<HistoryEntry>,
    groups: BTreeMap<GroupName, Slots>,
    nodes: BTreeMap<NodeName, Known>,
    leases: BTreeMap<SessionId, Lease>,
}

// === impl Store: time ===

impl Store {
    /// Lets time pass; what has ended goes, and waiters hear of it.
    pub fn advance(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
        let before = self.leases.len();
        self.leases.retain(|_, lease| lease.ends_ms > now_ms);
        let mut has_ended = self.leases.len() != before;
        for slots in self.groups.values_mut() {
            has_ended |= slots
                .cooldown
                .take_if(|(_, ends_ms)| *ends_ms <= now_ms)
                .is_some();
            let before = slots.deadlines.len();
            slots.deadlines.retain(|_, ends_ms| *ends_ms > now_ms);
            has_ended |= slots.deadlines.len() != before;
        }
        for known in self.nodes.values_mut() {
            known.marks.retain(|ends_ms| *ends_ms > now_ms);
        }
        if has_ended {
            self.drop_dead_tickets();
            self.revision += 1;
        }
    }

    /// When the next lease or timer ends.
    pub fn next_end_ms(&self) -> Option<u64> {
        let leases = self.leases.values().map(|lease| lease.ends_ms);
        let timers = self.groups.values().flat_map(|slots| {
            let cooldown = slots.cooldown.iter().map(|(_, ends_ms)| *ends_ms);
            cooldown.chain(slots.deadlines.values().copied())
        });
        leases.chain(timers).min()
    }

    fn alive(&self) -> BTreeSet<SessionId> {
        self.leases.keys().cloned().collect()
    }

    fn drop_dead_tickets(&mut self) {
        let alive = self.alive();
        for slots in self.groups.values_mut() {
            slots.line.sweep(&alive);
        }
    }
}

// === impl Store: looks ===

impl Store {
    pub fn look(&self) -> Fleet {
        Fleet {
            revision: self.revision,
            groups: self
                .groups
                .iter()
                .filter_map(|(name, slots)| Some((name.clone(), self.entry(slots)?)))
                .collect(),
            nodes: self
                .nodes
                .iter()
                .filter_map(|(name, known)| Some((name.clone(), self.node_entry(known)?)))
                .collect(),
            presences: self.presences(),
            pause: self.pause.clone(),
        }
    }

    fn entry(&self, slots: &Slots) -> Option<GroupEntry> {
        let facts = Facts {
            sessions: self.alive(),
            ..Facts::default()
        };
        Some(GroupEntry {
            group: slots.group.as_ref()?.swept(&facts).0,
            line: slots.line.clone(),
            cooldown: slots.cooldown.as_ref().map(|(cooldown, ends_ms)| Cooldown {
                remaining_ms: ends_ms - self.now_ms,
                ..cooldown.clone()
            }),
            within_deadline: slots.deadlines.keys().copied().collect(),
        })
    }

    fn node_entry(&self, known: &Known) -> Option<NodeEntry> {
        Some(NodeEntry {
            record: known.record.clone()?,
            is_fresh: known.fresh_until_ms > self.now_ms,
            owed: known.owed.clone(),
            marks: known.marks.len() as u32,
        })
    }

    fn presences(&self) -> Vec<Presence> {
        let presence = |(session, lease): (&SessionId, &Lease)| Presence {
            identity: lease.identity.clone(),
            session: session.clone(),
            remaining_ms: lease.ends_ms - self.now_ms,
        };
        self.leases.iter().map(presence).collect()
    }

    /// The record of the group, when there is one.
    pub fn group(&self, name: &GroupName) -> Option<&Group> {
        self.groups.get(name)?.group.as_ref()
    }

    /// What a broken hold left to be undone on a node.
    pub fn owed(&self, node: &NodeName) -> Undo {
        self.nodes
            .get(node)
            .map_or_else(Undo::default, |known| known.owed.clone())
    }
}

// === impl Store: writes ===

impl Store {
    pub fn write(&mut self, write: &Write) -> Result<Written, Refusal> {
        match write {
            Write::OpenSession {
                session,
                identity,
                ttl_ms,
            } => self.open(session, identity, *ttl_ms),
            Write::KeepSession { session } => self.keep(session)?,
            Write::EndSession { session } => self.end(|name, _| name == session),
            Write::EndInstance { instance } => {
                self.end(|_, lease| &lease.identity.instance == instance);
            }
            Write::Publish {
                record,
                stale_after_ms,
            } => self.publish(record, *stale_after_ms),
            Write::Forget { node } => {
                self.nodes.remove(node);
                self.revision += 1;
            }
            Write::Undone { node, undone } => self.undone(node, undone),
            Write::Join { group, ticket } => return self.join(group, ticket),
            Write::Leave { group, node } => self.slots(group).line.leave(node),
            Write::Ask {
                group,
                create_with_max,
                request,
            } => return self.ask(group, *create_with_max, request),
            Write::PauseFleet(pause) => self.pause.clone_from(pause),
        }
        if !matches!(write, Write::KeepSession { .. } | Write::Publish { .. }) {
            self.revision += 1;
        }
        Ok(Written::Done)
    }

    fn slots(&mut self, group: &GroupName) -> &mut Slots {
        self.groups.entry(group.clone()).or_insert_with(|| Slots {
            group: None,
            line: Line::default(),
            cooldown: None,
            deadlines: BTreeMap::new(),
        })
    }

    fn open(&mut self, session: &SessionId, identity: &Identity, ttl_ms: u64) {
        let lease = Lease {
            identity: identity.clone(),
            ttl_ms,
            ends_ms: self.now_ms + ttl_ms,
        };
        self.leases.insert(session.clone(), lease);
    }

    fn keep(&mut self, session: &SessionId) -> Result<(), Refusal> {
        let lease = self.leases.get_mut(session).ok_or(Refusal::SessionEnded)?;
        lease.ends_ms = self.now_ms + lease.ttl_ms;
        Ok(())
    }

    fn end(&mut self, is_it: impl Fn(&SessionId, &Lease) -> bool) {
        self.leases.retain(|name, lease| !is_it(name, lease));
        self.drop_dead_tickets();
    }

    fn publish(&mut self, record: &NodeRecord, stale_after_ms: u64) {
        let fresh_until_ms = self.now_ms + stale_after_ms;
        let known = self.nodes.entry(record.node.clone()).or_default();
        let said = |record: &NodeRecord| (record.health.healthy, record.hold);
        let is_news = known.record.as_ref().map(said) != Some(said(record));
        known.record = Some(record.clone());
        known.fresh_until_ms = fresh_until_ms;
        self.revision += u64::from(is_news);
    }

    fn undone(&mut self, node: &NodeName, undone: &Undo) {
        let known = self.nodes.entry(node.clone()).or_default();
        known.owed = known.owed.left_after(undone);
    }

    fn join(&mut self, group: &GroupName, ticket: &Ticket) -> Result<Written, Refusal> {
        if !self.leases.contains_key(&ticket.session) {
            return Err(Refusal::SessionEnded);
        }
        self.revision += 1;
        Ok(Written::Ticket(self.slots(group).line.join(ticket.clone())))
    }

    fn ask(
        &mut self,
        name: &GroupName,
        create_with_max: Option<u32>,
        request: &Request,
    ) -> Result<Written, Refusal> {
        let group = match self.group(name) {
            Some(group) => group.clone(),
            None => Group::create(create_with_max.unwrap_or(1), 1, &[])?,
        };
        let nobody = NodeName::new("nobody").unwrap();
        let node = request.action.node().unwrap_or(&nobody);
        let mut facts = self.look().facts(name, node);
        facts.marks = self.nodes.get(node).map_or(0, |it| it.marks.len() as u32);
        let applied = apply(&group, request, &facts)?;
        check_grant(&group, &applied.group, &facts, &request.action);
        applied.sides.iter().for_each(|side| self.put(name, side));
        self.slots(name).group = Some(Group::from_json(&applied.group.to_json()).unwrap());
        self.revision += 1;
        Ok(Written::Granted(applied.reply))
    }

    fn put(&mut self, name: &GroupName, side: &Side) {
        let now_ms = self.now_ms;
        match side {
            Side::StartCooldown { node, secs } => {
                let ends_ms = now_ms + secs * 1000;
                let cooldown = Cooldown {
                    node: node.clone(),
                    duration_secs: *secs,
                    remaining_ms: secs * 1000,
                    started_at: String::new(),
                };
                self.slots(name).cooldown = Some((cooldown, ends_ms));
            }
            Side::StartDeadline { number, secs } => {
                let deadlines = &mut self.slots(name).deadlines;
                deadlines.insert(*number, now_ms + secs * 1000);
            }
            Side::EndDeadline { number } => {
                self.slots(name).deadlines.remove(number);
            }
            Side::MarkReboot { node } => {
                let known = self.nodes.entry(node.clone()).or_default();
                known.marks.push(now_ms + DAY_MS);
            }
            Side::OweUndo { node, undo } => {
                self.nodes.entry(node.clone()).or_default().owed.merge(undo);
            }
            Side::History(entry) => self.history.push(entry.clone()),
        }
    }
}

/// I1 and I6 at the very commit.
fn check_grant(before: &Group, after: &Group, facts: &Facts, action: &Action) {
    after.check().unwrap();
    if after.generation > before.generation {
        assert!(after.holds.len() <= after.max as usize, "I1: {after:?}");
    }
    if let Action::Fence { owner, .. } = action {
        let was_fenced = before
            .holds
            .iter()
            .any(|it| it.number == owner.number && it.fenced);
        assert!(was_fenced || facts.cooldown.is_none(), "I6");
    }
}
