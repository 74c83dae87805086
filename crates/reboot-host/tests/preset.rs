//! Presets with pretended tools, each told what to answer.

// A test fails best where it fails, and its functions need no documentation.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::{script, soon};
use reboot_host::detector::{DetectorKind, DetectorReport, DetectorResult, DetectorSpec, evaluate};
use reboot_host::preset::{Preset, detect_available, expand};
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// A machine with pretended tools before the real ones, and kernels of its own.
struct Machine(TempDir);

// === impl Machine ===

impl Machine {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn with(tool: &str, text: &str) -> Self {
        let machine = Self::new();
        script(&machine.path().join(tool), &format!("#!/bin/sh\n{text}\n"));
        machine
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Evaluates a preset's only detector with the tools and kernels of this machine.
    async fn evaluate(&self, preset: Preset) -> DetectorReport {
        let is_present = |program: &str| self.path().join(program).exists();
        let [detector] = &mut expand(preset, &is_present).unwrap()[..] else {
            panic!("{preset} has more than one detector");
        };
        let DetectorKind::Command { cmd, .. } = &mut detector.kind else {
            panic!("{preset} is not a command");
        };
        let root = self.path().display();
        cmd[5] = format!("{root}/boot");
        cmd[6] = format!("{root}/modules");
        let path = format!("PATH={root}:/usr/bin:/bin");
        cmd.splice(0..0, ["env".to_owned(), path]);
        soon("the detector", evaluate(detector)).await
    }
}

fn is_error(report: &DetectorReport) -> bool {
    matches!(report.result, DetectorResult::Error(_)) && report.output.contains("cannot tell: ")
}

fn file_of(preset: Preset) -> String {
    let detectors = expand(preset, &|_| false).unwrap();
    let [DetectorSpec { name, kind }] = &detectors[..] else {
        panic!("{detectors:?}");
    };
    assert_eq!(name, preset.name());
    match kind {
        DetectorKind::File { path } => path.to_string_lossy().into_owned(),
        DetectorKind::Command { .. } => panic!("{detectors:?}"),
    }
}

#[test]
fn files_need_no_program() {
    assert_eq!(file_of(Preset::Debian), "/var/run/reboot-required");
    assert_eq!(file_of(Preset::RebootNeeded), "/run/reboot-needed");
}

#[test]
fn names_are_stable_and_an_unknown_one_lists_them() {
    let names = Preset::ALL.map(|preset| preset.name());
    let stable = "debian needs-restarting zypper rpm-ostree bootc flatcar reboot-needed kernel";
    assert_eq!(names.join(" "), stable);
    for preset in Preset::ALL {
        assert_eq!(preset.name().parse(), Ok(preset));
    }
    let error = "debain".parse::<Preset>().unwrap_err().to_string();
    assert!(error.contains("\"debain\"") && error.contains("debian, needs-restarting"));
}

#[test]
fn a_missing_program_is_named_with_what_to_do() {
    let error = expand(Preset::NeedsRestarting, &|_| false).unwrap_err();
    let names = "needs-restarting or dnf is not in PATH: install it, or use another preset";
    assert_eq!(error, format!("preset needs-restarting: {names}"));
}

#[test]
fn what_makes_sense_here_is_known_by_the_programs() {
    let suse = |program: &str| ["zypper", "uname"].contains(&program);
    assert_eq!(detect_available(&suse), [Preset::Zypper, Preset::Kernel]);
}

/// A tool, what it is made to do, and what the preset says to it; `None` is "cannot tell".
type Row = (Preset, &'static str, &'static str, Option<bool>);

const TABLE: [Row; 20] = [
    (
        Preset::NeedsRestarting,
        "needs-restarting",
        "test $1 = -r",
        Some(false),
    ),
    (
        Preset::NeedsRestarting,
        "needs-restarting",
        "echo Reboot is required to fully utilize these updates.; exit 1",
        Some(true),
    ),
    (
        Preset::NeedsRestarting,
        "needs-restarting",
        "echo no repository; exit 1",
        None,
    ),
    (
        Preset::NeedsRestarting,
        "dnf",
        "test \"$*\" = 'needs-restarting -r' && echo Reboot is required && exit 1",
        Some(true),
    ),
    (Preset::NeedsRestarting, "dnf", "exit 3", None),
    (
        Preset::Zypper,
        "zypper",
        "test $1 = needs-rebooting",
        Some(false),
    ),
    (Preset::Zypper, "zypper", "exit 102", Some(true)),
    (Preset::Zypper, "zypper", "exit 1", None),
    (
        Preset::RpmOstree,
        "rpm-ostree",
        "test \"$*\" = 'status --pending-exit-77'",
        Some(false),
    ),
    (Preset::RpmOstree, "rpm-ostree", "exit 77", Some(true)),
    (Preset::RpmOstree, "rpm-ostree", "exit 1", None),
    (
        Preset::Bootc,
        "bootc",
        "echo '{\"status\":{\"staged\":null,\"booted\":{}}}'",
        Some(false),
    ),
    (
        Preset::Bootc,
        "bootc",
        "echo '{\"status\":{\n  \"staged\": {\"image\":1}}}'",
        Some(true),
    ),
    (Preset::Bootc, "bootc", "echo '{}'", None),
    (
        Preset::Bootc,
        "bootc",
        "echo '\"staged\":null'; exit 1",
        None,
    ),
    (
        Preset::Flatcar,
        "update_engine_client",
        "test $1 = -status && echo CURRENT_OP=UPDATE_STATUS_IDLE",
        Some(false),
    ),
    (
        Preset::Flatcar,
        "update_engine_client",
        "echo CURRENT_OP=UPDATE_STATUS_UPDATED_NEED_REBOOT",
        Some(true),
    ),
    (Preset::Flatcar, "update_engine_client", "echo hello", None),
    (Preset::Flatcar, "update_engine_client", "exit 1", None),
    (Preset::Kernel, "uname", "exit 1", None),
];

#[tokio::test]
async fn every_answer_of_every_tool_is_understood() {
    for (preset, tool, text, expected) in TABLE {
        let report = Machine::with(tool, text).evaluate(preset).await;
        let is_right = match expected {
            Some(true) => report.result == DetectorResult::RebootRequired,
            Some(false) => report.result == DetectorResult::Clear,
            None => is_error(&report),
        };
        assert!(is_right, "{preset} to {text:?}: {report:?}");
    }
}

#[tokio::test]
async fn only_a_newer_kernel_of_the_same_flavour_counts() {
    let table: [(&str, &[&str], Option<bool>); 9] = [
        (
            "6.1.0-18-amd64",
            &["boot/vmlinuz-6.1.0-18-amd64"],
            Some(false),
        ),
        (
            "6.1.0-9-amd64",
            &["boot/vmlinuz-6.1.0-18-amd64"],
            Some(true),
        ),
        (
            "6.1.0-18-amd64",
            &["boot/vmlinuz-6.1.0-9-amd64"],
            Some(false),
        ),
        (
            "6.1.0-9-amd64",
            &[
                "boot/vmlinuz-6.1.0-9-amd64",
                "boot/vmlinuz-6.1.0-18-cloud-amd64",
            ],
            Some(false),
        ),
        (
            "5.14.0-362.8.1.el9_3.x86_64",
            &["boot/vmlinuz-5.14.0-427.el9_4.x86_64"],
            Some(true),
        ),
        (
            "6.9.1-arch1-1",
            &["modules/6.9.3-arch1-1/vmlinuz"],
            Some(true),
        ),
        (
            "6.9.3-arch1-1",
            &["modules/6.9.3-arch1-1/vmlinuz", "boot/vmlinuz-linux"],
            Some(false),
        ),
        (
            "6.1.0-9-amd64",
            &["modules/6.1.0-18-amd64/modules.dep"],
            None,
        ),
        ("6.1.0-9-amd64", &[], None),
    ];
    for (running, files, expected) in table {
        let machine = Machine::with("uname", &format!("test $1 = -r && echo {running}"));
        for file in files {
            let file = machine.path().join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "").unwrap();
        }
        let report = machine.evaluate(Preset::Kernel).await;
        let is_right = match expected {
            Some(true) => report.result == DetectorResult::RebootRequired,
            Some(false) => report.result == DetectorResult::Clear,
            None => is_error(&report),
        };
        assert!(is_right, "{running} with {files:?}: {report:?}");
    }
}
