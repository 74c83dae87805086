//! The search: those states first that the fewest faults lead to, and of these the nearest, so
//! that the first counterexample needs no more faults than any other and is a shortest of these.
//!
//! A state met again with no more faults left than before is not explored again: whatever could
//! follow has followed.

use super::Model;
use super::act::Action;
use super::bounds::Bounds;
use super::names::{NODES_MAX, Order, Shape};
use super::settle::Ways;
use super::sometimes::Sometimes;
use super::state::{Entity, Left, State};
use super::story::tell;
use crate::violation::{Promise, Violation};
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::hash::{BuildHasherDefault, DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

/// What a search found.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// Within which bounds.
    pub bounds: Bounds,
    /// States that differ in more than names.
    pub states: usize,
    /// Steps between them.
    pub steps: usize,
    /// The longest of the shortest ways.
    pub depth: usize,
    /// Whether every state was seen.
    pub is_complete: bool,
    /// A broken promise, with the story that leads there.
    pub violation: Option<(Violation, Vec<String>)>,
    /// What was seen at least once.
    pub sometimes: Sometimes,
    /// How long it took.
    pub took: Duration,
}

/// Keys are hashes already.
#[derive(Default)]
struct Plain(u64);

/// A broken promise, at which meeting, and by which action out of it.
type Found = (Violation, u32, Option<Action>);

type Seen = HashMap<u128, u32, BuildHasherDefault<Plain>>;

/// States to be explored, by the number of faults that led there.
type Open = Vec<VecDeque<(u32, State)>>;

/// A state, met with so many faults left.
#[derive(Clone, Copy)]
struct Meeting {
    state: u32,
    left: Left,
    /// The meeting and the action that led here.
    from: u32,
    by: Action,
    depth: u16,
}

/// A search under way.
struct Search {
    model: Model,
    seen: Seen,
    meetings: Vec<Meeting>,
    /// The meetings of each state; the faults left in none cover those of another.
    met: Vec<Vec<u32>>,
    is_open: Vec<bool>,
    open: Open,
    ways: Ways,
    steps: usize,
}

/// Explores every state within the bounds, at most so many.
pub fn check(bounds: Bounds, states_max: usize) -> Verdict {
    let begin = Instant::now();
    let mut search = Search::new(bounds);
    let found = search.run(states_max);
    let is_complete = search.open.iter().all(VecDeque::is_empty);
    let found = found.or_else(|| search.stuck(is_complete));
    let violation = found.map(|(violation, at, last)| {
        let actions = search.way_to(at, last);
        (violation, tell(bounds, &actions))
    });
    Verdict {
        bounds,
        states: search.met.len(),
        steps: search.steps,
        depth: search
            .meetings
            .iter()
            .map(|it| it.depth)
            .max()
            .unwrap_or(0)
            .into(),
        is_complete,
        violation,
        sometimes: search.model.sometimes.clone(),
        took: begin.elapsed(),
    }
}

// === impl Search ===

impl Search {
    fn new(bounds: Bounds) -> Self {
        let mut model = Model::new(bounds);
        let start = model.start();
        let faults = start.left.total() + 1;
        let mut search = Self {
            model,
            seen: Seen::default(),
            meetings: Vec::new(),
            met: Vec::new(),
            is_open: Vec::new(),
            open: vec![VecDeque::new(); faults],
            ways: Ways::default(),
            steps: 0,
        };
        search.visit(0, Action::GoOn, start);
        search
    }

    /// Explores until a promise is broken or nothing is open; tells where and by which action.
    fn run(&mut self, states_max: usize) -> Option<Found> {
        let mut actions = Vec::new();
        while let Some((at, state)) = self.next() {
            if self.model.private_actions(&state, &mut actions) {
                match self.try_all(at, &state, &actions) {
                    Err(found) => return Some(found),
                    Ok(true) => continue, // what others do is tried from there
                    Ok(false) => {}
                }
            }
            self.model.actions(&state, &mut actions);
            if let Err(found) = self.try_all(at, &state, &actions) {
                return Some(found);
            }
            if self.met.len() > states_max {
                return None;
            }
        }
        None
    }

    /// Tries each; tells whether one led to a state that is still to be explored.
    fn try_all(&mut self, at: u32, state: &State, actions: &[Action]) -> Result<bool, Found> {
        let here = self.meetings[at as usize].state;
        let mut leads_on = false;
        for action in actions.iter().copied() {
            self.steps += 1;
            match self.model.act(state, action) {
                Err(violation) => return Err((violation, at, Some(action))),
                Ok(next) => {
                    let to = self.visit(at, action, next);
                    leads_on |= self.is_open[to as usize];
                    if action.is_faultless() {
                        self.ways.step(here, to);
                    }
                }
            }
        }
        Ok(leads_on)
    }

    /// The next meeting to explore from.
    fn next(&mut self) -> Option<(u32, State)> {
        loop {
            let open = self.open.iter_mut().rev().find(|it| !it.is_empty())?;
            let (at, state) = open.pop_front()?;
            let here = self.meetings[at as usize].state as usize;
            if self.met[here].contains(&at) {
                self.is_open[here] = false;
                return Some((at, state)); // else it was met since with more faults left
            }
        }
    }

