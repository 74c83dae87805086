//! The model checker: every order of events in a small fleet, with crashes, lost replies, held-up
//! processes and operators at every point, on the types that ship.
//!
//! A state is what agents, machines, disks and the store are; names are left out where they do
//! not matter (all nodes are alike), and numbers that nobody remembers are given again, so that
//! there are finitely many. Time is left out too: a timer may fire whenever its agent waits for
//! nothing else, a lease may end once its process is dead or held up.
//!
//! An agent's own machine answers it at once; what it does there before the next thing that
//! others can see, or that a crash may undo, is one step. At most one access to the store lies
//! in a step. Which steps need not be tried in every order is in `alone`.

mod act;
mod alone;
mod bounds;
mod edit;
mod faults;
mod judge;
mod names;
mod pool;
mod react;
mod search;
mod sets;
mod settle;
mod sometimes;
mod state;
mod story;
mod tidy;

pub use bounds::{Bounds, Special};
pub use search::{Verdict, check};
pub use sets::{deep, short};
pub use sometimes::Sometimes;

use crate::store::Store;
use crate::violation::Violation;
use edit::Edit;
use names::{Labels, NODES_MAX, Shape};
use pool::Pool;
use react::{Here, Reaction, Run};
use reboot_core::agent::{Event, Notebook};
use reboot_core::gates::Findings;
use reboot_core::write::{Trouble, Write, Written};
use state::{Left, State, Todo, flag};
use std::collections::HashMap;
use std::rc::Rc;

/// An answer of the store, kept for a process that is held up.
type Mail = Option<(u32, Result<Written, Trouble>)>;

/// A commit worked out once.
#[derive(Clone, Debug)]
struct Commit {
    store: u32,
    result: Rc<Result<Written, Trouble>>,
    result_id: u32,
    violation: Option<Rc<Violation>>,
}

/// What a store knows of no node, and of each.
type StoreParts = (Shape, [NodeParts; NODES_MAX]);

/// What a store knows of a node: all but its leases, and each of these.
type NodeParts = (Shape, Vec<Shape>);

/// All that has been worked out so far.
struct Model {
    bounds: Bounds,
    agents: Pool<Run>,
    disks: Pool<Notebook>,
    todos: Pool<Todo>,
    stores: Pool<Store>,
    mails: Pool<Mail>,
    results: Pool<Result<Written, Trouble>>,
    findings: Pool<Findings>,
    events: Pool<Event>,
    reactions: HashMap<(u32, u32, u32, Here), Rc<Reaction>>,
    commits: HashMap<(u32, u32), Commit>,
    edits: HashMap<(u32, Edit), u32>,
    looks: HashMap<(u32, usize), u32>,
    store_parts: Vec<Option<Rc<StoreParts>>>,
    sometimes: Sometimes,
}

// === impl Model ===

