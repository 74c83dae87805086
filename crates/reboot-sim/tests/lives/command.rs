//! The command: started only on fresh verdicts and a mark on disk, tried twice at the most.

use reboot_core::agent::{Mode, Settings, Stage, Step};
use reboot_core::outcome::Outcome;
use reboot_core::write::Write;
use reboot_sim::world::World;
use reboot_sim::world::{Command, Kit, Machine, settings};

const MINUTE_MS: u64 = 60_000;

fn node(change: impl FnOnce(&mut Settings, &mut Kit)) -> World {
    let mut machine = Machine::new(settings("node-0", 1));
    change(&mut machine.settings, &mut machine.kit);
    World::new(5, vec![machine])
}

#[test]
fn a_command_that_leaves_the_machine_up_is_tried_once_more_and_then_overdue() {
    for command in [Command::DoesNothing, Command::Fails] {
        let mut world = node(|_, kit| kit.command = command);
        world.run_for(120 * MINUTE_MS);
        let machine = &world.machines[0];
        assert_eq!(machine.commands.len(), 2, "{command:?}");
        let gap_ms = machine.commands[1].at_ms - machine.commands[0].at_ms;
        assert!((600_000..630_000).contains(&gap_ms), "{gap_ms}");
        assert_eq!(machine.outcome(), Some(Outcome::RebootOverdue));
        assert_eq!(world.holders(), 1, "it may go down at any moment");
    }
}

#[test]
fn an_overdue_node_stays_overdue_after_its_agent_starts_again() {
    let mut world = node(|_, kit| kit.command = Command::DoesNothing);
    world.reach(0, &Stage::Holding(Step::Overdue));
    world.machines[0].end_process();
    world.start_soon(0);
    world.run_for(120 * MINUTE_MS);
    assert_eq!(world.machines[0].commands.len(), 2, "I4");
    assert_eq!(world.holders(), 1);
}

#[test]
fn an_issued_command_is_not_repeated_in_this_boot_after_a_break() {
    let mut world = node(|_, kit| kit.command = Command::DoesNothing);
    world.reach(0, &Stage::Holding(Step::Issued));
    world.break_hold_of(0);
    world.run_for(120 * MINUTE_MS);
    assert_eq!(world.machines[0].commands.len(), 1, "I4");
    assert_eq!(world.machines[0].outcome(), Some(Outcome::RebootOverdue));
    assert_eq!(world.holders(), 0);
}

#[test]
fn a_second_try_finds_a_kill_switch_and_keeps_the_hold() {
    let mut world = node(|_, kit| kit.command = Command::DoesNothing);
    world.reach(0, &Stage::Holding(Step::Issued));
    world.machines[0].kit.kill_switch = true;
    world.run_for(60 * MINUTE_MS);
    assert_eq!(world.machines[0].commands.len(), 1);
    assert_eq!(world.stage(0), Some(&Stage::Holding(Step::Overdue)));
    assert_eq!(world.holders(), 1);
}

#[test]
fn a_command_that_cannot_start_gives_the_slot_back() {
    let mut world = node(|settings, kit| {
        kit.command = Command::CannotStart;
        kit.hooks = vec!["10-drain"];
        settings.max_reboots_per_day = 5;
    });
    world.reach(0, &Stage::Holding(Step::Issuing));
    assert!(world.run_until(MINUTE_MS, |world| world.holders() == 0));
    world.run_for(1_000);
    assert!(world.machines[0].changes.is_empty(), "I8");
    assert_eq!(world.machines[0].outcome(), Some(Outcome::Error));
    world.machines[0].kit.command = Command::Reboots;
    assert!(world.run_until(60 * MINUTE_MS, |world| world.machines[0].is_done()));
}

#[test]
fn a_disk_that_cannot_keep_the_mark_keeps_the_command_from_starting() {
    for hooks in [vec![], vec!["10-drain"]] {
        let mut world = node(|_, kit| {
            kit.disk_fails = true;
            kit.hooks = hooks;
        });
        world.run_for(10 * MINUTE_MS);
        assert_eq!(world.machines[0].commands, []);
        assert!(world.run_until(MINUTE_MS, |world| world.holders() == 0));
        assert!(world.machines[0].outcomes().contains(&Outcome::Error));
    }
}

