//! Files and directories that come, go and move under a watch.

// A test fails best where it fails, and its functions need no documentation.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::soon;
use reboot_host::watch::FileWatch;
use std::fs;
use std::future::{Future, poll_fn};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::Command;
use std::task::Poll;
use std::time::Duration;
use tempfile::TempDir;

/// So long that only inotify can be what told.
const NEVER: Duration = Duration::from_secs(86_400);

struct Bench {
    root: TempDir,
}

// === impl Bench ===

impl Bench {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        Self { root }
    }

    fn path(&self, below: &str) -> PathBuf {
        self.root.path().join(below)
    }

    fn watch(&self, below: &[&str]) -> FileWatch {
        let watch = FileWatch::new(below.iter().map(|path| self.path(path)), NEVER);
        assert_eq!(watch.limits(), None);
        watch
    }
}

async fn told(watch: &mut FileWatch, what: &str) {
    soon(what, watch.changed()).await;
}

async fn quiet(watch: &mut FileWatch, what: &str) {
    let wait = tokio::time::timeout(Duration::from_millis(150), watch.changed());
    assert!(wait.await.is_err(), "told of nothing: {what}");
}

#[tokio::test]
async fn a_file_that_appears_changes_and_goes_is_told_each_time() {
    let bench = Bench::new();
    let flag = bench.path("flag");
    let mut watch = bench.watch(&["other", "flag"]);
    quiet(&mut watch, "the beginning").await;
    fs::write(&flag, "").unwrap();
    told(&mut watch, "appeared").await;
    fs::write(&flag, "linux").unwrap();
    told(&mut watch, "was written").await;
    fs::rename(&flag, bench.path("away")).unwrap();
    told(&mut watch, "was moved away").await;
    fs::rename(bench.path("away"), &flag).unwrap();
    told(&mut watch, "was moved here").await;
    fs::remove_file(&flag).unwrap();
    told(&mut watch, "was removed").await;
    quiet(&mut watch, "the end").await;
}

#[tokio::test]
async fn what_happens_to_other_files_is_not_told() {
    let bench = Bench::new();
    let mut watch = bench.watch(&["flag"]);
    for n in 0..50 {
        fs::write(bench.path(&format!("other-{n}")), "").unwrap();
    }
    quiet(&mut watch, "other files").await;
    fs::write(bench.path("flag"), "").unwrap();
    told(&mut watch, "still told of its own").await;
}

#[tokio::test]
async fn what_happened_before_the_first_question_is_told() {
    let bench = Bench::new();
    let mut watch = bench.watch(&["flag"]);
    fs::write(bench.path("flag"), "").unwrap();
    told(&mut watch, "appeared").await;
}

#[tokio::test]
async fn directories_may_appear_one_after_the_other() {
    let bench = Bench::new();
    let mut watch = bench.watch(&["a/b/c/flag"]);
    for directory in ["a", "a/b", "a/b/c"] {
        fs::create_dir(bench.path(directory)).unwrap();
        quiet(&mut watch, directory).await;
    }
    fs::write(bench.path("a/b/c/flag"), "").unwrap();
    told(&mut watch, "appeared in new directories").await;
}

#[tokio::test]
async fn directories_and_file_may_appear_at_once() {
    let bench = Bench::new();
    let mut watch = bench.watch(&["a/b/c/flag"]);
    fs::create_dir_all(bench.path("a/b/c")).unwrap();
    fs::write(bench.path("a/b/c/flag"), "").unwrap();
    told(&mut watch, "appeared with its directories").await;
}

#[tokio::test]
async fn a_directory_may_be_deleted_and_made_again() {
    let bench = Bench::new();
    let mut watch = bench.watch(&["run/flag"]);
    for round in 0..3 {
        fs::create_dir(bench.path("run")).unwrap();
        fs::write(bench.path("run/flag"), "").unwrap();
        told(&mut watch, &format!("appeared in round {round}")).await;
        fs::remove_dir_all(bench.path("run")).unwrap();
        told(&mut watch, &format!("went in round {round}")).await;
    }
}

