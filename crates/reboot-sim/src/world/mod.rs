//! A fleet in virtual time: effects are carried out by a scheduler that draws every delay from a
//! seed, faults strike after chosen events, and the rules of safety are checked all the time.

mod checks;
mod machine;

pub use machine::{Command, Issued, Kit, Machine, settings};

use crate::store::Store;
use jiff::Timestamp;
use reboot_core::agent::{Effect, Event, Input, Issue, Look, Now, Sight, Stage, Tag, Timer, step};
use reboot_core::group::{Action, Request};
use reboot_core::id::{GroupName, RequestId};
use reboot_core::write::{Trouble, Write, Written};
use std::collections::BTreeMap;

/// How long the shell waits for the store.
const STORE_TIMEOUT_MS: u64 = 10_000;
/// How long a machine is off while it reboots.
const OFF_MS: u64 = 45_000;
/// More events than this in a minute of one agent's life are a loop.
const EVENTS_PER_MINUTE_MAX: usize = 600;

/// What the agenda holds.
#[derive(Clone, Debug)]
pub enum Happening {
    /// An effect is carried out now.
    Carry(Effect),
    /// The agent hears of it now.
    Answer(Event),
    /// This boot of the machine begins to shut down.
    ShutDown(u32),
    /// This boot of the machine is over.
    Off(u32),
    /// The machine boots.
    Boot,
    /// The agent is started (again).
    Start,
}

/// What strikes a machine after its agent has taken so many events.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// The process is killed, and started again.
    Kill,
    /// The power is lost, and comes back.
    PowerLoss,
    /// The process is told to stop, and started again later.
    Terminate,
    /// The process stands still for so long, in milliseconds.
    Pause(u64),
    /// An operator breaks whatever hold the node has.
    Break,
    /// From here on the replies to so many writes are lost; whether the writes are applied.
    LoseReplies(usize, bool),
    /// The store is out of reach for so long, in milliseconds.
    StoreDown(u64),
}

/// Something on the agenda.
#[derive(Clone, Debug)]
pub struct Entry {
    pub at: usize,
    pub run: u32,
    pub what: Happening,
}

/// Which writes are meant.
pub type WriteFilter = fn(&Write) -> bool;

/// A seeded sequence of numbers.
struct Random(u64);

/// The world.
pub struct World {
    pub now_ms: u64,
    pub store: Store,
    pub machines: Vec<Machine>,
    /// Struck once: the machine, after how many events, what.
    pub faults: Vec<(usize, usize, Fault)>,
    pub agenda: BTreeMap<(u64, u64), Entry>,
    /// The next write that is meant loses its reply; whether it is applied.
    pub losing: Vec<(WriteFilter, bool)>,
    lost_replies: (usize, bool),
    pub store_down_until_ms: u64,
    random: Random,
    requests: u64,
    minute: (u64, usize),
}

// === impl Random ===

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit.max(1)
    }
}

// === impl World: set-up and time ===

impl World {
    pub fn new(seed: u64, machines: Vec<Machine>) -> Self {
        let mut world = Self {
            now_ms: 0,
            store: Store::default(),
            machines,
            faults: Vec::new(),
            agenda: BTreeMap::new(),
            losing: Vec::new(),
            lost_replies: (0, false),
            store_down_until_ms: 0,
            random: Random(seed.wrapping_mul(2_654_435_761) | 1),
            requests: 0,
            minute: (0, 0),
        };
        for at in 0..world.machines.len() {
            let delay_ms = world.random.below(1_000);
            world.plan(at, delay_ms, Happening::Start);
        }
        world
    }

    fn plan(&mut self, at: usize, delay_ms: u64, what: Happening) {
        let run = self.machines[at].run;
        let key = (self.now_ms + delay_ms, self.random.below(u64::MAX));
        self.agenda.insert(key, Entry { at, run, what });
    }

    /// One more machine, whose agent starts soon.
    pub fn add(&mut self, mut machine: Machine) -> usize {
        machine.booted_ms = self.now_ms;
        self.machines.push(machine);
        let at = self.machines.len() - 1;
        self.plan(at, 10, Happening::Start);
        at
    }

    /// Starts the agent of a machine, if none runs.
    pub fn start_soon(&mut self, at: usize) {
        self.plan(at, 10, Happening::Start);
    }

    /// Runs for so long.
    pub fn run_for(&mut self, duration_ms: u64) {
        let end_ms = self.now_ms + duration_ms;
        while self.tick(end_ms) {}
    }

    /// Runs until the condition holds, at most for so long; whether it held.
    pub fn run_until(&mut self, limit_ms: u64, is_met: impl Fn(&Self) -> bool) -> bool {
        let end_ms = self.now_ms + limit_ms;
        while !is_met(self) {
            if !self.tick(end_ms) {
                return is_met(self);
            }
        }
        true
    }

