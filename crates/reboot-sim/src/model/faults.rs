//! What may go wrong, as far as the bounds allow.

use super::act::Action;
use super::bounds::Special;
use super::state::{State, TODO_MAX, Todo, flag};
use super::{Model, names};
use crate::store::Store;
use crate::violation::Violation;
use reboot_core::agent::{Event, Issue, Stage};
use reboot_core::group::{Action as Asking, Pause, Request};
use reboot_core::id::RequestId;
use reboot_core::write::{Trouble, Write};

// === impl Model: what may go wrong ===

impl Model {
    /// Every fault that may strike now.
    pub(super) fn faults(&self, state: &State, out: &mut Vec<Action>) {
        for at in 0..self.bounds.entities() {
            self.faults_of_process(state, at, out);
            self.faults_of_requests(state, at, out);
        }
        for place in 0..state.late.len() {
            if state.late[place] != 0 {
                out.push(Action::Arrive(place as u8));
            }
        }
        self.operators(state, out);
    }

    /// What may happen to a process or its machine.
    pub(super) fn faults_of_process(&self, state: &State, at: usize, out: &mut Vec<Action>) {
        let (entity, host) = (&state.entities[at], self.bounds.host(at));
        let me = at as u8;
        let is_host = host == at;
        let is_alive = !state.entities[host].is(flag::DEAD);
        if state.left.crashes > 0 && is_alive {
            if entity.agent != 0 {
                out.push(Action::Kill(me));
            }
            if is_host && state.entities[host].is(flag::UP) {
                out.push(Action::LosePower(me));
            }
            if is_host {
                out.push(Action::Die(me));
            }
        }
        if state.left.pauses > 0 && entity.acts() {
            out.push(Action::Pause(me));
        }
        let may_stop = self.bounds.special == Special::Stop && !entity.is(flag::STOPPING);
        if may_stop && entity.acts() && state.left.specials > 0 && entity.is_idle() {
            out.push(Action::Stop(me));
        }
    }

    /// What may happen to the first write that an agent waits for, and to its command.
    pub(super) fn faults_of_requests(&self, state: &State, at: usize, out: &mut Vec<Action>) {
        let entity = &state.entities[at];
        if !entity.acts() {
            return;
        }
        let of = |place: usize| &**self.todos.get(entity.todo[place]);
        let write = (0..TODO_MAX).find(|place| matches!(of(*place), Todo::Write(..)));
        let me = at as u8;
        if let Some(place) = write.map(|place| place as u8) {
            if state.left.lost > 0 && state.late.contains(&0) {
                out.push(Action::Delay(me, place));
            }
            if state.left.pauses > 0 {
                out.push(Action::PauseAfter(me, place));
            }
        }
        let issue = (0..TODO_MAX).find(|place| matches!(of(*place), Todo::Issue));
        if let Some(place) = issue
            && self.bounds.special == Special::Stop
            && state.left.specials > 0
        {
            out.push(Action::CannotStart(me, place as u8));
        }
    }

    fn operators(&self, state: &State, out: &mut Vec<Action>) {
        let store = self.stores.get(state.store);
        for name in 0..self.bounds.nodes {
            if state.left.breaks > 0 && store.hold_of(names::node(name)).is_some() {
                out.push(Action::Break(name as u8));
            }
        }
        if state.left.changes > 0 {
            let others = [0, 1, 2]
                .into_iter()
                .filter(|max| u32::from(*max) != self.bounds.max);
            out.extend(others.map(Action::SetMax));
        }
        if self.bounds.special != Special::Restore {
            return;
        }
        match state.left.specials {
            2 if store.group(names::group()).is_some() => out.push(Action::BackUp),
            1 => out.push(Action::Restore),
            _ => {}
        }
        let is_paused = store
            .group(names::group())
            .is_some_and(|it| it.pause.is_some());
        if is_paused && self.are_downs_known(state) {
            out.push(Action::GoOn);
        }
    }

    /// Whether every machine that is down, or may go down at any moment, holds a slot: what an
    /// operator makes sure of before a restored group goes on.
    fn are_downs_known(&self, state: &State) -> bool {
        (0..self.bounds.nodes).all(|at| {
            let entity = &state.entities[at];
            let is_up = entity.is(flag::UP) && entity.issued == 0;
            is_up && !self.may_command(state, at) || self.holds_durably(state, at)
        })
    }

    /// Whether an agent believes that it holds: it may be about to issue the command.
    fn may_command(&self, state: &State, at: usize) -> bool {
        let agent = self.agent(state.entities[at].agent);
        agent.is_some_and(|agent| matches!(agent.stage, Stage::Holding(_)))
    }
}

