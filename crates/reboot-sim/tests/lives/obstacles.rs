//! What keeps a node from its reboot, before the slot and under it, and how it goes on after.

use reboot_core::agent::{Event, ScriptPhase, Settings, Stage, Step};
use reboot_core::group::{Action, Phase};
use reboot_core::id::{GroupName, MachineId};
use reboot_core::outcome::Outcome;
use reboot_core::window::{Window, Windows};
use reboot_sim::world::World;
use reboot_sim::world::{Kit, Machine, settings};

const MINUTE_MS: u64 = 60_000;

fn node(change: impl FnOnce(&mut Settings, &mut Kit)) -> World {
    let mut machine = Machine::new(settings("node-0", 1));
    change(&mut machine.settings, &mut machine.kit);
    World::new(3, vec![machine])
}

/// The reboot has not happened, and happens once the obstacle is gone.
fn goes_on(mut world: World, remove: impl FnOnce(&mut World)) {
    assert_eq!(world.machines[0].commands, []);
    assert_eq!(world.holders(), 0, "the slot was given back");
    assert!(world.machines[0].changes.is_empty());
    remove(&mut world);
    let is_met = world.run_until(60 * MINUTE_MS, |world| world.machines[0].is_done());
    assert!(is_met, "{:?}", world.machines[0].outcome());
    assert_eq!(world.machines[0].commands.len(), 1);
}

#[test]
fn a_kill_switch_before_the_pass_is_told_and_lifts() {
    let mut world = node(|_, kit| kit.kill_switch = true);
    world.run_for(5 * MINUTE_MS);
    assert_eq!(world.machines[0].outcome(), Some(Outcome::KillSwitchActive));
    assert!(
        world.store.log.history.is_empty(),
        "nothing was asked of the group"
    );
    goes_on(world, |world| world.machines[0].kit.kill_switch = false);
}

#[test]
fn a_kill_switch_at_any_step_under_the_hold_stops_the_command() {
    for step in [
        Step::Confirming,
        Step::Planning,
        Step::Hooking,
        Step::Waiting,
        Step::LastLook,
    ] {
        let mut world = node(|settings, kit| {
            settings.delay_ms = 20_000;
            kit.hooks = vec!["10-drain"];
        });
        world.reach(0, &Stage::Holding(step.clone()));
        world.machines[0].kit.kill_switch = true;
        world.run_for(5 * MINUTE_MS);
        assert_eq!(
            world.machines[0].outcome(),
            Some(Outcome::KillSwitchActive),
            "{step:?}"
        );
        goes_on(world, |world| world.machines[0].kit.kill_switch = false);
    }
}

#[test]
fn a_window_that_closes_under_the_hold_gives_the_slot_back() {
    // The world begins on a Monday at midnight; the notice to users lasts past the window.
    let mut world = node(|settings, kit| {
        settings.windows = Windows {
            allow: vec![Window::parse("Mon 00:00-00:02").unwrap()],
            deny: Vec::new(),
        };
        settings.delay_ms = 3 * MINUTE_MS;
        kit.hooks = vec!["10-drain"];
    });
    world.reach(0, &Stage::Holding(Step::Waiting));
    world.run_for(5 * MINUTE_MS);
    assert_eq!(
        world.machines[0].outcome(),
        Some(Outcome::WindowOutsideAllow)
    );
    let open = Settings {
        windows: Windows::default(),
        ..world.machines[0].settings.clone()
    };
    goes_on(world, |world| {
        world.deliver(0, Event::Reload(Box::new(open)))
    });
}

#[test]
fn a_need_that_goes_away_under_the_slot_gives_it_back() {
    let mut world = node(|_, _| {});
    world.reach(0, &Stage::Holding(Step::Confirming));
    world.machines[0].kit.need = None;
    world.run_for(MINUTE_MS / 2);
    assert!(
        world.machines[0]
            .outcomes()
            .contains(&Outcome::RecheckCleared)
    );
    goes_on(world, |world| {
        world.machines[0].kit.need = Some("later");
    });
}

#[test]
fn the_script_blocks_before_and_under_the_slot() {
    for phase in [ScriptPhase::PreLock, ScriptPhase::PostLock] {
        let mut world = node(|_, kit| {
            kit.blocked_phases.insert(phase);
        });
        world.run_for(5 * MINUTE_MS);
        assert!(
            world.machines[0]
                .outcomes()
                .contains(&Outcome::HealthBlocked),
            "{phase}"
        );
        // A claim may be under way at this moment: it is given back soon.
        assert!(world.run_until(MINUTE_MS, |world| world.holders() == 0));
        goes_on(world, |world| world.machines[0].kit.blocked_phases.clear());
    }
}

