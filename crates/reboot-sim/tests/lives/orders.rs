//! What an operator ordered: heard of at once, held to every gate, done once and by whatever
//! reboot it was. That no command runs for an order of a former boot is judged by the world
//! itself, as a need that is closed.

use reboot_core::agent::{News, Settings, Stage, Step};
use reboot_core::outcome::Outcome;
use reboot_sim::world::{Fault, Kit, Machine, World, settings};

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;

/// A node that needs nothing, and has done its first pass.
fn idle(change: impl FnOnce(&mut Settings, &mut Kit)) -> World {
    let mut machine = Machine::new(settings("node-0", 1));
    machine.kit.need = None;
    change(&mut machine.settings, &mut machine.kit);
    let mut world = World::new(7, vec![machine]);
    let is_known = |world: &World| {
        let mut nodes = world.store.look().nodes.into_keys();
        nodes.any(|node| node == *world.machines[0].name())
    };
    assert!(world.run_until(10 * MINUTE_MS, is_known));
    world.run_for(MINUTE_MS);
    world
}

fn commands(world: &World) -> usize {
    world.machines[0].commands.len()
}

/// The order is carried out once, cleared, and never again.
fn is_done_once(world: &mut World) {
    let is_back = |world: &World| {
        let machine = &world.machines[0];
        commands(world) == 1 && machine.boot == 2 && machine.is_done()
    };
    assert!(world.run_until(HOUR_MS, is_back), "{:?}", world.stage(0));
    world.run_for(24 * HOUR_MS);
    assert_eq!((commands(world), world.machines[0].boot), (1, 2));
    assert_eq!(world.store.order(world.machines[0].name()), None);
    assert_eq!(world.holders(), 0);
}

fn events(world: &World) -> Vec<&str> {
    let history = world.store.log.history.iter();
    let of_orders = history.filter(|line| line.event.contains("order"));
    of_orders.map(|line| line.event.as_str()).collect()
}

#[test]
fn an_idle_node_hears_of_an_order_at_once_and_reboots_once() {
    let mut world = idle(|settings, _| settings.check_interval_ms = 12 * HOUR_MS);
    world.order(0, None).unwrap();
    let is_heard = |world: &World| *world.stage(0).unwrap() != Stage::Resting;
    assert!(world.run_until(1_000, is_heard), "no timer is waited for");
    is_done_once(&mut world);
    assert_eq!(events(&world), ["order", "order-done"]);
}

#[test]
fn only_a_node_that_has_reported_can_be_ordered() {
    let machine = Machine::new(settings("node-0", 1));
    let mut world = World::new(7, vec![machine]);
    assert_eq!(world.order(0, None), None);
}

#[test]
fn an_order_waits_for_its_time_and_not_much_longer() {
    let mut world = idle(|settings, _| settings.check_interval_ms = 12 * HOUR_MS);
    let clock = &world.machines[0].clock;
    let now = clock.wall(world.start, world.now_ms);
    let start = now + jiff::SignedDuration::from_hours(3);
    world.order(0, Some(start)).unwrap();
    world.run_for(3 * HOUR_MS - 1_000);
    assert_eq!(commands(&world), 0);
    assert_eq!(world.machines[0].outcome(), Some(Outcome::NoAction));
    world.run_for(MINUTE_MS);
    assert_eq!(commands(&world), 1);
    is_done_once(&mut world);
}

#[test]
fn an_order_opens_no_other_gate() {
    type Change = fn(&mut Kit);
    let obstacles: [(Outcome, Change, Change); 2] = [
        (
            Outcome::KillSwitchActive,
            |kit| kit.kill_switch = true,
            |kit| kit.kill_switch = false,
        ),
        (
            Outcome::HeldBack,
            |kit| kit.is_inhibited = true,
            |kit| kit.is_inhibited = false,
        ),
    ];
    for (outcome, close, open) in obstacles {
        let mut world = idle(|_, _| ());
        world.alter(0, close);
        world.order(0, None).unwrap();
        world.run_for(HOUR_MS);
        assert_eq!(world.machines[0].outcome(), Some(outcome));
        assert_eq!((commands(&world), world.holders()), (0, 0));
        world.alter(0, open);
        is_done_once(&mut world);
    }
}

#[test]
fn an_order_that_is_taken_back_is_forgotten_wherever_the_node_is() {
    for step in [Step::Confirming, Step::Hooking, Step::Waiting] {
        let mut world = idle(|settings, kit| {
            settings.delay_ms = 20_000;
            kit.hooks = vec!["10-drain"];
        });
        world.order(0, None).unwrap();
        world.reach(0, &Stage::Holding(step.clone()));
        world.cancel_order(0);
        world.run_for(24 * HOUR_MS);
        assert_eq!((commands(&world), world.holders()), (0, 0), "{step:?}");
        assert!(world.machines[0].is_done(), "what was drained is undone");
        assert_eq!(events(&world), ["order", "cancel-order"]);
    }
}

