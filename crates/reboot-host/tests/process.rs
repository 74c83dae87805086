//! Programs that flood, linger, refuse to die or never start.

// A test fails best where it fails, and its functions need no documentation.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::{Witness, shell, soon};
use reboot_host::process::{Exit, Finished, GRACE, Invocation, LINGER, run, run_holding};
use std::time::{Duration, Instant};

async fn run_shell(text: &str, timeout: Option<Duration>) -> Finished {
    let argv = shell(text);
    let invocation = Invocation {
        argv: &argv,
        env: &[],
        timeout,
    };
    soon("the program's end", run(invocation)).await
}

fn anonymous_memory_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:"));
    let words: Vec<_> = line.unwrap().split_whitespace().collect();
    words[1].parse().unwrap()
}

#[tokio::test]
async fn output_and_errors_come_in_the_order_of_arrival() {
    let finished = run_shell("echo one; echo two >&2; echo three; exit 3", None).await;
    assert_eq!(finished.output, "one\ntwo\nthree\n");
    assert_eq!(finished.exit, Exit::Code(3));
    assert_eq!(finished.exit_code(), Some(3));
    assert_eq!(finished.reason(), "exit code 3");
    assert!(!finished.is_success());
}

#[tokio::test]
async fn given_variables_stand_above_the_inherited_ones() {
    let env = [("RC_PHASE".to_owned(), "monitor".to_owned())];
    let argv = shell("echo $RC_PHASE; test -n \"$PATH\"");
    let timeout = None;
    let invocation = Invocation {
        argv: &argv,
        env: &env,
        timeout,
    };
    let finished = run(invocation).await;
    assert_eq!(finished.output, "monitor\n");
    assert!(finished.is_success());
}

#[tokio::test]
async fn a_flood_of_100_mb_is_read_to_its_end_in_bounded_memory() {
    let before = anonymous_memory_kib();
    let flood = "echo first; head -c 100000000 /dev/zero | tr '\\0' x; echo; echo last";
    let finished = run_shell(flood, None).await;
    assert!(finished.is_success(), "{:?}", finished.exit);
    assert_eq!(finished.dropped_bytes, 100_000_012 - 16_384);
    assert!(finished.output.starts_with("first\nxxx"));
    assert!(finished.output.ends_with("xxx\nlast\n"));
    assert!(finished.output.len() < 17_000);
    let grown = anonymous_memory_kib().saturating_sub(before);
    assert!(grown < 20_000, "{grown} KiB more");
}

