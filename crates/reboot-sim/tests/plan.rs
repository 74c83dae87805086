//! Plans whose answers are known by reckoning: how long, in which order, what blocks.

#![allow(clippy::unwrap_used)] // a test fails best where it fails

use jiff::Timestamp;
use reboot_core::agent::Settings;
use reboot_core::boot::BootIdentity;
use reboot_core::fleet::{Fleet, GroupEntry, Health, NodeEntry, NodeRecord};
use reboot_core::group::{Cooldown, Group, Hold, Pause, Phase};
use reboot_core::id::{GroupName, Instance, MachineId, NodeName, RequestId, SessionId};
use reboot_core::line::{Line, Ticket};
use reboot_core::window::Window;
use reboot_sim::plan::{Durations, Plan, PlannedNode, Question, Wait, What, answer};
use reboot_sim::world::settings;
use std::collections::BTreeSet;

const SECOND_MS: u64 = 1_000;
const MINUTE_MS: u64 = 60_000;
const DAY_MS: u64 = 86_400_000;
/// What commits and looks may add to one reboot.
const SLACK_MS: u64 = 500;

/// A Saturday morning.
const START: &str = "2026-11-21T10:00:00Z";

const DURATIONS: Durations = Durations {
    drain_ms: 20 * SECOND_MS,
    down_ms: 90 * SECOND_MS,
    check_ms: 10 * SECOND_MS,
};
/// A whole reboot with these.
const REBOOT_MS: u64 = 120 * SECOND_MS;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn name(node: &str) -> NodeName {
    NodeName::new(node).unwrap()
}

/// So many nodes, all in need, all told the same.
fn question(count: usize, max: u32, tell: impl Fn(&mut Settings)) -> Question {
    let node = |number: usize| {
        let mut settings = settings(&format!("node-{number}"), max);
        tell(&mut settings);
        PlannedNode {
            settings,
            durations: DURATIONS,
            needs: true,
        }
    };
    Question {
        nodes: (1..=count).map(node).collect(),
        fleet: Fleet::default(),
        start: at(START),
        horizon_ms: 7 * DAY_MS,
    }
}

fn plan(question: &Question) -> Plan {
    answer(question, &mut |_| {}).unwrap()
}

/// How long the plan takes, in milliseconds.
fn takes_ms(plan: &Plan) -> u64 {
    let end = plan.end.expect("it comes to its end");
    end.duration_since(plan.start).as_millis() as u64
}

#[track_caller]
fn assert_about(found_ms: u64, expected_ms: u64, slack_ms: u64) {
    let is_about = (expected_ms..=expected_ms + slack_ms).contains(&found_ms);
    assert!(is_about, "{found_ms} ms instead of {expected_ms} ms");
}

fn names(nodes: &[NodeName]) -> Vec<&str> {
    nodes.iter().map(NodeName::as_str).collect()
}

fn entry(max: u32) -> GroupEntry {
    GroupEntry {
        group: Group::create(max, 1, &[]).unwrap(),
        line: Line::default(),
        cooldown: None,
        within_deadline: BTreeSet::new(),
        foreign: Vec::new(),
    }
}

fn hold(node: &str, number: u64, phase: Phase) -> Hold {
    Hold {
        number,
        node: name(node),
        machine_id: MachineId::new("m").unwrap(),
        instance: Instance::new("old-run").unwrap(),
        session: SessionId::new("old-run.1").unwrap(),
        phase,
        boot: BootIdentity::of_boot("before"),
        fenced: true,
        need: "kernel".to_owned(),
        pid: 1,
        acquired_at: String::new(),
        interval_secs: 0,
        undo: reboot_core::undo::Undo::of(["hook:10-drain".to_owned()]),
        last_request: RequestId::new("r").unwrap(),
        guest: None,
        extra: Default::default(),
    }
}

fn record(node: &str, is_fresh: bool, reason: &str) -> NodeEntry {
    NodeEntry {
        record: NodeRecord {
            node: name(node),
            machine_id: MachineId::new("m").unwrap(),
            boot: BootIdentity::of_boot("b"),
            instance: Instance::new("i").unwrap(),
            group: GroupName::default(),
            health: Health {
                healthy: reason.is_empty(),
                stage: "heartbeat".to_owned(),
                reason: reason.to_owned(),
            },
            reported_at: String::new(),
            activity: "idle".to_owned(),
            need: None,
            waiting_for: Vec::new(),
            hold: None,
            extra: Default::default(),
        },
        is_fresh,
        marks: 0,
    }
}

