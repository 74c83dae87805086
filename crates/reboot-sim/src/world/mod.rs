//! A fleet in virtual time: effects are carried out by a scheduler that draws every delay from a
//! seed, faults strike, and what happens is judged by the ground truth, never by what an agent
//! says of itself.

mod agenda;
mod carry;
mod checks;
mod clock;
mod doze;
mod faults;
mod gates;
mod machine;
mod net;
mod orders;
mod random;
mod sleep;
mod story;

pub(crate) use checks::FENCE_TO_COMMAND_MS;
pub use clock::Clock;
pub use faults::Fault;
pub use gates::Gate;
pub use machine::{Command, Issued, Kit, Machine, Pace, settings};
pub use net::{Cut, Net};
pub use random::Random;

use crate::store::Store;
use crate::violation::{Promise, Violation};
use agenda::{Agenda, Coming, Due, Pending};
use gates::Shared;
use jiff::Timestamp;
use reboot_core::agent::{Effect, Event, Input, Stage, Timer, step};
use reboot_core::fleet::Fleet;
use reboot_core::group::Pause;
use reboot_core::id::{GroupName, NodeName};
use reboot_core::write::Write;
use std::collections::BTreeSet;
use std::sync::Arc;
use story::told;

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
    /// A write arrives that its sender gave up.
    Late(Box<Write>),
}

/// What came of letting time pass.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Tick {
    /// The end is reached, or a promise broken.
    Over,
    /// Something of the store ended.
    Store,
    /// Something happened to this machine.
    Machine(usize),
}

/// Which writes are meant.
pub type WriteFilter = fn(&Write) -> bool;

/// A look at the fleet that is still what the store would show.
struct Shown {
    /// The store's revision, its count of silent changes, and the fleet's pause.
    of: (u64, u64, Option<Pause>),
    fleet: Arc<Fleet>,
}

/// The world.
pub struct World {
    /// The time, in milliseconds.
    pub now_ms: u64,
    /// The store.
    pub store: Store,
    /// The machines.
    pub machines: Vec<Machine>,
    /// What was broken so far; nothing happens after the first.
    pub violations: Vec<Violation>,
    /// Struck once: the machine, after how many events, what.
    pub faults: Vec<(usize, usize, Fault)>,
    /// The next write that is meant loses its reply; whether it is applied.
    pub losing: Vec<(WriteFilter, bool)>,
    /// The store is out of reach until then.
    pub store_down_until_ms: u64,
    /// The time of day at which it began.
    pub start: Timestamp,
    /// Whether machines keep what their agents tell.
    pub keeps_news: bool,
    /// What happened, one line each, where somebody wants to read it.
    pub story: Option<Vec<String>>,
    /// Whether machines with nothing to do sleep.
    pub sleeps: bool,
    /// Whether machines that wait for their turn or a window sleep, too: nobody strikes here.
    pub is_patient: bool,
    /// Until then looks show the store as it was when the first was taken: a big fleet starts.
    pub opens_ms: u64,
    /// Claims that were granted, for whoever takes them out.
    pub claims: Vec<(GroupName, NodeName)>,
    /// Events that agents have taken.
    pub events: u64,
    /// So much of the store's history is in the story.
    told: usize,
    agenda: Agenda,
    shared: Shared,
    /// Machines that wait for the store to change.
    waiting: BTreeSet<usize>,
    /// Somebody began to wait since the last wake-up, and the revision at that.
    has_waiters_new: bool,
    woken_at: u64,
    shown: Option<Shown>,
    lost_replies: (usize, bool),
    random: Random,
    numbers: u64,
}

// === impl World: set-up ===

impl World {
    /// Machines whose agents start soon; the seed draws every delay.
    pub fn new(seed: u64, machines: Vec<Machine>) -> Self {
        let mut world = Self {
            now_ms: 0,
            store: Store::default(),
            machines,
            violations: Vec::new(),
            faults: Vec::new(),
            losing: Vec::new(),
            store_down_until_ms: 0,
            start: Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_secs(START_SECS),
            keeps_news: true,
            story: None,
            sleeps: false,
            opens_ms: 0,
            claims: Vec::new(),
            has_waiters_new: false,
            woken_at: 0,
            is_patient: false,
            events: 0,
            told: 0,
            agenda: Agenda::default(),
            shared: Shared::default(),
            waiting: BTreeSet::new(),
            shown: None,
            lost_replies: (0, false),
            random: Random::new(seed),
            numbers: 0,
        };
        for at in 0..world.machines.len() {
            let delay_ms = world.random.below(1_000);
            world.plan(at, delay_ms, Happening::Start);
        }
        world
    }

