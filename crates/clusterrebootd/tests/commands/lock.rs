//! `lock`: the slots.

use crate::site::{MACHINE, Node, Site};
use reboot_core::group::{Pause, Presence};
use reboot_core::write::Write;
use serde_json::json;

#[test]
fn the_status_is_the_old_commands() {
    let site = Site::with_hold();
    let expected = "Available: 0\nMax: 1\n\nMACHINE ID\n69d27b356a94476da859461d3a3bc6fd\n";
    assert_eq!(site.good(&["lock", "status"]), expected);
    site.good(&["lock", "unlock", MACHINE, "--yes"]);
    assert_eq!(site.good(&["lock", "status"]), "Available: 1\nMax: 1\n");
}

#[test]
fn the_wide_status_tells_all_that_an_operator_needs() {
    let site = Site::with_hold();
    let until = "2999-01-01T00:00:00Z";
    site.good(&["lock", "pause", "--reason", "frozen", "--until", until]);
    let wide = site.good(&["lock", "status", "-o", "wide"]);
    let (pause, rest) = wide.split_once("\n\n").unwrap();
    assert!(pause.starts_with("The fleet is paused by "), "{wide}");
    assert!(
        pause.ends_with(&format!(" until {until}: frozen")),
        "{wide}"
    );
    let expected = "Group: default\nAvailable: 0\nMax: 1\n\n\
        MACHINE ID                        NODE    PHASE     HOLD  SINCE                 BOOT    \
        OVERDUE\n\
        69d27b356a94476da859461d3a3bc6fd  node-a  draining  1     2026-03-07T10:00:01Z  boot-1  \
        no\n";
    assert_eq!(rest, expected);
}

#[test]
fn the_status_for_programs_tells_the_same() {
    let site = Site::with_hold();
    site.good(&["lock", "pause", "--group", "default", "--reason", "index"]);
    let status = site.json(&["lock", "status", "-o", "json"]);
    let group = &status["groups"][0];
    assert_eq!(group["available"], 0);
    assert_eq!(group["pause"]["reason"], "index");
    assert_eq!(status["pause"], json!(null));
    let hold = &group["holds"][0];
    for (key, value) in [
        ("node", json!("node-a")),
        ("machineID", json!(MACHINE)),
        ("group", json!("default")),
        ("phase", json!("draining")),
        ("acquired_at", json!("2026-03-07T10:00:00.5Z")),
        ("boot", json!({"boot_id": "boot-1"})),
        ("overdue", json!(false)),
    ] {
        assert_eq!(hold[key], value, "{key}");
    }
}

#[test]
fn who_is_overdue_and_who_waits_is_told() {
    let site = Site::new();
    let (lost, next) = (Node::new("lost", "a"), Node::new("next", "b"));
    site.write(vec![
        lost.live(),
        next.live(),
        lost.claim("2026-03-07T10:00:00Z"),
        lost.fence_within(0, "2026-03-07T10:00:01Z", 1),
        next.join("2026-03-07T10:00:02.9Z"),
    ]);
    site.wait_until_overdue();
    let wide = site.good(&["lock", "status", "-o", "wide"]);
    assert!(wide.contains("a           lost  rebooting  1 "), "{wide}");
    assert!(wide.contains("  boot-1  OVERDUE\n\n"), "{wide}");
    let line = "WAITS  NODE  SINCE\n1      next  2026-03-07T10:00:03Z\n";
    assert!(wide.ends_with(line), "{wide}");
    let status = site.json(&["lock", "status", "-o", "json"]);
    assert_eq!(status["groups"][0]["holds"][0]["overdue"], true);
    assert_eq!(status["groups"][0]["line"][0]["node"], "next");
}

#[test]
fn every_group_or_the_chosen_one_is_shown() {
    let site = Site::with_hold();
    let other = Node::new("db-1", "d1").in_group("databases");
    site.write(other.draining());
    let databases = "Available: 0\nMax: 1\n\nMACHINE ID\nd1\n";
    let status = site.good(&["lock", "status", "--group", "databases"]);
    assert_eq!(status, databases);
    let all = site.good(&["lock", "status", "--all-groups"]);
    let expected = format!(
        "Group: databases\n{databases}\nGroup: default\nAvailable: 0\nMax: 1\n\nMACHINE ID\n\
         {MACHINE}\n"
    );
    assert_eq!(all, expected);
    for arguments in [
        &["lock", "status", "--group", "database"][..],
        &["lock", "set-max", "2", "--group", "database"],
        &["lock", "resume", "--group", "database"],
        &["lock", "pause", "--reason", "x", "--group", "database"],
    ] {
        let said = site.refused(arguments);
        assert!(said.contains("there is no group database"), "{said}");
    }
}

