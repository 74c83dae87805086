//! What may happen next, and what comes of it.

use super::bounds::Special;
use super::edit::Edit;
use super::faults;
use super::react::{Here, Reaction};
use super::state::{Entity, State, TODO_MAX, Todo, flag, look, timer};
use super::{Mail, Model, answered, names};
use crate::violation::Violation;
use reboot_core::agent::{Agent, Event, Issue, Look, PRESENT, Sight, Stage, Step, Tag, Timer};
use reboot_core::group::{Action as Asking, Refusal};
use reboot_core::id::Instance;
use reboot_core::mutation::Mutation;
use reboot_core::write::{Trouble, Write, Written};
use std::sync::Arc;

/// The number of a save that a newer one has overtaken.
const OUTDATED: u64 = 0;

/// Kinds of keys under which reactions are kept, beside the numbers of answers.
mod cue {
    pub(crate) const PLAIN: u32 = 1 << 28;
    pub(crate) const FLEET: u32 = 2 << 28;
    pub(crate) const ANSWER: u32 = 3 << 28;
}

/// Something that happens. The numbers are entities, places in their lists, and names.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum Action {
    /// What the agent wants done is done, and it hears of it.
    Perform(u8, u8),
    /// A write is under way for long: its sender hears nothing. It arrives at once (its answer is
    /// lost), later, or never.
    Delay(u8, u8),
    /// A request arrives whose sender no longer waits.
    Arrive(u8),
    /// A timer fires.
    Fire(u8, Timer),
    /// The agent is woken by a change.
    Wake(u8),
    /// The agent hears that its lease has ended.
    Notice(u8),
    /// The process is killed and started again.
    Kill(u8),
    /// The machine loses power and boots.
    LosePower(u8),
    /// The machine goes down as it was told.
    GoDown(u8),
    /// The machine boots.
    Boot(u8),
    /// The machine is gone for good.
    Die(u8),
    /// The process stands still.
    Pause(u8),
    /// The process stands still after its write was done.
    PauseAfter(u8, u8),
    /// The process goes on, its lease long over.
    Resume(u8),
    /// The agent is told to stop, and started again once it has.
    Stop(u8),
    /// The command cannot be started.
    CannotStart(u8, u8),
    /// An operator breaks the hold of a node.
    Break(u8),
    /// An operator changes the number of slots.
    SetMax(u8),
    /// A lease ends.
    Expire(u8, u8),
    /// A hold's deadline passes.
    PassDeadline(u8),
    /// A backup is made.
    BackUp,
    /// The backup is put back.
    Restore,
    /// An operator has looked at the machines and lets the group go on.
    GoOn,
}

/// The next state, or a broken promise on the way.
pub(super) type Next = Result<State, Violation>;

// === impl Model: what may happen ===

impl Model {
    /// Everything that may happen next. Faults come last.
    pub(super) fn actions(&self, state: &State, out: &mut Vec<Action>) {
        out.clear();
        for at in 0..self.bounds.entities() {
            self.orderly(state, at, out);
        }
        for name in 0..self.bounds.nodes {
            self.store_time(state, name, out);
        }
        self.faults(state, out);
    }

    /// What happens without a fault.
    pub(super) fn orderly(&self, state: &State, at: usize, out: &mut Vec<Action>) {
        let entity = &state.entities[at];
        let host = &state.entities[self.bounds.host(at)];
        let me = at as u8;
        if self.bounds.host(at) == at && !host.is(flag::UP) && !host.is(flag::DEAD) {
            return out.push(Action::Boot(me));
        }
        if self.bounds.host(at) == at && host.is(flag::UP) && host.issued > 0 {
            out.push(Action::GoDown(me));
        }
        if entity.is(flag::PAUSED) {
            return out.push(Action::Resume(me));
        }
        let Some(agent) = self.agent(entity.agent) else {
            return;
        };
        self.performs(entity, me, out);
        if entity.is_idle() {
            fires(entity, agent, host.is(flag::NEED), me, out);
            self.watch(state, at, agent, out);
        }
        let lost = |session| !self.stores.get(state.store).has_session(session);
        if agent
            .session()
            .is_some_and(|(it, is_open)| is_open && lost(it))
        {
            out.push(Action::Notice(me));
        }
    }

