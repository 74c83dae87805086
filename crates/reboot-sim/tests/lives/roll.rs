//! Fleets that roll: everybody reboots, nobody overtakes, never more than `max` at a time.

use reboot_core::outcome::Outcome;
use reboot_sim::world::World;
use reboot_sim::world::{Machine, settings};

const HOUR_MS: u64 = 3_600_000;

/// A fleet of so many nodes, all of which need a reboot.
fn fleet(seed: u64, nodes: usize, max: u32) -> World {
    let machine = |at: usize| Machine::new(settings(&format!("node-{at}"), max));
    World::new(seed, (0..nodes).map(machine).collect())
}

fn is_done(world: &World) -> bool {
    world.machines.iter().all(Machine::is_done)
}

#[test]
fn one_node_reboots_and_releases() {
    let mut world = fleet(1, 1, 1);
    assert!(world.run_until(HOUR_MS, is_done));
    let machine = &world.machines[0];
    assert_eq!(machine.commands.len(), 1);
    assert_eq!(machine.boot, 2);
    world.run_for(60_000);
    assert_eq!(world.machines[0].outcome(), Some(Outcome::NoAction));
    let verbs: Vec<&str> = world
        .store
        .log
        .history
        .iter()
        .map(|it| it.event.as_str())
        .collect();
    assert_eq!(verbs, ["claim", "fence", "adopt", "return", "release"]);
}

#[test]
fn every_fleet_rolls_to_its_end() {
    for (nodes, max) in [(3, 1), (3, 2), (5, 2), (7, 1), (7, 3)] {
        for seed in 0..12 {
            let mut world = fleet(seed, nodes, max);
            assert!(
                world.run_until(6 * HOUR_MS, is_done),
                "{nodes} x {max}, seed {seed}"
            );
            for machine in &world.machines {
                assert_eq!(
                    machine.commands.len(),
                    1,
                    "{} in seed {seed}",
                    machine.name()
                );
            }
        }
    }
}

#[test]
fn who_came_first_goes_first() {
    for seed in 0..8 {
        let mut world = fleet(seed, 1, 1);
        world.operate(reboot_core::group::Action::SetMax {
            max: 0,
            by: "operator".to_owned(),
        });
        for at in 1..5 {
            world.run_for(20_000);
            world.add(Machine::new(settings(&format!("node-{at}"), 1)));
        }
        world.run_for(20_000);
        world.operate(reboot_core::group::Action::SetMax {
            max: 1,
            by: "operator".to_owned(),
        });
        assert!(world.run_until(6 * HOUR_MS, is_done));
        let commands = world.machines.iter().map(|it| it.commands[0].at_ms);
        let times: Vec<u64> = commands.collect();
        assert!(times.is_sorted(), "L2, seed {seed}: {times:?}");
    }
}

#[test]
fn a_freed_slot_goes_to_the_next_at_once() {
    let mut world = fleet(3, 2, 1);
    assert!(world.run_until(HOUR_MS, |world| {
        let history = &world.store.log.history;
        history.iter().any(|it| it.event == "release")
    }));
    let freed_ms = world.now_ms;
    let is_claimed = |world: &World| {
        let claims = world
            .store
            .log
            .history
            .iter()
            .filter(|it| it.event == "claim");
        claims.count() == 2
    };
    assert!(world.run_until(HOUR_MS, is_claimed));
    assert!(
        world.now_ms - freed_ms < 5_000,
        "L3: {}",
        world.now_ms - freed_ms
    );
}