#[test]
fn a_group_that_nobody_claimed_a_slot_of_yet_has_the_configurations_slots() {
    let site = Site::new();
    site.write(vec![Node::new("node-a", "a").report(1000, true)]);
    assert_eq!(site.good(&["lock", "status"]), "Available: 1\nMax: 1\n");
    let none = "no group yet: the first claim of one of its nodes makes it\n";
    assert_eq!(site.good(&["lock", "status", "--all-groups"]), none);
    assert_eq!(site.good(&["lock", "set-max", "3"]), "Old: 1\nNew: 3\n");
    assert_eq!(site.good(&["lock", "status"]), "Available: 3\nMax: 3\n");
}

#[test]
fn a_hold_is_broken_by_the_nodes_name_only_when_one_is_sure() {
    let site = Site::with_hold();
    let stranger = site.refused(&["lock", "unlock", "node-b", "--yes"]);
    assert!(stranger.contains("node-b holds no slot"), "{stranger}");
    let unsure = site.refused(&["lock", "unlock", "node-a"]);
    for fact in [
        "hold 1 of node-a (69d27b356a94476da859461d3a3bc6fd), ",
        "draining, held since 2026-03-07T10:00:01Z",
        "group: default",
        "boot: boot-1",
        "overdue: no",
        "its daemon may be alive (last report: 2026-03-07T10:00:02Z)",
        "changed there, and left as it is until its daemon runs again: hook:10-balancer",
        "add --yes",
    ] {
        assert!(unsure.contains(fact), "{fact}: {unsure}");
    }
    let status = site.json(&["lock", "status", "-o", "json"]);
    assert_eq!(status["groups"][0]["available"], 0, "nothing was changed");
    let said = site.good(&["lock", "unlock", "node-a", "--yes", "--reason", "scrapped"]);
    assert!(said.starts_with("broken: hold 1 of node-a"), "{said}");
    let again = site.refused(&["lock", "unlock", "node-a", "--yes"]);
    assert!(again.contains("holds no slot"), "{again}");
    let history = site.json(&["history", "-o", "json"]);
    let last = history["history"].as_array().unwrap().last().unwrap();
    assert_eq!(last["event"], "break");
    let detail = last["detail"].as_str().unwrap();
    let uid = format!("(uid {}", nix::unistd::getuid());
    assert!(
        detail.contains(&uid) && detail.ends_with("): scrapped"),
        "{detail}"
    );
}

#[test]
fn the_hold_of_another_group_is_pointed_at_but_left_alone() {
    let site = Site::with_hold();
    let other = Node::new("db-1", "d1").in_group("databases");
    site.write(other.draining());
    let said = site.refused(&["lock", "unlock", "d1", "--yes"]);
    assert!(said.contains("add --group databases"), "{said}");
    let said = site.good(&["lock", "unlock", "d1", "--yes", "--group", "databases"]);
    assert!(said.starts_with("broken: hold 1 of db-1 (d1)"), "{said}");
}

#[test]
fn a_machine_id_of_two_holders_breaks_neither() {
    let site = Site::new();
    let (one, two) = (Node::new("one", "clone"), Node::new("two", "clone"));
    site.write(vec![
        one.live(),
        two.live(),
        one.claim("2026-03-07T10:00:00Z"),
    ]);
    site.good(&["lock", "set-max", "2"]);
    site.write(vec![two.claim("2026-03-07T10:00:00Z")]);
    let said = site.refused(&["lock", "unlock", "clone", "--yes"]);
    let choices = "clone may mean 2 holds: choose one of\n  \
                   one (hold 1 of one (clone), claimed, held since 2026-03-07T10:00:00Z)\n  \
                   two (hold 2 of two (clone), claimed, held since 2026-03-07T10:00:00Z)\n";
    assert!(said.ends_with(choices), "{said}");
    let said = site.good(&["lock", "unlock", "two", "--yes"]);
    assert!(said.starts_with("broken: hold 2 of two"), "{said}");
}

#[test]
fn slots_change_and_nobody_is_evicted() {
    let site = Site::with_hold();
    assert_eq!(site.good(&["lock", "set-max", "4"]), "Old: 1\nNew: 4\n");
    let said = site.refused(&["lock", "set-max", "5000"]);
    assert!(said.contains("at most 1000"), "{said}");
    assert_eq!(site.good(&["lock", "set-max", "0"]), "Old: 4\nNew: 0\n");
    let status = site.good(&["lock", "status"]);
    assert!(
        status.starts_with("Available: -1\nMax: 0\n\nMACHINE ID\n69d2"),
        "{status}"
    );
    let said = site.good(&["lock", "resume"]);
    let slots = "group default has no slots: `clusterrebootd lock set-max 1 --group default`";
    assert_eq!(said, format!("nothing was paused\n{slots}\n"));
}