    /// Each thing that may be done now: writes in their order, and nothing that was wanted after
    /// a save before it, as in the shell.
    fn performs(&self, entity: &Entity, me: u8, out: &mut Vec<Action>) {
        let mut has_written = false;
        for place in 0..TODO_MAX {
            let wanted = &**self.todos.get(entity.todo[place]);
            let is_write = matches!(wanted, Todo::Write(..));
            if !(is_write && has_written) && *wanted != Todo::Nothing {
                out.push(Action::Perform(me, place as u8));
            }
            if matches!(wanted, Todo::Nothing | Todo::Save(..)) {
                return;
            }
            has_written |= is_write;
        }
    }

    /// A hold that waits is looked after: the heartbeat finds that it was broken.
    fn watch(&self, state: &State, at: usize, agent: &Agent, out: &mut Vec<Action>) {
        let rests = matches!(
            agent.stage,
            Stage::Holding(Step::Issued | Step::Overdue | Step::UndoFailed(_) | Step::Soaking)
        );
        let node = names::node(self.bounds.name(at));
        let store = self.stores.get(state.store);
        let found = store.hold_of(node).map(|hold| hold.number);
        if rests && found != agent.hold.as_ref().map(|hold| hold.number) {
            out.push(Action::Fire(at as u8, Timer::Heartbeat));
        }
    }

    /// Leases that nobody renews, deadlines of machines that do not come.
    pub(super) fn store_time(&self, state: &State, name: usize, out: &mut Vec<Action>) {
        let store = self.stores.get(state.store);
        for place in 0..store.sessions_under(names::node(name)).len() {
            if !self.is_renewed(state, name, place) {
                out.push(Action::Expire(name as u8, place as u8));
            }
        }
        if self.may_be_late(state, name) {
            out.push(Action::PassDeadline(name as u8));
        }
    }

    /// Whether a node's deadline runs and may pass.
    pub(super) fn may_be_late(&self, state: &State, name: usize) -> bool {
        let entity = &state.entities[name];
        let stage = self.agent(entity.agent).map(|agent| &agent.stage);
        let is_late = entity.is(flag::DEAD) || stage == Some(&Stage::Holding(Step::Overdue));
        let store = self.stores.get(state.store);
        let hold = store.hold_of(names::node(name));
        let runs = |number| store.is_within_deadline(names::group(), number);
        is_late && hold.is_some_and(|hold| runs(hold.number))
    }

    pub(super) fn is_renewed(&self, state: &State, name: usize, place: usize) -> bool {
        let store = self.stores.get(state.store);
        let session = &store.sessions_under(names::node(name))[place];
        (0..self.bounds.entities()).any(|at| {
            let entity = &state.entities[at];
            let agent = self.agent(entity.agent).filter(|_| entity.acts());
            let own = agent.and_then(|agent| agent.session());
            self.bounds.name(at) == name && own.is_some_and(|(it, _)| it == *session)
        })
    }
}

/// Timers fire when their agent waits for nothing else.
fn fires(entity: &Entity, agent: &Agent, needs: bool, me: u8, out: &mut Vec<Action>) {
    for (bit, timer) in [
        (timer::PASS, Timer::Pass),
        (timer::RETRY, Timer::Retry),
        (timer::PATIENCE, Timer::Patience),
        (timer::SESSION, Timer::Session),
    ] {
        let is_empty_pass = bit == timer::PASS && !needs;
        if entity.timers & bit != 0 && !is_empty_pass {
            out.push(Action::Fire(me, timer));
        }
    }
    let may_wake = agent.stage == Stage::Resting || agent_waits(agent);
    if may_wake && needs {
        out.push(Action::Wake(me));
    }
}

fn agent_waits(agent: &Agent) -> bool {
    matches!(
        agent.stage,
        Stage::Holding(Step::Releasing(_) | Step::Adopting | Step::Returning)
    )
}

