//! The rules of a group on the server's side: windows, cooldown, pause, health, the daily cap,
//! and slots that the configuration owns.

use super::kit::{House, PATIENCE, of_max, post, until};
use reboot_core::boot::BootIdentity;
use reboot_core::fleet::{Health, NodeRecord};
use reboot_core::group::{Action, Pause, Reply, Request};
use reboot_core::id::{GroupName, Instance, MachineId, NodeName, RequestId};
use reboot_core::window::Window;
use reboot_core::write::{Write, Written};
use reboot_server::settings::{GroupRules, ServerSettings};
use reboot_store::Store;
use serde_json::Map;
use tokio::time::timeout;

fn with(change: impl FnOnce(&mut GroupRules)) -> ServerSettings {
    let mut settings = of_max(1);
    change(settings.groups.get_mut(&GroupName::default()).unwrap());
    settings
}

async fn refused(house: &House, id: &str, kind: &str) -> String {
    let answer = house.pre_reboot(id).await;
    assert_eq!(
        (answer.status, answer.kind().as_str()),
        (423, kind),
        "{answer:?}"
    );
    answer.value()
}

fn always() -> Window {
    Window::parse("Mon-Sun 00:00-00:00").unwrap()
}

async fn ask(house: &House, action: Action) -> Written {
    let request = Request {
        id: RequestId::new("operator").unwrap(),
        at: "2026-01-01T00:00:00Z".to_owned(),
        action,
    };
    let write = Write::Ask {
        group: GroupName::default(),
        create_with_max: Some(1),
        request,
    };
    house.desk.view().write(write).await.unwrap()
}

fn pause() -> Pause {
    Pause {
        by: "ann".to_owned(),
        reason: "the freeze".to_owned(),
        until: None,
        session: None,
    }
}

#[tokio::test]
async fn a_closed_window_admits_nobody_and_releases_all_the_same() {
    let house = House::open(of_max(1)).await;
    assert_eq!(house.pre_reboot("a").await.status, 200);
    house
        .desk
        .reload(with(|rules| rules.windows.deny = vec![always()]));
    assert_eq!(
        house.pre_reboot("a").await.status,
        200,
        "whoever holds, holds"
    );
    let value = refused(&house, "b", "window_closed").await;
    assert!(value.contains("Mon-Sun 00:00-00:00"), "{value}");
    assert_eq!(house.steady("a").await.status, 200);
    refused(&house, "a", "window_closed").await;
    house
        .desk
        .reload(with(|rules| rules.windows.allow = vec![always()]));
    assert_eq!(house.pre_reboot("a").await.status, 200);
}

#[tokio::test]
async fn whoever_waits_is_judged_by_the_rules_of_now() {
    let house = House::open(with(|rules| rules.wait_secs = 3600)).await;
    assert_eq!(house.pre_reboot("a").await.status, 200);
    let mut line = house.waiting("b").await;
    house.desk.reload(with(|rules| {
        rules.wait_secs = 3600;
        rules.windows.deny = vec![always()];
    }));
    assert_eq!(house.steady("a").await.status, 200);
    house
        .desk
        .reload(with(|rules| rules.windows.deny = vec![always()]));
    let answer = line.answer().await.unwrap();
    let kind = answer.kind();
    assert_eq!((answer.status, kind.as_str()), (423, "window_closed"));
    assert_eq!(house.holders().await, [""; 0]);
}

#[tokio::test]
async fn a_reload_is_told_to_those_who_wait_though_no_slot_is_free() {
    let house = House::open(with(|rules| rules.wait_secs = 3600)).await;
    assert_eq!(house.pre_reboot("a").await.status, 200);
    let mut lines = [house.waiting("b").await, house.waiting("c").await];
    house.desk.reload(of_max(1));
    for line in &mut lines {
        let answer = line.answer().await.unwrap();
        assert_eq!((answer.status, answer.kind().as_str()), (423, "lock_held"));
    }
    house.desk.reload(with(|rules| rules.wait_secs = 3600));
    let mut line = house.waiting("b").await;
    let mut without = of_max(1);
    without.groups.clear();
    house.desk.reload(without);
    let answer = line.answer().await.unwrap();
    assert_eq!(answer.kind(), "unknown_group");
}

