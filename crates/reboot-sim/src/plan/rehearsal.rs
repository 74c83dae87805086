//! A world set up like the fleet in question, played to its end, and watched.

use super::lane::{Lane, Wait, What};
use super::{Durations, Plan, PlannedNode, Progress, Question, later};
use crate::store::Store;
use crate::violation::Violation;
use crate::world::{Happening, Kit, Machine, Pace, Tick, World};
use reboot_core::agent::ScriptPhase;
use reboot_core::fleet::{Fleet, GroupEntry, Health, NodeEntry, NodeRecord};
use reboot_core::group::{Group, Hold, MAX_SLOTS, Phase};
use reboot_core::id::{GroupName, NodeName};
use reboot_core::line::Line;
use reboot_core::policy::{Policies, Standing};
use std::collections::{BTreeMap, BTreeSet};

/// How long the health script takes; the durations hold it.
const SCRIPT_MS: u64 = 100;
/// What draining takes without any hook: looks, the script twice, commits.
const DRAIN_MIN_MS: u64 = 250;
/// From the command to the moment at which a machine is off: its agent ends its session.
const GOING_DOWN_MS: u64 = 300;
/// What being down takes without any time off: commits, a look.
const DOWN_MIN_MS: u64 = GOING_DOWN_MS + 50;
/// What checking takes without any hook: the script, commits.
const CHECK_MIN_MS: u64 = SCRIPT_MS + 10;
/// Agents see their needs so far apart: in the order of the question.
const APART_MS: u64 = 2;
/// How often it is told how far the play has come, in things that happen.
const TELL_EVERY: u64 = 500;
/// The one hook, and what stands for every need.
const HOOK: &str = "drain";
const NEED: &str = "a reboot";

/// A machine of the world, and its lane.
struct Cast {
    lane: usize,
    /// It holds already, and is on its way back.
    is_returning: bool,
    /// Why it keeps its slot though it is back.
    ails: Option<String>,
}

/// The play.
pub(super) struct Rehearsal<'a> {
    question: &'a Question,
    world: World,
    /// One for each machine of the world.
    cast: Vec<Cast>,
    lanes: Vec<Lane>,
    assumptions: Vec<String>,
    maxes: BTreeMap<GroupName, u32>,
    left: usize,
}

// === impl Rehearsal: set-up ===

impl<'a> Rehearsal<'a> {
    pub(super) fn of(question: &'a Question) -> Self {
        let fleet = completed(question);
        let mut world = World::new(0, Vec::new());
        world.store = Store::of(&fleet);
        let counts_nodes = |node: &PlannedNode| node.settings.policies != Policies::default();
        world.store.hides_sleepers = !question.nodes.iter().any(counts_nodes);
        world.start = question.start;
        world.keeps_news = false;
        world.sleeps = true;
        world.is_patient = true;
        world.note_stops();
        let slots = |entry: &GroupEntry| entry.group.max;
        let maxes = fleet.groups.iter();
        let maxes = maxes.map(|(name, entry)| (name.clone(), slots(entry)));
        let mut rehearsal = Self {
            question,
            world,
            cast: Vec::new(),
            lanes: Vec::new(),
            assumptions: Vec::new(),
            maxes: maxes.collect(),
            left: 0,
        };
        rehearsal.raise(&fleet);
        rehearsal
    }

    /// Puts every node on the stage that acts.
    fn raise(&mut self, fleet: &Fleet) {
        let question = self.question;
        let mut waiting = Vec::new();
        for node in &question.nodes {
            let name = &node.settings.identity.node;
            let durable = fleet
                .holds_of(name)
                .find(|(_, hold)| hold.phase.is_durable());
            if durable.is_none() && !node.needs {
                continue;
            }
            let lane = self.lanes.len();
            let mut group = node.settings.group.clone();
            if let Some((held, _)) = durable {
                group = held.clone();
            }
            self.lanes.push(Lane::new(name.clone(), group));
            match durable.map(|(_, hold)| hold) {
                Some(hold) if fleet.standing(name) == Standing::Overdue => self.give_up(lane, hold),
                Some(hold) => {
                    let ails = ailment(fleet, hold);
                    self.raise_holder(lane, node, hold, ails);
                }
                None => match trouble(fleet, name) {
                    Some(why) => self.lanes[lane].blocked_by.push(why),
                    None => waiting.push((place(fleet, node), lane, node)),
                },
            }
        }
        waiting.sort_by_key(|(place, lane, _)| (*place, *lane));
        for (place, (_, lane, node)) in (0..).zip(waiting) {
            let at = self.add(lane, node, false);
            self.world.machines[at].kit.need = Some(NEED);
            self.world.plan(at, place * APART_MS, Happening::Start);
        }
        self.left = self.cast.len();
    }