// === impl Model: what comes of it ===

impl Model {
    pub(super) fn act(&mut self, state: &State, action: Action) -> Next {
        let mut next = *state;
        match action {
            Action::Perform(at, place) => self.perform(&mut next, at.into(), place.into())?,
            Action::Fire(at, timer) => self.fire(&mut next, at.into(), timer)?,
            Action::Wake(at) => {
                self.deliver_plain(&mut next, at.into(), Event::Woken);
                self.look_at_once(&mut next, at.into())?;
            }
            Action::Notice(at) => {
                let result = Err(Trouble::Refused(Refusal::SessionEnded));
                let tag = Tag::KeepSession;
                self.deliver_plain(&mut next, at.into(), Event::Wrote { tag, result });
            }
            Action::Boot(at) => self.boot(&mut next, at.into()),
            Action::GoDown(at) => self.go_down(&mut next, at.into(), true),
            Action::Resume(at) => self.resume(&mut next, at.into()),
            Action::Expire(name, place) => self.edit(&mut next, Edit::Expire(name, place)),
            Action::PassDeadline(name) => self.edit(&mut next, Edit::PassDeadline(name)),
            fault => faults::strike(self, &mut next, fault)?,
        }
        self.judge(&next)?;
        self.tidy(&mut next);
        Ok(next)
    }

    fn perform(&mut self, state: &mut State, at: usize, place: usize) -> Result<(), Violation> {
        let item = state.entities[at].take(place);
        let host = self.bounds.host(at);
        match &**self.todos.get(item) {
            Todo::Nothing => Ok(()),
            Todo::Look => self.perform_look(state, at),
            Todo::Write(..) => {
                let (result, id) = self.perform_write(state, at, item)?;
                self.deliver_answer(state, at, item, &result, id);
                Ok(())
            }
            Todo::Save(is_newest, notebook) => {
                let id = if *is_newest { PRESENT } else { OUTDATED };
                let notebook = notebook.clone();
                state.entities[at].disk = self.disks.id(*notebook);
                let result = Ok(());
                self.deliver_plain(state, at, Event::Saved { id, result });
                Ok(())
            }
            Todo::RunHooks(_) => {
                state.entities[host].set(flag::CHANGED, true);
                self.deliver_plain(state, at, Event::Hooked(Ok(())));
                Ok(())
            }
            Todo::Undo(_) => {
                state.entities[host].set(flag::CHANGED, false);
                self.deliver_plain(state, at, Event::Undone(Ok(())));
                Ok(())
            }
            Todo::Issue => {
                self.judge_command(state, at)?;
                state.entities[host].issued += 1;
                self.deliver_plain(state, at, Event::Issued(Issue::Started));
                Ok(())
            }
        }
    }

    /// Commits a write; what it ends is judged by the truth.
    pub(super) fn perform_write(
        &mut self,
        state: &mut State,
        at: usize,
        item: u32,
    ) -> Result<(std::rc::Rc<Result<Written, Trouble>>, u32), Violation> {
        let commit = self.commit(state.store, item);
        if let Some(violation) = &commit.violation {
            return Err(Violation::clone(violation));
        }
        if commit.result.is_ok() {
            self.judge_release(state, at, item)?;
        }
        state.store = commit.store;
        Ok((commit.result, commit.result_id))
    }

    pub(super) fn deliver_answer(
        &mut self,
        state: &mut State,
        at: usize,
        item: u32,
        result: &Result<Written, Trouble>,
        id: u32,
    ) {
        let todo = std::rc::Rc::clone(self.todos.get(item));
        let is_claim = matches!(&*todo, Todo::Write(_, write)
            if matches!(&**write, Write::Ask { request, .. }
                if matches!(request.action, Asking::Claim(_))));
        if is_claim && result.is_ok() {
            state.entities[at].looked = 0;
        }
        self.deliver(state, at, (cue::ANSWER | item, id), || {
            answered(&todo, result)
        });
    }

