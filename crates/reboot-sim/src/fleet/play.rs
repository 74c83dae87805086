//! One fleet's days: what was drawn comes to pass, strikes find their stage, operators look.

use super::Mode;
use super::coverage::Coverage;
use super::fault::{Stage, Strike, impossible};
use super::promises::Watch;
use super::scenario::{Arrival, Planned, Scenario};
use super::stage::stage_of;
use crate::store::Store;
use crate::violation::Promise;
use crate::world::{Happening, Kit, Random, Tick, World};
use jiff::Timestamp;
use reboot_core::agent::Event;
use reboot_core::id::{GroupName, MachineId, NodeName};
use std::collections::BTreeMap;

pub(super) const SECOND_MS: u64 = 1_000;
pub(super) const MINUTE_MS: u64 = 60 * SECOND_MS;
pub(super) const HOUR_MS: u64 = 60 * MINUTE_MS;
pub(super) const DAY_MS: u64 = 24 * HOUR_MS;
/// How often operators look.
const LOOK_MS: u64 = 20 * MINUTE_MS;
/// Fleets of more nodes than this are big: a look at each by each takes minutes to play.
pub(super) const BIG_NODES: usize = 2_000;
/// Big fleets start in so long, and nobody holds anything meanwhile, in milliseconds.
const OPENING_MS: u64 = 5 * SECOND_MS;
/// So many backups are kept.
const BACKUPS_MAX: usize = 4;
/// How long a fleet may take to finish once the faults have stopped.
pub(super) const SETTLE_MS: u64 = 14 * DAY_MS;

/// What is to be done to the fleet, by nobody's agent.
#[derive(Clone, Debug)]
pub(super) enum Chore {
    Arrive(Arrival),
    /// A node that rests, drawn then.
    Poke(Planned),
    Strike(usize, Planned),
    Reappear(usize, &'static str),
    Mend(usize),
    KeepTime(usize),
    Resume(Option<GroupName>),
    SetMax(GroupName, u32),
    ReturnStore,
    Retire(usize),
    BackUp,
    Look,
}

/// A fleet under way.
pub(super) struct Play {
    pub(super) world: World,
    pub(super) random: Random,
    pub(super) coverage: Coverage,
    /// The machines of the fleet; others are clones and second agents.
    pub(super) nodes: usize,
    /// What each machine is like when nothing is wrong.
    pub(super) usual: Vec<Kit>,
    /// Whom each name and machine id have stood for.
    pub(super) faces: BTreeMap<(NodeName, MachineId), usize>,
    pub(super) backups: Vec<Store>,
    pub(super) maxes: BTreeMap<GroupName, u32>,
    /// Holds that nobody seems to have, at the last look.
    pub(super) ghosts: Vec<(GroupName, u64)>,
    pub(super) watch: Watch,
    is_settling: bool,
    planned: Vec<Planned>,
    chores: BTreeMap<(u64, u64), Chore>,
    count: u64,
    mode: Mode,
    duration_ms: u64,
}

// === impl Play ===

impl Play {
    pub(super) fn new(seed: u64, mode: Mode, sleeps: bool) -> Self {
        let mut random = Random::new(seed);
        let scenario = Scenario::draw(seed, mode, &mut random);
        let nodes = scenario.machines.len();
        let usual = scenario.machines.iter().map(|it| it.kit.clone()).collect();
        let group = |it: &crate::world::Machine| (it.settings.group.clone(), it.settings.max);
        let maxes = scenario.machines.iter().map(group).collect();
        let mut world = World::new(random.any(), scenario.machines);
        world.keeps_news = false;
        world.sleeps = sleeps;
        world.opens_ms = if nodes > BIG_NODES { OPENING_MS } else { 0 };
        world.start = Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_secs(scenario.start_secs);
        let mut play = Self {
            world,
            random,
            coverage: Coverage::default(),
            nodes,
            usual,
            faces: BTreeMap::new(),
            backups: Vec::new(),
            maxes,
            ghosts: Vec::new(),
            watch: Watch::default(),
            is_settling: false,
            planned: scenario.planned,
            chores: BTreeMap::new(),
            count: 0,
            mode,
            duration_ms: scenario.duration_ms,
        };
        play.prepare(scenario.arrivals);
        play
    }

