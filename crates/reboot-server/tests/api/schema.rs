//! A tester that knows nothing but the server's own OpenAPI document.

use crate::kit::{House, of_max};
use crate::{fleet, furnished};
use reboot_server::audit::NoAudit;
use reboot_server::doors::{DoorSettings, Doors, Secret};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

/// The tester; a newer one may find more, so it is named.
const TESTER: &str = "schemathesis==4.32.5";

/// The tester, installed once in a folder of its own.
fn tester() -> Command {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(TESTER);
    let program = folder.join("bin/st");
    if !program.exists() {
        let install = [
            "install",
            "--quiet",
            "--root-user-action=ignore",
            TESTER,
            "--target",
        ];
        let pip = Command::new("pip3").args(install).arg(&folder).status();
        let is_there = pip
            .expect("pip3 runs: install the package python3-pip")
            .success();
        assert!(is_there, "{TESTER} is installed from the package index");
    }
    let mut command = Command::new(program);
    command
        .env("PYTHONPATH", folder)
        .current_dir(env!("CARGO_TARGET_TMPDIR"));
    command
}

/// Runs the tester on a server, with these further arguments.
async fn try_all(house: &House, examples: &str, arguments: Vec<String>) {
    let url = format!("http://{}/api/v1/openapi.json", house.address);
    let examples = examples.to_owned();
    let run = move || {
        tester()
            .args(["run", &url, "--checks", "all"])
            .args(["--max-examples", &examples])
            // Making up requests takes its time on a busy machine.
            .args(["--suppress-health-check", "too_slow"])
            // A stream that does not end, and a wait for a slot that nobody gives back; their own
            // tests read them.
            .args(["--exclude-path", "/api/v1/events"])
            .args(["--exclude-path", "/api/v1/lock"])
            .args(["--seed", "1", "--no-color"])
            .args(arguments)
            .env("PYTHONWARNINGS", "ignore")
            .output()
            .unwrap()
    };
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}");
    assert!(told.contains("passed"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_driven_tester_finds_no_fault() {
    try_all(&furnished().await, "30", Vec::new()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tester_finds_no_fault_where_it_is_asked_who_it_is() {
    for role in ["read", "operator"] {
        let dir = tempfile::tempdir().unwrap();
        let tokens_file = dir.path().join("tokens");
        let (token, hash) = Secret::new_token().unwrap();
        fs::write(&tokens_file, format!("tester {role} {hash}\n")).unwrap();
        let doors = Doors::new(&DoorSettings {
            tokens_file: Some(tokens_file),
            ..DoorSettings::default()
        });
        let mut settings = of_max(3);
        // It is many clients in one.
        settings.limits.requests_per_second = 0;
        let house = House::behind(settings, doors.unwrap(), Arc::new(NoAudit)).await;
        fleet::move_in(&*house.store).await;
        house.desk.view().fresh().await.unwrap();
        let header = format!("Authorization: Bearer {token}");
        try_all(&house, "5", vec!["--header".to_owned(), header]).await;
    }
}