#[test]
fn verdicts_too_old_at_the_mark_stop_the_command() {
    let mut world = node(|_, kit| kit.disk_ms = 12_000);
    world.run_for(10 * MINUTE_MS);
    assert_eq!(world.machines[0].commands, [], "I7");
    world.machines[0].kit.disk_ms = 5;
    world.machines[0].settings.max_reboots_per_day = 50;
    assert!(world.machines[0].outcomes().contains(&Outcome::Error));
}

#[test]
fn verdicts_too_old_at_the_fences_reply_stop_the_command() {
    let mut world = node(|_, kit| kit.hooks = vec!["10-drain"]);
    world.losing.push((
        |write| matches!(write, Write::Ask { request, .. } if request.action.verb() == "fence"),
        true,
    ));
    world.reach(0, &Stage::Holding(Step::Issuing));
    let fences = world
        .store
        .log
        .history
        .iter()
        .filter(|it| it.event == "fence");
    assert_eq!(fences.count(), 2, "the first was undone, I7");
    let ways = world
        .store
        .log
        .history
        .iter()
        .filter(|it| it.event == "release");
    assert_eq!(
        ways.map(|it| it.detail.as_str()).collect::<Vec<_>>(),
        ["never issued"]
    );
}

#[test]
fn a_script_slower_than_verdicts_live_still_reboots() {
    let mut world = node(|_, kit| kit.script_ms = 20_000);
    assert!(world.run_until(60 * MINUTE_MS, |world| world.machines[0].is_done()));
    assert_eq!(world.machines[0].commands.len(), 1);
}

#[test]
fn a_dry_run_claims_once_a_need_and_never_goes_further() {
    let mut world = node(|settings, kit| {
        settings.is_dry_run = true;
        kit.hooks = vec!["10-drain"];
    });
    world.run_for(60 * MINUTE_MS);
    let verbs: Vec<_> = world
        .store
        .log
        .history
        .iter()
        .map(|it| it.event.as_str())
        .collect();
    assert_eq!(verbs, ["claim", "release"]);
    assert_eq!(world.machines[0].outcome(), Some(Outcome::Ready));
    world.machines[0].kit.need = Some("another");
    world.run_for(10 * MINUTE_MS);
    assert_eq!(
        world.store.log.history.len(),
        4,
        "another need, another claim"
    );
    assert_eq!((world.machines[0].commands.len(), world.holders()), (0, 0));
}

fn diagnosis(skip_health: bool, skip_lock: bool) -> Machine {
    let mut machine = Machine::new(settings("node-0", 1));
    machine.settings.mode = Mode::Diagnostic {
        skip_health,
        skip_lock,
        publishes: true,
    };
    machine
}

#[test]
fn a_diagnostic_pass_ends_and_leaves_nothing() {
    for (skip_health, skip_lock) in [(false, false), (true, false), (false, true), (true, true)] {
        let mut world = World::new(9, vec![diagnosis(skip_health, skip_lock)]);
        world.run_for(MINUTE_MS);
        let machine = &world.machines[0];
        assert!(machine.agent.is_none(), "it ends");
        let expected = match skip_lock {
            true => Outcome::LockSkipped,
            false => Outcome::Ready,
        };
        assert_eq!(machine.outcomes().last(), Some(&expected));
        assert_eq!((machine.commands.len(), world.holders()), (0, 0));
        assert!(
            world.store.look().presences.is_empty(),
            "its session is over"
        );
    }
}

#[test]
fn a_diagnostic_pass_of_a_node_that_holds_claims_nothing() {
    let mut world = node(|_, kit| kit.command = Command::DoesNothing);
    world.reach(0, &Stage::Holding(Step::Issued));
    let mut second = diagnosis(false, false);
    second.run = 100;
    let at = world.add(second);
    world.run_for(MINUTE_MS);
    assert_eq!(world.machines[at].outcomes(), [Outcome::LockUnavailable]);
    assert!(world.machines[at].agent.is_none());
    assert_eq!(world.holders(), 1);
}