    fn next_number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    pub(crate) fn plan(&mut self, at: usize, delay_ms: u64, what: Happening) {
        self.awaken(at);
        let number = self.next_number();
        let machine = &mut self.machines[at];
        let run = machine.run;
        machine.pending.push(Pending { number, run, what });
        self.come(at, self.now_ms + delay_ms, Due::Pending(number));
    }

    fn come(&mut self, at: usize, at_ms: u64, due: Due) {
        let tie = self.random.any();
        self.agenda.add(at_ms, tie, at, due);
    }

    /// One more machine, whose agent starts soon.
    pub fn add(&mut self, mut machine: Machine) -> usize {
        machine.clock = Clock::booted(self.now_ms);
        self.machines.push(machine);
        let at = self.machines.len() - 1;
        self.plan(at, 10, Happening::Start);
        at
    }

    /// Starts the agent of a machine, if none runs.
    pub fn start_soon(&mut self, at: usize) {
        self.plan(at, 10, Happening::Start);
    }
}

/// A Monday at midnight, 2026-03-02.
const START_SECS: i64 = 1_772_409_600;

// === impl World: for stories ===

impl World {
    /// Runs for so long.
    ///
    /// # Panics
    /// A promise was broken.
    pub fn run_for(&mut self, duration_ms: u64) {
        self.play(self.now_ms + duration_ms);
        self.assert_kept();
    }

    /// Runs until the condition holds, at most for so long; whether it held.
    ///
    /// # Panics
    /// A promise was broken.
    pub fn run_until(&mut self, limit_ms: u64, is_met: impl Fn(&Self) -> bool) -> bool {
        let end_ms = self.now_ms + limit_ms;
        while !is_met(self) {
            if self.tick(end_ms) == Tick::Over {
                self.assert_kept();
                return is_met(self);
            }
        }
        true
    }

    fn assert_kept(&self) {
        assert_eq!(self.violations, [], "at {} ms", self.now_ms);
    }

    /// Runs until the agent of a machine is there.
    ///
    /// # Panics
    /// It never got there.
    pub fn reach(&mut self, at: usize, stage: &Stage) {
        let is_there = self.run_until(3_600_000, |world| world.stage(at) == Some(stage));
        let found = self.stage(at);
        assert!(is_there, "{stage:?} was never reached: {found:?}");
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
}

// === impl World: time ===

impl World {
    /// Runs to this time, or to the first broken promise.
    pub fn play(&mut self, end_ms: u64) {
        while self.tick(end_ms) != Tick::Over {}
    }

    /// The next thing that happens, if it happens before the end.
    pub(crate) fn tick(&mut self, end_ms: u64) -> Tick {
        if !self.violations.is_empty() {
            return Tick::Over;
        }
        let mut tick = Tick::Store;
        let end_of_store_ms = self.store.soonest_ms();
        let next_ms = self
            .agenda
            .next_ms()
            .unwrap_or(u64::MAX)
            .min(end_of_store_ms);
        if next_ms > end_ms {
            self.now_ms = end_ms;
            self.store.advance(end_ms);
            return Tick::Over;
        }
        self.now_ms = self.now_ms.max(next_ms);
        self.store.advance(self.now_ms);
        if self
            .agenda
            .next_ms()
            .is_some_and(|at_ms| at_ms <= self.now_ms)
            && let Some(coming) = self.agenda.pop()
        {
            self.come_due(coming);
            self.check(coming.machine);
            if self.sleeps {
                self.lull(coming.machine);
            }
            tick = Tick::Machine(coming.machine);
        }
        self.tell_commits();
        self.wake();
        tick
    }