    /// Notes that an action led from a meeting to a state.
    fn visit(&mut self, from: u32, by: Action, state: State) -> u32 {
        let key = self.model.key(&state);
        let next = self.met.len() as u32;
        let at = *self.seen.entry(key).or_insert(next);
        if at == next {
            self.met.push(Vec::new());
            self.is_open.push(false);
            if self.model.is_end(&state) {
                self.ways.end(at);
            }
        }
        let meetings = &self.meetings;
        let met = &mut self.met[at as usize];
        let left = |meeting: &u32| meetings[*meeting as usize].left;
        if met.iter().any(|meeting| left(meeting).covers(&state.left)) {
            return at;
        }
        met.retain(|meeting| !state.left.covers(&left(meeting)));
        met.push(meetings.len() as u32);
        self.open[state.left.total()].push_back((meetings.len() as u32, state));
        self.is_open[at as usize] = true;
        let depth = meetings.get(from as usize).map_or(0, |it| it.depth + 1);
        self.meetings.push(Meeting {
            state: at,
            left: state.left,
            from,
            by,
            depth,
        });
        at
    }

    fn stuck(&self, is_complete: bool) -> Option<Found> {
        if !is_complete || !self.model.is_live() {
            return None;
        }
        let at = self.ways.stuck(self.met.len())?;
        let what = "from here no order of events leads to a good end";
        let meeting = *self.met[at as usize].first()?;
        Some((Violation::of(Promise::L1, what), meeting, None))
    }

    fn way_to(&self, mut at: u32, last: Option<Action>) -> Vec<Action> {
        let mut actions: Vec<Action> = last.into_iter().collect();
        while at != 0 {
            let meeting = &self.meetings[at as usize];
            actions.push(meeting.by);
            at = meeting.from;
        }
        actions.reverse();
        actions
    }
}

// === impl Model: which states are one and the same ===

impl Model {
    /// The key of a state: the same for states that differ in the names of nodes only.
    fn key(&mut self, state: &State) -> u128 {
        let mut parts = [0; NODES_MAX];
        for (name, part) in parts.iter_mut().enumerate().take(self.bounds.nodes) {
            *part = self.part(state, name);
        }
        parts[..self.bounds.nodes].sort_unstable();
        let mut hash = Hash128::default();
        parts.iter().for_each(|part| hash.add(part));
        for store in [state.store, state.backup] {
            hash.add(&self.store_parts(store).0.hash);
        }
        hash.finish()
    }

    /// All of a node but its name; labels by the order in which they occur.
    fn part(&mut self, state: &State, name: usize) -> u128 {
        let mut part = Part::default();
        for at in (0..self.bounds.entities()).filter(|at| self.bounds.name(*at) == name) {
            self.add_entity(&mut part, &state.entities[at]);
        }
        for late in state.late {
            if late != 0 && self.is_from(late, name) {
                part.add(self.todos.shape(late));
            }
        }
        for store in [state.store, state.backup] {
            let store = self.store_parts(store);
            let (known, leases) = &store.1[name];
            part.add(known);
            part.add_sorted(leases);
        }
        part.hash.finish()
    }

    fn add_entity(&self, part: &mut Part, entity: &Entity) {
        part.add(self.agents.shape(entity.agent));
        part.add(self.disks.shape(entity.disk));
        part.add(self.mails.shape(entity.mail));
        for item in entity.todo {
            part.add(self.todos.shape(item));
        }
        let bits = (entity.timers, entity.issued, entity.looked, entity.aged);
        part.hash.add(&(bits, entity.soft, entity.flags));
    }
}

/// The hash of a node's part of a state, under way.
#[derive(Default)]
struct Part {
    hash: Hash128,
    order: Order,
}

// === impl Part ===

impl Part {
    fn add(&mut self, shape: &Shape) {
        self.hash.add(&shape.hash);
        for label in &shape.labels {
            let place = self.order.place(*label);
            self.hash.add(&place);
        }
    }

    /// Adds what has no order of its own.
    fn add_sorted(&mut self, shapes: &[Shape]) {
        let key = |shape: &Shape| {
            let places = shape.labels.iter().map(|label| self.order.find(*label));
            (shape.hash, places.collect::<Vec<_>>())
        };
        let mut sorted: Vec<_> = shapes.iter().map(|shape| (key(shape), shape)).collect();
        sorted.sort_by(|a, b| a.0.cmp(&b.0));
        for (_, shape) in sorted {
            self.add(shape);
        }
    }
}

/// Two hashes side by side: 128 bits, so that no two states are ever taken for one.
pub(super) struct Hash128(DefaultHasher, DefaultHasher);

// === impl Hash128 ===

impl Default for Hash128 {
    fn default() -> Self {
        let mut second = DefaultHasher::new();
        second.write_u8(1);
        Self(DefaultHasher::new(), second)
    }
}

impl Hash128 {
    fn add<T: Hash>(&mut self, value: &T) {
        value.hash(&mut self.0);
        value.hash(&mut self.1);
    }

    fn finish(&self) -> u128 {
        u128::from(self.0.finish()) << 64 | u128::from(self.1.finish())
    }
}

// === impl Plain ===

impl Hasher for Plain {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u128(&mut self, key: u128) {
        self.0 = key as u64;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

// === impl Verdict ===

impl Verdict {
    /// Whether everything was seen, nothing was broken, and nothing expected was missed.
    pub fn is_good(&self) -> bool {
        let missing = self.sometimes.missing(&self.bounds);
        self.is_complete && self.violation.is_none() && missing.is_empty()
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = if self.is_complete { "all" } else { "the first" };
        writeln!(
            f,
            "{}: {how} {} states, {} steps, {} deep, {:.1} s",
            self.bounds,
            self.states,
            self.steps,
            self.depth,
            self.took.as_secs_f64()
        )?;
        if let Some((violation, story)) = &self.violation {
            writeln!(f, "  broken promise {violation}")?;
            for (number, line) in story.iter().enumerate() {
                writeln!(f, "  {:>3}. {line}", number + 1)?;
            }
            return Ok(());
        }
        let missing = self.sometimes.missing(&self.bounds);
        if !missing.is_empty() {
            writeln!(f, "  never seen: {}", missing.join(", "))?;
        }
        Ok(())
    }
}
