//! Operators who order reboots, and nodes that hear of it.

use super::{Happening, World};
use jiff::Timestamp;
use reboot_core::agent::Event;
use reboot_core::order::{Order, OrderEnd};
use reboot_core::write::Write;

// === impl World ===

impl World {
    /// An operator orders a reboot of a node that has reported, now or not before some time; the
    /// order as it stands.
    pub fn order(&mut self, at: usize, not_before: Option<Timestamp>) -> Option<Order> {
        let node = self.machines[at].name().clone();
        let (boot, group) = self.store.look().orderable(&node).ok()?;
        let order = Order {
            by: "operator".to_owned(),
            reason: "asked for".to_owned(),
            at: self.machines[at]
                .clock
                .wall(self.start, self.now_ms)
                .to_string(),
            not_before,
            boot,
            extra: Default::default(),
        };
        let write = Write::Order {
            node,
            group,
            order: order.clone(),
        };
        self.change_order(at, true, &write);
        Some(order)
    }

    /// An operator takes the order of a node back.
    pub fn cancel_order(&mut self, at: usize) {
        let node = self.machines[at].name().clone();
        let Some(order) = self.store.order(&node).cloned() else {
            return;
        };
        let by = "operator".to_owned();
        let write = Write::EndOrder {
            node,
            group: self.machines[at].settings.group.clone(),
            order,
            end: OrderEnd::Cancelled { by },
            at: String::new(),
        };
        self.change_order(at, false, &write);
    }

    fn change_order(&mut self, at: usize, is_ordered: bool, write: &Write) {
        let _ = self.store.write(write); // no rule refuses an order
        self.alter(at, |kit| kit.is_ordered = is_ordered);
        for at in 0..self.machines.len() {
            self.hear_of_order(at);
        }
    }

    /// A node waits for another order than the one it knows.
    pub(super) fn await_order(&mut self, at: usize, known: Option<Order>) {
        let machine = &mut self.machines[at];
        machine.waiter = None;
        machine.awaits_order = Some(known);
        self.waiting.remove(&at);
        self.hear_of_order(at);
    }

    fn hear_of_order(&mut self, at: usize) {
        let machine = &mut self.machines[at];
        let now = self.store.order(machine.name());
        let is_other = |known: &mut Option<Order>| known.as_ref() != now;
        if machine.awaits_order.take_if(is_other).is_some() {
            let delay_ms = 1 + self.drawn(at, 50);
            self.plan(at, delay_ms, Happening::Answer(Event::Woken));
        }
    }
}
