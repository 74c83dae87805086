//! Every check a change must pass, in order, stopping at the first that fails.

mod count;
pub(crate) mod needs;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::Context;

use crate::tidy;
use count::Count;

/// One check and what to do when it fails.
struct Step {
    name: &'static str,
    work: Work,
    remedy: &'static str,
}

/// What a check runs.
enum Work {
    /// Cargo with these arguments, and `RUSTDOCFLAGS` where they are given.
    Cargo(&'static [&'static str], Option<&'static str>),
    /// The house rules, in this process.
    Tidy,
    /// Every test, counted.
    Tests,
    /// The model checker, the hunt for bad designs, and ten thousand fleets.
    Proof,
}

const PROVE: &[&str] = &[
    "run",
    "--locked",
    "--quiet",
    "--profile",
    "prove",
    "--package",
    "reboot-sim",
    "--features",
    "mutations",
    "--bin",
    "prove",
];

/// The lints of what only the prover is built of.
const PROVE_CLIPPY: &[&str] = &[
    "clippy",
    "--locked",
    "--package",
    "reboot-sim",
    "--features",
    "mutations",
    "--all-targets",
    "--",
    "-D",
    "warnings",
];

const STEPS: &[Step] = &[
    Step {
        name: "format",
        work: Work::Cargo(&["fmt", "--all", "--check"], None),
        remedy: "run `cargo fmt --all`",
    },
    Step {
        name: "clippy",
        work: Work::Cargo(
            &[
                "clippy",
                "--locked",
                "--workspace",
                "--all-targets",
                "--",
                "-D",
                "warnings",
            ],
            None,
        ),
        remedy: "mend what clippy names; an allowance needs a comment that says why",
    },
    Step {
        name: "clippy of the prover",
        work: Work::Cargo(PROVE_CLIPPY, None),
        remedy: "mend what clippy names; an allowance needs a comment that says why",
    },
    Step {
        name: "tidy",
        work: Work::Tidy,
        remedy: "mend each line above",
    },
    Step {
        // The binary and every test, with the features the tests use: the next step only runs.
        name: "build",
        work: Work::Cargo(&["build", "--locked", "--workspace", "--all-targets"], None),
        remedy: "mend the compiler's errors above",
    },
    Step {
        name: "tests",
        work: Work::Tests,
        remedy: "run one again with `cargo test -p CRATE NAME -- --nocapture`",
    },
    Step {
        name: "proof",
        work: Work::Proof,
        remedy: "a story above tells what went wrong; its command plays it again",
    },
    Step {
        name: "docs",
        work: Work::Cargo(
            &["doc", "--locked", "--workspace", "--no-deps"],
            Some("-D warnings"),
        ),
        remedy: "mend the links and code that rustdoc names",
    },
];

/// Installs what is missing, runs every step and tells whether all passed. Once tests have run,
/// the last line printed is `N passed, N failed`, summed over all of them.
///
/// # Errors
/// When a needed program is missing and cannot be installed, or a step cannot be started.
pub(crate) fn run(root: &Path) -> anyhow::Result<bool> {
    needs::ensure()?;
    let mut count = Count::default();
    let mut failed = None;
    for step in STEPS {
        if !run_step(root, step, &mut count)? {
            failed = Some(step);
            break;
        }
    }
    if let Some(step) = failed {
        println!(
            "\n{} failed: {}, then run `cargo xtask test` again.",
            step.name, step.remedy
        );
    }
    if count != Count::default() {
        println!("{count}");
    }
    Ok(failed.is_none())
}

fn run_step(root: &Path, step: &Step, count: &mut Count) -> anyhow::Result<bool> {
    println!("\n=== {} ===", step.name);
    let start = Instant::now();
    let passed = match &step.work {
        Work::Cargo(arguments, docs_flags) => run_cargo(root, arguments, *docs_flags)?,
        Work::Tidy => tidy::run(root)?,
        Work::Tests => run_tests(root, count)?,
        Work::Proof => prove(root, &[])?,
    };
    let verdict = if passed { "passed" } else { "failed" };
    println!(
        "=== {} {verdict} in {:.1} s ===",
        step.name,
        start.elapsed().as_secs_f64()
    );
    Ok(passed)
}

fn cargo(root: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command
        .args(arguments)
        .current_dir(root)
        .stdin(Stdio::null());
    command
}

fn run_cargo(root: &Path, arguments: &[&str], docs_flags: Option<&str>) -> anyhow::Result<bool> {
    let mut command = cargo(root, arguments);
    command.envs(docs_flags.map(|flags| ("RUSTDOCFLAGS", flags)));
    Ok(command.status().context("cannot run cargo")?.success())
}

/// Runs the prover: its own build, since no other has the switches for bad designs.
///
/// # Errors
/// When cargo cannot be started.
pub(crate) fn prove(root: &Path, arguments: &[String]) -> anyhow::Result<bool> {
    let mut command = cargo(root, PROVE);
    command.arg("--").args(arguments);
    Ok(command.status().context("cannot run cargo")?.success())
}

/// Runs every test of every crate, even after one failed: the whole picture in one go.
fn run_tests(root: &Path, count: &mut Count) -> anyhow::Result<bool> {
    let mut command = cargo(root, &["test", "--locked", "--workspace", "--no-fail-fast"]);
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run cargo")?;
    let output = child.stdout.take().context("cargo's output is not piped")?;
    count.follow(output, std::io::stdout().lock())?;
    let success = child.wait().context("cannot wait for cargo")?.success();
    Ok(success && count.failed == 0 && count.passed > 0)
}