#[test]
fn whatever_reboots_the_machine_fulfils_its_order() {
    let mut world = idle(|_, kit| kit.kill_switch = true);
    world.order(0, None).unwrap();
    world.run_for(MINUTE_MS);
    world.inflict(0, Fault::PowerLoss);
    world.run_for(HOUR_MS);
    world.alter(0, |kit| kit.kill_switch = false);
    world.run_for(24 * HOUR_MS);
    assert_eq!((commands(&world), world.machines[0].boot), (0, 2));
    assert_eq!(world.store.order(world.machines[0].name()), None);
    assert_eq!(events(&world), ["order", "order-done"]);
}

#[test]
fn a_need_that_its_reboot_did_not_end_reboots_once_more_when_ordered_and_never_by_itself() {
    let mut world = idle(|_, kit| kit.need_survives = true);
    world.alter(0, |kit| kit.need = Some("kernel"));
    world.run_for(6 * HOUR_MS);
    assert_eq!(world.machines[0].outcome(), Some(Outcome::NeedIneffective));
    assert_eq!(commands(&world), 1);
    world.order(0, None).unwrap();
    world.run_for(6 * HOUR_MS);
    assert_eq!(commands(&world), 2);
    world.run_for(48 * HOUR_MS);
    assert_eq!(commands(&world), 2);
    assert_eq!(world.machines[0].outcome(), Some(Outcome::NeedIneffective));
}

#[test]
fn an_order_and_a_detector_are_one_reboot() {
    let mut world = idle(|settings, kit| {
        settings.delay_ms = 20_000;
        kit.need = None;
    });
    world.order(0, None).unwrap();
    world.reach(0, &Stage::Holding(Step::Waiting));
    world.alter(0, |kit| kit.need = Some("kernel"));
    is_done_once(&mut world);
}

#[test]
fn the_order_asked_last_counts() {
    let mut world = idle(|_, kit| kit.kill_switch = true);
    world.order(0, None).unwrap();
    world.run_for(MINUTE_MS);
    let start = world.machines[0].clock.wall(world.start, world.now_ms);
    let later = world.order(0, Some(start + jiff::SignedDuration::from_hours(100)));
    world.run_for(MINUTE_MS);
    world.alter(0, |kit| kit.kill_switch = false);
    world.run_for(24 * HOUR_MS);
    assert_eq!(commands(&world), 0);
    let node = world.machines[0].name();
    assert_eq!(world.store.order(node), later.as_ref());
}

#[test]
fn a_fault_anywhere_neither_loses_an_order_nor_carries_it_out_twice() {
    let mut calm = idle(|_, kit| kit.hooks = vec!["10-drain"]);
    let first = calm.machines[0].events;
    calm.order(0, None).unwrap();
    is_done_once_within(&mut calm);
    let last = calm.machines[0].events;
    let faults = [
        Fault::Kill,
        Fault::PowerLoss,
        Fault::Terminate,
        Fault::LoseReplies(2, true),
        Fault::LoseReplies(2, false),
        Fault::StoreDown(5 * MINUTE_MS),
        Fault::Pause(10 * MINUTE_MS),
    ];
    for fault in faults {
        for event in first + 1..last {
            let mut world = idle(|_, kit| kit.hooks = vec!["10-drain"]);
            world.order(0, None).unwrap();
            world.faults.push((0, event, fault));
            let node = world.machines[0].name().clone();
            let is_over = |world: &World| {
                world.store.order(&node).is_none()
                    && world.machines[0].is_done()
                    && world.holders() == 0
            };
            let is_met = world.run_until(12 * HOUR_MS, is_over);
            assert!(
                is_met,
                "{fault:?} after event {event}: {:?}",
                world.stage(0)
            );
            let boot = world.machines[0].boot;
            world.run_for(24 * HOUR_MS);
            assert_eq!(
                world.machines[0].boot, boot,
                "{fault:?} after event {event}"
            );
            assert!(
                boot == 2 || (fault == Fault::PowerLoss && boot == 3),
                "boot {boot}"
            );
        }
    }
}

fn is_done_once_within(world: &mut World) {
    let node = world.machines[0].name().clone();
    let is_over = |world: &World| {
        let machine = &world.machines[0];
        world.store.order(&node).is_none() && machine.is_done() && world.holders() == 0
    };
    assert!(world.run_until(HOUR_MS, is_over));
    assert_eq!((commands(world), world.machines[0].boot), (1, 2));
}

#[test]
fn the_log_tells_of_an_order_and_its_end() {
    let mut world = idle(|_, _| ());
    let order = world.order(0, None).unwrap();
    is_done_once(&mut world);
    let news = &world.machines[0].news;
    let is_told = |wanted: &News| news.iter().any(|it| it == wanted);
    assert!(is_told(&News::Ordered(Some(order.clone()))), "{news:?}");
    assert!(is_told(&News::OrderDone(order)), "{news:?}");
}
