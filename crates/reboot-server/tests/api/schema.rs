//! A tester that knows nothing but the server's own OpenAPI document.

use crate::furnished;
use std::path::Path;
use std::process::Command;

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

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_driven_tester_finds_no_fault() {
    let house = furnished().await;
    let url = format!("http://{}/api/v1/openapi.json", house.address);
    let run = move || {
        tester()
            .args(["run", &url, "--checks", "all", "--max-examples", "30"])
            // A stream that does not end; its own tests read it.
            .args([
                "--exclude-path",
                "/api/v1/events",
                "--seed",
                "1",
                "--no-color",
            ])
            .env("PYTHONWARNINGS", "ignore")
            .output()
            .unwrap()
    };
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}");
    assert!(told.contains("passed"), "{told}");
}