impl Model {
    fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            agents: Pool::new(Run(None)),
            disks: Pool::new(Notebook::default()),
            todos: Pool::new(Todo::Nothing),
            stores: Pool::new(Store::default()),
            mails: Pool::new(None),
            results: Pool::new(Ok(Written::Done)),
            findings: Pool::new(Findings::default()),
            events: Pool::new(Event::Started),
            reactions: HashMap::new(),
            commits: HashMap::new(),
            edits: HashMap::new(),
            looks: HashMap::new(),
            store_parts: Vec::new(),
            sometimes: Sometimes::default(),
        }
    }

    /// Every machine is up and needs a reboot, and its agent has just been started.
    fn start(&mut self) -> State {
        let mut state = State {
            left: Left::of(&self.bounds),
            ..State::default()
        };
        for at in 0..self.bounds.entities() {
            let is_clone = at >= self.bounds.nodes && self.bounds.host(at) == at;
            if self.bounds.host(at) == at {
                state.entities[at].set(flag::NEED, true);
                state.entities[at].set(flag::UP, !is_clone); // a clone comes whenever it likes
            }
            if !is_clone {
                self.start_agent(&mut state, at, None, None);
            }
        }
        state
    }

    /// The labels that anything in a state remembers.
    fn labels(&self, state: &State) -> Labels {
        let mut labels = *self.stores.labels(state.store);
        labels.merge(self.stores.labels(state.backup));
        for late in state.late {
            labels.merge(self.todos.labels(late));
        }
        for entity in &state.entities {
            labels.merge(self.agents.labels(entity.agent));
            labels.merge(self.disks.labels(entity.disk));
            for item in entity.todo {
                labels.merge(self.todos.labels(item));
            }
        }
        labels
    }

    /// What a write makes of the store; worked out once for each.
    fn commit(&mut self, store: u32, todo: u32) -> Commit {
        if let Some(commit) = self.commits.get(&(store, todo)) {
            return commit.clone();
        }
        let Todo::Write(_, write) = &**self.todos.get(todo) else {
            unreachable!("only writes are committed");
        };
        let write = Write::clone(write);
        let commit = self.commit_write(store, &write);
        self.commits.insert((store, todo), commit.clone());
        commit
    }

    fn commit_write(&mut self, store: u32, write: &Write) -> Commit {
        let mut next = Store::clone(self.stores.get(store));
        let result = next.write(write).map_err(Trouble::Refused);
        self.sometimes.committed(&next.log.history);
        let violation = next.log.violations.first().cloned().map(Rc::new);
        let result_id = self.results.id(result.clone());
        Commit {
            store: self.keep_store(next),
            result: Rc::new(result),
            result_id,
            violation,
        }
    }

    /// Keeps a store without what only people read.
    fn keep_store(&mut self, mut store: Store) -> u32 {
        store.log = Default::default();
        store.revision = 0;
        store.renumber_lines();
        for name in 0..self.bounds.nodes {
            store.drop_marks(names::node(name));
        }
        self.stores.id(store)
    }

    /// What a node finds in the store, as far as it decides anything.
    fn findings(&mut self, store: u32, agent: u32, name: usize) -> u32 {
        if let Some(found) = self.looks.get(&(store, name)) {
            return *found;
        }
        let fleet = self.stores.get(store).look();
        let settings = &self.agent(agent).expect("an agent looks").settings;
        let mut findings = Findings::of(&fleet, settings);
        findings.contention.clear();
        findings.ahead = None;
        findings.free = 0;
        if self.bounds.special != Special::Restore {
            findings.mark = (0, 0);
        }
        let id = self.findings.id(findings);
        self.looks.insert((store, name), id);
        id
    }
}

// === impl Model: parts of a state ===

impl Model {
    fn store_parts(&mut self, store: u32) -> Rc<StoreParts> {
        let at = store as usize;
        if self.store_parts.len() <= at {
            self.store_parts.resize(at + 1, None);
        }
        if let Some(parts) = &self.store_parts[at] {
            return Rc::clone(parts);
        }
        let kept = self.stores.get(store);
        let of_node = |name: usize| -> NodeParts {
            let node = names::node(name);
            let leases = kept.leases_of(node).iter().map(names::shape).collect();
            (names::shape(&kept.of_node(node)), leases)
        };
        let mut parts = (names::shape(&kept.shared()), Default::default());
        for name in 0..self.bounds.nodes {
            let nodes: &mut [NodeParts; NODES_MAX] = &mut parts.1;
            nodes[name] = of_node(name);
        }
        let parts = Rc::new(parts);
        self.store_parts[at] = Some(Rc::clone(&parts));
        parts
    }

    /// Whether a request is of this node.
    fn is_from(&self, todo: u32, name: usize) -> bool {
        let Todo::Write(_, write) = &**self.todos.get(todo) else {
            return false;
        };
        let node = names::node(name);
        match &**write {
            Write::OpenSession { identity, .. } => identity.node == *node,
            Write::Undone { node: of, .. }
            | Write::EndOrder { node: of, .. }
            | Write::Leave { node: of, .. } => *of == *node,
            Write::Join { ticket, .. } => ticket.node == *node,
            Write::Ask { request, .. } => request.action.node() == Some(node),
            Write::EndSession { session } => session.as_str().starts_with(node.as_str()),
            Write::EndInstance { instance } => instance.as_str().starts_with(node.as_str()),
            _ => false,
        }
    }
}

/// The event of an answer.
fn answered(todo: &Todo, result: &Result<Written, Trouble>) -> Event {
    let Todo::Write(tag, _) = todo else {
        unreachable!("only writes are answered");
    };
    Event::Wrote {
        tag: tag.clone(),
        result: result.clone(),
    }
}
