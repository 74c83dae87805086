//! What a detector's command prints, by real processes.

use reboot_fuzz::{Input, Limit, fuzz_test};
use reboot_host::detector::{DetectorKind, DetectorReport, DetectorResult, DetectorSpec, evaluate};
use std::time::Duration;

/// What is kept of an output, in bytes: its beginning and its end.
const KEPT_BYTES: usize = 2 * 8 * 1024;

const WORDS: &[&str] = &[
    "\u{fffd}",
    "\n",
    "[... 1 bytes left out ...]",
    "reboot required",
    "\u{1b}[2J",
];

/// Whatever is printed and however much, no more memory than this: what is kept, three times as
/// long where it is not UTF-8, and copied for the report.
pub(crate) const LIMIT: Limit = Limit {
    base_bytes: 400 * 1024,
    bytes_per_byte: 0,
    base_time: Duration::from_millis(500),
    time_per_byte: Duration::from_micros(20),
};

fuzz_test!(
    output,
    Input {
        name: "output",
        words: WORDS,
        runs: 60,
        limit: LIMIT,
        check: &check,
    }
);

fn check(text: &[u8]) {
    let file = tempfile::NamedTempFile::new().expect("a temporary file can be made");
    std::fs::write(file.path(), text).expect("it can be written");
    let path = file.path().display();
    let report = detect(&format!("cat {path}; exit 3"), Duration::from_secs(30));
    assert_eq!(report.result, DetectorResult::RebootRequired);
    assert_eq!(report.exit_code, Some(3));
    assert!(report.output.len() <= 3 * KEPT_BYTES + 100);
    if text.len() <= KEPT_BYTES {
        assert_eq!(report.output, String::from_utf8_lossy(text));
    } else {
        let left_out = format!("[... {} bytes left out ...]", text.len() - KEPT_BYTES);
        assert!(report.output.contains(&left_out), "{left_out}");
    }
    let again = detect(&format!("cat {path}; exit 3"), Duration::from_secs(30));
    assert_eq!(again.fingerprint, report.fingerprint, "the same need");
}

/// Runs a piece of shell as a detector.
pub(crate) fn detect(script: &str, timeout: Duration) -> DetectorReport {
    let spec = DetectorSpec {
        name: "fuzz".to_owned(),
        kind: DetectorKind::Command {
            cmd: ["sh", "-c", script].map(str::to_owned).to_vec(),
            success_exit_codes: Vec::new(),
            timeout: Some(timeout),
        },
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime
        .expect("a runtime can be made")
        .block_on(evaluate(&spec))
}
