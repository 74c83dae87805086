//! What must come to pass once nothing strikes any more: L2, L3, L4, and L6 all the time.

use super::fault::Stage;
use super::play::Play;
use super::stage::stage_of;
use crate::violation::Promise;
use reboot_core::fleet::{Fleet, GroupEntry};
use reboot_core::gates::Findings;
use reboot_core::id::{GroupName, NodeName};
use reboot_core::outcome::Outcome;
use std::collections::BTreeMap;
use std::sync::Arc;

/// For so many looks in a row a slot may be idle, or a node be back and not released. Between
/// two looks lie more than a lease, an audit interval, a soak and a pass.
const LOOKS_MAX: u32 = 2;

/// What is being watched.
#[derive(Default)]
pub(super) struct Watch {
    /// How often a waiter was overtaken.
    overtaken: BTreeMap<(GroupName, NodeName), u32>,
    /// For how many looks the head of a line has waited for a slot that is free.
    idle: BTreeMap<(GroupName, NodeName), u32>,
    /// For how many looks a hold's node has been back.
    back: BTreeMap<(GroupName, u64), u32>,
}

// === impl Play ===

impl Play {
    /// L6: nobody waits in line whose session has ended.
    pub(super) fn watch_lines(&mut self) {
        let fleet = self.world.fleet();
        let tickets = fleet.groups.values().flat_map(|entry| entry.line.tickets());
        let mut dead = tickets.filter(|ticket| !self.world.store.has_session(&ticket.session));
        if let Some(node) = dead.next().map(|ticket| ticket.node.clone()) {
            let what = format!("the ticket of {node} stands, and its session has ended");
            self.world.accuse(Promise::L6, what);
        }
    }

    /// L2: who claims overtakes whoever waits before it and is ready.
    pub(super) fn watch_claims(&mut self) {
        for (group, node) in std::mem::take(&mut self.world.claims) {
            let fleet = self.world.fleet();
            let Some(entry) = fleet.groups.get(&group) else {
                continue;
            };
            self.watch.overtaken.remove(&(group.clone(), node.clone()));
            let place = entry.line.ahead_of(&node);
            let ahead = &entry.line.tickets()[..place.unwrap_or(entry.line.tickets().len())];
            let ready = ahead.iter().filter(|ticket| self.is_ready(&ticket.node));
            for ticket in Vec::from_iter(ready) {
                let key = (group.clone(), ticket.node.clone());
                let count = self.watch.overtaken.entry(key).or_default();
                *count += 1;
                if *count > entry.group.max {
                    let (late, max) = (&ticket.node, entry.group.max);
                    let what =
                        format!("{late} was overtaken {count} times in a group of {max} slots");
                    return self.world.accuse(Promise::L2, what);
                }
            }
        }
    }

    /// Whether a node waits for nothing but a slot.
    fn is_ready(&self, node: &NodeName) -> bool {
        let mut machines = self.world.machines[..self.nodes].iter();
        machines
            .find(|it| it.name() == node)
            .is_some_and(|machine| {
                let only_slot = machine.outcome() == Some(Outcome::LockUnavailable);
                only_slot && machine.is_up && machine.paused_until_ms <= self.world.now_ms
            })
    }

    /// L3 and L4, at one look.
    pub(super) fn watch_progress(&mut self) {
        let fleet = self.world.fleet();
        let idle = std::mem::take(&mut self.watch.idle);
        let back = std::mem::take(&mut self.watch.back);
        for (name, entry) in &fleet.groups {
            if let Some(head) = self.idle_head(&fleet, name, entry) {
                let key = (name.clone(), head);
                let looks = idle.get(&key).copied().unwrap_or(0) + 1;
                if looks > LOOKS_MAX {
                    let what = format!("{} is first in line, ready, and a slot stays free", key.1);
                    return self.world.accuse(Promise::L3, what);
                }
                self.watch.idle.insert(key, looks);
            }
            let holds = entry.group.holds.iter();
            for hold in Vec::from_iter(holds.filter(|it| self.is_back(&it.node))) {
                let key = (name.clone(), hold.number);
                let looks = back.get(&key).copied().unwrap_or(0) + 1;
                if looks > LOOKS_MAX {
                    let what = format!("{} is back and well, and does not release", hold.node);
                    return self.world.accuse(Promise::L4, what);
                }
                self.watch.back.insert(key, looks);
            }
        }
    }

    fn is_back(&self, node: &NodeName) -> bool {
        let mut nodes = 0..self.nodes;
        let at = nodes.find(|at| self.world.machines[*at].name() == node);
        at.is_some_and(|at| {
            let thawed_ms = self.world.machines[at].paused_until_ms;
            let stage = stage_of(&self.world, at);
            stage == Stage::Back && thawed_ms <= self.world.now_ms
        })
    }

    /// Who is first in line while a slot is free, nothing stops the group, and its own gates and
    /// those of its peers are open.
    fn idle_head(
        &self,
        fleet: &Arc<Fleet>,
        name: &GroupName,
        entry: &GroupEntry,
    ) -> Option<NodeName> {
        let head = entry.line.tickets().first()?.node.clone();
        let machine = self.world.machines[..self.nodes]
            .iter()
            .find(|it| *it.name() == head)?;
        let settings = &machine.settings;
        let found = Findings::of(fleet, settings);
        let is_open = found.may_try
            && found.pause.is_none()
            && found.cooldown.is_none()
            && found.cluster.is_empty()
            && found.marks < settings.max_reboots_per_day
            && !found.identity_conflict;
        let has_unfenced = entry.group.holds.iter().any(|hold| !hold.fenced);
        let wall = machine.clock.wall(self.world.start, self.world.now_ms);
        let is_in_window = settings
            .windows
            .verdict(wall, &settings.zone.rules)
            .is_allowed();
        let is_up = machine.is_up && machine.paused_until_ms <= self.world.now_ms;
        let is_it = settings.group == *name && machine.kit.need.is_some();
        (is_open && !has_unfenced && is_in_window && is_up && is_it).then_some(head)
    }
}