#[tokio::test]
async fn a_cooldown_follows_each_admission() {
    let house = House::open(with(|rules| rules.interval_secs = 3600)).await;
    assert_eq!(house.pre_reboot("a").await.status, 200);
    assert_eq!(house.steady("a").await.status, 200);
    let value = refused(&house, "b", "cooldown").await;
    assert!(value.contains("3600 s started by a"), "{value}");
}

#[tokio::test]
async fn whoever_waits_is_admitted_when_the_cooldown_ends() {
    let rules = |rules: &mut GroupRules| (rules.interval_secs, rules.wait_secs) = (1, 60);
    let house = House::open(with(rules)).await;
    assert_eq!(house.pre_reboot("a").await.status, 200);
    assert_eq!(house.steady("a").await.status, 200);
    assert_eq!(house.pre_reboot("b").await.status, 200);
}

#[tokio::test]
async fn a_pause_of_the_group_or_of_the_fleet_admits_nobody() {
    let house = House::open(of_max(1)).await;
    ask(&house, Action::Pause(pause())).await;
    let value = refused(&house, "a", "paused").await;
    assert!(
        value.contains("ann paused the group: the freeze"),
        "{value}"
    );
    assert_eq!(house.steady("a").await.status, 200);
    ask(
        &house,
        Action::Resume {
            by: "ann".to_owned(),
        },
    )
    .await;
    let stop = Write::pause_fleet(Some(pause()), "ann", "2026-01-01T00:00:00Z");
    house.desk.view().write(stop).await.unwrap();
    refused(&house, "a", "paused").await;
    let go = Write::pause_fleet(None, "ann", "2026-01-01T00:00:00Z");
    house.desk.view().write(go).await.unwrap();
    assert_eq!(house.pre_reboot("a").await.status, 200);
}

#[tokio::test]
async fn a_node_that_is_held_back_is_not_admitted_and_others_are() {
    let house = House::open(of_max(2)).await;
    let node = NodeName::new("a").unwrap();
    let hold_back = Action::HoldBack {
        node: node.clone(),
        stop: pause(),
    };
    ask(&house, hold_back).await;
    let value = refused(&house, "a", "paused").await;
    assert!(value.contains("ann holds a back: the freeze"), "{value}");
    assert_eq!(house.steady("a").await.status, 200);
    assert_eq!(house.pre_reboot("b").await.status, 200);
    let by = "ann".to_owned();
    let let_go = Action::LetGo { node, by };
    ask(&house, let_go).await;
    assert_eq!(house.pre_reboot("a").await.status, 200);
}

/// It has a slot only when an operator lets it go: those behind it are not to wait for that.
#[tokio::test]
async fn whoever_is_held_back_is_refused_at_once_and_leaves_the_line() {
    let house = House::open(with(|rules| rules.wait_secs = 3600)).await;
    let hold_back = |name: &str| Action::HoldBack {
        node: NodeName::new(name).unwrap(),
        stop: pause(),
    };
    ask(&house, hold_back("a")).await;
    let form = "content-type: application/x-www-form-urlencoded\r\n";
    let lock = post("/api/v1/lock", form, b"hostname=a&wait=true");
    let asked = house.ask(&lock);
    let answer = timeout(PATIENCE, asked).await.expect("no wait");
    assert_eq!((answer.status, house.waiters()), (409, 0), "{answer:?}");
    assert_eq!(house.pre_reboot("b").await.status, 200);
    let mut first = house.waiting("c").await;
    let mut second = house.waiting("d").await;
    ask(&house, hold_back("c")).await;
    assert_eq!(house.steady("b").await.status, 200);
    let answer = first.answer().await.unwrap();
    assert_eq!((answer.status, answer.kind().as_str()), (423, "paused"));
    assert_eq!(second.answer().await.unwrap().status, 200);
    assert_eq!(house.holders().await, ["d"]);
}

