//! Forgets what cannot matter any more, so that states which differ in nothing else are one.

use super::bounds::Special;
use super::edit::Edit;
use super::state::{Entity, State, TODO_MAX, Todo, flag};
use super::{Model, names};
use reboot_core::agent::{Agent, Stage, Step};
use reboot_core::group::{Action as Asking, Hold, Owner};
use reboot_core::id::SessionId;
use reboot_core::write::Write;

// === impl Model ===

impl Model {
    pub(super) fn tidy(&mut self, state: &mut State) {
        for at in 0..self.bounds.entities() {
            self.forget_marks(state, at);
        }
        for place in 0..state.late.len() {
            if state.late[place] != 0 && self.is_void(state, state.late[place]) {
                state.late[place] = 0;
            }
        }
        state.late.sort_unstable();
        if self.bounds.has_double() {
            return;
        }
        (0..self.bounds.nodes).for_each(|at| self.forget_sessions(state, at));
        if self.bounds.special != Special::Restore {
            (0..self.bounds.nodes).for_each(|at| self.finish(state, at));
            self.forget_numbers(state);
        }
    }

    /// Marks of the judge that ask for nothing without a hold.
    fn forget_marks(&self, state: &mut State, at: usize) {
        let stage = self.agent(state.entities[at].agent).map(|it| &it.stage);
        let may_hold = matches!(stage, Some(Stage::Holding(_) | Stage::Claiming));
        let marked = self.disks.get(state.entities[at].disk).command.is_some();
        if stage.is_some() && !may_hold {
            state.entities[at].looked = 0;
            let host = &mut state.entities[self.bounds.host(at)];
            if !self.bounds.has_double() {
                host.set(flag::CHECKED, false);
                let excused = host.is(flag::EXCUSED) && (host.issued > 0 || marked);
                host.set(flag::EXCUSED, excused);
            }
        }
    }

    /// Whether a late request can do nothing any more.
    fn is_void(&self, state: &State, late: u32) -> bool {
        let Todo::Write(_, write) = &**self.todos.get(late) else {
            return true;
        };
        let store = self.stores.get(state.store);
        match &**write {
            Write::EndSession { session } => !store.has_session(session),
            Write::EndInstance { instance } => store.sessions_of(instance).is_empty(),
            // What was undone once is undone, and what was done is done.
            Write::Undone { .. } | Write::EndOrder { .. } => true,
            Write::OpenSession { session, .. } => !self.is_own_session(state, session),
            Write::Join { ticket, .. } => !store.has_session(&ticket.session),
            Write::Ask { request, .. } => match &request.action {
                Asking::Claim(claim) => !store.has_session(&claim.session),
                Asking::Drain { owner, .. }
                | Asking::Fence { owner, .. }
                | Asking::Return { owner, .. }
                | Asking::Release { owner, .. }
                | Asking::Adopt { owner, .. } => !may_move(store.hold_of(&owner.node), owner),
                _ => false,
            },
            _ => false,
        }
    }

    /// Whether a running agent believes this session to be its own.
    fn is_own_session(&self, state: &State, session: &SessionId) -> bool {
        state.entities.iter().any(|entity| {
            let agent = self.agent(entity.agent);
            agent
                .and_then(Agent::session)
                .is_some_and(|(own, _)| own == session)
        })
    }

    /// Sessions that nobody renews, and on which nothing stands, end at once: they could only
    /// put off what their node asks for.
    fn forget_sessions(&mut self, state: &mut State, at: usize) {
        let store = self.stores.get(state.store);
        let node = names::node(at);
        let sessions = store.sessions_under(node);
        let holder = store.hold_of(node).map(|hold| &hold.instance);
        let is_idle = |place: &usize| {
            let session = sessions[*place];
            let of_holder = holder.is_some_and(|it| session.as_str().starts_with(it.as_str()));
            !of_holder && !store.stands_on(node, session) && !self.is_own_session(state, session)
        };
        let idle = (0..sessions.len()).find(is_idle);
        if let Some(place) = idle {
            self.edit(state, Edit::Expire(at as u8, place as u8));
            self.forget_sessions(state, at);
        }
    }

    /// A node that needs nothing, holds nothing and owes nothing will never be heard of again.
    fn finish(&mut self, state: &mut State, at: usize) {
        let entity = &state.entities[at];
        let is_quiet = entity.acts()
            && entity.is(flag::UP)
            && !entity.is(flag::NEED)
            && !entity.is(flag::CHANGED)
            && entity.todo == [0; TODO_MAX]
            && entity.mail == 0;
        let stage = self.agent(entity.agent).map(|it| &it.stage);
        let node = names::node(at);
        let store = self.stores.get(state.store);
        let is_free = store.hold_of(node).is_none() && store.owed(node).is_empty();
        let is_late = state.late.iter().any(|late| self.is_from(*late, at));
        if is_quiet && stage == Some(&Stage::Resting) && is_free && !is_late {
            state.entities[at] = Entity {
                flags: flag::UP | flag::DONE,
                ..Entity::default()
            };
            self.edit(state, Edit::DropNode(at as u8));
        }
    }

    /// Numbers of holds begin anew once nobody knows one.
    fn forget_numbers(&mut self, state: &mut State) {
        let store = self.stores.get(state.store);
        let is_known = state.late != [0; super::state::LATE_MAX] || store.has_holds();
        if is_known || store.is_unnumbered() {
            return;
        }
        let knows = |entity: &Entity| {
            let agent = self.agent(entity.agent);
            let asks = agent.and_then(Agent::asked).is_some();
            let holds = agent.is_some_and(|it| {
                it.hold.is_some() || matches!(it.stage, Stage::Holding(Step::Adopting))
            });
            entity.mail != 0 || asks || holds
        };
        if !state.entities.iter().any(knows) {
            self.edit(state, Edit::ForgetNumbers);
        }
    }
}

/// Whether an owner's request may still move the hold: holds go to no phase twice, and to no
/// owner twice.
fn may_move(hold: Option<&Hold>, owner: &Owner) -> bool {
    hold.is_some_and(|hold| {
        hold.number == owner.number
            && hold.instance == owner.instance
            && hold.phase <= owner.expects
    })
}
