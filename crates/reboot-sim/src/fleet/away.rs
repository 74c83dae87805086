//! Thirty days in which the first node that reboots never comes back.

use super::play::{DAY_MS, HOUR_MS, SECOND_MS};
use crate::violation::Violation;
use crate::world::{Kit, Machine, World, settings};
use reboot_core::policy::Standing;

/// What came of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Away {
    /// Who went down.
    pub down: Vec<String>,
    /// From its fence on, how long until the store counted it as overdue, in milliseconds.
    pub overdue_after_ms: u64,
    /// From its fence on, how long until every other node said so, in milliseconds.
    pub reported_after_ms: Option<u64>,
    /// The reboot timeout, which is its deadline, in milliseconds.
    pub deadline_ms: u64,
    /// How long a node may take to look again, in milliseconds.
    pub look_ms: u64,
    /// Broken promises.
    pub violations: Vec<Violation>,
}

/// So many nodes in a group of one slot, all of which need a reboot; whoever goes first stays
/// away for thirty days.
pub fn thirty_days_away(nodes: usize, seed: u64) -> Away {
    let machine = |at: usize| {
        let mut machine = Machine::new(settings(&format!("node-{at}"), 1));
        machine.kit = Kit {
            off_ms: None,
            ..Kit::default()
        };
        machine
    };
    let mut world = World::new(seed, (0..nodes).map(machine).collect());
    world.keeps_news = false;
    let settings = world.machines[0].settings.clone();
    let mut away = Away {
        down: Vec::new(),
        overdue_after_ms: 0,
        reported_after_ms: None,
        deadline_ms: settings.reboot_timeout_ms,
        look_ms: settings.audit_interval_ms.min(settings.check_interval_ms),
        violations: Vec::new(),
    };
    while went_down(&world).is_empty() && world.now_ms < HOUR_MS {
        world.play(world.now_ms + SECOND_MS);
    }
    if let Some(first) = went_down(&world).first().copied() {
        let fenced_ms = world.machines[first].commands[0].fenced_ms;
        away.overdue_after_ms = pass_until(&mut world, |it| is_overdue(it, first)) - fenced_ms;
        let reported_ms = pass_until(&mut world, |it| is_reported(it, first));
        away.reported_after_ms = is_reported(&world, first).then(|| reported_ms - fenced_ms);
    }
    world.play(30 * DAY_MS);
    let down = went_down(&world).into_iter().map(|at| world.called(at));
    away.down = down.collect();
    away.violations = world.violations;
    away
}

fn went_down(world: &World) -> Vec<usize> {
    let machines = world.machines.iter().enumerate();
    let down = machines.filter(|(_, machine)| !machine.commands.is_empty());
    down.map(|(at, _)| at).collect()
}

/// Lets time pass until it is so, at most a day; the time then.
fn pass_until(world: &mut World, mut is_so: impl FnMut(&mut World) -> bool) -> u64 {
    let end_ms = world.now_ms + DAY_MS;
    while !is_so(world) && world.now_ms < end_ms {
        world.play(world.now_ms + SECOND_MS);
    }
    world.now_ms
}

fn is_overdue(world: &mut World, at: usize) -> bool {
    let name = world.machines[at].name().clone();
    world.fleet().standing(&name) == Standing::Overdue
}

/// Whether every other node says that this one is overdue.
fn is_reported(world: &World, at: usize) -> bool {
    let words = format!("{} is overdue", world.machines[at].name());
    let says = |machine: &Machine| {
        let report = machine
            .agent
            .as_ref()
            .and_then(|agent| agent.report.as_ref());
        report.is_some_and(|report| report.blockers.iter().any(|it| it.message.contains(&words)))
    };
    let mut others = world
        .machines
        .iter()
        .enumerate()
        .filter(|other| other.0 != at);
    others.all(|(_, machine)| says(machine))
}
