//! Steps that nobody else could help or hinder, nor see: while a node has only such steps to
//! take, what others do is tried after them and not before (a partial-order reduction by ample
//! sets; the search falls back to every order where it would come round in a circle).
//!
//! Never while a machine is down or may go down at any moment: then everything is tried.

use super::Model;
use super::act::Action;
use super::bounds::Special;
use super::names;
use super::state::{Entity, State, TODO_MAX, Todo, flag};
use reboot_core::agent::{Purpose, Stage};
use reboot_core::group::Action as Asking;
use reboot_core::write::Write;

// === impl Model ===

impl Model {
    /// All that may happen to the first node that is alone with it; whether there is one.
    pub(super) fn private_actions(&self, state: &State, out: &mut Vec<Action>) -> bool {
        out.clear();
        if self.bounds.has_double() || self.bounds.special == Special::Restore {
            return false;
        }
        let Some(at) = (0..self.bounds.nodes).find(|at| self.is_alone(state, *at)) else {
            return false;
        };
        self.orderly(state, at, out);
        self.store_time(state, at, out);
        self.faults_of_process(state, at, out);
        self.faults_of_requests(state, at, out);
        true
    }

    fn is_alone(&self, state: &State, at: usize) -> bool {
        let entity = &state.entities[at];
        let is_quiet = entity.is(flag::UP) && entity.issued == 0 && entity.acts();
        is_quiet
            && !entity.is_idle()
            && !self.is_breakable(state, at)
            && !state.late.iter().any(|late| self.is_from(*late, at))
            && !self.may_give_up_place(state, at)
            && self.is_todo_private(state, at, entity)
    }

    fn is_breakable(&self, state: &State, at: usize) -> bool {
        let store = self.stores.get(state.store);
        state.left.breaks > 0 && store.hold_of(names::node(at)).is_some()
    }

    /// Whether a lease may end on which a claim or a ticket stands.
    fn may_give_up_place(&self, state: &State, at: usize) -> bool {
        let store = self.stores.get(state.store);
        let node = names::node(at);
        let sessions = store.sessions_under(node);
        let stands = |place: &usize| store.stands_on(node, sessions[*place]);
        let mut places = (0..sessions.len()).filter(stands);
        places.any(|place| !self.is_renewed(state, at, place))
    }

    fn is_todo_private(&self, state: &State, at: usize, entity: &Entity) -> bool {
        (0..TODO_MAX).all(|place| match &**self.todos.get(entity.todo[place]) {
            Todo::Nothing | Todo::Save(..) | Todo::RunHooks(_) | Todo::Undo(_) => true,
            Todo::Issue => false,
            Todo::Look => self.is_look_private(state, at),
            Todo::Write(_, write) => self.is_write_private(state, at, write),
        })
    }

    /// A look for one's own hold shows nothing of others; nor does one under the slot, unless
    /// the slots change or somebody is late.
    fn is_look_private(&self, state: &State, at: usize) -> bool {
        let Some(agent) = self.agent(state.entities[at].agent) else {
            return false;
        };
        match &agent.stage {
            Stage::Settling => true,
            Stage::Holding(_) => {
                let is_peek = agent.pass().is_some_and(|it| it.purpose == Purpose::Peek);
                is_peek || self.is_group_steady(state)
            }
            _ => false,
        }
    }

    /// Whether nothing that closes a gate for all can change.
    fn is_group_steady(&self, state: &State) -> bool {
        let may_be_late = |name| {
            let store = self.stores.get(state.store);
            let hold = store.hold_of(names::node(name));
            let is_durable = hold.is_some_and(|hold| hold.phase.is_durable());
            is_durable
                && store
                    .group(names::group())
                    .is_some_and(|it| it.holds.len() > 1)
        };
        state.left.changes == 0 && !(0..self.bounds.nodes).any(may_be_late)
    }

    fn is_write_private(&self, state: &State, at: usize, write: &Write) -> bool {
        let store = self.stores.get(state.store);
        let node = names::node(at);
        match write {
            Write::OpenSession { .. } | Write::Undone { .. } | Write::EndOrder { .. } => true,
            Write::EndSession { session } => !store.stands_on(node, session),
            Write::EndInstance { instance } => {
                let sessions = store.sessions_of(instance);
                !sessions
                    .iter()
                    .any(|session| store.stands_on(node, session))
            }
            Write::Ask { request, .. } => match &request.action {
                Asking::Drain { .. } | Asking::Adopt { .. } | Asking::Return { .. } => true,
                Asking::Fence { .. } => self.is_group_steady(state),
                _ => false,
            },
            _ => false,
        }
    }
}