    fn give_up(&mut self, lane: usize, hold: &Hold) {
        let (node, number) = (&hold.node, hold.number);
        self.lanes[lane].blocked_by.push(format!(
            "hold {number} of {node} is past its deadline ({}): bring the machine back, or break \
             the hold",
            hold.phase
        ));
    }

    /// A holder is on its way back, or back and checks itself. One that ails never passes.
    fn raise_holder(&mut self, lane: usize, node: &PlannedNode, hold: &Hold, ails: Option<String>) {
        let durations = node.durations;
        let (name, phase) = (&hold.node, hold.phase);
        let away_ms = match phase {
            Phase::Draining => durations.drain_ms + durations.down_ms,
            Phase::Claimed | Phase::Rebooting => durations.down_ms,
            Phase::Returned => 0,
        };
        self.assumptions.push(match phase {
            Phase::Returned if ails.is_some() => {
                format!(
                    "{name} is back already (hold {}) and stays unhealthy",
                    hold.number
                )
            }
            Phase::Returned => format!("{name} is back already (hold {}) and well", hold.number),
            _ => format!(
                "{name} ({phase}, hold {}) comes back, {} s from the start",
                hold.number,
                away_ms / 1000
            ),
        });
        let at = self.add(lane, node, true);
        let machine = &mut self.world.machines[at];
        machine.settings.identity.machine_id = hold.machine_id.clone();
        machine.kit.need = None;
        machine.changes = hold.undo.newest_first().map(str::to_owned).collect();
        machine.is_up = false;
        if ails.is_some() {
            machine.kit.blocked_phases.extend(ScriptPhase::ALL);
        }
        self.cast[at].ails = ails;
        self.world.plan(at, away_ms, Happening::Boot);
        self.observe(at);
    }

    fn add(&mut self, lane: usize, node: &PlannedNode, is_returning: bool) -> usize {
        let mut machine = Machine::new(node.settings.clone());
        // Cloned images share a machine id, and names may have what a run's must not.
        machine.label = Some(format!("planned-{}", self.cast.len()));
        machine.kit = kit(node.durations);
        self.world.machines.push(machine);
        self.cast.push(Cast {
            lane,
            is_returning,
            ails: None,
        });
        self.cast.len() - 1
    }
}

fn kit(durations: Durations) -> Kit {
    let hooks_ms = durations.drain_ms.saturating_sub(DRAIN_MIN_MS);
    Kit {
        need: Some(NEED),
        script_ms: SCRIPT_MS,
        hooks: Vec::from_iter((hooks_ms > 0).then_some(HOOK)),
        off_ms: Some(durations.down_ms.saturating_sub(DOWN_MIN_MS)),
        pace: Some(Pace {
            drain_ms: hooks_ms,
            going_down_ms: GOING_DOWN_MS,
            start_ms: 1,
            check_ms: durations.check_ms.saturating_sub(CHECK_MIN_MS),
        }),
        ..Kit::default()
    }
}

/// Why a holder that is back does not give its slot back, as far as the store knows. What its
/// record says of the boot before is over.
fn ailment(fleet: &Fleet, hold: &Hold) -> Option<String> {
    let record = &fleet.nodes.get(&hold.node).filter(|it| it.is_fresh)?.record;
    let is_back = hold.phase == Phase::Returned && record.boot.differs_from(&hold.boot);
    let health = &record.health;
    (is_back && !health.healthy).then(|| unhealthy(&hold.node, &health.stage, &health.reason))
}

fn unhealthy(node: &NodeName, stage: &str, reason: &str) -> String {
    format!("{node} says that it is not healthy ({stage}: {reason})")
}

/// Why a node's agent does nothing, as far as the store knows.
fn trouble(fleet: &Fleet, node: &NodeName) -> Option<String> {
    match fleet.standing(node) {
        Standing::Stale => Some(format!(
            "{node} has not reported lately: start its daemon, or forget the node"
        )),
        Standing::Unhealthy { stage, reason } => Some(unhealthy(node, &stage, &reason)),
        Standing::Healthy | Standing::Down | Standing::Overdue => None,
    }
}

/// Who has claimed comes first, then who is in line, then everybody else.
fn place(fleet: &Fleet, node: &PlannedNode) -> (u8, usize) {
    let (name, group) = (&node.settings.identity.node, &node.settings.group);
    let Some(entry) = fleet.groups.get(group) else {
        return (2, 0);
    };
    match (entry.group.hold_of(name), entry.line.ahead_of(name)) {
        (Some(_), _) => (0, 0),
        (None, Some(ahead)) => (1, ahead),
        (None, None) => (2, 0),
    }
}