    /// The next thing that happens, if it happens before the end.
    fn tick(&mut self, end_ms: u64) -> bool {
        let timer = self.next_timer();
        let entry_ms = self.agenda.keys().next().map(|key| key.0);
        let waits = self.machines.iter().filter_map(|it| it.waiter);
        let audit_ms = waits.map(|(_, audit_ms)| audit_ms).min();
        let candidates = [
            entry_ms,
            timer.map(|it| it.0),
            self.store.next_end_ms(),
            audit_ms,
        ];
        let next_ms = candidates.into_iter().flatten().min();
        let Some(next_ms) = next_ms.filter(|at_ms| *at_ms <= end_ms) else {
            self.now_ms = end_ms;
            self.store.advance(end_ms);
            return false;
        };
        self.now_ms = self.now_ms.max(next_ms);
        self.store.advance(self.now_ms);
        if entry_ms.is_some_and(|at_ms| at_ms <= self.now_ms) {
            if let Some((_, entry)) = self.agenda.pop_first() {
                self.happen(entry);
            }
        } else if let Some((_, at, timer)) = timer.filter(|it| it.0 <= self.now_ms) {
            self.machines[at].timers.remove(&timer);
            self.deliver(at, Event::TimerFired(timer));
        }
        self.wake();
        checks::check(self);
        true
    }

    /// How many holds there are, of those that live.
    pub fn holders(&self) -> usize {
        let fleet = self.store.look();
        fleet.groups.values().map(|it| it.group.holds.len()).sum()
    }

    /// What the agent of a machine is busy with.
    pub fn stage(&self, at: usize) -> Option<&Stage> {
        self.machines[at].agent.as_ref().map(|agent| &agent.stage)
    }

    /// Runs until the agent of a machine is there.
    pub fn reach(&mut self, at: usize, stage: &Stage) {
        let is_there = self.run_until(3_600_000, |world| world.stage(at) == Some(stage));
        assert!(
            is_there,
            "{stage:?} was never reached: {:?}",
            self.stage(at)
        );
    }

    fn next_timer(&self) -> Option<(u64, usize, Timer)> {
        let machines = self.machines.iter().enumerate();
        let timers = machines.flat_map(|(at, machine)| {
            let timers = machine.timers.iter();
            timers.map(move |(timer, at_ms)| ((*at_ms).max(machine.paused_until_ms), at, *timer))
        });
        timers.min()
    }

    fn wake(&mut self) {
        for at in 0..self.machines.len() {
            let is_due = |(seen, audit_ms): (u64, u64)| {
                self.store.revision > seen || audit_ms <= self.now_ms
            };
            if self.machines[at].waiter.is_some_and(is_due) {
                self.machines[at].waiter = None;
                let delay_ms = 1 + self.random.below(50);
                self.plan(at, delay_ms, Happening::Answer(Event::Woken));
            }
        }
    }
}

// === impl World: what happens ===

impl World {
    fn happen(&mut self, entry: Entry) {
        let Entry { at, run, what } = entry;
        let is_void = self.machines[at].run != run;
        match what {
            Happening::Carry(effect) if is_void => self.carry_for_the_dead(effect),
            Happening::Answer(_) if is_void => {}
            Happening::Carry(effect) => self.carry(at, effect),
            Happening::Answer(event) => self.deliver(at, event),
            Happening::ShutDown(boot) if self.machines[at].is_in(boot) => {
                self.deliver(at, Event::Terminate);
            }
            Happening::Off(boot) if self.machines[at].is_in(boot) => {
                self.machines[at].end_boot();
                self.plan(at, OFF_MS, Happening::Boot);
            }
            Happening::ShutDown(_) | Happening::Off(_) => {}
            Happening::Boot => {
                let now_ms = self.now_ms;
                let machine = &mut self.machines[at];
                machine.is_up = true;
                machine.boot += 1;
                machine.booted_ms = now_ms;
                machine.was_broken = false;
                if !machine.kit.need_survives {
                    machine.kit.need = None;
                }
                self.plan(at, 3_000, Happening::Start);
            }
            Happening::Start => self.start(at),
        }
    }

    /// A request may be on its way while its sender dies.
    fn carry_for_the_dead(&mut self, effect: Effect) {
        if let Effect::Write { write, .. } = effect
            && self.random.below(2) == 0
        {
            let _ = self.store.write(&write); // nobody hears the answer
        }
    }

    fn start(&mut self, at: usize) {
        if self.machines[at].agent.is_none() && self.machines[at].is_up {
            let seed = self.random.below(u64::MAX);
            self.machines[at].start(seed);
            self.deliver(at, Event::Started);
        }
    }