#[test]
fn one_after_the_other_takes_their_sum_in_the_order_asked() {
    let plan = plan(&question(5, 1, |_| {}));
    assert_about(takes_ms(&plan), 5 * REBOOT_MS, 5 * SLACK_MS);
    let order = ["node-1", "node-2", "node-3", "node-4", "node-5"];
    assert_eq!(names(&plan.order), order);
    let second = &plan.lanes[1];
    let whats: Vec<What> = second.spans.iter().map(|span| span.what).collect();
    let wait = What::Waiting(Wait::Slot);
    assert_eq!(
        whats,
        [
            wait,
            What::Claimed,
            What::Draining,
            What::Down,
            What::Checking
        ]
    );
    let down = &second.spans[3];
    let down_ms = down.to.duration_since(down.from).as_millis() as u64;
    assert_about(down_ms, DURATIONS.down_ms, 200);
    assert!(
        second.spans[0]
            .says
            .contains("every slot is taken by node-1")
    );
}

#[test]
fn two_slots_halve_the_time_and_delay_and_soak_count() {
    let tell = |settings: &mut Settings| {
        settings.delay_ms = 30 * SECOND_MS;
        settings.soak_ms = MINUTE_MS;
    };
    let plan = plan(&question(6, 2, tell));
    let each_ms = REBOOT_MS + 90 * SECOND_MS;
    assert_about(takes_ms(&plan), 3 * each_ms, 3 * SLACK_MS);
}

#[test]
fn nodes_of_one_machine_id_take_their_turns_like_any_others() {
    let alike = |settings: &mut Settings| {
        settings.identity.machine_id = MachineId::new("cloned_image.1").unwrap();
    };
    let plan = plan(&question(3, 1, alike));
    assert_eq!(names(&plan.order), ["node-1", "node-2", "node-3"]);
    assert_about(takes_ms(&plan), 3 * REBOOT_MS, 3 * SLACK_MS);
}

#[test]
fn a_cooldown_sets_the_pace() {
    let plan = plan(&question(4, 1, |settings| settings.interval_secs = 600));
    let falls: Vec<Timestamp> = plan.lanes.iter().filter_map(|it| it.goes_down()).collect();
    for pair in falls.windows(2) {
        let apart_ms = pair[1].duration_since(pair[0]).as_millis() as u64;
        // The claim may wait for the cooldown's end, and then drains.
        assert_about(apart_ms, 600 * SECOND_MS, DURATIONS.drain_ms + SLACK_MS);
    }
    let waits = plan.lanes[3].waits();
    assert!(
        waits.iter().any(|(wait, _)| *wait == Wait::Cooldown),
        "{waits:?}"
    );
}

#[test]
fn a_window_that_opens_tonight_is_waited_for_and_one_that_closes_stops_the_roll() {
    let nightly = |settings: &mut Settings| {
        settings.windows.allow = vec![Window::parse("Sat 22:00-22:03").unwrap()];
    };
    let mut asked = question(3, 1, nightly);
    asked.horizon_ms = 14 * DAY_MS;
    let plan = plan(&asked);
    let falls: Vec<Timestamp> = plan.lanes.iter().filter_map(|it| it.goes_down()).collect();
    let first = at("2026-11-21T22:00:00Z");
    let after_ms =
        |night: Timestamp, fall: Timestamp| fall.duration_since(night).as_millis() as u64;
    // The next pass comes within a check interval of the opening.
    assert!(
        after_ms(first, falls[0]) < 80 * SECOND_MS + SLACK_MS,
        "{falls:?}"
    );
    assert!(falls[1] < at("2026-11-21T22:03:00Z") || falls[1] >= at("2026-11-28T22:00:00Z"));
    assert!(falls[2] >= at("2026-11-28T22:00:00Z"), "{falls:?}");
    assert!(plan.lanes.iter().all(|it| it.waits()[0].0 == Wait::Window));
}

#[test]
fn a_window_that_never_opens_is_told_with_every_node() {
    let tell = |settings: &mut Settings| {
        settings.windows.deny = vec![Window::parse("Mon 00:00-Mon 00:00").unwrap()];
    };
    let plan = plan(&question(3, 1, tell));
    assert_eq!((plan.end, plan.done(), plan.order.len()), (None, 0, 0));
    for lane in plan.never() {
        assert!(
            lane.blocked_by[0].contains("inside the deny window"),
            "{lane:?}"
        );
    }
}