/// The fleet with a record for each node, and for each group.
fn completed(question: &Question) -> Fleet {
    let mut fleet = question.fleet.clone();
    fleet.presences.clear();
    for node in &question.nodes {
        let settings = &node.settings;
        let name = &settings.identity.node;
        let is_holder = fleet.holds_of(name).next().is_some();
        if !fleet.nodes.contains_key(name) && !is_holder {
            fleet.nodes.insert(name.clone(), healthy(node));
        }
        let group = settings.group.clone();
        fleet.groups.entry(group).or_insert_with(|| GroupEntry {
            group: Group::create(settings.max.min(MAX_SLOTS), 1, &[])
                .expect("nobody holds in a new group, and it has not too many slots"),
            line: Line::default(),
            cooldown: None,
            within_deadline: BTreeSet::new(),
            foreign: Vec::new(),
        });
    }
    fleet
}

fn healthy(node: &PlannedNode) -> NodeEntry {
    let identity = node.settings.identity.clone();
    NodeEntry {
        record: NodeRecord {
            node: identity.node,
            machine_id: identity.machine_id,
            boot: identity.boot,
            instance: identity.instance,
            group: node.settings.group.clone(),
            health: Health {
                healthy: true,
                stage: "monitor".to_owned(),
                reason: String::new(),
            },
            reported_at: String::new(),
            activity: "idle".to_owned(),
            need: None,
            waiting_for: Vec::new(),
            hold: None,
            extra: Default::default(),
        },
        is_fresh: true,
        marks: 0,
    }
}

// === impl Rehearsal: the play ===

impl Rehearsal<'_> {
    pub(super) fn play(&mut self, tell: &mut dyn FnMut(Progress)) -> Result<(), Box<Violation>> {
        let mut ticks: u64 = 0;
        while self.left > 0 {
            match self.world.tick(self.question.horizon_ms) {
                Tick::Over => break,
                Tick::Store => {}
                Tick::Machine(at) => self.observe(at),
            }
            ticks += 1;
            if ticks.is_multiple_of(TELL_EVERY) {
                tell(Progress {
                    now: later(self.question.start, self.world.now_ms),
                    done: self.cast.len() - self.left,
                    of: self.lanes.len(),
                });
            }
        }
        match self.world.violations.pop() {
            Some(violation) => Err(Box::new(violation)),
            None => Ok(()),
        }
    }

    /// Notes what a machine does by now: by the store when it holds, else as its agent says.
    fn observe(&mut self, at: usize) {
        let Cast {
            lane, is_returning, ..
        } = self.cast[at];
        if self.lanes[lane].done.is_some() {
            return;
        }
        let now = later(self.question.start, self.world.now_ms);
        let machine = &self.world.machines[at];
        let report = machine.agent.as_ref().and_then(|it| it.report.as_ref());
        let lane = &mut self.lanes[lane];
        if let Some(hold) = self.world.store.hold_of(machine.name()) {
            return lane.enter(What::of(hold.phase), now, String::new);
        }
        if machine.kit.need.is_none() && (!lane.spans.is_empty() || is_returning) {
            lane.close(now);
            lane.done = Some(now);
            self.left -= 1;
            return;
        }
        let is_cooling = self.world.store.is_cooling_for(&lane.group, &lane.node);
        let wait = match report.and_then(Wait::of) {
            Some(Wait::Slot) if is_cooling => Some(Wait::Cooldown),
            other => other,
        };
        let is_new = lane.spans.last().is_none_or(|span| !span.what.is_waiting());
        if let Some(wait) = wait.or(is_new.then_some(Wait::Slot)) {
            let says = || report.map_or_else(String::new, |it| it.message.clone());
            lane.enter(What::Waiting(wait), now, says);
        }
    }

    pub(super) fn plan(mut self) -> Plan {
        let start = self.question.start;
        let horizon = later(start, self.question.horizon_ms);
        for (at, cast) in self.cast.iter().enumerate() {
            let lane = &mut self.lanes[cast.lane];
            if lane.done.is_some() {
                continue;
            }
            lane.close(horizon);
            let agent = self.world.machines[at].agent.as_ref();
            let report = agent.and_then(|agent| agent.report.as_ref());
            let reasons = report.into_iter().flat_map(|it| &it.blockers);
            let reasons = reasons.map(|it| it.message.clone());
            lane.blocked_by = match &cast.ails {
                Some(why) => vec![why.clone()],
                None => reasons.collect(),
            };
            if let Some(hold) = self.world.store.hold_of(&lane.node) {
                let phase = hold.phase;
                lane.blocked_by
                    .push(format!("its reboot is not over yet ({phase})"));
            }
        }
        let mut falls: Vec<_> = self
            .lanes
            .iter()
            .filter_map(|lane| Some((lane.goes_down()?, &lane.node)))
            .collect();
        falls.sort_by_key(|(at, _)| *at);
        let order = falls.into_iter().map(|(_, node)| node.clone()).collect();
        let ends: Option<Vec<_>> = self.lanes.iter().map(|lane| lane.done).collect();
        Plan {
            start,
            end: ends.and_then(|ends| ends.into_iter().max()),
            horizon,
            groups: self.maxes,
            lanes: self.lanes,
            order,
            assumptions: self.assumptions,
        }
    }
}
