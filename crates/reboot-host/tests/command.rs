//! The reboot command: started or certainly not, and out of our reach once it runs.

// A test fails best where it fails, and its functions need no documentation.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::{Witness, shell, soon};
use reboot_host::command::{Issued, issue};
use reboot_host::process::Exit;
use std::fs;

fn started(issued: Issued) -> (u32, tokio::sync::oneshot::Receiver<Exit>) {
    match issued {
        Issued::Started { pid, exit } => (pid, exit),
        Issued::NotStarted(reason) => panic!("{reason}"),
    }
}

async fn exit_of(text: &str) -> Exit {
    let (_, exit) = started(issue(&shell(text)).await);
    soon("the command's end", exit).await.unwrap()
}

#[tokio::test]
async fn how_it_ends_is_told() {
    assert_eq!(exit_of("exit 0").await, Exit::Code(0));
    assert_eq!(exit_of("exit 7").await, Exit::Code(7));
    assert_eq!(exit_of("kill -9 $$").await, Exit::Signal(9));
}

#[tokio::test]
async fn what_cannot_start_is_told_apart_from_what_ran() {
    let directory = tempfile::tempdir().unwrap();
    let plain = directory.path().join("plain");
    fs::write(&plain, "exit 0\n").unwrap();
    let plain = plain.to_string_lossy().into_owned();
    for (program, cause) in [
        ("/nonexistent/shutdown", "No such file"),
        ("no-such-program-anywhere", "No such file"),
        (plain.as_str(), "Permission denied"),
    ] {
        match issue(&[program.to_owned(), "-r".to_owned()]).await {
            Issued::NotStarted(reason) => {
                assert!(
                    reason.starts_with(program) && reason.contains(cause),
                    "{reason}"
                );
                assert!(reason.ends_with("check that it exists and is executable"));
            }
            Issued::Started { .. } => panic!("{program} started"),
        }
    }
    assert!(matches!(issue(&[]).await, Issued::NotStarted(reason) if reason.contains("empty")));
}

#[tokio::test]
async fn it_leads_a_session_of_its_own() {
    let mut witness = Witness::new();
    let text = format!("cut -d' ' -f6 /proc/$$/stat > {}", witness.path());
    let (pid, _exit) = started(issue(&shell(&text)).await);
    assert_eq!(witness.line().await, pid.to_string());
}

#[test]
fn it_outlives_the_runtime_that_started_it() {
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().build().unwrap()
    };
    let (ours, watching) = (runtime(), runtime());
    let mut witness = watching.block_on(async { Witness::new() });
    // It goes on only when told to, which is after our end.
    let directory = tempfile::tempdir().unwrap();
    let go = directory.path().join("go");
    let waits = format!("while ! test -e {}; do sleep 0.01; done", go.display());
    let text = format!(
        "exec 9>{}; echo up >&9; {waits}; echo done >&9",
        witness.path()
    );
    drop(ours.block_on(issue(&shell(&text))));
    assert_eq!(watching.block_on(witness.line()), "up");
    drop(ours);
    fs::write(go, "").unwrap();
    assert_eq!(watching.block_on(witness.line()), "done");
    assert_eq!(watching.block_on(witness.gone()), "");
}
