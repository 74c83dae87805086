//! Cases that reading and simulation found, each named for what went wrong.

use reboot_core::agent::{Ending, Event, Mode, News, Settings, Stage, Step, Tag, Timer};
use reboot_core::group::{Pause, Refusal, Way};
use reboot_core::id::{GroupName, MachineId};
use reboot_core::outcome::Outcome;
use reboot_core::undo::Undo;
use reboot_core::write::{Trouble, Write};
use reboot_sim::world::World;
use reboot_sim::world::{Command, Kit, Machine, settings};

const MINUTE_MS: u64 = 60_000;

/// One node that needs a reboot, changed as the story wants.
fn node(change: impl FnOnce(&mut Settings, &mut Kit)) -> World {
    let mut machine = Machine::new(settings("node-0", 1));
    change(&mut machine.settings, &mut machine.kit);
    World::new(7, vec![machine])
}

fn session_ended() -> Event {
    Event::Wrote {
        tag: Tag::KeepSession,
        result: Err(Trouble::Refused(Refusal::SessionEnded)),
    }
}

fn has_trouble(world: &World, what: &str) -> bool {
    let is_it = |news: &News| matches!(news, News::Trouble { what: it, .. } if *it == what);
    world.machines[0].news.iter().any(is_it)
}

#[test]
fn a_late_word_on_the_session_does_not_keep_a_leaving_agent_alive() {
    let mut world = node(|_, kit| kit.need = None);
    world.reach(0, &Stage::Resting);
    world.deliver(0, Event::Terminate);
    world.deliver(0, session_ended());
    world.run_for(MINUTE_MS);
    assert!(world.machines[0].agent.is_none(), "{:?}", world.stage(0));
}

/// A diagnostic run beside the hold of a daemon that is gone.
fn diagnosis_beside_a_dead_daemon() -> World {
    let mut world = node(|_, kit| kit.command = Command::DoesNothing);
    world.reach(0, &Stage::Holding(Step::Issued));
    world.machines[0].end_process();
    world.run_for(2 * MINUTE_MS); // its lease ends
    let mut diagnosis = Machine::new(settings("node-0", 1));
    diagnosis.run = 100;
    diagnosis.settings.mode = Mode::Diagnostic {
        skip_health: false,
        skip_lock: false,
        publishes: false,
    };
    world.add(diagnosis);
    world
}

#[test]
fn a_diagnostic_run_whose_session_is_lost_leaves_the_daemons_hold_alone() {
    let mut world = diagnosis_beside_a_dead_daemon();
    world.reach(1, &Stage::Claiming);
    world.deliver(1, session_ended());
    world.run_for(10 * MINUTE_MS);
    assert!(world.machines[1].agent.is_none(), "{:?}", world.stage(1));
    let fleet = world.store.look();
    let hold = fleet.holds_of(world.machines[0].name()).next().unwrap().1;
    assert_eq!(hold.instance.as_str(), "machine-node-0-run-1");
}

#[test]
fn a_diagnostic_run_ends_though_a_clone_keeps_it_from_releasing() {
    let mut world = node(|settings, _| {
        settings.mode = Mode::Diagnostic {
            skip_health: false,
            skip_lock: false,
            publishes: false,
        };
    });
    world.reach(0, &Stage::Holding(Step::Confirming));
    let mut clone = Machine::new(settings("node-0", 1));
    clone.settings.identity.machine_id = MachineId::new("clone").unwrap();
    clone.kit.need = None;
    world.add(clone);
    world.run_for(2 * MINUTE_MS);
    assert!(world.machines[0].agent.is_none(), "{:?}", world.stage(0));
    assert_eq!(
        world.holders(),
        0,
        "its session ended, and the claim with it"
    );
}

#[test]
fn a_hold_that_another_run_took_is_not_reported_as_released() {
    let mut world = node(|settings, _| settings.soak_ms = 30_000);
    world.reach(0, &Stage::Holding(Step::Releasing(Way::Returned)));
    let agent = world.machines[0].agent.as_ref().unwrap();
    let id = agent.asked().unwrap().request.id.clone();
    let node = world.machines[0].name().clone();
    let refusal = Refusal::NotOwner { node, number: 1 };
    let result = Err(Trouble::Refused(refusal));
    world.deliver(
        0,
        Event::Wrote {
            tag: Tag::Ask(id),
            result,
        },
    );
    assert_eq!(world.stage(0), Some(&Stage::Settling));
    let released = News::Released(Ending::Success);
    assert!(!world.machines[0].news.contains(&released));
}