    fn perform_look(&mut self, state: &mut State, at: usize) -> Result<(), Violation> {
        let (name, run) = (self.bounds.name(at), state.entities[at].agent);
        let awaited = self.agent(run).and_then(|agent| agent.pass());
        if awaited.is_none_or(|it| it.looking != Some(Look::Fleet)) {
            return Ok(()); // of a pass that was given up
        }
        let pass = PRESENT;
        if Mutation::CountManyObjects.is_on() {
            let mut store = crate::store::Store::clone(self.stores.get(state.store));
            store.look_by(names::node(name));
            state.store = self.keep_store(store);
        }
        let found = self.findings(state.store, run, name);
        let store = std::rc::Rc::clone(self.stores.get(state.store));
        state.entities[at].looked |= look::FLEET;
        self.deliver(state, at, (cue::FLEET | found, 0), || Event::Saw {
            pass,
            look: Look::Fleet,
            sight: Sight::Fleet(Ok(Arc::new(store.look()))),
        });
        Ok(())
    }

    fn fire(&mut self, state: &mut State, at: usize, timer: Timer) -> Result<(), Violation> {
        let bit = match timer {
            Timer::Pass => timer::PASS,
            Timer::Retry => timer::RETRY,
            Timer::Patience => timer::PATIENCE,
            Timer::Session => timer::SESSION,
            Timer::Heartbeat => 0,
        };
        state.entities[at].timers &= !bit;
        self.deliver_plain(state, at, Event::TimerFired(timer));
        self.look_at_once(state, at)
    }

    /// What a timer or a wake-up begins, up to its look at the fleet, is one step.
    fn look_at_once(&mut self, state: &mut State, at: usize) -> Result<(), Violation> {
        let entity = &state.entities[at];
        match (&**self.todos.get(entity.todo[0]), entity.todo[1]) {
            (Todo::Look, 0) => self.perform(state, at, 0),
            _ => Ok(()),
        }
    }

    pub(super) fn deliver_plain(&mut self, state: &mut State, at: usize, event: Event) {
        let id = self.events.id(event.clone());
        self.deliver(state, at, (cue::PLAIN, id), || event);
    }

    fn deliver(
        &mut self,
        state: &mut State,
        at: usize,
        key: (u32, u32),
        event: impl FnOnce() -> Event,
    ) {
        let name = self.bounds.name(at);
        let here = Here {
            aged: state.entities[at].aged,
            needs: state.entities[self.bounds.host(at)].is(flag::NEED),
            number: self.labels(state).free_number(name),
        };
        let reaction = self.react(state.entities[at].agent, key, event, here);
        match reaction.agent {
            0 => self.start_again(state, at), // it has stopped
            _ => self.take_on(state, at, &reaction),
        }
    }

    fn take_on(&mut self, state: &mut State, at: usize, reaction: &Reaction) {
        // A look of a pass that was given up answers nothing.
        let todos = &self.todos;
        state.entities[at]
            .retain(|item| *todos.get(item).as_ref() != Todo::Look || reaction.keeps_look);
        let entity = &mut state.entities[at];
        let is_same = reaction.is_same_stage;
        let before = if is_same {
            entity.timers
        } else {
            entity.timers & timer::SESSION
        };
        entity.agent = reaction.agent;
        let saves = |item: &u32| matches!(**self.todos.get(*item), Todo::Save(..));
        if reaction.todo.iter().any(saves) {
            for item in &mut entity.todo {
                let mut todo = Todo::clone(self.todos.get(*item));
                todo.outdate();
                *item = self.todos.id(todo);
            }
        }
        reaction.todo.iter().for_each(|item| entity.push(*item));
        entity.timers = (before | reaction.timers) & reaction.meant;
        entity.looked |= reaction.looked;
        let host = &mut state.entities[self.bounds.host(at)];
        host.set(flag::CHECKED, host.is(flag::CHECKED) || reaction.is_checked);
    }
}

// === impl Model: machines and processes ===

