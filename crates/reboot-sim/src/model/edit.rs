//! Changes of the store that no request asks for, each worked out once.

use super::state::State;
use super::{Model, names};
use crate::store::Store;

/// A change.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum Edit {
    /// This lease of a node ends.
    Expire(u8, u8),
    /// All leases of a node end.
    EndSessions(u8),
    /// A node's deadline passes.
    PassDeadline(u8),
    /// A node is forgotten.
    DropNode(u8),
    /// Numbers begin anew.
    ForgetNumbers,
}

// === impl Model ===

impl Model {
    pub(super) fn edit(&mut self, state: &mut State, edit: Edit) {
        let key = (state.store, edit);
        if let Some(store) = self.edits.get(&key) {
            state.store = *store;
            return;
        }
        let mut store = Store::clone(self.stores.get(state.store));
        carry_out(&mut store, edit);
        state.store = self.keep_store(store);
        self.edits.insert(key, state.store);
    }
}

fn carry_out(store: &mut Store, edit: Edit) {
    match edit {
        Edit::Expire(name, place) => {
            let sessions = store.sessions_under(names::node(name.into()));
            let session = sessions[usize::from(place)].clone();
            store.expire(&session);
        }
        Edit::EndSessions(name) => {
            let sessions = store.sessions_under(names::node(name.into()));
            for session in sessions.into_iter().cloned().collect::<Vec<_>>() {
                store.expire(&session);
            }
        }
        Edit::PassDeadline(name) => {
            let hold = store.hold_of(names::node(name.into()));
            if let Some(number) = hold.map(|hold| hold.number) {
                store.pass_deadline(names::group(), number);
            }
        }
        Edit::DropNode(name) => store.drop_node(names::node(name.into())),
        Edit::ForgetNumbers => store.forget_numbers(),
    }
}