    fn prepare(&mut self, arrivals: Vec<Arrival>) {
        (0..self.nodes).for_each(|at| self.note_face(at));
        for arrival in arrivals {
            self.plan_at(arrival.at_ms, Chore::Arrive(arrival));
        }
        self.plan_at(LOOK_MS, Chore::Look);
        let is_idle = |planned: &Planned| planned.stage == Stage::Idle;
        let (idle, planned) = std::mem::take(&mut self.planned)
            .into_iter()
            .partition(is_idle);
        self.planned = planned;
        let idle: Vec<Planned> = idle;
        for planned in idle {
            self.plan_at(planned.after_ms, Chore::Poke(planned));
        }
        let first_ms = self.random.below(HOUR_MS);
        self.plan_at(first_ms, Chore::BackUp);
    }

    fn plan_at(&mut self, at_ms: u64, chore: Chore) {
        self.count += 1;
        self.chores.insert((at_ms, self.count), chore);
    }

    pub(super) fn plan_in(&mut self, delay_ms: u64, chore: Chore) {
        self.plan_at(self.world.now_ms + delay_ms, chore);
    }

    /// Remembers whom this machine's present name and id stand for.
    pub(super) fn note_face(&mut self, at: usize) {
        let identity = &self.world.machines[at].settings.identity;
        let face = (identity.node.clone(), identity.machine_id.clone());
        self.faces.insert(face, at);
    }

    /// To the end, or to the first broken promise.
    pub(super) fn run(&mut self) {
        self.run_to(self.duration_ms);
        if self.mode == Mode::Liveness && self.world.violations.is_empty() {
            self.settle();
        }
    }

    fn run_to(&mut self, end_ms: u64) {
        while self.world.violations.is_empty() {
            let due = self.chores.first_key_value().map(|(key, _)| key.0);
            let due_ms = due.filter(|at_ms| *at_ms <= end_ms);
            match self.world.tick(due_ms.unwrap_or(end_ms)) {
                Tick::Store => {}
                Tick::Machine(at) => {
                    if self.is_settling {
                        self.watch_claims();
                    }
                    self.observe(at);
                }
                Tick::Over if due_ms.is_none() => return,
                Tick::Over => {
                    if let Some((_, chore)) = self.chores.pop_first() {
                        self.attend(chore);
                    }
                }
            }
        }
    }

    /// Something happened to this machine: has a strike waited for that?
    fn observe(&mut self, at: usize) {
        if at >= self.nodes || self.planned.is_empty() {
            return;
        }
        let now_ms = self.world.now_ms;
        let stage = stage_of(&self.world, at);
        let is_meant = |it: &Planned| it.stage == stage && it.after_ms <= now_ms;
        let Some(place) = self.planned.iter().position(is_meant) else {
            return;
        };
        if !self.can_strike(at, stage, self.planned[place].strike) {
            return;
        }
        let planned = self.planned.swap_remove(place);
        match planned.delay_ms {
            0 => self.strike_now(at, planned),
            delay_ms => self.plan_in(delay_ms, Chore::Strike(at, planned)),
        }
    }

    /// Strikes a node that rests, if the one that is drawn does.
    fn poke(&mut self, planned: Planned) {
        let at = self.random.below(self.nodes as u64) as usize;
        match stage_of(&self.world, at) == planned.stage {
            true => self.strike_now(at, planned),
            false => self.planned.push(planned),
        }
    }

    fn strike_now(&mut self, at: usize, planned: Planned) {
        let stage = stage_of(&self.world, at);
        let strike = planned.strike;
        if !self.can_strike(at, stage, strike) {
            let delay_ms = 0;
            return self.planned.push(Planned {
                delay_ms,
                ..planned
            });
        }
        if let Some(reason) = impossible(stage, strike) {
            let what =
                format!("\"{strike}\" struck a node that is {stage}, which cannot be: {reason}");
            return self.world.accuse(Promise::L1, what);
        }
        self.world.awaken(at);
        self.coverage.hit(stage, strike);
        self.world
            .tell(Some(at), || format!("struck while {stage}: {strike}"));
        self.strike(at, strike);
    }

    fn attend(&mut self, chore: Chore) {
        match chore {
            Chore::Arrive(arrival) => self.arrive(arrival),
            Chore::Poke(planned) => self.poke(planned),
            Chore::Strike(at, planned) => self.strike_now(at, planned),
            Chore::Reappear(at, need) => self.need(at, Some(need)),
            Chore::Mend(at) => self.mend(at),
            Chore::KeepTime(at) => self.world.set_clock_rate(at, (1, 1)),
            Chore::Resume(what) => self.resume(what),
            Chore::SetMax(group, max) => self.set_max(&group, max),
            Chore::ReturnStore => {
                self.world.tell(None, || "the store is up again".to_owned());
                self.world.store.arm_anew();
            }
            Chore::Retire(at) => self.retire(at),
            Chore::BackUp => {
                self.back_up();
                let delay_ms = self.random.between(1, 6) * HOUR_MS;
                self.plan_in(delay_ms, Chore::BackUp);
            }
            Chore::Look => {
                self.look_after();
                self.watch_lines();
                if self.is_settling {
                    self.watch_progress();
                }
                self.plan_in(LOOK_MS, Chore::Look);
            }
        }
    }