    /// One step of an agent.
    pub fn deliver(&mut self, at: usize, event: Event) {
        let until_ms = self.machines[at].paused_until_ms;
        if until_ms > self.now_ms {
            let delay_ms = until_ms - self.now_ms;
            return self.plan(at, delay_ms, Happening::Answer(event));
        }
        let now = self.clock(at);
        let machine = &mut self.machines[at];
        let Some(agent) = &mut machine.agent else {
            return;
        };
        let effects = step(agent, Input { now, event });
        machine.events += 1;
        self.count_event(at);
        for effect in effects {
            self.take(at, effect);
        }
        self.strike(at);
    }

    fn clock(&self, at: usize) -> Now {
        let start: Timestamp = "2026-03-02T00:00:00Z".parse().unwrap();
        let elapsed = std::time::Duration::from_millis(self.now_ms);
        Now {
            boot_ms: self.now_ms - self.machines[at].booted_ms,
            wall: start + elapsed,
        }
    }

    fn count_event(&mut self, at: usize) {
        let minute = self.now_ms / 60_000;
        let before = if self.minute.0 == minute {
            self.minute.1
        } else {
            0
        };
        self.minute = (minute, before + 1);
        let stage = self.machines[at].agent.as_ref().map(|agent| &agent.stage);
        let limit = EVENTS_PER_MINUTE_MAX * self.machines.len();
        assert!(before < limit, "a busy loop in {stage:?}");
    }

    fn take(&mut self, at: usize, effect: Effect) {
        let delay_ms = 1 + self.random.below(20);
        let machine = &mut self.machines[at];
        match effect {
            Effect::SetTimer(timer, at_ms) => {
                machine.timers.insert(timer, machine.booted_ms + at_ms);
            }
            Effect::AwaitChange { seen } => {
                let audit_ms = self.now_ms + machine.settings.audit_interval_ms;
                machine.waiter = Some((seen, audit_ms));
            }
            Effect::Tell(news) => machine.news.push(news),
            Effect::Exit => machine.end_process(),
            Effect::MarkReturned { .. } | Effect::Wall { .. } => {}
            Effect::Write { tag, write } => self.queue_write(at, tag, write, delay_ms),
            other => {
                let takes_ms = machine.kit.duration_ms(&other);
                let delay_ms = takes_ms + self.random.below(takes_ms);
                self.plan(at, delay_ms, Happening::Carry(other));
            }
        }
    }

    /// Writes go through two queues, each in order, as in the shell.
    fn queue_write(&mut self, at: usize, tag: Tag, write: Box<Write>, delay_ms: u64) {
        let queue = usize::from(matches!(tag, Tag::Publish | Tag::KeepSession));
        let machine = &mut self.machines[at];
        let start_ms = machine.queues_ms[queue].max(self.now_ms) + delay_ms;
        machine.queues_ms[queue] = start_ms + 40; // no answer takes longer, unless it is lost
        let effect = Effect::Write { tag, write };
        self.plan(at, start_ms - self.now_ms, Happening::Carry(effect));
    }
}

// === impl World: carrying effects out ===

impl World {
    fn carry(&mut self, at: usize, effect: Effect) {
        let kit = self.machines[at].kit.clone();
        let fails = |fails: bool| match fails {
            true => Err("it failed".to_owned()),
            false => Ok(()),
        };
        let event = match effect {
            Effect::Look { pass, look, .. } => {
                let sight = match look {
                    Look::Fleet => Sight::Fleet(self.look().map(std::sync::Arc::new)),
                    _ => kit.see(look),
                };
                Event::Saw { pass, look, sight }
            }
            Effect::Write { tag, write } => return self.carry_write(at, tag, &write),
            Effect::Save { id, notebook } => {
                if !kit.disk_fails {
                    self.machines[at].disk = *notebook;
                }
                let result = fails(kit.disk_fails);
                Event::Saved { id, result }
            }
            Effect::PlanHooks => {
                let names = kit.hooks.iter().map(|&name| name.to_owned());
                Event::Planned(Ok(names.collect()))
            }
            Effect::RunHooks(names) => {
                self.machines[at].changes.extend(names);
                Event::Hooked(fails(kit.hooks_fail))
            }
            Effect::Undo(undo) => {
                if !kit.undo_fails {
                    let changes = &mut self.machines[at].changes;
                    changes.retain(|name| !undo.newest_first().any(|undone| undone == name));
                }
                Event::Undone(fails(kit.undo_fails))
            }
            Effect::RunPostHooks => Event::PostHooked(fails(kit.post_hooks_fail)),
            Effect::IssueReboot => return self.issue(at, kit.command),
            other => panic!("{other:?} is not carried out later"),
        };
        self.deliver(at, event);
    }

    fn look(&self) -> Result<reboot_core::fleet::Fleet, Trouble> {
        match self.store_down_until_ms > self.now_ms {
            true => Err(Trouble::Unavailable("the store is down".to_owned())),
            false => Ok(self.store.look()),
        }
    }