    fn come_due(&mut self, coming: Coming) {
        let Coming {
            machine: at, due, ..
        } = coming;
        match due {
            Due::Pending(number) => {
                let pending = &mut self.machines[at].pending;
                let Some(place) = pending.iter().position(|it| it.number == number) else {
                    return;
                };
                let Pending { run, what, .. } = pending.swap_remove(place);
                self.happen(at, run, what);
            }
            Due::Timer(timer, run) => self.timer_due(at, timer, run),
            Due::Dawn(run) if self.machines[at].run == run => self.awaken(at),
            Due::Dawn(_) => {}
            Due::Audit(run) => {
                let is_due = |(_, audit_ms): (u64, u64)| audit_ms <= self.now_ms;
                let machine = &self.machines[at];
                if machine.run == run && machine.waiter.is_some_and(is_due) {
                    self.wake_one(at);
                }
            }
        }
    }

    /// A timer that was set anew has another time by now, and comes due then.
    fn timer_due(&mut self, at: usize, timer: Timer, run: u32) {
        let machine = &mut self.machines[at];
        let due_ms = machine.timers.get(&timer).copied();
        if machine.run != run || due_ms.is_none_or(|at_ms| at_ms > self.now_ms) {
            return;
        }
        if machine.paused_until_ms > self.now_ms {
            let at_ms = machine.paused_until_ms;
            return self.come(at, at_ms, Due::Timer(timer, run));
        }
        machine.timers.remove(&timer);
        self.deliver(at, Event::TimerFired(timer));
    }

    /// Wakes whoever waits for a change that has come.
    fn wake(&mut self) {
        let revision = self.store.revision;
        let is_new = std::mem::take(&mut self.has_waiters_new);
        if std::mem::replace(&mut self.woken_at, revision) == revision && !is_new {
            return;
        }
        let heads = self.heads();
        let is_woken = |at: &usize| {
            let machine = &self.machines[*at];
            let is_listening = machine.asleep.is_none() || heads.contains(machine.name());
            is_listening && machine.waiter.is_some_and(|(seen, _)| revision > seen)
        };
        let woken: Vec<usize> = self.waiting.iter().copied().filter(is_woken).collect();
        woken.into_iter().for_each(|at| self.wake_one(at));
    }

    fn wake_one(&mut self, at: usize) {
        self.waiting.remove(&at);
        let machine = &mut self.machines[at];
        if let Some((_, audit_ms)) = machine.waiter
            && audit_ms > self.now_ms
            && std::mem::take(&mut machine.net.is_deaf)
        {
            return; // the wait ends at the audit
        }
        machine.waiter = None;
        let wakes = 1 + u64::from(std::mem::take(&mut machine.net.echoes));
        for _ in 0..wakes {
            let delay_ms = 1 + self.drawn(at, 50);
            self.plan(at, delay_ms, Happening::Answer(Event::Woken));
        }
    }

    /// Breaks a promise.
    pub fn accuse(&mut self, promise: Promise, what: impl Into<String>) {
        self.violations.push(Violation::of(promise, what));
    }
}

// === impl World: what happens ===

impl World {
    fn happen(&mut self, at: usize, run: u32, what: Happening) {
        let is_void = self.machines[at].run != run;
        match what {
            Happening::Carry(effect) if is_void => self.carry_for_the_dead(at, effect),
            Happening::Answer(_) if is_void => {}
            Happening::Carry(effect) => self.carry(at, effect),
            Happening::Answer(event) => self.deliver(at, event),
            Happening::ShutDown(boot) if self.machines[at].is_in(boot) => {
                self.deliver(at, Event::Terminate);
            }
            Happening::Off(boot) if self.machines[at].is_in(boot) => {
                self.end_boot(at);
                if let Some(off_ms) = self.machines[at].kit.off_ms {
                    self.plan(at, off_ms, Happening::Boot);
                }
            }
            Happening::ShutDown(_) | Happening::Off(_) => {}
            Happening::Boot => self.boot(at),
            Happening::Start => self.start(at),
            Happening::Late(write) => {
                self.tell(Some(at), || {
                    format!("a late request arrives: {}", told(&write))
                });
                let _ = self.store_write(at, &write); // its sender hears nothing
            }
        }
    }

    fn boot(&mut self, at: usize) {
        let now_ms = self.now_ms;
        let machine = &mut self.machines[at];
        machine.change_disks();
        machine.is_up = true;
        machine.forgive();
        machine.boot += 1;
        machine.kernel += 1;
        machine.soft = machine.soft.map(|_| 0);
        machine.clock.reboot(now_ms);
        if !machine.kit.need_survives {
            self.alter(at, |kit| kit.need = None);
        }
        self.alter(at, |kit| kit.is_ordered = false);
        let boot = self.machines[at].boot;
        self.tell(Some(at), || format!("the machine is up, boot {boot}"));
        let start_ms = self.machines[at].kit.pace.map_or(3_000, |it| it.start_ms);
        self.plan(at, start_ms, Happening::Start);
    }