#[tokio::test]
async fn a_node_is_admitted_so_often_a_day() {
    let house = House::open(with(|rules| rules.max_reboots_per_day = 2)).await;
    for _ in 0..2 {
        assert_eq!(house.pre_reboot("a").await.status, 200);
        assert_eq!(house.steady("a").await.status, 200);
    }
    let value = refused(&house, "a", "cooldown").await;
    assert!(value.contains("2 times in the last day"), "{value}");
    assert_eq!(house.pre_reboot("b").await.status, 200);
}

fn report(node: &str, healthy: bool) -> Write {
    let record = NodeRecord {
        node: NodeName::new(node).unwrap(),
        machine_id: MachineId::new(node).unwrap(),
        boot: BootIdentity::of_boot("boot"),
        instance: Instance::new("run").unwrap(),
        group: GroupName::default(),
        health: Health {
            healthy,
            stage: "idle".to_owned(),
            reason: "disk on fire".to_owned(),
        },
        reported_at: String::new(),
        activity: String::new(),
        need: None,
        waiting_for: Vec::new(),
        hold: None,
        extra: Map::new(),
    };
    Write::Publish {
        record: Box::new(record),
        stale_after_ms: 3_600_000,
    }
}

#[tokio::test]
async fn an_unhealthy_peer_holds_everybody_up_until_it_is_well() {
    let house = House::open(with(|rules| rules.wait_secs = 0)).await;
    house
        .desk
        .view()
        .write(report("peer", false))
        .await
        .unwrap();
    let look = || house.desk.view().newest().unwrap().fleet.nodes.len();
    until("the view shows the peer", || look() == 1).await;
    let value = refused(&house, "a", "blocked_by_health").await;
    assert!(value.contains("disk on fire"), "{value}");
    house.desk.reload(with(|rules| rules.wait_secs = 60));
    let mut line = house.waiting("a").await;
    house.desk.view().write(report("peer", true)).await.unwrap();
    assert_eq!(line.answer().await.unwrap().status, 200);
}

#[tokio::test]
async fn thresholds_count_each_admission_before_the_next() {
    let settings = with(|rules| {
        rules.max = 8;
        rules.policies.min_healthy_absolute = Some(3);
    });
    let house = House::open(settings).await;
    let nodes = ["a", "b", "c", "d"];
    for node in nodes {
        house.desk.view().write(report(node, true)).await.unwrap();
    }
    let known = || house.desk.view().newest().unwrap().fleet.nodes.len();
    until("the view shows them", || known() == nodes.len()).await;
    let [a, b, c, d] = nodes.map(|node| house.pre_reboot(node));
    let (a, b, c, d) = tokio::join!(a, b, c, d);
    let granted = [a, b, c, d].iter().filter(|it| it.status == 200).count();
    // One down leaves three healthy, the next one counted as healthy itself.
    assert_eq!(granted, 2);
}

async fn max_is(house: &House, max: u32) {
    let mut looks = house.desk.view().looks();
    let group = GroupName::default();
    let is_so = looks.wait_for(|seen| {
        let sight = seen.as_ref().unwrap();
        sight
            .fleet
            .groups
            .get(&group)
            .is_some_and(|it| it.group.max == max)
    });
    timeout(PATIENCE, is_so).await.unwrap().unwrap();
}

#[tokio::test]
async fn the_configuration_owns_the_slots_at_start_and_at_reload() {
    let house = House::open(of_max(2)).await;
    let by = "ann".to_owned();
    let changed = ask(&house, Action::SetMax { max: 5, by }).await;
    assert!(matches!(
        changed,
        Written::Granted(Reply::MaxChanged { new: 5, .. })
    ));
    max_is(&house, 5).await;
    house.desk.reload(of_max(3));
    max_is(&house, 3).await;
    let lines = house
        .store
        .history(&GroupName::default(), 10)
        .await
        .unwrap();
    let last = lines.last().unwrap();
    let is_ours = last.detail.starts_with("server configuration: ");
    assert!(is_ours && last.detail.ends_with(" to 3"), "{last:?}");
    house.desk.reload(of_max(0));
    max_is(&house, 0).await;
    refused(&house, "a", "paused").await;
}