#[test]
fn a_pause_stops_everybody_and_says_who_paused() {
    let mut asked = question(3, 1, |_| {});
    asked.fleet.pause = Some(Pause {
        by: "olga".to_owned(),
        reason: "release".to_owned(),
        until: None,
        session: None,
    });
    let plan = plan(&asked);
    assert_eq!(plan.never().count(), 3);
    for lane in plan.never() {
        assert_eq!(lane.blocked_by, ["olga paused the fleet: release"]);
    }
}

#[test]
fn holders_come_back_first_and_the_line_keeps_its_order() {
    let mut asked = question(4, 1, |_| {});
    let mut group = entry(1);
    group.group.generation = 7;
    group.group.holds.push(hold("node-4", 7, Phase::Rebooting));
    group.within_deadline.insert(7);
    let ticket = |node: &str, number: u64| Ticket {
        number,
        node: name(node),
        instance: Instance::new("i").unwrap(),
        session: SessionId::new("s").unwrap(),
        since: String::new(),
    };
    group.line = Line::of(vec![ticket("node-3", 4), ticket("node-2", 9)]);
    asked.fleet.groups.insert(GroupName::default(), group);
    asked.nodes[3].needs = false;
    let plan = plan(&asked);
    assert_eq!(names(&plan.order), ["node-4", "node-3", "node-2", "node-1"]);
    let held_ms = DURATIONS.down_ms + DURATIONS.check_ms;
    assert_about(takes_ms(&plan), held_ms + 3 * REBOOT_MS, 4 * SLACK_MS);
    assert!(plan.assumptions[0].contains("node-4 (rebooting, hold 7) comes back, 90 s"));
}

/// Node-4 of so many is back, and holds a slot of that many.
fn returned(count: usize, max: u32, health: &str) -> Question {
    let mut asked = question(count, max, |_| {});
    let mut group = entry(max);
    group.group.generation = 7;
    group.group.holds.push(hold("node-4", 7, Phase::Returned));
    group.within_deadline.insert(7);
    asked.fleet.groups.insert(GroupName::default(), group);
    let record = record("node-4", true, health);
    asked.fleet.nodes.insert(name("node-4"), record);
    asked.nodes[3].needs = false;
    asked
}

#[test]
fn a_holder_that_is_back_and_unhealthy_keeps_its_slot() {
    let plan = plan(&returned(4, 1, "disk full"));
    assert_eq!((plan.end, plan.done(), plan.order.len()), (None, 0, 0));
    assert_eq!(
        plan.lanes[3].blocked_by,
        [
            "node-4 says that it is not healthy (heartbeat: disk full)",
            "its reboot is not over yet (returned)"
        ]
    );
    let said = &plan.lanes[0].blocked_by[0];
    assert!(said.contains("node-4"), "{said}");
    let told = "node-4 is back already (hold 7) and stays unhealthy";
    assert_eq!(plan.assumptions, [told]);
}

#[test]
fn beside_a_holder_that_stays_unhealthy_the_roll_goes_on_until_it_is_overdue() {
    let plan = plan(&returned(12, 2, "disk full"));
    // Five reboots fit into the ten minutes that it has to become well.
    let order = ["node-1", "node-2", "node-3", "node-5", "node-6"];
    assert_eq!((plan.end, names(&plan.order)), (None, order.to_vec()));
    let next = plan.lanes.iter().find(|it| it.node == name("node-7"));
    let said = &next.unwrap().blocked_by[0];
    assert!(said.contains("node-4 is overdue"), "{said}");
}

#[test]
fn a_holder_that_is_back_gives_its_slot_back_when_nothing_ails_it_in_this_boot() {
    let well = plan(&returned(4, 1, ""));
    assert_eq!(well.done(), 4);
    assert_eq!(
        well.assumptions,
        ["node-4 is back already (hold 7) and well"]
    );
    let mut asked = returned(4, 1, "disk full");
    let entry = asked.fleet.nodes.get_mut(&name("node-4")).unwrap();
    entry.record.boot = BootIdentity::of_boot("before");
    assert_eq!(plan(&asked).done(), 4);
}

#[test]
fn an_overdue_holder_blocks_everybody() {
    let mut asked = question(3, 2, |_| {});
    let mut group = entry(2);
    group.group.generation = 7;
    group.group.holds.push(hold("node-3", 7, Phase::Rebooting));
    asked.fleet.groups.insert(GroupName::default(), group);
    let plan = plan(&asked);
    assert_eq!((plan.end, plan.order.len()), (None, 0));
    assert!(plan.lanes[2].blocked_by[0].contains("hold 7 of node-3 is past its deadline"));
    for lane in &plan.lanes[..2] {
        assert!(lane.blocked_by[0].contains("node-3 is overdue"), "{lane:?}");
    }
}

