//! Detectors on real files and programs.

// A test fails best where it fails, and its functions need no documentation.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::{shell, soon};
use reboot_host::detector::{DetectorKind, DetectorReport, DetectorResult, DetectorSpec, evaluate};
use std::fs;
use std::path::Path;
use std::time::Duration;

async fn file(path: &Path) -> DetectorReport {
    let path = path.to_owned();
    let spec = DetectorSpec {
        name: "file".to_owned(),
        kind: DetectorKind::File { path },
    };
    evaluate(&spec).await
}

async fn command(text: &str, codes: &[i32]) -> DetectorReport {
    let spec = DetectorSpec {
        name: "command".to_owned(),
        kind: DetectorKind::Command {
            cmd: shell(text),
            success_exit_codes: codes.to_vec(),
            timeout: Some(Duration::from_millis(500)),
        },
    };
    soon("the detector", evaluate(&spec)).await
}

#[tokio::test]
async fn a_file_fires_while_anything_is_at_its_path() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("flag");
    assert_eq!(file(&path).await.result, DetectorResult::Clear);
    fs::write(&path, "").unwrap();
    assert_eq!(file(&path).await.result, DetectorResult::RebootRequired);
    assert_eq!(
        file(&path.join("below a file")).await.result,
        DetectorResult::Clear
    );
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("nowhere", &path).unwrap();
    assert_eq!(file(&path).await.result, DetectorResult::RebootRequired);
    assert_eq!(
        file(directory.path()).await.result,
        DetectorResult::RebootRequired
    );
}

#[tokio::test]
async fn a_path_that_cannot_be_looked_at_is_an_error_not_clear() {
    let directory = tempfile::tempdir().unwrap();
    let circle = directory.path().join("circle");
    std::os::unix::fs::symlink("circle", &circle).unwrap();
    let report = file(&circle.join("flag")).await;
    let DetectorResult::Error(text) = &report.result else {
        panic!("{report:?}");
    };
    assert!(text.contains("circle/flag: cannot look: "), "{text}");
    assert_eq!(report.result.kind(), "error");
}

#[tokio::test]
async fn a_file_s_fingerprint_changes_with_the_file_and_only_then() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("flag");
    fs::write(&path, "linux").unwrap();
    let first = file(&path).await.fingerprint;
    assert_eq!(file(&path).await.fingerprint, first);
    fs::write(&path, "linux and libc").unwrap();
    assert_ne!(file(&path).await.fingerprint, first);
}

#[tokio::test]
async fn exit_codes_decide() {
    let table: [(i32, &[i32], DetectorResult); 6] = [
        (0, &[], DetectorResult::Clear),
        (1, &[], DetectorResult::RebootRequired),
        (0, &[0], DetectorResult::RebootRequired),
        (1, &[0], DetectorResult::Clear),
        (102, &[100, 102], DetectorResult::RebootRequired),
        (103, &[100, 102], DetectorResult::Clear),
    ];
    for (code, codes, expected) in table {
        let report = command(&format!("echo said; exit {code}"), codes).await;
        assert_eq!(report.result, expected, "{code} in {codes:?}");
        assert_eq!(report.exit_code, Some(code));
        assert_eq!(report.output, "said\n");
    }
}

#[tokio::test]
async fn a_command_that_does_not_exit_by_itself_is_an_error_whatever_is_listed() {
    let signal = command("kill -9 $$", &[]).await;
    let text = "killed by signal 9 (SIGKILL)".to_owned();
    assert_eq!(signal.result, DetectorResult::Error(text));
    let slow = command("exec sleep 1000", &[0]).await;
    assert_eq!(
        slow.result,
        DetectorResult::Error("timed out after 0.5 s".to_owned())
    );
    let spec = DetectorSpec {
        name: "missing".to_owned(),
        kind: DetectorKind::Command {
            cmd: vec!["/nonexistent/tool".to_owned()],
            success_exit_codes: Vec::new(),
            timeout: None,
        },
    };
    let missing = evaluate(&spec).await.result;
    assert!(
        matches!(&missing, DetectorResult::Error(text) if text.starts_with("could not start")),
        "{missing:?}"
    );
}

#[tokio::test]
async fn a_command_s_fingerprint_is_its_exit_code_and_output() {
    let first = command("echo kernel; exit 1", &[]).await.fingerprint;
    assert_eq!(command("echo kernel; exit 1", &[]).await.fingerprint, first);
    assert_ne!(command("echo libc; exit 1", &[]).await.fingerprint, first);
    assert_ne!(command("echo kernel; exit 2", &[]).await.fingerprint, first);
}
