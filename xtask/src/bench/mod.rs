//! Measurements of the program as packages have it, each beside its floor, its peer or its goal.
//!
//! Nothing here fails because a machine is slow: the report says met or missed, and the reader
//! judges. docs/benchmarks.md says how each number comes about.

mod cold_start;
mod daemon;
mod etcd;
mod handover;
mod idle;
mod row;
mod samples;
mod sentinel;
mod server;
mod store;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use clap::Args;
use tempfile::TempDir;

use crate::package::RELEASE_PROFILE;
use crate::package::tools::target_dir;
use row::Row;

/// What is to be measured, and how.
#[derive(Args)]
pub(crate) struct Order {
    /// What to measure: store, etcd, sentinel, handover, server, start, idle. Else everything.
    names: Vec<String>,
    /// Take few samples: to see that it works, not how fast it is.
    #[arg(long)]
    quick: bool,
    /// Measure this clusterrebootd. Else one is built, with the profile that packages have.
    #[arg(long, value_name = "PATH")]
    program: Option<PathBuf>,
}

/// What a measurement works with.
pub(crate) struct Place {
    /// The clusterrebootd that is measured.
    program: PathBuf,
    /// Holds what measures it, and the floors.
    examples: PathBuf,
    /// On the disk of the workspace, not in memory.
    scratch: TempDir,
    /// Few samples: to see that it works, not how fast.
    is_quick: bool,
}

/// Something to measure.
struct Measure {
    name: &'static str,
    run: fn(&Place) -> anyhow::Result<Vec<Row>>,
}

const MEASURES: [Measure; 7] = [
    Measure {
        name: "store",
        run: store::run,
    },
    Measure {
        name: "etcd",
        run: etcd::run,
    },
    Measure {
        name: "sentinel",
        run: sentinel::run,
    },
    Measure {
        name: "handover",
        run: handover::run,
    },
    Measure {
        name: "server",
        run: server::run,
    },
    Measure {
        name: "start",
        run: cold_start::run,
    },
    Measure {
        name: "idle",
        run: idle::run,
    },
];

/// Measures what is named, or everything, and prints a Markdown table.
///
/// # Errors
/// An unknown name, a build that fails, a program that does not do what is measured.
pub(crate) fn run(root: &Path, order: &Order) -> anyhow::Result<()> {
    let measures = choose(&order.names)?;
    let target = target_dir(root);
    let program = match &order.program {
        Some(program) => program
            .canonicalize()
            .with_context(|| format!("there is no {}", program.display()))?,
        None => {
            build(root, RELEASE_PROFILE, &["--package", "clusterrebootd"])?;
            target.join(RELEASE_PROFILE).join("clusterrebootd")
        }
    };
    for package in ["reboot-store", "reboot-store-etcd", "reboot-server"] {
        build(root, "release", &["--package", package, "--examples"])?;
    }
    let parent = root.join("target/bench");
    fs::create_dir_all(&parent)?;
    let place = Place {
        program,
        examples: target.join("release/examples"),
        scratch: TempDir::new_in(parent)?,
        is_quick: order.quick,
    };
    let (mut rows, mut failed) = (Vec::new(), Vec::new());
    for measure in measures {
        eprintln!("measuring {} ...", measure.name);
        match (measure.run)(&place) {
            Ok(found) => rows.extend(found),
            Err(error) => {
                eprintln!("measuring {}: {error:#}", measure.name);
                failed.push(measure.name);
            }
        }
    }
    print!("{}", row::table(&rows));
    ensure!(failed.is_empty(), "not measured: {}", failed.join(", "));
    Ok(())
}

fn choose(names: &[String]) -> anyhow::Result<Vec<&'static Measure>> {
    if names.is_empty() {
        return Ok(MEASURES.iter().collect());
    }
    let find = |name: &String| {
        let found = MEASURES.iter().find(|measure| measure.name == name);
        found.with_context(|| {
            let known: Vec<&str> = MEASURES.iter().map(|measure| measure.name).collect();
            format!(
                "no measurement is named {name}: choose from {}",
                known.join(", ")
            )
        })
    };
    names.iter().map(find).collect()
}

fn build(root: &Path, profile: &str, what: &[&str]) -> anyhow::Result<()> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--locked", "--profile", profile]);
    let status = cargo.args(what).current_dir(root).status()?;
    ensure!(status.success(), "the build failed: mend it first");
    Ok(())
}

/// Waits while something else goes on.
#[allow(clippy::disallowed_methods)] // to measure what idles, somebody has to idle beside it
fn pause(span: Duration) {
    std::thread::sleep(span);
}

// === impl Place ===

impl Place {
    fn example(&self, name: &str) -> Command {
        Command::new(self.examples.join(name))
    }

    /// A fresh directory.
    fn directory(&self, name: &str) -> anyhow::Result<PathBuf> {
        let path = self.scratch.path().join(name);
        if path.exists() {
            bail!("{} is there already: name it otherwise", path.display());
        }
        fs::create_dir_all(&path)?;
        Ok(path)
    }

    /// The first in a real run, the second in a quick one.
    fn count(&self, thorough: usize, quick: usize) -> usize {
        if self.is_quick { quick } else { thorough }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_measurement_runs_unless_some_are_named() {
        assert_eq!(choose(&[]).unwrap().len(), MEASURES.len());
        let some = choose(&["idle".to_owned(), "store".to_owned()]).unwrap();
        let names: Vec<&str> = some.iter().map(|measure| measure.name).collect();
        assert_eq!(names, ["idle", "store"]);
    }

    #[test]
    fn an_unknown_name_is_refused_with_those_that_are_known() {
        let Err(error) = choose(&["speed".to_owned()]) else {
            panic!("it is unknown");
        };
        assert!(
            error.to_string().contains("store, etcd, sentinel"),
            "{error}"
        );
    }
}
