//! Every fault after every event of a node's life: the record ends right, nobody reboots twice,
//! nothing stays changed, and the roll goes on.

use reboot_core::outcome::Outcome;
use reboot_core::undo::Undo;
use reboot_sim::world::{Command, Machine, settings};
use reboot_sim::world::{Fault, World};

const HOUR_MS: u64 = 3_600_000;
const SWARM_SEEDS: u64 = 150;

/// The variants of a life that each fault strikes.
#[derive(Clone, Copy, Debug)]
struct Life {
    hooks: bool,
    delay: bool,
    soak: bool,
    command: Command,
}

const LIVES: [Life; 3] = [
    Life {
        hooks: false,
        delay: false,
        soak: false,
        command: Command::Reboots,
    },
    Life {
        hooks: true,
        delay: true,
        soak: true,
        command: Command::Reboots,
    },
    Life {
        hooks: true,
        delay: false,
        soak: false,
        command: Command::FailsAndReboots,
    },
];

/// Two nodes and one slot: the second shows that the roll goes on.
fn world(life: Life, seed: u64) -> World {
    fleet(life, seed, 2, 1)
}

fn fleet(life: Life, seed: u64, nodes: usize, max: u32) -> World {
    let machine = |at: usize| {
        let mut settings = settings(&format!("node-{at}"), max);
        settings.delay_ms = if life.delay { 20_000 } else { 0 };
        settings.soak_ms = if life.soak { 30_000 } else { 0 };
        let mut machine = Machine::new(settings);
        if life.hooks {
            machine.kit.hooks = vec!["10-drain", "20-cordon"];
        }
        machine.kit.command = life.command;
        machine
    };
    World::new(seed, (0..nodes).map(machine).collect())
}

fn is_done(world: &World) -> bool {
    let is_free = world.holders() == 0;
    let owes = |machine: &Machine| world.store.owed(machine.name()) != Undo::default();
    is_free
        && world
            .machines
            .iter()
            .all(|it| it.is_done() || is_left_to_people(it))
        && !world.machines.iter().any(owes)
}

/// Its hold was broken while nobody could tell whether the command had been started: the mark
/// was on disk when the former run ended. It says so, and never tries again in this boot.
fn is_left_to_people(machine: &Machine) -> bool {
    let last = machine.commands.last();
    machine.was_broken
        && last.is_none_or(|command| command.boot != machine.boot)
        && machine.changes.is_empty()
        && machine.is_resting()
        && machine.outcome() == Some(Outcome::RebootOverdue)
}

/// How many events the first node takes until all is done.
fn events_of(life: Life, seed: u64) -> usize {
    let mut world = world(life, seed);
    assert!(world.run_until(3 * HOUR_MS, is_done), "{life:?}");
    world.machines[0].events
}

fn strike_everywhere(fault: Fault) {
    for (number, life) in LIVES.into_iter().enumerate() {
        let seed = number as u64 + 1;
        for event in 1..events_of(life, seed) {
            let mut world = world(life, seed);
            world.faults.push((0, event, fault));
            let is_met = world.run_until(12 * HOUR_MS, is_done);
            assert!(
                is_met,
                "{fault:?} after event {event} of {life:?}: {}",
                tale(&world)
            );
            // A power loss is a reboot too.
            let machine = &world.machines[0];
            assert!(
                machine.boot >= 2 && machine.boot <= 3,
                "boot {}",
                machine.boot
            );
        }
    }
}

/// How things stand, for the message of a failed test.
fn tale(world: &World) -> String {
    let line = |machine: &Machine| {
        let stage = machine.agent.as_ref().map(|agent| &agent.stage);
        let report = machine
            .agent
            .as_ref()
            .and_then(|agent| agent.report.as_ref());
        let changes = &machine.changes;
        let owed = world.store.owed(machine.name());
        format!(
            "{}: {stage:?}, {report:?}, {changes:?}, owes {owed:?}",
            machine.name()
        )
    };
    let lines: Vec<String> = world.machines.iter().map(line).collect();
    format!("{}; {} holds", lines.join("; "), world.holders())
}

#[test]
fn an_agent_killed_anywhere_goes_on_in_the_same_boot() {
    strike_everywhere(Fault::Kill);
}

#[test]
fn a_power_loss_anywhere_leaves_nothing_behind() {
    strike_everywhere(Fault::PowerLoss);
}

#[test]
fn a_stop_anywhere_gives_back_or_keeps() {
    strike_everywhere(Fault::Terminate);
}

#[test]
fn a_process_held_up_past_its_lease_goes_on() {
    strike_everywhere(Fault::Pause(200_000));
}

#[test]
fn a_process_held_up_for_a_moment_goes_on() {
    strike_everywhere(Fault::Pause(12_000));
}

#[test]
fn a_lost_reply_is_asked_for_again_whether_it_was_committed_or_not() {
    strike_everywhere(Fault::LoseReplies(1, true));
    strike_everywhere(Fault::LoseReplies(1, false));
}

#[test]
fn a_run_of_lost_replies_is_outlived() {
    strike_everywhere(Fault::LoseReplies(25, true));
    strike_everywhere(Fault::LoseReplies(25, false));
}

#[test]
fn a_store_out_of_reach_is_outlived() {
    strike_everywhere(Fault::StoreDown(30_000));
    strike_everywhere(Fault::StoreDown(600_000));
}

#[test]
fn a_break_anywhere_leaves_no_debt() {
    strike_everywhere(Fault::Break);
}

/// Several faults at once, in fleets of three: combinations that nobody thought of.
#[test]
fn whatever_strikes_together_is_outlived() {
    let faults = [
        Fault::Kill,
        Fault::PowerLoss,
        Fault::Terminate,
        Fault::Pause(12_000),
        Fault::Pause(200_000),
        Fault::Break,
        Fault::LoseReplies(3, true),
        Fault::LoseReplies(3, false),
        Fault::StoreDown(60_000),
    ];
    for seed in 1..=SWARM_SEEDS {
        let draw = |salt: u64, limit: usize| {
            let mixed = (seed * 1_000 + salt).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33;
            mixed as usize % limit
        };
        let life = LIVES[draw(1, LIVES.len())];
        let mut world = fleet(life, seed, 3, 1 + draw(2, 2) as u32);
        for number in 0..5 {
            let salt = 10 + 3 * number;
            let (at, event) = (draw(salt, 3), 1 + draw(salt + 1, 160));
            world
                .faults
                .push((at, event, faults[draw(salt + 2, faults.len())]));
        }
        let struck = world.faults.clone();
        let is_met = world.run_until(24 * HOUR_MS, is_done);
        assert!(
            is_met,
            "seed {seed}, {struck:?} in {life:?}: {}",
            tale(&world)
        );
    }
}