#[tokio::test]
async fn a_flood_without_end_does_not_outlast_its_timeout() {
    let started = Instant::now();
    let finished = run_shell("trap '' TERM; yes", Some(Duration::from_millis(100))).await;
    assert_eq!(finished.exit, Exit::TimedOut);
    assert_eq!(finished.reason(), "timed out after 0.1 s");
    assert!(started.elapsed() < 3 * GRACE, "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_timeout_ends_the_grandchildren_too() {
    let mut witness = Witness::new();
    let text = format!("exec 9>{}; sleep 1000 & echo up >&9; wait", witness.path());
    let finished = run_shell(&text, Some(Duration::from_millis(200))).await;
    assert_eq!(finished.exit, Exit::TimedOut);
    assert_eq!(witness.gone().await, "up\n");
}

#[tokio::test]
async fn last_words_after_the_timeout_are_kept() {
    let text = "trap 'echo bye; exit 0' TERM; while :; do :; done";
    let finished = run_shell(text, Some(Duration::from_millis(300))).await;
    assert_eq!(finished.exit, Exit::TimedOut);
    assert_eq!(finished.output, "bye\n");
    assert!(finished.duration < GRACE, "{:?}", finished.duration);
}

#[tokio::test]
async fn who_ignores_sigterm_is_killed_after_the_grace() {
    let mut witness = Witness::new();
    let text = format!("trap '' TERM; exec 9>{}; sleep 1000", witness.path());
    let finished = run_shell(&text, Some(Duration::from_millis(100))).await;
    assert_eq!(finished.exit, Exit::TimedOut);
    assert!(finished.duration >= GRACE, "{:?}", finished.duration);
    assert_eq!(witness.gone().await, "");
}

/// The leader obeys and the output is closed: only the group itself tells that one is left.
#[tokio::test]
async fn a_silent_grandchild_that_ignores_sigterm_is_killed() {
    let mut witness = Witness::new();
    let stubborn = format!("trap \"\" TERM; exec 9>{}; sleep 1000", witness.path());
    let text = format!("sh -c '{stubborn}' >/dev/null 2>&1 & wait");
    let finished = run_shell(&text, Some(Duration::from_millis(300))).await;
    assert_eq!(finished.exit, Exit::TimedOut);
    assert!(finished.duration >= GRACE, "{:?}", finished.duration);
    assert_eq!(witness.gone().await, "");
}

#[tokio::test]
async fn a_grandchild_that_keeps_the_output_open_does_not_hold_us_up() {
    let mut witness = Witness::new();
    let text = format!(
        "exec 9>{}; sleep 1000 & echo left it behind",
        witness.path()
    );
    let finished = run_shell(&text, None).await;
    assert_eq!(finished.exit, Exit::Code(0));
    assert_eq!(finished.output, "left it behind\n");
    assert!(finished.duration >= LINGER && finished.duration < GRACE);
    assert_eq!(witness.gone().await, "");
}

#[tokio::test]
async fn a_grandchild_that_floods_after_its_leader_is_killed() {
    let started = Instant::now();
    let finished = run_shell("yes & exit 0", None).await;
    assert_eq!(finished.exit, Exit::Code(0));
    assert!(started.elapsed() < GRACE, "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_grandchild_that_closes_the_output_may_stay() {
    let mut witness = Witness::new();
    let text = format!(
        "exec 9>{}; sleep 1000 >/dev/null 2>&1 & echo $! >&9",
        witness.path()
    );
    let finished = run_shell(&text, None).await;
    assert!(finished.is_success() && finished.duration < LINGER);
    let pid = witness.line().await.parse().unwrap();
    let pid = nix::unistd::Pid::from_raw(pid);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
    assert_eq!(witness.gone().await, "");
}

#[tokio::test]
async fn a_dropped_future_ends_the_whole_group_and_then_lets_go_what_was_held() {
    let mut witness = Witness::new();
    let inner = format!("exec 9>{}; trap 'echo told >&9; exit' TERM", witness.path());
    let text = format!("{inner}; sleep 1000 & echo up >&9; wait");
    let (held, mut let_go) = tokio::sync::mpsc::channel::<()>(1);
    let argv = shell(&text);
    let running = tokio::spawn(async move {
        let invocation = Invocation {
            argv: &argv,
            env: &[],
            timeout: None,
        };
        run_holding(invocation, held).await
    });
    assert_eq!(witness.line().await, "up");
    running.abort();
    assert_eq!(soon("letting go", let_go.recv()).await, None);
    assert_eq!(witness.gone().await, "told\n");
}

#[tokio::test]
async fn a_dropped_future_kills_who_ignores_sigterm() {
    let mut witness = Witness::new();
    let text = format!(
        "trap '' TERM; exec 9>{}; echo up >&9; sleep 1000",
        witness.path()
    );
    let running = tokio::spawn(async move { run_shell(&text, None).await });
    assert_eq!(witness.line().await, "up");
    running.abort();
    assert_eq!(witness.gone().await, "");
}

#[test]
fn the_end_of_the_runtime_kills_what_runs() {
    let build = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().build().unwrap()
    };
    let watching = build();
    let mut witness = watching.block_on(async { Witness::new() });
    let text = format!(
        "trap '' TERM; exec 9>{}; echo up >&9; sleep 1000",
        witness.path()
    );
    let running = build();
    running.block_on(async {
        tokio::spawn(async move { run_shell(&text, None).await });
        // The witness belongs to the other runtime, which does the reading.
        tokio::task::yield_now().await;
    });
    assert_eq!(watching.block_on(witness.line()), "up");
    drop(running);
    assert_eq!(watching.block_on(witness.gone()), "");
}

#[tokio::test]
async fn a_program_that_cannot_start_says_why_and_what_to_check() {
    let argv = ["/nonexistent/check".to_owned()];
    let timeout = None;
    let invocation = Invocation {
        argv: &argv,
        env: &[],
        timeout,
    };
    assert_eq!(
        run(invocation).await.reason(),
        "could not start: /nonexistent/check: No such file or directory (os error 2): \
         check that it exists and is executable"
    );
    let empty = Invocation {
        argv: &[],
        ..invocation
    };
    let finished = run(empty).await;
    assert_eq!(
        finished.reason(),
        "could not start: the command is empty: name a program"
    );
}

#[tokio::test]
async fn a_signal_is_named() {
    let finished = run_shell("kill -9 $$", None).await;
    assert_eq!(finished.exit, Exit::Signal(9));
    assert_eq!(finished.reason(), "killed by signal 9 (SIGKILL)");
    assert_eq!(finished.exit_code(), None);
}
