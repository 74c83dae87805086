//! The promises, asked of the truth and not of what agents believe.

use super::bounds::Special;
use super::names::NODES_MAX;
use super::state::{State, Todo, flag, look};
use super::{Model, names};
use crate::violation::{Promise, Violation};
use reboot_core::group::{Action, Phase, Way};
use reboot_core::write::Write;

/// At most so many commands a boot, the second only after the timeout.
const COMMANDS_MAX: u8 = 2;

// === impl Model ===

impl Model {
    /// I1, after everything that happens: who is down, or may go down at any moment, because of
    /// us, holds a slot that no timer ends.
    pub(super) fn judge(&mut self, state: &State) -> Result<(), Violation> {
        self.sometimes.saw(&self.bounds, state);
        for at in 0..self.bounds.entities() {
            let entity = &state.entities[at];
            let is_going = entity.is(flag::UP) && entity.issued > 0;
            let is_gone = !entity.is(flag::UP) && entity.is(flag::OURS);
            let is_ours = (is_going || is_gone) && !entity.is(flag::EXCUSED);
            // A clone cannot be told from a machine that is off: the rules promise nothing then.
            let is_promised = self.bounds.special != Special::Clone;
            if is_ours && is_promised && !self.holds_durably(state, at) {
                let how = if is_gone { "is down" } else { "is going down" };
                let what = format!("{} {how} and holds nothing", self.title(at));
                return Err(Violation::of(Promise::I1, what));
            }
        }
        Ok(())
    }

    pub(super) fn holds_durably(&self, state: &State, at: usize) -> bool {
        let store = self.stores.get(state.store);
        let hold = store.hold_of(names::node(self.bounds.name(at)));
        hold.is_some_and(|hold| hold.phase.is_durable())
    }

    /// I2, I4, I7: at the very start of the command.
    pub(super) fn judge_command(&mut self, state: &State, at: usize) -> Result<(), Violation> {
        let host = &state.entities[self.bounds.host(at)];
        let agent = self.agent(state.entities[at].agent).expect("it issues");
        let identity = &agent.settings.identity;
        let name = self.title(at);
        let store = self.stores.get(state.store);
        let hold = store.hold_of(&identity.node);
        let is_fenced = hold.is_some_and(|hold| {
            hold.phase == Phase::Rebooting
                && hold.fenced
                && hold.instance == identity.instance
                && hold.boot == identity.boot
        });
        if !is_fenced && !host.is(flag::EXCUSED) {
            let what = format!("{name} issues the command without a fence of its own");
            return Err(Violation::of(Promise::I2, what));
        }
        if host.issued >= COMMANDS_MAX {
            let what = format!("{name} issues the command once too often in one boot");
            return Err(Violation::of(Promise::I4, what));
        }
        if state.entities[at].looked != look::ALL {
            let what = format!("{name} goes down on what it saw before the slot, or long ago");
            return Err(Violation::of(Promise::I7, what));
        }
        let mark = self.disks.get(state.entities[at].disk).command.as_ref();
        if mark.is_none_or(|mark| mark.boot != identity.boot) {
            let what = format!("{name} issues the command before the mark is on disk");
            return Err(Violation::of(Promise::I4, what));
        }
        Ok(())
    }

    /// I3 and I8, when a release has been committed: was it true what it said?
    pub(super) fn judge_release(
        &mut self,
        state: &State,
        sender: usize,
        item: u32,
    ) -> Result<(), Violation> {
        let Todo::Write(_, write) = &**self.todos.get(item) else {
            return Ok(());
        };
        let Write::Ask { request, .. } = &**write else {
            return Ok(());
        };
        let Action::Release { owner, way, .. } = &request.action else {
            return Ok(());
        };
        if !self.releases_now(state, owner.number) {
            return Ok(()); // a repetition: the release itself was judged
        }
        let way = *way;
        let Some(at) = self.entity_of(state, sender, owner.node.as_str()) else {
            return Ok(());
        };
        self.sometimes.released(way);
        let machine = &state.entities[self.bounds.host(at)];
        let name = self.title(at);
        if machine.is(flag::CHANGED) && machine.is(flag::UP) {
            let what = format!("{name} releases with its changes not undone");
            return Err(Violation::of(Promise::I8, what));
        }
        let what = match way {
            // One that arrives late was true when it was sent.
            Way::Returned if !machine.is(flag::CHECKED) && sender < NODES_MAX => {
                "releases before the check after its reboot"
            }
            Way::NeverIssued | Way::GivenBack
                if machine.issued > 0 && !machine.is(flag::EXCUSED) =>
            {
                "releases though its command was issued"
            }
            _ => return Ok(()),
        };
        Err(Violation::of(Promise::I3, format!("{name} {what}")))
    }

    fn releases_now(&self, state: &State, number: u64) -> bool {
        let store = self.stores.get(state.store);
        let group = store.group(names::group());
        group.is_some_and(|group| group.holds.iter().any(|hold| hold.number == number))
    }

    /// Who a release is of: its sender, or for a late one the only bearer of the name.
    fn entity_of(&self, state: &State, sender: usize, node: &str) -> Option<usize> {
        if sender < self.bounds.entities() {
            return Some(sender);
        }
        let is_it = |at: &usize| names::node(self.bounds.name(*at)).as_str() == node;
        let mut bearers = (0..self.bounds.entities()).filter(is_it);
        let first = bearers.next()?;
        (bearers.next().is_none() && state.entities[first].is(flag::UP)).then_some(first)
    }

    /// An entity's name, for people.
    pub(super) fn title(&self, at: usize) -> String {
        let name = names::node(self.bounds.name(at));
        match (at < self.bounds.nodes, self.bounds.special) {
            (true, _) => name.to_string(),
            (false, Special::Clone) => format!("{name}'s clone"),
            (false, _) => format!("{name}'s second agent"),
        }
    }
}