    fn start(&mut self, at: usize) {
        let body = self.body(at);
        let agent = self.machines[at].agent.as_ref();
        if agent.is_some_and(|agent| agent.stage == Stage::Leaving) {
            return self.plan(at, 5_000, Happening::Start); // not before it is gone
        }
        if self.machines[at].agent.is_none() && self.machines[body].is_up {
            let seed = self.random.any();
            if body != at {
                let (boot, soft) = (self.machines[body].boot, self.machines[body].soft);
                (self.machines[at].boot, self.machines[at].soft) = (boot, soft);
                self.machines[at].kernel = self.machines[body].kernel;
            }
            self.machines[at].start(seed);
            self.tell(Some(at), || "the agent starts".to_owned());
            self.deliver(at, Event::Started);
        }
    }

    /// The agent's process is gone. What it had begun may have been done.
    pub fn end_process(&mut self, at: usize) {
        self.awaken(at);
        if self.machines[at].agent.is_some() {
            self.tell(Some(at), || "the agent is gone".to_owned());
        }
        for effect in self.machines[at].under_way() {
            if self.random.chance(50) {
                self.leave_done(at, effect);
            }
        }
        self.machines[at].end_process();
        self.waiting.remove(&at);
    }

    pub(crate) fn end_boot(&mut self, at: usize) {
        self.tell(Some(at), || "the machine is off".to_owned());
        let lodgers = (0..self.machines.len()).filter(|it| self.body(*it) == at);
        for lodger in Vec::from_iter(lodgers) {
            self.end_process(lodger);
            self.machines[lodger].end_boot();
        }
    }

    /// The system restarts above the same kernel, where that can be told from a mere restart.
    pub fn soft_reboot(&mut self, at: usize) {
        let lodgers = (0..self.machines.len()).filter(|it| self.body(*it) == at);
        for lodger in Vec::from_iter(lodgers) {
            self.end_process(lodger);
        }
        let machine = &mut self.machines[at];
        machine.dead_former = None;
        machine.forgive();
        machine.boot += 1;
        machine.soft = machine.soft.map(|count| count + 1);
        let is_ordered = machine.kit.is_ordered && machine.soft.is_none();
        self.alter(at, |kit| kit.is_ordered = is_ordered);
        self.plan(at, 4_000, Happening::Start);
    }

    /// The boot-time clock of a machine runs at another rate from now on.
    pub fn set_clock_rate(&mut self, at: usize, rate: (u64, u64)) {
        self.awaken(at);
        let now_ms = self.now_ms;
        let machine = &mut self.machines[at];
        let run = machine.run;
        let read = |clock: &Clock, at_ms: u64| clock.boot_ms(at_ms.max(now_ms));
        let timers = machine.timers.iter();
        let timers = Vec::from_iter(timers.map(|(it, at_ms)| (*it, read(&machine.clock, *at_ms))));
        machine.clock.set_rate(now_ms, rate);
        for (timer, boot_ms) in timers {
            let machine = &mut self.machines[at];
            let at_ms = machine.clock.true_ms(boot_ms).max(now_ms);
            machine.timers.insert(timer, at_ms);
            self.come(at, at_ms, Due::Timer(timer, run));
        }
    }

    /// The machine on which an agent runs.
    pub fn body(&self, at: usize) -> usize {
        self.machines[at].lodges_with.unwrap_or(at)
    }

    /// One step of an agent.
    pub fn deliver(&mut self, at: usize, event: Event) {
        self.awaken(at);
        let until_ms = self.machines[at].paused_until_ms;
        if until_ms > self.now_ms {
            let delay_ms = until_ms - self.now_ms;
            return self.plan(at, delay_ms, Happening::Answer(event));
        }
        let now = self.machines[at].clock.now(self.start, self.now_ms);
        let machine = &mut self.machines[at];
        let Some(agent) = &mut machine.agent else {
            return;
        };
        let effects = step(agent, Input { now, event });
        machine.events += 1;
        self.events += 1;
        self.count_event(at);
        for effect in effects {
            self.take(at, effect);
        }
        self.strike(at);
    }
}
