//! Liveness: from wherever faults have led, without further faults, everything comes to a good
//! end. The search keeps the faultless steps; a state is stuck when no good end can be reached.

use super::act::Action;
use super::bounds::Special;
use super::state::{Entity, State, flag};
use super::{Model, names};
use reboot_core::agent::{Stage, Step};

/// The faultless steps between states, and which states are good ends.
#[derive(Default)]
pub(super) struct Ways {
    steps: Vec<(u32, u32)>,
    ends: Vec<u32>,
}

// === impl Action ===

impl Action {
    /// Whether it happens by itself, sooner or later, when faults have stopped.
    pub(super) fn is_faultless(self) -> bool {
        matches!(
            self,
            Self::Perform(..)
                | Self::Fire(..)
                | Self::Wake(_)
                | Self::Notice(_)
                | Self::Boot(_)
                | Self::GoDown(_)
                | Self::Resume(_)
                | Self::Expire(..)
                | Self::PassDeadline(_)
                | Self::GoOn
        )
    }
}

// === impl Model ===

impl Model {
    /// Whether a state is a good end: whoever could reboot has (L1), nobody alive holds (L4),
    /// nothing is left changed, and who does not come back is reported (L5).
    pub(super) fn is_end(&self, state: &State) -> bool {
        (0..self.bounds.entities()).all(|at| self.is_at_end(state, at))
    }

    fn is_at_end(&self, state: &State, at: usize) -> bool {
        let host = &state.entities[self.bounds.host(at)];
        let store = self.stores.get(state.store);
        let node = names::node(self.bounds.name(at));
        let hold = store.hold_of(node);
        if host.is(flag::DEAD) {
            let is_told = |number| !store.is_within_deadline(names::group(), number);
            return hold.is_none_or(|hold| !hold.phase.is_durable() || is_told(hold.number));
        }
        if host.is(flag::DONE) {
            return true;
        }
        let agent = self.agent(state.entities[at].agent);
        let Some(agent) = agent.filter(|_| host.is(flag::UP)) else {
            return false;
        };
        let is_told = |number| !store.is_within_deadline(names::group(), number);
        if agent.stage == Stage::Holding(Step::Overdue) {
            return hold.is_some_and(|hold| is_told(hold.number)); // left to people, who know
        }
        let is_calm = agent.stage == Stage::Resting && !host.is(flag::CHANGED);
        let owes = !store.owed(node).is_empty();
        let may_stay = !host.is(flag::NEED) || self.is_kept_from_it(state, host);
        let holds =
            hold.is_some_and(|hold| hold.phase.is_durable() || store.has_session(&hold.session));
        is_calm && !holds && !owes && may_stay
    }

    /// Why a node that needs a reboot may rest: its slots are taken by machines that never come
    /// back, there are none, or people broke its hold when nobody knew what would come of it.
    fn is_kept_from_it(&self, state: &State, host: &Entity) -> bool {
        let store = self.stores.get(state.store);
        let max = store.group(names::group()).map_or(0, |group| group.max);
        let is_blocked = (0..self.bounds.nodes).any(|other| {
            let hold = store.hold_of(names::node(other));
            let is_durable = hold.is_some_and(|hold| hold.phase.is_durable());
            let stage = self.agent(state.entities[other].agent).map(|it| &it.stage);
            let is_overdue = stage == Some(&Stage::Holding(Step::Overdue));
            (state.entities[other].is(flag::DEAD) || is_overdue) && is_durable
        });
        max == 0 || is_blocked || host.is(flag::EXCUSED)
    }

    /// Whether good ends are asked for: a clone is a conflict until people settle it.
    pub(super) fn is_live(&self) -> bool {
        self.bounds.special != Special::Clone
    }
}

// === impl Ways ===

impl Ways {
    pub(super) fn step(&mut self, from: u32, to: u32) {
        if from != to {
            self.steps.push((from, to));
        }
    }

    pub(super) fn end(&mut self, at: u32) {
        self.ends.push(at);
    }

    /// The first state from which no good end can be reached.
    pub(super) fn stuck(&self, states: usize) -> Option<u32> {
        let mut first = vec![0u32; states + 1];
        for (_, to) in &self.steps {
            first[*to as usize + 1] += 1;
        }
        for at in 1..first.len() {
            first[at] += first[at - 1];
        }
        let mut from = vec![0u32; self.steps.len()];
        let mut next = first.clone();
        for (a, b) in &self.steps {
            from[next[*b as usize] as usize] = *a;
            next[*b as usize] += 1;
        }
        let mut is_good = vec![false; states];
        let mut open = self.ends.clone();
        while let Some(at) = open.pop() {
            let at = at as usize;
            if !std::mem::replace(&mut is_good[at], true) {
                open.extend(&from[first[at] as usize..first[at + 1] as usize]);
            }
        }
        is_good
            .iter()
            .position(|is_good| !is_good)
            .map(|at| at as u32)
    }
}