#[test]
fn a_reload_while_a_claim_is_under_way_does_not_change_its_group() {
    let mut world = node(|_, _| {});
    world.reach(0, &Stage::Claiming);
    let other = Settings {
        group: GroupName::new("other").unwrap(),
        ..world.machines[0].settings.clone()
    };
    world.deliver(0, Event::Reload(Box::new(other)));
    let agent = world.machines[0].agent.as_ref().unwrap();
    assert_eq!(agent.settings.group, GroupName::default());
    assert!(world.run_until(60 * MINUTE_MS, |world| world.machines[0].is_done()));
    assert_eq!(world.machines[0].commands.len(), 1);
}

#[test]
fn a_release_that_a_clone_forbids_waits_without_a_busy_loop() {
    let mut world = node(|settings, _| settings.soak_ms = 30_000);
    world.reach(0, &Stage::Holding(Step::Soaking));
    let mut clone = Machine::new(settings("node-0", 1));
    clone.settings.identity.machine_id = MachineId::new("clone").unwrap();
    clone.kit.need = None;
    let clone = world.add(clone);
    world.run_for(20 * MINUTE_MS); // the world's checks see a loop
    assert_eq!(world.machines[0].outcome(), Some(Outcome::IdentityConflict));
    assert_eq!(world.holders(), 1, "I9");
    world.deliver(clone, Event::Terminate);
    assert!(world.run_until(2 * MINUTE_MS, |world| world.holders() == 0));
}

#[test]
fn a_look_that_began_before_the_release_takes_no_hold_for_broken() {
    let mut world = node(|settings, _| settings.soak_ms = 30_000);
    world.reach(0, &Stage::Holding(Step::Soaking));
    world.deliver(0, Event::TimerFired(Timer::Heartbeat));
    world.deliver(0, Event::TimerFired(Timer::Patience));
    let pass = world.machines[0].agent.as_ref().unwrap().pass().cloned();
    assert!(world.run_until(MINUTE_MS, |world| world.holders() == 0));
    if let Some(pass) = pass {
        let sight = reboot_core::agent::Sight::Fleet(Ok(std::sync::Arc::new(world.store.look())));
        let (pass, look) = (pass.id, reboot_core::agent::Look::Fleet);
        world.deliver(0, Event::Saw { pass, look, sight });
    }
    world.run_for(MINUTE_MS);
    assert!(!has_trouble(&world, "keep the hold"));
    let released = News::Released(Ending::Success);
    assert!(world.machines[0].news.contains(&released));
}

/// Two nodes in line behind a pause, the first of which no longer needs a slot and leaves.
fn lost_leave(is_lost: fn(&Write) -> bool) -> World {
    let machine = |at: usize| Machine::new(settings(&format!("node-{at}"), 1));
    let mut world = World::new(7, vec![machine(0)]);
    world.losing.push((is_lost, true));
    world.operate(reboot_core::group::Action::SetMax {
        max: 1,
        by: "operator".to_owned(),
    });
    world.store.pause = Some(Pause {
        by: "operator".to_owned(),
        reason: "lunch".to_owned(),
        until: None,
        session: None,
    });
    world.run_for(20_000);
    world.add(machine(1));
    world.run_for(20_000);
    world
}

fn ends_without_the_first(mut world: World) {
    world.pause_fleet(None);
    let is_met = world.run_until(15 * MINUTE_MS, |world| world.machines[1].is_done());
    assert!(is_met, "{:?}", world.machines[1].outcome());
    assert_eq!(world.machines[0].commands, []);
}

#[test]
fn a_lost_farewell_to_the_line_does_not_block_it() {
    let mut world = lost_leave(|_| false);
    world
        .losing
        .push((|write| matches!(write, Write::Leave { .. }), false));
    world.machines[0].kit.need = None;
    world.run_for(2 * MINUTE_MS);
    ends_without_the_first(world);
}

#[test]
fn a_place_in_line_that_nobody_heard_of_does_not_block_it() {
    let mut world = lost_leave(|write| matches!(write, Write::Join { .. }));
    world.machines[0].kit.need = None;
    world.run_for(2 * MINUTE_MS);
    ends_without_the_first(world);
}