    fn arrive(&mut self, arrival: Arrival) {
        let Arrival {
            node,
            need,
            survives,
            ..
        } = arrival;
        self.need(node, Some(need));
        self.world.alter(node, |kit| kit.need_survives = survives);
    }

    /// A need comes or goes; the detectors' files are watched.
    pub(super) fn need(&mut self, at: usize, need: Option<&'static str>) {
        self.world.alter(at, |kit| kit.need = need);
        self.world.tell(Some(at), || match need {
            Some(need) => format!("needs a reboot for {need}"),
            None => "needs no reboot any more".to_owned(),
        });
        let delay_ms = self.random.below(500);
        self.world
            .plan(at, delay_ms, Happening::Answer(Event::NeedHint));
    }

    /// Nothing is wrong with this machine any more.
    pub(super) fn mend(&mut self, at: usize) {
        let usual = self.usual[at].clone();
        self.world.alter(at, |kit| {
            let (need, need_survives) = (kit.need, kit.need_survives);
            *kit = Kit {
                need,
                need_survives,
                ..usual
            };
        });
        self.world.tell(Some(at), || "is mended".to_owned());
    }

    /// A backup, once every group is there.
    pub(super) fn back_up(&mut self) {
        let is_there = |group: &GroupName| self.world.store.group(group).is_some();
        if !self.maxes.keys().all(is_there) {
            return;
        }
        let mut backup = self.world.store.clone();
        backup.log = crate::store::Log::default();
        self.backups.truncate(BACKUPS_MAX - 1);
        self.backups.insert(0, backup);
    }
}

// === impl Play: when the faults have stopped ===

impl Play {
    /// Everything is mended; everybody must finish, or say why not.
    fn settle(&mut self) {
        self.world
            .tell(None, || "from here on nothing strikes".to_owned());
        self.planned.clear();
        let is_strike = |chore: &Chore| matches!(chore, Chore::Poke(_) | Chore::Strike(..));
        self.chores.retain(|_, chore| !is_strike(chore));
        self.put_right();
        self.is_settling = true;
        self.world.claims.clear();
        let end_ms = self.world.now_ms + SETTLE_MS;
        while self.world.now_ms < end_ms && self.world.violations.is_empty() {
            if self.is_settled() {
                return;
            }
            self.run_to(self.world.now_ms + LOOK_MS);
        }
        if self.world.violations.is_empty() {
            let what = self.unsettled();
            self.world.accuse(Promise::L1, what);
        }
    }

    fn is_settled(&self) -> bool {
        (0..self.nodes).all(|at| self.is_finished(at)) && self.world.holders() == 0
    }

    /// Whether nothing is left to do on a node, or its agent says why it does nothing.
    fn is_finished(&self, at: usize) -> bool {
        use reboot_core::outcome::Outcome;
        let machine = &self.world.machines[at];
        let is_ineffective = machine.outcome() == Some(Outcome::NeedIneffective);
        machine.is_done() || is_ineffective && machine.is_resting() && machine.changes.is_empty()
    }

    fn unsettled(&self) -> String {
        let line = |at: usize| {
            let agent = self.world.machines[at].agent.as_ref();
            let stage = agent.map(|agent| &agent.stage);
            let outcome = self.world.machines[at].outcome();
            let stage_now: Stage = stage_of(&self.world, at);
            format!(
                "{} is {stage_now}: {stage:?}, {outcome:?}",
                self.world.called(at)
            )
        };
        let left = (0..self.nodes)
            .filter(|at| !self.is_finished(*at))
            .map(line);
        let left = Vec::from_iter(left);
        let days = SETTLE_MS / DAY_MS;
        format!(
            "{days} days after the last fault: {}; {} hold",
            left.join("; "),
            self.world.holders()
        )
    }
}

/// Strikes that a sweep plans.
pub(super) fn is_of_command(strike: Strike) -> bool {
    matches!(
        strike,
        Strike::CommandFails | Strike::CommandDelayed | Strike::CommandInhibited
    )
}
