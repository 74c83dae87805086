//! What an agent makes of one event: the shipped `step`, and again for all that its own machine
//! answers at once, until it waits for something that others can see.

use super::Model;
use super::bounds::Special;
use super::state::{Todo, look, timer};
use crate::world;
use jiff::Timestamp;
use reboot_core::agent::{
    Agent, Effect, Event, Input, Look, NO_PASS, Notebook, Now, ScriptPhase, Settings, Sight, Stage,
    Step, Tag, Timer, step,
};
use reboot_core::gates::{Local, ScriptVerdict};
use reboot_core::group::Identity;
use reboot_core::id::Instance;
use reboot_core::need::Detection;
use std::collections::VecDeque;
use std::rc::Rc;

/// How far a process's clock goes on while it is held up past its lease, in milliseconds.
const HELD_UP_MS: u64 = 200_000;
/// More events than this between two waits are a loop.
const EVENTS_MAX: usize = 200;

/// What an agent is, seen from the model.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct Run(pub(super) Option<Box<Agent>>);

/// What the agent's machine is like just now.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) struct Here {
    pub(super) aged: u8,
    pub(super) needs: bool,
    /// After which number of its own the agent goes on.
    pub(super) number: u64,
}

/// What came of an event.
#[derive(Debug)]
pub(super) struct Reaction {
    /// The agent after it; 0 when it has ended.
    pub(super) agent: u32,
    /// What it wants done.
    pub(super) todo: Vec<u32>,
    /// Timers that it set, as bits.
    pub(super) timers: u8,
    /// Timers that still mean something.
    pub(super) meant: u8,
    /// Whether it is where it was: then timers set before still run.
    pub(super) is_same_stage: bool,
    /// Whether it still waits for a look that it asked for before.
    pub(super) keeps_look: bool,
    /// What it looked at, as bits.
    pub(super) looked: u8,
    /// Whether the check after the reboot passed.
    pub(super) is_checked: bool,
}

/// A reaction under way.
#[derive(Default)]
struct Doing {
    events: VecDeque<Event>,
    todo: Vec<Todo>,
    timers: u8,
    looked: u8,
    is_checked: bool,
    is_over: bool,
}

// === impl Model ===

impl Model {
    /// A new run of an agent, which has just been started.
    pub(super) fn new_run(
        &mut self,
        identity: Identity,
        former: Option<Instance>,
        disk: u32,
    ) -> u32 {
        let notebook = Notebook::clone(self.disks.get(disk));
        let agent = Agent::new(self.settings(identity, former), notebook, 0);
        self.agents.id(Run(Some(Box::new(agent))))
    }

    pub(super) fn agent(&self, id: u32) -> Option<&Agent> {
        self.agents.get(id).0.as_deref()
    }

    fn settings(&self, identity: Identity, dead_former: Option<Instance>) -> Settings {
        Settings {
            identity,
            dead_former,
            max_reboots_per_day: 1_000, // days do not pass here
            ..world::settings("unnamed", self.bounds.max)
        }
    }

    /// What the agent makes of an event; worked out once for each agent, event and place.
    pub(super) fn react(
        &mut self,
        agent: u32,
        key: (u32, u32),
        event: impl FnOnce() -> Event,
        here: Here,
    ) -> Rc<Reaction> {
        let key = (agent, key.0, key.1, here);
        if let Some(reaction) = self.reactions.get(&key) {
            return Rc::clone(reaction);
        }
        let reaction = Rc::new(self.work_out(agent, event(), here));
        self.reactions.insert(key, Rc::clone(&reaction));
        reaction
    }

    fn work_out(&mut self, agent: u32, event: Event, here: Here) -> Reaction {
        let mut agent = Agent::clone(self.agent(agent).expect("only a running agent reacts"));
        agent.count_from(here.number);
        let stage = agent.stage.clone();
        let mut doing = Doing::default();
        doing.events.push_back(event);
        let mut count = 0;
        while let Some(event) = doing.events.pop_front() {
            let now = Now {
                boot_ms: u64::from(here.aged) * HELD_UP_MS,
                wall: Timestamp::UNIX_EPOCH,
            };
            for effect in step(&mut agent, Input { now, event }) {
                self.carry(&mut doing, effect, here);
            }
            count += 1;
            assert!(count < EVENTS_MAX, "a busy loop in {:?}", agent.stage);
        }
        agent.forget_history();
        self.forget_newest(&mut agent.notebook);
        let meant = meant_timers(&agent);
        let agent_stage = agent.stage.clone();
        let looks = agent
            .pass()
            .is_some_and(|it| it.looking == Some(Look::Fleet));
        let keeps_look = looks && !doing.todo.contains(&Todo::Look);
        let run = if doing.is_over {
            0
        } else {
            self.agents.id(Run(Some(Box::new(agent))))
        };
        Reaction {
            agent: run,
            todo: doing.todo.into_iter().map(|it| self.todos.id(it)).collect(),
            timers: doing.timers,
            is_same_stage: agent_stage == stage,
            keeps_look,
            meant,
            looked: doing.looked,
            is_checked: doing.is_checked,
        }
    }