#[test]
fn a_debt_whose_payment_was_lost_is_paid_again() {
    let mut world = node(|_, kit| {
        kit.command = Command::DoesNothing;
        kit.hooks = vec!["10-drain"];
    });
    world.reach(0, &Stage::Holding(Step::Issued));
    world
        .losing
        .push((|write| matches!(write, Write::Undone { .. }), false));
    world.break_hold_of(0);
    world.run_for(10 * MINUTE_MS);
    let machine = &world.machines[0];
    assert!(machine.changes.is_empty());
    assert_eq!(world.store.owed(machine.name()), Undo::default());
}

#[test]
fn a_dry_run_never_goes_on_to_the_command() {
    let mut world = node(|settings, kit| {
        settings.delay_ms = 30_000;
        kit.hooks = vec!["10-drain"];
    });
    world.reach(0, &Stage::Holding(Step::Waiting));
    let dry = Settings {
        is_dry_run: true,
        ..world.machines[0].settings.clone()
    };
    world.deliver(0, Event::Reload(Box::new(dry)));
    world.run_for(10 * MINUTE_MS);
    assert_eq!(world.machines[0].commands, []);
    assert_eq!((world.holders(), world.machines[0].changes.len()), (0, 0));
}

#[test]
fn a_dry_run_after_a_command_does_not_try_once_more() {
    let mut world = node(|_, kit| kit.command = Command::DoesNothing);
    world.reach(0, &Stage::Holding(Step::Issued));
    world.machines[0].end_process();
    world.machines[0].settings.is_dry_run = true;
    world.start_soon(0);
    world.run_for(30 * MINUTE_MS);
    assert_eq!(world.machines[0].commands.len(), 1);
    assert_eq!(world.stage(0), Some(&Stage::Holding(Step::Overdue)));
}

#[test]
fn a_hint_during_a_look_for_the_turn_is_not_forgotten() {
    let mut world = node(|_, kit| kit.need = None);
    world.reach(0, &Stage::Resting);
    world.store.pause = Some(Pause {
        by: "operator".to_owned(),
        reason: "lunch".to_owned(),
        until: None,
        session: None,
    });
    world.deliver(0, Event::Woken);
    world.machines[0].kit.need = Some("kernel");
    world.deliver(0, Event::NeedHint);
    world.run_for(5_000);
    assert_eq!(world.machines[0].outcome(), Some(Outcome::Paused));
}

#[test]
fn a_fence_whose_reply_was_lost_before_the_store_went_away_is_found_again() {
    let mut world = node(|_, _| {});
    world.losing.push((
        |write| matches!(write, Write::Ask { request, .. } if request.action.verb() == "fence"),
        true,
    ));
    let is_fenced = |world: &World| world.store.log.history.iter().any(|it| it.event == "fence");
    assert!(world.run_until(MINUTE_MS, is_fenced));
    world.run_for(9_000);
    world.store_down_until_ms = world.now_ms + 15_000;
    world.machines[0].kit.kill_switch = true;
    world.run_for(10 * MINUTE_MS);
    assert_eq!(world.machines[0].commands, []);
    assert_eq!(world.holders(), 0, "{:?}", world.stage(0));
}

#[test]
fn who_waits_and_cannot_look_tries_again_soon() {
    let hour_ms = 60 * MINUTE_MS;
    let machine = |name| {
        let mut machine = Machine::new(settings(name, 1));
        machine.settings.check_interval_ms = hour_ms;
        machine
    };
    let mut world = World::new(3, vec![machine("node-0"), machine("node-1")]);
    let waits = |world: &World, at: usize| {
        world.machines[at]
            .outcomes()
            .contains(&Outcome::LockUnavailable)
    };
    assert!(world.run_until(MINUTE_MS, |world| waits(world, 0) || waits(world, 1)));
    let waiter = usize::from(waits(&world, 1));
    world.store_down_until_ms = world.now_ms + 20_000;
    world.deliver(waiter, Event::Woken);
    let is_over = world.run_until(hour_ms / 2, |world| world.machines[waiter].is_done());
    assert!(is_over, "{:?}", world.machines[waiter].outcomes());
}