impl Model {
    /// A new run of an agent. A former run of this very boot is proven dead by the local lock.
    pub(super) fn start_agent(
        &mut self,
        state: &mut State,
        at: usize,
        former: Option<Instance>,
        boot: Option<u32>,
    ) {
        let (name, host) = (self.bounds.name(at), self.bounds.host(at));
        let labels = self.labels(state);
        let run = labels.free_run(name, at);
        let soft = self.bounds.special == Special::SoftReboot;
        let shared = (0..at).filter(|other| self.bounds.host(*other) == host);
        let shared = shared
            .filter_map(|other| Some(self.former(state, other)?.1))
            .next();
        let boot = boot.or(shared).unwrap_or_else(|| match soft {
            true => host as u32 * 8,
            false => labels.free_boot(name, host),
        });
        let count = soft.then(|| u64::from(state.entities[host].soft));
        let identity = names::identity(name, run, boot, count);
        let disk = state.entities[at].disk;
        let entity = &mut state.entities[at];
        *entity = Entity {
            issued: entity.issued,
            soft: entity.soft,
            disk,
            flags: entity.flags & !(flag::PAUSED | flag::STOPPING),
            ..Entity::default()
        };
        state.entities[at].agent = self.new_run(identity, former, disk);
        self.deliver_plain(state, at, Event::Started);
    }

    /// The process has ended; the next one runs in the same boot.
    pub(super) fn start_again(&mut self, state: &mut State, at: usize) {
        let former = self.former(state, at);
        let boot = former.as_ref().map(|(_, boot)| *boot);
        let is_doubled = self.bounds.special == Special::TwoAgents;
        let instance = former.map(|(instance, _)| instance);
        self.start_agent(state, at, instance.filter(|_| !is_doubled), boot);
    }

    fn former(&self, state: &State, at: usize) -> Option<(Instance, u32)> {
        let agent = self.agent(state.entities[at].agent)?;
        let identity = &agent.settings.identity;
        let boot = identity.boot.boot_id.rsplit("-b").next()?.parse().ok()?;
        Some((identity.instance.clone(), boot))
    }

    pub(super) fn go_down(&mut self, state: &mut State, host: usize, is_ours: bool) {
        for at in 0..self.bounds.entities() {
            if self.bounds.host(at) == host {
                let entity = &mut state.entities[at];
                *entity = Entity {
                    disk: entity.disk,
                    soft: entity.soft,
                    flags: entity.flags & !(flag::PAUSED | flag::STOPPING),
                    ..Entity::default()
                };
            }
        }
        state.entities[host].set(flag::UP, false);
        state.entities[host].set(flag::OURS, is_ours);
    }

    /// Boots. Leases of former boots have ended by then: while one lives, the rules refuse all
    /// that the new boot could ask for.
    pub(super) fn boot(&mut self, state: &mut State, host: usize) {
        let machine = &mut state.entities[host];
        machine.set(flag::UP, true);
        for bit in [flag::OURS, flag::EXCUSED, flag::CHECKED, flag::NEED] {
            machine.set(bit, false);
        }
        machine.soft += u8::from(self.bounds.special == Special::SoftReboot);
        if !self.bounds.has_double() {
            self.edit(state, Edit::EndSessions(host as u8));
        }
        for at in 0..self.bounds.entities() {
            if self.bounds.host(at) == host {
                self.start_agent(state, at, None, None);
            }
        }
    }

    fn resume(&mut self, state: &mut State, at: usize) {
        let entity = &mut state.entities[at];
        entity.set(flag::PAUSED, false);
        entity.aged += 1;
        let is_issuing = |item: &u32| matches!(**self.todos.get(*item), Todo::Issue);
        if !entity.todo.iter().any(is_issuing) {
            entity.looked = 0; // held up at the very start of the command: nobody can prevent it
        }
        let mail = std::mem::take(&mut entity.mail);
        if let Some((item, result)) = Mail::clone(self.mails.get(mail)) {
            let id = self.results.id(result.clone());
            self.deliver_answer(state, at, item, &result, id);
        }
    }
}