    /// What was seen of the group matters only where the store may be put back.
    fn forget_newest(&self, notebook: &mut Notebook) {
        if self.bounds.special != Special::Restore {
            notebook.newest = None;
        }
    }

    fn carry(&mut self, doing: &mut Doing, effect: Effect, here: Here) {
        match effect {
            Effect::Look { pass, look, .. } => see(doing, pass, look, here),
            Effect::Write {
                tag: Tag::Publish | Tag::KeepSession,
                ..
            } => {}
            Effect::Write { tag, write } => doing.todo.push(Todo::Write(tag, write)),
            Effect::Save { mut notebook, .. } => {
                self.forget_newest(&mut notebook);
                doing.todo.iter_mut().for_each(Todo::outdate);
                doing.todo.push(Todo::Save(true, notebook));
            }
            Effect::RunHooks(hooks) => doing.todo.push(Todo::RunHooks(hooks)),
            Effect::Undo(undo) => doing.todo.push(Todo::Undo(undo)),
            Effect::IssueReboot => doing.todo.push(Todo::Issue),
            Effect::PlanHooks => {
                let hooks = if self.bounds.hooks {
                    vec!["drain".to_owned()]
                } else {
                    vec![]
                };
                doing.events.push_back(Event::Planned(Ok(hooks)));
            }
            Effect::RunPostHooks => doing.events.push_back(Event::PostHooked(Ok(()))),
            Effect::SetTimer(timer, _) => doing.timers |= bit(timer),
            Effect::Exit => doing.is_over = true,
            // A change may be heard of at any time.
            Effect::AwaitChange { .. }
            | Effect::AwaitOrder { .. }
            | Effect::Tell(_)
            | Effect::Wall { .. }
            | Effect::MarkReturned { .. } => {}
        }
    }
}

/// A look at the machine is answered at once; one at the fleet is waited for.
fn see(doing: &mut Doing, pass: u64, look: Look, here: Here) {
    let (bit, sight) = match look {
        Look::Fleet => return doing.todo.push(Todo::Look),
        Look::Local => {
            let local = Local {
                kill_switch: Ok(false),
                inhibitors: Vec::new(),
            };
            (look::LOCAL, Sight::Local(local))
        }
        Look::Detectors => {
            let fired = if here.needs {
                vec!["kernel".to_owned()]
            } else {
                vec![]
            };
            let detection = Detection {
                fingerprint: fired.concat(),
                fired,
                failed: Vec::new(),
            };
            (look::DETECTORS, Sight::Detection(detection))
        }
        Look::Health(phase) => {
            doing.is_checked |= phase == ScriptPhase::PostReboot;
            (look::HEALTH, Sight::Health(ScriptVerdict::Pass))
        }
    };
    if pass != NO_PASS {
        doing.looked |= bit;
    }
    doing.events.push_back(Event::Saw { pass, look, sight });
}

fn bit(of: Timer) -> u8 {
    match of {
        Timer::Pass => timer::PASS,
        Timer::Retry => timer::RETRY,
        Timer::Patience => timer::PATIENCE,
        Timer::Session => timer::SESSION,
        Timer::Heartbeat => 0, // fires only where it would find a hold broken
    }
}

/// Which timers an agent in this stage would heed.
fn meant_timers(agent: &Agent) -> u8 {
    let of_stage = match &agent.stage {
        Stage::New | Stage::Passing | Stage::Leaving | Stage::Gone => 0,
        Stage::Resting => timer::PASS,
        Stage::Opening | Stage::Settling | Stage::PayingDebts | Stage::Claiming => timer::RETRY,
        Stage::Holding(Step::Waiting | Step::Issued | Step::Soaking) => timer::PATIENCE,
        Stage::Holding(_) => timer::RETRY,
    };
    let is_open = agent.session().is_some_and(|(_, is_open)| is_open);
    of_stage | if is_open { 0 } else { timer::SESSION }
}
