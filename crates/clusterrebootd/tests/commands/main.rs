//! The operator commands on a real store, as processes: what they print, refuse and change.

// A test fails best where it fails, and its functions need no documentation.
#![allow(clippy::unwrap_used, missing_docs)]

mod asking;
mod beside;
mod fleet;
mod history;
mod hold_back;
mod lock;
mod place;
mod plan;
mod planned;
mod reboot;
mod rebootlockctl;
mod site;
mod store;
mod terminal;
mod watch;

use site::Site;

#[test]
fn without_a_store_nothing_is_made() {
    let site = Site::new();
    let backup = site.file("copy.db");
    for arguments in [
        &["lock", "status"][..],
        &["lock", "resume"],
        &["lock", "pause", "--reason", "x"],
        &["fleet", "list"],
        &["fleet", "forget", "node-a", "--yes"],
        &["history"],
        &["store", "dump"],
        &["store", "check"],
        &["store", "backup", backup.to_str().unwrap()],
    ] {
        let said = site.refused(arguments);
        assert!(
            said.contains("no store at") && said.contains("does the daemon run"),
            "{arguments:?}: {said}"
        );
    }
    let left: Vec<_> = std::fs::read_dir(site.dir()).unwrap().collect();
    assert_eq!(left.len(), 1, "only the configuration: {left:?}");
}

#[test]
fn usage_errors_are_64() {
    let site = Site::new();
    for arguments in [
        &["lock"][..],
        &["lock", "set-max", "-1"],
        &["lock", "set-max", "many"],
        &["lock", "pause"],
        &["lock", "pause", "--reason", "x", "--until", "noon"],
        &[
            "lock",
            "pause",
            "--reason",
            "x",
            "--until",
            "2020-01-01T00:00:00Z",
        ],
        &["lock", "status", "--group", "a/b"],
        &["lock", "status", "-o", "yaml"],
        &["lock", "unlock"],
        &["fleet"],
        &["fleet", "forget"],
        &["fleet", "reboot", "node-a"],
        &["fleet", "reboot", "node-a", "--reason", "x", "--cancel"],
        &["fleet", "reboot", "node-a", "--reason", "x", "--at", "noon"],
        &["history", "--limit", "some"],
        &["history", "--group", ""],
        &["plan", "--nodes", "0"],
        &["plan", "--nodes", "3", "--node", "node-1"],
        &["plan", "--at", "tonight"],
        &["plan", "--horizon", "7"],
        &["plan", "-o", "png"],
        &["store"],
        &["store", "restore"],
    ] {
        let (exit, stdout, stderr) = site.run(arguments);
        assert_eq!((exit, stdout.as_str()), (64, ""), "{arguments:?}: {stderr}");
    }
}

#[test]
fn every_reason_says_something() {
    let site = Site::with_hold();
    let longest = "x".repeat(500);
    let book = format!("{longest}x");
    for arguments in [
        &["lock", "pause"][..],
        &["lock", "unlock", "node-a", "--yes"],
        &["fleet", "hold-back", "node-a"],
        &["fleet", "reboot", "node-a"],
        &["store", "restore", "backup.db", "--yes"],
        &["store", "new-epoch", "--yes"],
    ] {
        for bad in ["", "   ", &book] {
            let (exit, stdout, stderr) = site.run(&[arguments, &["--reason", bad]].concat());
            assert_eq!((exit, stdout.as_str()), (64, ""), "{arguments:?}: {stderr}");
            let told = "for '--reason <TEXT>': say why, in 1 to 500 characters, such as";
            assert!(stderr.contains(told), "{arguments:?}: {stderr}");
        }
    }
    let spaced = format!("  {longest}\t");
    site.good(&["lock", "pause", "--reason", &spaced]);
    let status = site.good(&["lock", "status", "-o", "json"]);
    assert!(status.contains(&format!("\"{longest}\"")), "{status}");
}

#[test]
fn a_bad_configuration_is_2() {
    let site = Site::new();
    std::fs::write(site.config(), "node_name: [\n").unwrap();
    for arguments in [
        &["lock", "status"][..],
        &["fleet", "list"],
        &["history"],
        &["plan", "--nodes", "3"],
        &["store", "dump"],
    ] {
        assert_eq!(site.run(arguments).0, 2, "{arguments:?}");
    }
}

#[test]
fn a_manual_page_is_written_for_each_of_them() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().to_str().unwrap();
    let site = Site::new();
    let said = site.plain(&["man", "--out", out]);
    assert_eq!(said.0, 0, "{said:?}");
    for name in [
        "history",
        "lock",
        "lock-unlock",
        "fleet-forget",
        "store-restore",
    ] {
        let page = dir.path().join(format!("man8/clusterrebootd-{name}.8"));
        let text = std::fs::read_to_string(&page).unwrap();
        assert!(text.contains(".SH EXAMPLES"), "{name}: {text}");
    }
    let script = site.plain(&["completions", "bash"]).1;
    for command in ["clusterrebootd__subcmd__lock__subcmd__unlock", "set-max"] {
        assert!(script.contains(command), "{command}: {script}");
    }
}
