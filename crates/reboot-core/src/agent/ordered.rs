//! What an operator ordered of this node: learnt from a look, taken for a need while it stands,
//! cleared once the node runs under another boot.

use super::step::Turn;
use super::{Effect, News, Pass, Purpose, Tag};
use crate::gates::Evidence;
use crate::order::{Order, OrderEnd};
use crate::write::{Trouble, Write, Written};

// === impl Turn ===

impl Turn<'_> {
    /// Takes note of what a look shows. One that waits for nothing looks at once whether it may
    /// reboot.
    pub(super) fn learn_order(&mut self, order: Option<Order>) {
        if self.agent.order != order {
            let before = std::mem::replace(&mut self.agent.order, order);
            self.tell_order(before);
            let is_peek = |pass: &Pass| pass.purpose == Purpose::Peek;
            self.agent.wants_pass |= self.agent.pass.as_ref().is_some_and(is_peek);
        }
        self.clear_order();
    }

    fn tell_order(&mut self, before: Option<Order>) {
        let boot = &self.agent.settings.identity.boot;
        let stands = |order: &Order| !order.is_fulfilled_in(boot);
        let (before, now) = (before.filter(stands), self.agent.order.clone());
        let now = now.filter(stands);
        if before != now {
            self.tell(News::Ordered(now));
        }
    }

    /// An order that this boot fulfils is over. It says nothing any more, so a lost write is only
    /// tried again with the next heartbeat.
    pub(super) fn clear_order(&mut self) {
        let settings = &self.agent.settings;
        let boot = &settings.identity.boot;
        let is_done = |order: &&Order| order.is_fulfilled_in(boot);
        let Some(order) = self.agent.order.as_ref().filter(is_done) else {
            return;
        };
        if !settings.mode.is_daemon() {
            return;
        }
        let write = Write::EndOrder {
            node: settings.identity.node.clone(),
            group: settings.group.clone(),
            order: order.clone(),
            end: OrderEnd::Fulfilled { boot: boot.clone() },
            at: self.wall_text(),
        };
        self.write(Tag::EndOrder, write);
    }

    pub(super) fn order_ended(&mut self, result: &Result<Written, Trouble>) {
        self.complain("clear the order", result);
        let boot = &self.agent.settings.identity.boot;
        let is_done = |order: &mut Order| order.is_fulfilled_in(boot);
        if result.is_ok()
            && let Some(order) = self.agent.order.take_if(is_done)
        {
            self.tell(News::OrderDone(order));
        }
    }

    /// The order that asks for a reboot now, as far as is known: by this look at the fleet, or by
    /// the last one.
    pub(super) fn standing_order<'t>(&'t self, evidence: &'t Evidence) -> Option<&'t Order> {
        let known = match evidence.findings() {
            Some(findings) => findings.order.as_ref(),
            None => self.agent.order.as_ref(),
        };
        let boot = &self.agent.settings.identity.boot;
        known.filter(|order| !order.is_fulfilled_in(boot) && order.is_due(self.now.wall))
    }

    /// Whether there is a reason to reboot, once the detectors ran.
    pub(super) fn is_needed(&self, evidence: &Evidence) -> Option<bool> {
        let is_ordered = || self.standing_order(evidence).is_some();
        evidence
            .is_detected()
            .map(|is_detected| is_detected || is_ordered())
    }

    /// What the reboot is for: what the detectors saw, and only where they are quiet an order.
    pub(super) fn need(&self) -> String {
        let evidence = &self.agent.evidence;
        let seen = evidence.detection.as_ref().map(|seen| &seen.what);
        match (seen, self.standing_order(evidence)) {
            (Some(seen), _) if seen.is_needed() => seen.fingerprint.clone(),
            (_, Some(order)) => format!("order of {}", order.at),
            (seen, None) => seen.map_or(String::new(), |seen| seen.fingerprint.clone()),
        }
    }

    /// All reasons to reboot, for people.
    pub(super) fn need_words(&self) -> Option<String> {
        let evidence = &self.agent.evidence;
        let seen = evidence.detection.as_ref();
        let mut words = seen.map_or_else(Vec::new, |seen| seen.what.fired.clone());
        words.extend(self.standing_order(evidence).map(Order::words));
        (!words.is_empty()).then(|| words.join(", "))
    }

    /// That there is nothing to do, and what is to come.
    pub(super) fn calm_words(&self) -> String {
        let boot = &self.agent.settings.identity.boot;
        let stands = |order: &&Order| !order.is_fulfilled_in(boot);
        let order = self.agent.order.as_ref().filter(stands);
        let later = order.map_or(String::new(), |order| format!("; {}", order.words()));
        format!("no detector asks for a reboot{later}")
    }

    /// How long until an order's time comes, in milliseconds.
    pub(super) fn order_due_ms(&self) -> u64 {
        let wall = self.now.wall;
        let order = self.agent.order.as_ref();
        let later = order.filter(|order| !order.is_due(wall));
        later.map_or(u64::MAX, |order| order.wait_ms(wall))
    }

    /// Whoever waits for nothing else hears of an order, and of nothing besides.
    pub(super) fn await_order(&mut self) {
        let (seen, known) = (self.agent.revision, self.agent.order.clone());
        self.emit(Effect::AwaitOrder { seen, known });
    }
}
