//! I7 by the ground truth: since when each gate of a node has been closed, whatever its agent saw.

use super::{Kit, World};
use crate::violation::Promise;
use reboot_core::agent::ScriptPhase;
use reboot_core::fleet::Fleet;
use reboot_core::id::GroupName;
use reboot_core::policy;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// At the command a gate may have closed so long ago, in milliseconds: the life of a verdict, and
/// the moment that starting the command takes.
const CLOSED_MS_MAX: u64 = 10_100;
/// How long after its process stood still a machine's command may come late: what cannot be
/// promised, in milliseconds.
const THAW_MS: u64 = 60_000;

/// A gate that only this node has.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Gate {
    /// No kill switch.
    KillSwitch,
    /// Nobody holds a shutdown inhibitor.
    Inhibitor,
    /// There is a need, or an order that this boot has not fulfilled.
    Need,
    /// The health script says yes.
    Health,
}

/// What the whole fleet shares of gates.
#[derive(Default)]
pub(super) struct Shared {
    /// Since when a group, or with `None` the fleet, is stopped.
    stopped: BTreeMap<Option<GroupName>, u64>,
    /// What the store showed lately, and when.
    looks: VecDeque<(u64, Arc<Fleet>)>,
}

// === impl Shared ===

impl Shared {
    pub(super) fn note_look(&mut self, now_ms: u64, fleet: &Arc<Fleet>) {
        let is_old = |(at_ms, _): &(u64, Arc<Fleet>)| now_ms - at_ms > CLOSED_MS_MAX;
        while self.looks.front().is_some_and(is_old) {
            self.looks.pop_front();
        }
        self.looks.push_back((now_ms, Arc::clone(fleet)));
    }

    /// Learns whether a group, or the fleet, is stopped by now.
    pub(super) fn note_stop(&mut self, what: Option<GroupName>, is_stopped: bool, now_ms: u64) {
        match is_stopped {
            true => {
                self.stopped.entry(what).or_insert(now_ms);
            }
            false => {
                self.stopped.remove(&what);
            }
        }
    }
}

fn closed_in(kit: &Kit) -> impl Iterator<Item = Gate> + use<> {
    let is_ill = kit.blocked_phases.contains(&ScriptPhase::PostLock);
    let gates = [
        (Gate::KillSwitch, kit.kill_switch),
        (Gate::Inhibitor, kit.is_inhibited),
        (Gate::Need, kit.need.is_none() && !kit.is_ordered),
        (Gate::Health, is_ill),
    ];
    gates.into_iter().filter(|it| it.1).map(|it| it.0)
}

// === impl World ===

impl World {
    /// Changes what the agent finds on a machine.
    pub fn alter(&mut self, at: usize, change: impl FnOnce(&mut Kit)) {
        self.awaken(at);
        let now_ms = self.now_ms;
        let machine = &mut self.machines[at];
        let need = machine.kit.need;
        change(&mut machine.kit);
        if machine.kit.need != need {
            machine.need_changes += 1;
        }
        let before = std::mem::take(&mut machine.closed);
        let since_ms = |gate: Gate| before.get(&gate).copied().unwrap_or(now_ms);
        machine.closed = closed_in(&machine.kit)
            .map(|gate| (gate, since_ms(gate)))
            .collect();
    }

    /// Learns what is stopped by now.
    pub fn note_stops(&mut self) {
        let groups = Vec::from_iter(self.store.group_names().cloned());
        groups.iter().for_each(|group| self.note_stop(group));
        let (is_stopped, now_ms) = (self.store.pause.is_some(), self.now_ms);
        self.shared.note_stop(None, is_stopped, now_ms);
    }

    /// Learns whether this group is stopped by now.
    pub fn note_stop(&mut self, group: &GroupName) {
        let record = self.store.group(group);
        let is_stopped = record.is_some_and(|it| it.pause.is_some() || it.max == 0);
        self.shared
            .note_stop(Some(group.clone()), is_stopped, self.now_ms);
    }

    /// At the command: each gate held at one moment of the last 10 s.
    pub(super) fn judge_gates(&mut self, at: usize) {
        let machine = &self.machines[at];
        let thawed_ms = machine.paused_until_ms;
        let is_thawing = thawed_ms > 0 && self.now_ms < thawed_ms + THAW_MS;
        let look_ms = self.now_ms.saturating_sub(THAW_MS);
        if !machine.clock.is_true_since(look_ms) || is_thawing {
            return; // by its own clock it was in time; or it was frozen
        }
        let closed = self
            .closed_here(at)
            .or_else(|| self.closed_for_all(at))
            .or_else(|| self.closed_by_peers(at));
        if let Some(what) = closed {
            let name = self.machines[at].name();
            self.accuse(
                Promise::I7,
                format!("{name} issues the reboot command {what}"),
            );
        }
    }

    fn closed_here(&self, at: usize) -> Option<String> {
        let machine = &self.machines[at];
        let body = &self.machines[self.body(at)];
        let closed_ms = |gate: Gate| Some((gate, self.now_ms - body.closed.get(&gate)?));
        let mut closed = closed_in(&body.kit).filter_map(closed_ms);
        if let Some((gate, ms)) = closed.find(|it| it.1 > CLOSED_MS_MAX) {
            return Some(format!("while {gate:?} is closed since {} s", ms / 1000));
        }
        let agent = machine.agent.as_ref();
        let settings = agent.map_or(&machine.settings, |agent| &agent.settings);
        let is_open = |back_ms: u64| {
            let wall = machine
                .clock
                .wall(self.start, self.now_ms.saturating_sub(back_ms));
            let verdict = settings.windows.verdict(wall, &settings.zone.rules);
            verdict.is_allowed()
        };
        let was_open = is_open(0) || is_open(CLOSED_MS_MAX / 2) || is_open(CLOSED_MS_MAX);
        let has_jumped = machine.clock.has_jumped(self.now_ms, CLOSED_MS_MAX);
        (!was_open && !has_jumped).then(|| "outside its window".to_owned())
    }

    fn closed_for_all(&self, at: usize) -> Option<String> {
        let group = Some(self.machines[at].settings.group.clone());
        let mut stops = [None, group].into_iter();
        let since = |what| self.shared.stopped.get(&what).copied();
        let is_long = |since_ms: u64| self.now_ms - since_ms > CLOSED_MS_MAX;
        let is_stopped = stops.any(|what| since(what).is_some_and(is_long));
        is_stopped.then(|| "while it is paused".to_owned())
    }

    fn closed_by_peers(&mut self, at: usize) -> Option<String> {
        let fleet = self.fleet();
        let now_ms = self.now_ms;
        self.shared.note_look(now_ms, &fleet);
        let settings = &self.machines[at].settings;
        let me = &settings.identity.node;
        let blocks =
            |fleet: &Fleet| policy::blocks(&settings.policies, me, &fleet.peers_to_judge(me));
        let mut looks = self.shared.looks.iter().rev();
        let was_open = looks.any(|(_, fleet)| blocks(fleet).is_empty());
        let first = blocks(&fleet).into_iter().next();
        let what = first.map(|block| format!("while {block}"));
        what.filter(|_| !was_open)
    }
}
