//! The health script: what it says, and that it never runs twice at once.

// A test fails best where it fails, and its functions need no documentation.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::{FAR, Witness, script, soon};
use reboot_host::script::{HealthScript, Verdict};
use std::path::Path;
use std::time::Duration;

fn scripted(directory: &Path, text: &str, timeout: Duration) -> HealthScript {
    let path = script(&directory.join("health"), &format!("#!/bin/sh\n{text}\n"));
    HealthScript::new(&path, timeout)
}

#[tokio::test]
async fn every_end_has_its_verdict_and_reason() {
    let table = [
        ("exit 0", Verdict::Pass),
        ("exit 3", Verdict::Blocked("exit code 3".to_owned())),
        (
            "kill -15 $$",
            Verdict::Blocked("killed by signal 15 (SIGTERM)".to_owned()),
        ),
        (
            "exec sleep 1000",
            Verdict::Error("timed out after 1 s".to_owned()),
        ),
    ];
    for (text, expected) in table {
        let directory = tempfile::tempdir().unwrap();
        let script = scripted(directory.path(), text, Duration::from_secs(1));
        assert_eq!(
            soon(text, script.run(&[])).await.verdict,
            expected,
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_missing_script_blocks_with_its_path() {
    let path = Path::new("/nonexistent/health");
    let run = HealthScript::new(path, FAR).run(&[]).await;
    assert_eq!(run.verdict.kind(), "error");
    assert_eq!(
        run.verdict.reason().unwrap(),
        "could not start: /nonexistent/health: No such file or directory (os error 2): \
         check that it exists and is executable"
    );
}

#[tokio::test]
async fn the_script_sees_its_variables_and_its_output_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let script = scripted(directory.path(), "echo phase $RC_PHASE; exit 1", FAR);
    let env = [("RC_PHASE".to_owned(), "post-lock".to_owned())];
    assert_eq!(script.run(&env).await.finished.output, "phase post-lock\n");
}

/// A second run that started while the first is there would find the directory.
const ALONE: &str = "mkdir \"$0.busy\" || exit 9; sleep 0.05; rmdir \"$0.busy\"";

#[tokio::test]
async fn runs_do_not_overlap() {
    let directory = tempfile::tempdir().unwrap();
    let script = scripted(directory.path(), ALONE, FAR);
    let runs = async { tokio::join!(script.run(&[]), script.run(&[]), script.run(&[])) };
    let (first, second, third) = soon("three runs", runs).await;
    for run in [first, second, third] {
        assert_eq!(run.verdict, Verdict::Pass, "{}", run.finished.output);
    }
}

#[tokio::test]
async fn a_run_waits_for_one_that_was_given_up_but_is_not_gone() {
    let directory = tempfile::tempdir().unwrap();
    let mut witness = Witness::new();
    let text = format!(
        "test $RC_PHASE = second && test -e \"$0.late\" && exit 0\n\
         test $RC_PHASE = second && exit 9\n\
         trap 'while test $((n += 1)) -lt 50000; do :; done; touch \"$0.late\"; exit' TERM\n\
         echo up > {}\nwhile :; do :; done",
        witness.path()
    );
    let script = scripted(directory.path(), &text, FAR);
    let phase = |name: &str| [("RC_PHASE".to_owned(), name.to_owned())];
    let first = script.clone();
    let env = phase("first");
    let given_up = tokio::spawn(async move { first.run(&env).await });
    assert_eq!(witness.line().await, "up");
    given_up.abort();
    let run = soon("the second run", script.run(&phase("second"))).await;
    assert_eq!(run.verdict, Verdict::Pass, "{}", run.finished.output);
}