    fn carry_write(&mut self, at: usize, tag: Tag, write: &Write) {
        let unknown = || Trouble::Unknown("no answer".to_owned());
        let (result, delay_ms) = if self.store_down_until_ms > self.now_ms {
            let trouble = Trouble::Unavailable("the store is down".to_owned());
            (Err(trouble), 1)
        } else if let Some(is_applied) = self.loses(write) {
            if is_applied {
                let _ = self.store_write(at, write); // applied, and nobody hears of it
            }
            (Err(unknown()), STORE_TIMEOUT_MS)
        } else {
            let result = self.store_write(at, write);
            (result.map_err(Trouble::Refused), 1 + self.random.below(20))
        };
        self.plan(
            at,
            delay_ms,
            Happening::Answer(Event::Wrote { tag, result }),
        );
    }

    /// Whether the reply is lost, and then whether the write is applied.
    fn loses(&mut self, write: &Write) -> Option<bool> {
        if let Some(index) = self.losing.iter().position(|(is_it, _)| is_it(write)) {
            return Some(self.losing.remove(index).1);
        }
        let (count, is_applied) = self.lost_replies;
        self.lost_replies.0 = count.saturating_sub(1);
        (count > 0).then_some(is_applied)
    }

    fn store_write(
        &mut self,
        at: usize,
        write: &Write,
    ) -> Result<Written, reboot_core::group::Refusal> {
        let result = self.store.write(write)?;
        checks::committed(&self.machines[at], write);
        Ok(result)
    }

    fn issue(&mut self, at: usize, command: Command) {
        checks::may_issue(self, at);
        let now_ms = self.now_ms;
        let machine = &mut self.machines[at];
        let (boot, need) = (machine.boot, machine.kit.need);
        if command == Command::CannotStart {
            let issue = Issue::NotStarted("no such file".to_owned());
            return self.deliver(at, Event::Issued(issue));
        }
        machine.commands.push(Issued {
            boot,
            need,
            at_ms: now_ms,
        });
        self.plan(at, 3, Happening::Answer(Event::Issued(Issue::Started)));
        let is_success = !matches!(command, Command::Fails | Command::FailsAndReboots);
        let how = "it ended".to_owned();
        let ended = Event::Issued(Issue::Ended { is_success, how });
        self.plan(at, 200, Happening::Answer(ended));
        if matches!(command, Command::Reboots | Command::FailsAndReboots) {
            // A clean shutdown tells the agent to stop; a crash does not.
            let delay_ms = 300 + self.random.below(20_000);
            let is_clean = self.random.below(3) > 0;
            if is_clean {
                self.plan(at, delay_ms, Happening::ShutDown(boot));
            }
            self.plan(at, delay_ms + 4_000, Happening::Off(boot));
        }
    }
}

// === impl World: faults and operators ===

impl World {
    fn strike(&mut self, at: usize) {
        let events = self.machines[at].events;
        let is_due = |it: &(usize, usize, Fault)| it.0 == at && it.1 == events;
        let Some(index) = self.faults.iter().position(is_due) else {
            return;
        };
        let (_, _, fault) = self.faults.remove(index);
        match fault {
            Fault::Kill => {
                self.machines[at].end_process();
                self.plan(at, 2_000, Happening::Start);
            }
            Fault::PowerLoss => {
                let boot = self.machines[at].boot;
                self.plan(at, 0, Happening::Off(boot));
            }
            Fault::Terminate => {
                self.deliver(at, Event::Terminate);
                self.plan(at, 30_000, Happening::Start);
            }
            Fault::Pause(duration_ms) => {
                self.machines[at].paused_until_ms = self.now_ms + duration_ms;
            }
            Fault::Break => self.break_hold_of(at),
            Fault::LoseReplies(count, is_applied) => self.lost_replies = (count, is_applied),
            Fault::StoreDown(duration_ms) => {
                self.store_down_until_ms = self.now_ms + duration_ms;
            }
        }
    }

    /// An operator's request to the default group.
    pub fn operate(&mut self, action: Action) {
        self.requests += 1;
        let request = Request {
            id: RequestId::new(format!("operator.{}", self.requests)).unwrap(),
            at: String::new(),
            action,
        };
        let write = Write::Ask {
            group: GroupName::default(),
            create_with_max: Some(1),
            request,
        };
        self.store.write(&write).unwrap();
    }

    /// Breaks the hold of a node, when it has one.
    pub fn break_hold_of(&mut self, at: usize) {
        let fleet = self.store.look();
        let holds = fleet.holds_of(self.machines[at].name());
        let Some(number) = holds.map(|(_, hold)| hold.number).next() else {
            return;
        };
        self.machines[at].was_broken = true;
        self.operate(Action::Break {
            number,
            by: "operator".to_owned(),
            reason: "the test says so".to_owned(),
        });
    }
}