#[test]
fn stale_and_unhealthy_peers_block_everybody() {
    let mut asked = question(4, 2, |_| {});
    let peers = [
        record("node-3", false, ""),
        record("node-4", true, "disk full"),
    ];
    for peer in peers {
        asked.fleet.nodes.insert(peer.record.node.clone(), peer);
    }
    let plan = plan(&asked);
    assert_eq!((plan.end, plan.order.len()), (None, 0));
    let said = &plan.lanes[0].blocked_by[0];
    assert!(said.contains("node-3 has not reported lately"), "{said}");
    assert!(
        said.contains("node-4 is unhealthy (heartbeat: disk full)"),
        "{said}"
    );
    assert!(plan.lanes[3].blocked_by[0].contains("disk full"));
}

#[test]
fn a_running_cooldown_is_waited_for() {
    let mut asked = question(1, 1, |_| {});
    let mut group = entry(1);
    group.cooldown = Some(Cooldown {
        node: name("node-9"),
        duration_secs: 600,
        remaining_ms: 5 * MINUTE_MS,
        started_at: String::new(),
    });
    asked.fleet.groups.insert(GroupName::default(), group);
    let plan = plan(&asked);
    assert_about(takes_ms(&plan), 5 * MINUTE_MS + REBOOT_MS, SLACK_MS);
}

#[test]
fn groups_roll_side_by_side() {
    let mut asked = question(6, 1, |_| {});
    for node in &mut asked.nodes[3..] {
        node.settings.group = GroupName::new("databases").unwrap();
    }
    let plan = plan(&asked);
    assert_about(takes_ms(&plan), 3 * REBOOT_MS, 3 * SLACK_MS);
    assert_eq!(plan.groups.len(), 2);
}

#[test]
fn a_day_with_too_many_reboots_is_waited_out() {
    let mut asked = question(2, 1, |_| {});
    let mut tired = record("node-1", true, "");
    tired.marks = 3;
    asked.fleet.nodes.insert(name("node-1"), tired);
    let plan = plan(&asked);
    assert_eq!(names(&plan.order), ["node-2", "node-1"]);
    assert_about(takes_ms(&plan), DAY_MS + REBOOT_MS, MINUTE_MS + SLACK_MS);
}

#[test]
fn what_does_not_fit_before_the_horizon_is_told() {
    let mut asked = question(3, 1, |_| {});
    asked.horizon_ms = REBOOT_MS + MINUTE_MS;
    let plan = plan(&asked);
    assert_eq!((plan.end, plan.done()), (None, 1));
    assert!(plan.lanes[1].blocked_by[0].contains("its reboot is not over yet (rebooting)"));
    assert!(plan.lanes[2].blocked_by[0].contains("every slot is taken"));
}

#[test]
fn the_same_question_has_the_same_answer() {
    let asked = question(9, 2, |settings| settings.interval_secs = 30);
    let texts = [(); 2].map(|()| format!("{:?}", plan(&asked)));
    assert_eq!(texts[0], texts[1]);
}

#[test]
fn what_looks_leave_out_changes_nothing() {
    // A threshold that always holds makes every look count every node.
    let counting = |settings: &mut Settings| settings.policies.min_healthy_absolute = Some(1);
    let plain = plan(&question(60, 3, |settings| settings.interval_secs = 40));
    let counted = plan(&question(60, 3, |settings| {
        settings.interval_secs = 40;
        counting(settings);
    }));
    assert_eq!(plain.lanes, counted.lanes);
    assert_eq!(plain.done(), 60);
}

#[test]
fn a_threshold_holds_back_more_than_slots_do() {
    let tell = |settings: &mut Settings| settings.policies.min_healthy_absolute = Some(5);
    let plan = plan(&question(6, 3, tell));
    assert_eq!(plan.done(), 6, "{:#?}", plan.never().collect::<Vec<_>>());
    // The node itself counts as healthy: one may be down, and a second one goes.
    let mut most = 0;
    for lane in &plan.lanes {
        let fall = lane.goes_down().unwrap();
        let is_down = |it: &&reboot_sim::plan::Lane| {
            it.goes_down().unwrap() <= fall && it.done.unwrap() > fall
        };
        most = most.max(plan.lanes.iter().filter(is_down).count());
    }
    assert_eq!(most, 2);
}

#[test]
fn progress_grows_up_to_the_end() {
    let mut told = Vec::new();
    let asked = question(40, 2, |_| {});
    answer(&asked, &mut |progress| {
        told.push((progress.now, progress.done))
    })
    .unwrap();
    assert!(told.len() > 2 && told.is_sorted(), "{told:?}");
}