#[test]
fn a_pause_whose_time_is_over_says_that_it_stands() {
    let site = Site::with_hold();
    let pause = Pause {
        by: "olga".to_owned(),
        reason: "release day".to_owned(),
        until: Some("2026-03-07T10:00:00Z".to_owned()),
        session: None,
    };
    site.write(vec![Write::pause_fleet(Some(pause), "olga", "")]);
    let wide = site.good(&["lock", "status", "-o", "wide"]);
    let said = "The fleet is paused by olga until 2026-03-07T10:00:00Z (that is over, but only \
                `clusterrebootd lock resume` lifts it): release day\n";
    assert!(wide.starts_with(said), "{wide}");
}

#[test]
fn a_file_that_says_another_max_is_shown_beside_the_groups() {
    let site = Site::with_hold();
    site.good(&["lock", "set-max", "4"]);
    site.set_max(2);
    let (exit, stdout, stderr) = site.run(&["lock", "status"]);
    assert_eq!(exit, 0);
    assert!(stdout.starts_with("Available: 3\nMax: 4\n\n"), "{stdout}");
    let warning = "clusterrebootd: warning: group default has 4 slots, this configuration says 2: \
                   the group's number counts; `clusterrebootd lock set-max 2 --group default` \
                   changes it, or mend the file\n";
    assert_eq!(stderr, warning);
    let wide = site.good(&["lock", "status", "-o", "wide"]);
    let both = "Max: 4\nMax in this configuration: 2 (the group's counts)\n";
    assert!(wide.contains(both), "{wide}");
    let status = site.json(&["lock", "status", "-o", "json"]);
    assert_eq!(status["groups"][0]["max_in_configuration"], 2);
    assert!(status["warnings"][0].is_string(), "{status}");
    site.good(&["lock", "set-max", "2"]);
    assert!(
        site.good(&["lock", "status"])
            .starts_with("Available: 1\nMax: 2\n")
    );
}

#[test]
fn the_fleet_and_its_groups_pause_and_resume() {
    let site = Site::with_hold();
    let said = site.good(&["lock", "pause", "--reason", "release day"]);
    assert_eq!(
        said,
        "paused the fleet; `clusterrebootd lock resume` lets it go on\n"
    );
    let said = site.good(&["lock", "resume", "--group", "default"]);
    assert!(
        said.starts_with("nothing was paused\nthe fleet is still paused by "),
        "{said}"
    );
    assert!(said.contains("(release day)"), "{said}");
    let until = "2999-01-01T00:00:00Z";
    let one = [
        "lock", "pause", "--group", "default", "--reason", "x", "--until", until,
    ];
    assert_eq!(
        site.good(&one),
        "paused group default; `clusterrebootd lock resume --group default` lets it go on \
         before it ends by itself at 2999-01-01T00:00:00Z\n"
    );
    let status = site.json(&["lock", "status", "-o", "json"]);
    assert_eq!(status["pause"]["reason"], "release day");
    assert_eq!(status["groups"][0]["pause"]["until"], until);
    assert_eq!(
        site.good(&["lock", "resume"]),
        "resumed the fleet\nresumed group default\n"
    );
    assert_eq!(site.good(&["lock", "resume"]), "nothing was paused\n");
    let is_keeper = |presence: &Presence| presence.identity.node == Pause::keeper();
    site.wait_in_store("nothing of the pause is left", |fleet| {
        !fleet.presences.iter().any(is_keeper)
    });
}

#[test]
fn a_pause_with_an_end_lifts_by_itself() {
    let site = Site::with_hold();
    let until = (jiff::Timestamp::now() + jiff::SignedDuration::from_millis(1_500)).to_string();
    for group in [&[][..], &["--group", "default"]] {
        let pause = ["lock", "pause", "--reason", "backup", "--until", &until];
        site.good(&[&pause[..], group].concat());
    }
    let status = site.json(&["lock", "status", "-o", "json"]);
    assert_eq!(status["pause"]["until"], until);
    assert_eq!(status["groups"][0]["pause"]["until"], until);
    site.wait_in_store("both pauses end", |fleet| {
        let mut groups = fleet.groups.values();
        fleet.pause.is_none() && groups.all(|entry| entry.group.pause.is_none())
    });
    let status = site.json(&["lock", "status", "-o", "json"]);
    assert_eq!(status["pause"], json!(null));
    assert_eq!(site.good(&["lock", "resume"]), "nothing was paused\n");
    let told = site.good(&["history"]);
    assert!(told.contains("pause-fleet"), "{told}");
}

#[test]
fn a_fleet_without_groups_is_said_to_have_none() {
    let site = Site::new();
    site.write(vec![Node::new("node-a", "a").live()]);
    let none = "no group yet: the first claim of one of its nodes makes it\n";
    assert_eq!(site.good(&["lock", "status", "--all-groups"]), none);
    assert_eq!(
        site.good(&["lock", "status", "--all-groups", "-o", "wide"]),
        none
    );
    let status = site.json(&["lock", "status", "--all-groups", "-o", "json"]);
    assert_eq!(status["groups"], json!([]));
}