#[test]
fn an_unwell_peer_blocks_until_it_is_well() {
    let mut world = node(|_, _| {});
    let mut peer = Machine::new(settings("node-1", 1));
    peer.kit.need = None;
    peer.kit
        .blocked_phases
        .extend([ScriptPhase::Monitor, ScriptPhase::Heartbeat]);
    world.machines[0].kit.kill_switch = true; // the peer speaks first
    let peer = world.add(peer);
    world.run_for(MINUTE_MS);
    world.machines[0].kit.kill_switch = false;
    world.run_for(5 * MINUTE_MS);
    assert_eq!(world.machines[0].outcome(), Some(Outcome::HealthBlocked));
    goes_on(world, |world| {
        world.machines[peer].kit.blocked_phases.clear()
    });
}

#[test]
fn a_failing_hook_undoes_and_gives_back() {
    let mut world = node(|_, kit| {
        kit.hooks = vec!["10-drain"];
        kit.hooks_fail = true;
    });
    world.reach(0, &Stage::Holding(Step::Hooking));
    let is_back = |world: &World| world.holders() == 0;
    assert!(world.run_until(MINUTE_MS, is_back));
    world.run_for(1_000);
    assert!(world.machines[0].outcomes().contains(&Outcome::HookFailed));
    goes_on(world, |world| world.machines[0].kit.hooks_fail = false);
}

#[test]
fn an_undo_that_fails_keeps_the_hold_until_it_works() {
    let mut world = node(|_, kit| {
        kit.hooks = vec!["10-drain"];
        kit.hooks_fail = true;
        kit.undo_fails = true;
    });
    world.run_for(20 * MINUTE_MS);
    assert_eq!(
        (world.holders(), world.machines[0].changes.len()),
        (1, 1),
        "I8"
    );
    assert_eq!(world.machines[0].outcome(), Some(Outcome::HookFailed));
    world.machines[0].kit.undo_fails = false;
    world.machines[0].kit.hooks_fail = false;
    assert!(world.run_until(60 * MINUTE_MS, |world| world.machines[0].is_done()));
}

#[test]
fn a_check_that_fails_after_the_return_stops_the_roll_until_it_passes() {
    type Spoil = fn(&mut Kit);
    let spoils: [(Spoil, Outcome); 2] = [
        (|kit| kit.post_hooks_fail = true, Outcome::HookFailed),
        (
            |kit| {
                kit.blocked_phases.insert(ScriptPhase::PostReboot);
            },
            Outcome::HealthBlocked,
        ),
    ];
    for (spoil, outcome) in spoils {
        let mut world = node(|_, kit| spoil(kit));
        let second = world.add(Machine::new(settings("node-1", 1)));
        world.machines[second].kit.kill_switch = true; // the first goes first
        world.reach(0, &Stage::Holding(Step::PostFailed));
        world.machines[second].kit.kill_switch = false;
        world.run_for(30 * MINUTE_MS);
        assert_eq!(world.machines[0].outcome(), Some(outcome));
        assert_eq!(world.machines[second].commands, [], "the roll went on");
        world.machines[0].kit.post_hooks_fail = false;
        world.machines[0].kit.blocked_phases.clear();
        let are_done = |world: &World| world.machines.iter().all(Machine::is_done);
        assert!(world.run_until(60 * MINUTE_MS, are_done));
    }
}

#[test]
fn a_soaking_node_that_falls_ill_keeps_its_hold() {
    let mut world = node(|settings, _| settings.soak_ms = 5 * MINUTE_MS);
    world.reach(0, &Stage::Holding(Step::Soaking));
    world.machines[0]
        .kit
        .blocked_phases
        .extend(ScriptPhase::ALL);
    world.run_for(20 * MINUTE_MS);
    assert_eq!(world.holders(), 1);
    world.machines[0].kit.blocked_phases.clear();
    assert!(world.run_until(30 * MINUTE_MS, |world| world.machines[0].is_done()));
}

#[test]
fn a_cooldown_lies_between_two_reboots() {
    let machine = |at: usize| {
        let mut settings = settings(&format!("node-{at}"), 3);
        settings.interval_secs = 1_800;
        Machine::new(settings)
    };
    for seed in 0..6 {
        let mut world = World::new(seed, (0..3).map(machine).collect());
        let are_done = |world: &World| world.machines.iter().all(Machine::is_done);
        assert!(world.run_until(180 * MINUTE_MS, are_done), "seed {seed}");
        let commands = world.machines.iter().map(|it| it.commands[0].at_ms);
        let mut times: Vec<u64> = commands.collect();
        times.sort_unstable();
        for pair in times.windows(2) {
            assert!(pair[1] - pair[0] > 1_790_000, "seed {seed}: {times:?}");
            assert!(pair[1] - pair[0] < 2_400_000, "L3, seed {seed}: {times:?}");
        }
    }
}

#[test]
fn a_need_that_outlives_its_reboot_is_called_ineffective() {
    let mut world = node(|_, kit| kit.need_survives = true);
    world.run_for(180 * MINUTE_MS);
    assert_eq!(world.machines[0].commands.len(), 1, "I4");
    assert_eq!(world.machines[0].outcome(), Some(Outcome::NeedIneffective));
    world.machines[0].kit.need = Some("another");
    world.machines[0].kit.need_survives = false;
    assert!(world.run_until(60 * MINUTE_MS, |world| world.machines[0].is_done()));
}