/// Strikes.
pub(super) fn strike(
    model: &mut Model,
    state: &mut State,
    action: Action,
) -> Result<(), Violation> {
    match action {
        Action::Delay(at, place) => {
            state.left.take(|left| &mut left.lost);
            let item = state.entities[usize::from(at)].take(place.into());
            if let Some(free) = state.late.iter_mut().find(|it| **it == 0) {
                *free = item;
            }
            state.late.sort_unstable();
            model.tell_unknown(state, at.into(), item);
        }
        Action::Arrive(place) => {
            let item = std::mem::take(&mut state.late[usize::from(place)]);
            state.late.sort_unstable();
            model.perform_write(state, usize::MAX, item)?;
            model.sometimes.late_arrivals += 1;
        }
        Action::Kill(at) => {
            state.left.take(|left| &mut left.crashes);
            model.start_again(state, at.into());
        }
        Action::LosePower(at) => {
            state.left.take(|left| &mut left.crashes);
            model.go_down(state, at.into(), false);
            model.boot(state, at.into());
        }
        Action::Die(at) => {
            state.left.take(|left| &mut left.crashes);
            let ours = state.entities[usize::from(at)].is(flag::OURS);
            model.go_down(state, at.into(), ours);
            state.entities[usize::from(at)].set(flag::DEAD, true);
        }
        Action::Pause(at) => {
            state.left.take(|left| &mut left.pauses);
            state.entities[usize::from(at)].set(flag::PAUSED, true);
        }
        Action::PauseAfter(at, place) => {
            state.left.take(|left| &mut left.pauses);
            model.pause_after(state, at.into(), place.into())?;
        }
        Action::Stop(at) => {
            state.left.specials -= 1;
            state.entities[usize::from(at)].set(flag::STOPPING, true);
            model.deliver_plain(state, at.into(), Event::Terminate);
        }
        Action::CannotStart(at, place) => {
            state.left.specials -= 1;
            state.entities[usize::from(at)].take(place.into());
            let issue = Issue::NotStarted("no such file".to_owned());
            model.deliver_plain(state, at.into(), Event::Issued(issue));
        }
        _ => model.operate(state, action)?,
    }
    Ok(())
}

// === impl Model: strikes ===

impl Model {
    fn tell_unknown(&mut self, state: &mut State, at: usize, item: u32) {
        let unknown = Err(Trouble::Unknown("no answer".to_owned()));
        let id = self.results.id(unknown.clone());
        self.deliver_answer(state, at, item, &unknown, id);
    }

    fn pause_after(&mut self, state: &mut State, at: usize, place: usize) -> Result<(), Violation> {
        let item = state.entities[at].take(place);
        let (result, _) = self.perform_write(state, at, item)?;
        state.entities[at].mail = self.mails.id(Some((item, (*result).clone())));
        state.entities[at].set(flag::PAUSED, true);
        Ok(())
    }

    fn operate(&mut self, state: &mut State, action: Action) -> Result<(), Violation> {
        match action {
            Action::Break(name) => {
                state.left.take(|left| &mut left.breaks);
                self.break_hold(state, name.into())
            }
            Action::SetMax(max) => {
                state.left.take(|left| &mut left.changes);
                let by = "operator".to_owned();
                let max = max.into();
                self.ask(state, Asking::SetMax { max, by })
            }
            Action::GoOn => {
                let by = "operator".to_owned();
                self.ask(state, Asking::Resume { by })
            }
            Action::BackUp => {
                state.left.specials -= 1;
                state.backup = state.store;
                Ok(())
            }
            Action::Restore => {
                state.left.specials -= 1;
                let mut store = Store::clone(self.stores.get(state.store));
                store.restore(self.stores.get(state.backup), after_restore());
                state.store = self.keep_store(store);
                state.backup = 0;
                // What the backup does not know of is on people, who look before they resume.
                state
                    .entities
                    .iter_mut()
                    .for_each(|it| it.set(flag::EXCUSED, true));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn break_hold(&mut self, state: &mut State, name: usize) -> Result<(), Violation> {
        let store = self.stores.get(state.store);
        let Some(number) = store.hold_of(names::node(name)).map(|it| it.number) else {
            return Ok(());
        };
        for at in 0..self.bounds.entities() {
            if self.bounds.name(at) == name {
                state.entities[self.bounds.host(at)].set(flag::EXCUSED, true);
            }
        }
        self.ask(
            state,
            Asking::Break {
                number,
                by: "operator".to_owned(),
                reason: "for the model".to_owned(),
            },
        )
    }

    fn ask(&mut self, state: &mut State, action: Asking) -> Result<(), Violation> {
        let write = Write::Ask {
            group: names::group().clone(),
            create_with_max: Some(self.bounds.max),
            request: Request {
                id: RequestId::new("operator").expect("a valid id"),
                at: String::new(),
                action,
            },
        };
        let commit = self.commit_write(state.store, &write);
        state.store = commit.store;
        match commit.violation {
            Some(violation) => Err(Violation::clone(&violation)),
            None => Ok(()),
        }
    }
}

fn after_restore() -> Pause {
    Pause {
        by: "restore".to_owned(),
        reason: "say who is down".to_owned(),
        until: None,
        session: None,
    }
}