#[tokio::test]
async fn a_directory_far_above_may_be_moved_away_and_back() {
    let bench = Bench::new();
    fs::create_dir_all(bench.path("a/b")).unwrap();
    fs::write(bench.path("a/b/flag"), "").unwrap();
    let mut watch = bench.watch(&["a/b/flag"]);
    fs::rename(bench.path("a"), bench.path("elsewhere")).unwrap();
    told(&mut watch, "went with its directory").await;
    fs::rename(bench.path("elsewhere"), bench.path("a")).unwrap();
    told(&mut watch, "came back with its directory").await;
}

/// As on every machine with `/var/run -> /run`.
#[tokio::test]
async fn a_link_on_the_way_is_followed_and_may_be_replaced() {
    let bench = Bench::new();
    for directory in ["var", "run", "new"] {
        fs::create_dir(bench.path(directory)).unwrap();
    }
    symlink(bench.path("run"), bench.path("var/run")).unwrap();
    let mut watch = bench.watch(&["var/run/flag"]);
    fs::write(bench.path("run/flag"), "").unwrap();
    told(&mut watch, "appeared behind the link").await;
    fs::remove_file(bench.path("var/run")).unwrap();
    told(&mut watch, "the link went").await;
    symlink("../new", bench.path("var/run")).unwrap();
    quiet(&mut watch, "nothing is behind the new link").await;
    fs::write(bench.path("new/flag"), "").unwrap();
    told(&mut watch, "appeared behind the new link").await;
}

#[tokio::test]
async fn a_link_may_point_to_what_does_not_exist_yet() {
    let bench = Bench::new();
    symlink("target/deep", bench.path("link")).unwrap();
    let mut watch = bench.watch(&["link/flag"]);
    fs::create_dir_all(bench.path("target/deep")).unwrap();
    fs::write(bench.path("target/deep/flag"), "").unwrap();
    told(&mut watch, "appeared behind the link").await;
}

#[tokio::test]
async fn a_file_in_the_way_may_become_a_directory() {
    let bench = Bench::new();
    fs::write(bench.path("run"), "").unwrap();
    let mut watch = bench.watch(&["run/flag"]);
    fs::remove_file(bench.path("run")).unwrap();
    fs::create_dir(bench.path("run")).unwrap();
    fs::write(bench.path("run/flag"), "").unwrap();
    told(&mut watch, "appeared").await;
}

/// /proc raises no events: a process that ends is a file that goes unnoticed.
#[tokio::test]
async fn what_inotify_misses_is_seen_by_the_poll() {
    let mut process = Command::new("sleep").arg("1000").spawn().unwrap();
    let path = Path::new("/proc").join(process.id().to_string());
    let mut unpolled = FileWatch::new([path.clone()], NEVER);
    let mut polled = FileWatch::new([path], Duration::from_millis(10));
    process.kill().unwrap();
    process.wait().unwrap();
    quiet(
        &mut unpolled,
        "inotify sees it after all: choose another file",
    )
    .await;
    told(&mut polled, "the poll").await;
}

#[tokio::test]
async fn a_question_that_is_given_up_loses_nothing() {
    let bench = Bench::new();
    let mut watch = bench.watch(&["flag"]);
    for round in 0..20 {
        fs::write(bench.path("flag"), format!("{round:0$}", round + 1)).unwrap();
        let mut is_told = false;
        let asking = async {
            while !is_told {
                is_told = asked_once(&mut watch).await;
                tokio::task::yield_now().await;
            }
        };
        soon("a question", asking).await;
    }
}

/// Polls the question a single time and gives it up.
async fn asked_once(watch: &mut FileWatch) -> bool {
    let mut question = pin!(watch.changed());
    poll_fn(|context| Poll::Ready(question.as_mut().poll(context).is_ready())).await
}
