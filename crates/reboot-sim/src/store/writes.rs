//! What the store commits: each write as a whole, by the rules.

use super::{DAY_MS, Lease, Slots, Store};
use reboot_core::fleet::NodeRecord;
use reboot_core::group::{
    Action, Cooldown, Facts, Group, Hold, Identity, Refusal, Request, Side, apply,
};
use reboot_core::id::{GroupName, NodeName, SessionId};
use reboot_core::line::{Line, Ticket};
use reboot_core::mutation::Mutation;
use reboot_core::order::{Order, OrderEnd};
use reboot_core::undo::Undo;
use reboot_core::write::{Write, Written};

/// After how long a bad design writes the cooldown, in milliseconds.
const LATE_MS: u64 = 3_000;

// === impl Store ===

impl Store {
    /// One commit.
    ///
    /// # Errors
    /// The rules refuse it; nothing was changed.
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
            }
            Write::Undone { node, undone } => self.undone(node, undone),
            Write::Order { node, order, .. } => {
                self.nodes.entry(node.clone()).or_default().order = Some(order.clone());
                self.log.history.push(order.note(node));
            }
            Write::EndOrder {
                node,
                order,
                end,
                at,
                ..
            } => self.end_order(node, order, end, at),
            Write::Join { group, ticket } => return self.join(group, ticket),
            Write::Leave { group, node } => self.slots(group).line.leave(node),
            Write::Ask {
                group,
                create_with_max,
                request,
            } => return self.ask(group, *create_with_max, request),
            Write::PauseFleet { pause, .. } => self.pause.clone_from(pause),
        }
        if !matches!(write, Write::KeepSession { .. } | Write::Publish { .. }) {
            self.revision += 1;
        }
        Ok(Written::Done)
    }

    pub(super) fn slots(&mut self, group: &GroupName) -> &mut Slots {
        self.groups.entry(group.clone()).or_default()
    }

    fn open(&mut self, session: &SessionId, identity: &Identity, ttl_ms: u64) {
        let lease = Lease {
            identity: identity.clone(),
            ttl_ms,
            ends_ms: self.now_ms + ttl_ms,
        };
        self.note_end(lease.ends_ms);
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
        self.note_end(fresh_until_ms);
        let now_ms = self.now_ms;
        let known = self.nodes.entry(record.node.clone()).or_default();
        let said = |record: &NodeRecord| (record.health.healthy, record.hold);
        let is_news = known.record.as_ref().map(said) != Some(said(record));
        known.record = Some(record.clone());
        self.silent_changes += u64::from(known.fresh_until_ms <= now_ms);
        known.fresh_until_ms = fresh_until_ms;
        self.revision += u64::from(is_news);
    }

    fn undone(&mut self, node: &NodeName, undone: &Undo) {
        let known = self.nodes.entry(node.clone()).or_default();
        known.owed = known.owed.left_after(undone);
    }

    fn end_order(&mut self, node: &NodeName, order: &Order, end: &OrderEnd, at: &str) {
        let known = self.nodes.entry(node.clone()).or_default();
        if known.order.take_if(|it| it == order).is_some() {
            self.log.history.push(order.end_note(node, end, at));
        }
    }

    fn join(&mut self, group: &GroupName, ticket: &Ticket) -> Result<Written, Refusal> {
        if !self.leases.contains_key(&ticket.session) {
            return Err(Refusal::SessionEnded);
        }
        let hold = self.group(group).and_then(|it| it.hold_of(&ticket.node));
        let is_alive =
            |hold: &&Hold| hold.phase.is_durable() || self.leases.contains_key(&hold.session);
        if let Some(hold) = hold.filter(is_alive) {
            return Err(hold.already_holds());
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
            None => Group::create(create_with_max.unwrap_or(1), 1, &self.claiming(name))?,
        };
        let facts = self.facts(name, request);
        let mut applied = apply(&self.miscounted(&group, request), request, &facts)?;
        if !matches!(request.action, Action::SetMax { .. }) {
            applied.group.max = group.max;
        }
        self.judge(name, &group, &applied, request);
        applied.sides.iter().for_each(|side| self.put(name, side));
        self.slots(name).group = Some(applied.group);
        self.revision += 1;
        Ok(Written::Granted(applied.reply))
    }

    /// The facts that a request meets.
    fn facts(&self, name: &GroupName, request: &Request) -> Facts {
        match request.action.node() {
            Some(node) => self.facts_of(name, node, request),
            None => Facts {
                sessions: self.alive_among(self.group(name), None),
                pause: self.pause_now(),
                ..Facts::default()
            },
        }
    }

    /// The group as a bad design sees it, that counts in one step and writes in another.
    fn miscounted(&self, group: &Group, request: &Request) -> Group {
        let mut group = group.clone();
        if let Action::Claim(claim) = &request.action
            && Mutation::CountManyObjects.is_on()
        {
            let known = self.nodes.get(&claim.identity.node);
            let counted = known.map_or(0, |known| known.counted);
            if counted < group.max as usize {
                group.max = group.max.max(group.holds.len() as u32 + 1);
            }
        }
        group
    }

    fn put(&mut self, name: &GroupName, side: &Side) {
        let now_ms = self.now_ms;
        if !matches!(side, Side::History(_)) {
            self.soonest_ms = 0; // a timer may start
        }
        match side {
            Side::StartCooldown { node, secs } => {
                let cooldown = Cooldown {
                    node: node.clone(),
                    duration_secs: *secs,
                    remaining_ms: secs * 1000,
                    started_at: String::new(),
                };
                self.start_cooldown(name, cooldown);
            }
            Side::StartDeadline { number, secs } => {
                let deadlines = &mut self.slots(name).deadlines;
                deadlines.insert(*number, now_ms + secs * 1000);
            }
            Side::EndDeadline { number } => {
                self.slots(name).deadlines.remove(number);
            }
            Side::MarkReboot { node, keep } => {
                let marks = &mut self.nodes.entry(node.clone()).or_default().marks;
                marks.push(now_ms + DAY_MS);
                marks.drain(..marks.len().saturating_sub(*keep as usize)); // each is newer
            }
            Side::OweUndo { node, undo } => {
                self.nodes.entry(node.clone()).or_default().owed.merge(undo);
            }
            Side::History(entry) => self.log.history.push(entry.clone()),
        }
    }

    fn start_cooldown(&mut self, name: &GroupName, cooldown: Cooldown) {
        let now_ms = self.now_ms;
        let ends_ms = now_ms + cooldown.duration_secs * 1000;
        let slots = self.slots(name);
        match Mutation::CooldownApart.is_on() {
            true => slots.late_cooldown = Some((now_ms + LATE_MS, cooldown)),
            false => slots.cooldown = Some((cooldown, ends_ms)),
        }
    }

    /// Numbers the tickets of every line from one on; only their order means anything.
    pub fn renumber_lines(&mut self) {
        for slots in self.groups.values_mut() {
            let tickets = slots.line.tickets().iter().cloned();
            let renumbered = tickets
                .zip(1..)
                .map(|(ticket, number)| Ticket { number, ..ticket });
            slots.line = Line::of(renumbered.collect());
        }
    }

    /// Forgets a node that holds nothing and owes nothing.
    pub fn drop_node(&mut self, node: &NodeName) {
        self.leases.retain(|_, lease| lease.identity.node != *node);
        self.nodes.remove(node);
        for slots in self.groups.values_mut() {
            slots.line.leave(node);
        }
    }

    /// Forgets the marks for the daily cap of a node, as if a day had passed.
    pub fn drop_marks(&mut self, node: &NodeName) {
        if let Some(known) = self.nodes.get_mut(node) {
            known.marks.clear();
        }
    }
}
