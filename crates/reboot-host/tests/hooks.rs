//! Hook directories with real programs: which run, in which order, and how they are undone.

// A test fails best where it fails, and its functions need no documentation.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::{FAR, script};
use reboot_host::hooks::{HooksRun, list, run_all, run_one, undo_all, undo_one};
use reboot_host::process::Exit;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// A directory of hooks that write down their names as they run.
struct Hooks(TempDir);

// === impl Hooks ===

impl Hooks {
    fn new(names: &[&str]) -> Self {
        let hooks = Self(tempfile::tempdir().unwrap());
        names.iter().for_each(|name| hooks.add(name, "exit 0"));
        hooks
    }

    fn add(&self, name: &str, end: &str) {
        let log = self.path().join(".log");
        let text = format!(
            "#!/bin/sh\necho {name} $RC_PHASE >> {}\n{end}\n",
            log.display()
        );
        script(&self.path().join(name), &text);
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn log(&self) -> Vec<String> {
        let log = fs::read_to_string(self.path().join(".log")).unwrap_or_default();
        log.lines().map(|line| line.trim().to_owned()).collect()
    }
}

fn names(directory: &Path) -> Vec<String> {
    list(directory)
        .unwrap()
        .into_iter()
        .map(|hook| hook.name)
        .collect()
}

#[test]
fn only_programs_are_hooks_and_they_are_sorted() {
    let hooks = Hooks::new(&["20-b", "10-a", "9-c", "10-a.undo"]);
    for left_over in [
        ".hidden",
        "a~",
        "a.bak",
        "a.dpkg-old",
        "a.dpkg-dist",
        "a.rpmsave",
    ] {
        hooks.add(left_over, "exit 0");
    }
    fs::write(hooks.path().join("README"), "not executable").unwrap();
    fs::create_dir(hooks.path().join("30-directory")).unwrap();
    let link = |target: &Path, name: &str| {
        std::os::unix::fs::symlink(target, hooks.path().join(name)).unwrap();
    };
    link(Path::new("20-b"), "40-link");
    link(Path::new("nowhere"), "50-broken");
    assert_eq!(names(hooks.path()), ["10-a", "20-b", "40-link", "9-c"]);
    let listed = list(hooks.path()).unwrap();
    assert_eq!(listed[0].undo, Some(hooks.path().join("10-a.undo")));
    assert_eq!(listed[1].undo, None);
}

#[test]
fn a_missing_directory_is_empty_and_a_file_in_its_place_is_an_error() {
    let hooks = Hooks::new(&["10-a"]);
    assert!(names(&hooks.path().join("missing")).is_empty());
    let error = list(&hooks.path().join("10-a")).unwrap_err();
    assert_eq!(error.kind(), "read");
    assert!(error.to_string().contains("10-a"), "{error}");
}

#[tokio::test]
async fn hooks_run_in_order_and_each_is_announced_before_it_starts() {
    let hooks = Hooks::new(&["20-b", "10-a"]);
    let mut announced = Vec::new();
    let env = [("RC_PHASE".to_owned(), "pre-reboot".to_owned())];
    let on_start = |name: &str| announced.push((name.to_owned(), hooks.log().len()));
    let all = run_all(hooks.path(), &env, FAR, on_start).await.unwrap();
    assert_eq!(hooks.log(), ["10-a pre-reboot", "20-b pre-reboot"]);
    assert_eq!(announced, [("10-a".to_owned(), 0), ("20-b".to_owned(), 1)]);
    let started = vec!["10-a".to_owned(), "20-b".to_owned()];
    let failed = None;
    assert_eq!(all, HooksRun { started, failed });
}

#[tokio::test]
async fn the_first_failure_stops_the_rest() {
    let hooks = Hooks::new(&["10-a", "30-c"]);
    hooks.add("20-b", "echo no room; exit 4");
    let all = run_all(hooks.path(), &[], FAR, |_| ()).await.unwrap();
    assert_eq!(all.started, ["10-a", "20-b"]);
    let (name, finished) = all.failed.unwrap();
    assert_eq!((name.as_str(), &finished.exit), ("20-b", &Exit::Code(4)));
    assert_eq!(finished.output, "no room\n");
    assert_eq!(hooks.log(), ["10-a", "20-b"]);
}

#[tokio::test]
async fn undos_run_in_reverse_and_one_s_failure_does_not_stop_the_rest() {
    let hooks = Hooks::new(&["10-a", "20-b", "30-c", "10-a.undo"]);
    hooks.add("20-b.undo", "exit 1");
    let done = ["10-a", "20-b", "30-c"].map(str::to_owned);
    let (undone, failed) = undo_all(hooks.path(), &done, &[], FAR).await;
    assert_eq!(undone, ["30-c", "10-a"]);
    assert_eq!(failed, [("20-b".to_owned(), "exit code 1".to_owned())]);
    assert_eq!(hooks.log(), ["20-b.undo", "10-a.undo"]);
}

/// The hook may be gone by the time its change is undone.
#[tokio::test]
async fn an_undo_runs_without_its_hook() {
    let hooks = Hooks::new(&["10-a.undo"]);
    let undone = undo_one(hooks.path(), "10-a", &[], FAR).await.unwrap();
    assert!(undone.unwrap().is_success());
    assert_eq!(
        undo_one(hooks.path(), "20-b", &[], FAR).await.unwrap(),
        None
    );
}

#[tokio::test]
async fn an_undo_that_cannot_run_does_not_pass_for_none() {
    let hooks = Hooks::new(&["10-a"]);
    fs::write(hooks.path().join("10-a.undo"), "#!/bin/sh\n").unwrap();
    let (undone, failed) = undo_all(hooks.path(), &["10-a".to_owned()], &[], FAR).await;
    assert!(undone.is_empty());
    assert!(
        failed[0]
            .1
            .contains("check that it exists and is executable"),
        "{failed:?}"
    );
}

#[tokio::test]
async fn a_name_that_leads_out_of_the_directory_is_refused() {
    let hooks = Hooks::new(&["10-a.undo"]);
    let below = hooks.path().join("below");
    fs::create_dir(&below).unwrap();
    for name in ["../10-a", "/bin/true", "", "..", "a/b", "10-a/"] {
        let error = undo_one(&below, name, &[], FAR).await.unwrap_err();
        assert_eq!(error.kind(), "not_a_hook", "{name:?}");
    }
    assert!(hooks.log().is_empty());
}

#[tokio::test]
async fn a_hook_has_its_timeout() {
    let hooks = Hooks::new(&[]);
    hooks.add("10-a", "exec sleep 1000");
    let hook = &list(hooks.path()).unwrap()[0];
    let finished = run_one(hook, &[], std::time::Duration::from_millis(300)).await;
    assert_eq!(finished.reason(), "timed out after 0.3 s");
}