#[test]
fn the_daily_cap_ends_a_row_of_reboots() {
    let mut world = node(|settings, _| settings.max_reboots_per_day = 2);
    for need in ["first", "second", "third"] {
        world.machines[0].kit.need = Some(need);
        world.run_for(60 * MINUTE_MS);
    }
    assert_eq!(world.machines[0].commands.len(), 2);
    assert_eq!(world.machines[0].outcome(), Some(Outcome::RebootLimit));
    assert!(world.run_until(24 * 60 * MINUTE_MS, |world| world.machines[0].is_done()));
}

#[test]
fn a_clone_keeps_both_from_acting() {
    let mut world = node(|_, _| {});
    let mut clone = Machine::new(settings("node-0", 1));
    clone.settings.identity.machine_id = MachineId::new("clone").unwrap();
    let clone = world.add(clone);
    world.machines[0].kit.kill_switch = true;
    world.machines[clone].kit.kill_switch = true;
    world.run_for(MINUTE_MS);
    world.machines[0].kit.kill_switch = false;
    world.machines[clone].kit.kill_switch = false;
    world.run_for(30 * MINUTE_MS);
    for machine in &world.machines {
        assert_eq!(machine.commands, []);
        assert_eq!(machine.outcome(), Some(Outcome::IdentityConflict));
    }
    goes_on(world, |world| world.deliver(clone, Event::Terminate));
}

#[test]
fn a_clone_that_appears_under_the_hold_stops_the_fence() {
    let mut world = node(|settings, _| settings.delay_ms = 30_000);
    world.reach(0, &Stage::Holding(Step::Waiting));
    let mut clone = Machine::new(settings("node-0", 1));
    clone.settings.identity.machine_id = MachineId::new("clone").unwrap();
    clone.kit.need = None;
    let clone = world.add(clone);
    world.run_for(10 * MINUTE_MS);
    assert_eq!(world.machines[0].commands, []);
    world.deliver(clone, Event::Terminate);
    assert!(world.run_until(60 * MINUTE_MS, |world| world.machines[0].is_done()));
}

#[test]
fn a_store_put_back_to_an_older_state_is_refused() {
    let mut world = node(|_, kit| kit.need = None);
    world.run_for(MINUTE_MS);
    let older = world.store.clone();
    world.machines[0].kit.need = Some("kernel");
    assert!(world.run_until(60 * MINUTE_MS, |world| world.machines[0].is_done()));
    let revision = world.store.revision;
    world.store = older;
    world.store.revision = revision + 1;
    world.machines[0].kit.need = Some("later");
    world.run_for(30 * MINUTE_MS);
    assert_eq!(world.machines[0].commands.len(), 1);
    assert_eq!(world.machines[0].outcome(), Some(Outcome::LockUnavailable));
    let report = world.machines[0].agent.as_ref().unwrap().report.clone();
    let message = report.unwrap().message;
    for part in [
        "lost commits",
        "store new-epoch` on etcd",
        "`clusterrebootd lock set-max 1 --group",
    ] {
        assert!(message.contains(part), "{part}: {message}");
    }
}

#[test]
fn a_paused_group_lets_nobody_go_and_keeps_their_places() {
    let mut world = node(|_, _| {});
    world.operate(Action::SetMax {
        max: 0,
        by: "operator".to_owned(),
    });
    world.run_for(30 * MINUTE_MS);
    assert_eq!(world.machines[0].outcome(), Some(Outcome::Paused));
    let line = world.store.look().groups[&GroupName::default()]
        .line
        .clone();
    assert_eq!(line.ahead_of(world.machines[0].name()), Some(0));
    let start_ms = world.now_ms;
    world.operate(Action::SetMax {
        max: 1,
        by: "operator".to_owned(),
    });
    world.reach(0, &Stage::Holding(Step::Issued));
    assert!(world.now_ms - start_ms < 10_000, "L3: woken, not polled");
    goes_down(&mut world);
}

fn goes_down(world: &mut World) {
    let fleet = world.store.look();
    let hold = fleet.holds_of(world.machines[0].name()).next().unwrap().1;
    assert_eq!(hold.phase, Phase::Rebooting);
    assert!(world.run_until(60 * MINUTE_MS, |world| world.machines[0].is_done()));
}

#[test]
fn a_group_cannot_be_changed_under_the_hold() {
    let mut world = node(|settings, _| settings.delay_ms = 30_000);
    world.reach(0, &Stage::Holding(Step::Waiting));
    let other = Settings {
        group: GroupName::new("other").unwrap(),
        ..world.machines[0].settings.clone()
    };
    world.deliver(0, Event::Reload(Box::new(other)));
    let agent = world.machines[0].agent.as_ref().unwrap();
    assert_eq!(agent.settings.group, GroupName::default());
    assert!(world.run_until(60 * MINUTE_MS, |world| world.machines[0].is_done()));
}
