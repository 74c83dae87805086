//! `/metrics`: the original's names exactly, and ours.

use super::fleet::move_in;
use super::kit::{House, of_max};
use reboot_core::group::Pause;
use reboot_core::write::Write;

async fn figures(house: &House) -> String {
    let answer = house.get("/metrics").await;
    assert_eq!(
        answer.header("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    answer.body
}

fn has(text: &str, line: &str) {
    assert!(
        text.lines().any(|it| it == line),
        "{line} is not in:\n{text}"
    );
}

#[tokio::test]
async fn the_original_s_four_names_stay() {
    let house = House::open(of_max(1)).await;
    let text = figures(&house).await;
    has(&text, "fleetlock_lock_state{group=\"default\"} 0");
    has(
        &text,
        "fleetlock_lock_transition_count{group=\"default\"} 0",
    );
    has(&text, "clusterrebootd_server_slots{group=\"default\"} 1");
    has(&text, "clusterrebootd_server_paused{group=\"default\"} 0");
    has(&text, "fleetlock_lock_request_count 0");
    has(&text, "# TYPE fleetlock_unlock_request_count counter");
    house.pre_reboot("a").await;
    house.pre_reboot("b").await;
    house.steady("b").await;
    house.desk.view().fresh().await.unwrap();
    let text = figures(&house).await;
    has(&text, "fleetlock_lock_state{group=\"default\"} 1");
    has(
        &text,
        "fleetlock_lock_transition_count{group=\"default\"} 1",
    );
    has(&text, "fleetlock_lock_request_count 2");
    has(&text, "fleetlock_unlock_request_count 1");
}

#[tokio::test]
async fn every_group_tells_its_own() {
    let house = House::open(of_max(1)).await;
    house.pre_reboot("a").await;
    house.pre_reboot("b").await;
    house.desk.view().fresh().await.unwrap();
    let text = figures(&house).await;
    has(&text, "clusterrebootd_server_store_up 1");
    has(&text, "clusterrebootd_server_slots{group=\"default\"} 1");
    has(
        &text,
        "clusterrebootd_server_holds{group=\"default\",phase=\"rebooting\"} 1",
    );
    has(
        &text,
        "clusterrebootd_server_holds{group=\"default\",phase=\"claimed\"} 0",
    );
    has(&text, "clusterrebootd_server_overdue{group=\"default\"} 0");
    has(
        &text,
        "clusterrebootd_server_grants_total{group=\"default\"} 1",
    );
    has(
        &text,
        "clusterrebootd_server_refusals_total{group=\"default\",kind=\"lock_held\"} 1",
    );
    has(
        &text,
        "clusterrebootd_server_request_seconds_count{request=\"lock\"} 2",
    );
}

#[tokio::test]
async fn nodes_are_told_by_how_they_count() {
    let house = House::open(of_max(3)).await;
    move_in(&*house.store).await;
    house.desk.view().fresh().await.unwrap();
    let text = figures(&house).await;
    let nodes = [("healthy", 4), ("unhealthy", 1), ("stale", 1), ("down", 0)];
    for (standing, count) in nodes {
        let labels = format!("{{group=\"default\",standing=\"{standing}\"}}");
        has(
            &text,
            &format!("clusterrebootd_server_nodes{labels} {count}"),
        );
    }
    has(&text, "clusterrebootd_server_tickets{group=\"default\"} 2");
    has(&text, "clusterrebootd_server_overdue{group=\"default\"} 1");
}

#[tokio::test]
async fn a_pause_is_told_while_it_lasts() {
    let house = House::open(of_max(1)).await;
    house.pre_reboot("a").await;
    house.desk.view().fresh().await.unwrap();
    let paused = |is: u8| format!("clusterrebootd_server_paused{{group=\"default\"}} {is}");
    has(&figures(&house).await, &paused(0));
    let pause = Pause {
        by: "anna".to_owned(),
        reason: "release day".to_owned(),
        until: None,
        session: None,
    };
    let write = |pause| Write::pause_fleet(pause, "anna", "2026-03-07T10:00:00Z");
    house.store.write(write(Some(pause))).await.unwrap();
    house.desk.view().fresh().await.unwrap();
    has(&figures(&house).await, &paused(1));
    house.store.write(write(None)).await.unwrap();
    house.desk.view().fresh().await.unwrap();
    has(&figures(&house).await, &paused(0));
}

#[tokio::test]
async fn who_is_turned_away_is_counted_whatever_they_asked() {
    let mut settings = of_max(1);
    settings.limits.requests_per_second = 2;
    let house = House::open(settings).await;
    while house.get("/nothing-is-here").await.status != 429 {}
    let mut settings = of_max(1);
    settings.limits.requests_per_second = 0; // or the look at the figures would be turned away too
    house.desk.reload(settings);
    let name = "clusterrebootd_server_rejections_total";
    let text = figures(&house).await;
    has(&text, &format!("{name}{{status=\"429\"}} 1"));
    has(&text, &format!("{name}{{status=\"401\"}} 0"));
}

#[tokio::test]
async fn groups_that_are_not_known_make_no_names() {
    let house = House::open(of_max(1)).await;
    for number in 0..1_100 {
        let text = super::kit::body("a", &format!("made-up-{number}"));
        let request = super::kit::post("/v1/pre-reboot", super::kit::HEADER, text.as_bytes());
        assert_eq!(house.ask(&request).await.status, 404);
    }
    let text = figures(&house).await;
    assert!(!text.contains("made-up"), "{text}");
    let line =
        "clusterrebootd_server_refusals_total{group=\"(others)\",kind=\"unknown_group\"} 1100";
    has(&text, line);
}

#[tokio::test]
async fn requests_sent_in_one_piece_are_answered_in_their_order() {
    let house = House::open(of_max(1)).await;
    let mut line = house.line().await;
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: s\r\n\r\n");
    let both = get("/readyz") + &get("/metrics");
    line.send(both.as_bytes()).await;
    let text = line
        .until("request_seconds_count{request=\"unlock\"}")
        .await;
    let (ready, figures) = (text.find("ok\n"), text.find("fleetlock_lock_state"));
    assert!(ready.is_some() && ready < figures, "{text}");
}

#[tokio::test]
async fn made_up_groups_end_up_together_and_leave_the_configuration_s_alone() {
    let mut settings = of_max(1);
    settings.open_groups = Some(reboot_server::settings::GroupRules::of_max(2));
    let house = House::open(settings).await;
    for number in 0..130 {
        let text = super::kit::body("a", &format!("made-up-{number:03}"));
        let request = super::kit::post("/v1/pre-reboot", super::kit::HEADER, text.as_bytes());
        // It holds in the first of them, and each is made all the same.
        assert!(matches!(house.ask(&request).await.status, 200 | 423));
    }
    for (id, status) in [("b", 200), ("c", 423)] {
        assert_eq!(house.pre_reboot(id).await.status, status);
    }
    house.desk.view().fresh().await.unwrap();
    let text = figures(&house).await;
    let named = |family: &str| -> std::collections::BTreeSet<String> {
        let start = format!("{family}{{group=\"");
        let rest = text.lines().filter_map(|line| line.strip_prefix(&start));
        rest.map(|rest| rest.split('"').next().unwrap().to_owned())
            .collect()
    };
    for family in [
        "fleetlock_lock_state",
        "clusterrebootd_server_slots",
        "clusterrebootd_server_holds",
        "clusterrebootd_server_tickets",
        "clusterrebootd_server_grants_total",
        "clusterrebootd_server_refusals_total",
    ] {
        let groups = named(family);
        assert!(groups.len() <= 102, "{family}: {}", groups.len());
        assert!(groups.contains("default"), "{family}: {groups:?}");
    }
    has(
        &text,
        "clusterrebootd_server_grants_total{group=\"default\"} 1",
    );
    has(
        &text,
        "clusterrebootd_server_refusals_total{group=\"default\",kind=\"lock_held\"} 1",
    );
    let refused = "clusterrebootd_server_refusals_total{group=\"(others)\",kind=\"lock_held\"} 30";
    has(&text, refused);
}
