//! `cargo xtask vm-test`: machines with a kernel and a systemd of their own, and our package on
//! them, asked for a reboot all at once.
//!
//! They are emulated, so nothing of the host is needed but its processor and root for the making of
//! their disk. Everything stands below `vm` in cargo's target directory.

mod diary;
mod fleet;
mod guest;
mod image;
mod machine;
mod qmp;
mod scenarios;
mod server;
mod wait;

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, bail};

use crate::package::tools;
use crate::test::needs::{self, Need};
use fleet::Fleet;
use image::Image;
use scenarios::{SCENARIOS, Scenario};

/// What to play.
#[derive(clap::Args, Debug)]
pub(crate) struct Order {
    /// Which scenarios, in the order of the list; all unless said.
    names: Vec<String>,
    /// Print the names of all scenarios, and what they show.
    #[arg(long)]
    list: bool,
    /// The build profile of the package.
    #[arg(long, default_value = "release")]
    profile: String,
}

const NEEDS: &[Need] = &[
    Need {
        program: "qemu-system-x86_64",
        packages: &["qemu-system-x86"],
        why: "is the machines",
    },
    Need {
        program: "mmdebstrap",
        packages: &["mmdebstrap"],
        why: "makes the Debian that they run",
    },
    Need {
        program: "mke2fs",
        packages: &["e2fsprogs"],
        why: "makes their disk",
    },
];

/// Plays the scenarios, and tells whether all of them ended well.
///
/// # Errors
/// When a scenario has no such name, a program is missing, or the image cannot be made.
pub(crate) fn run(root: &Path, order: &Order) -> anyhow::Result<bool> {
    if order.list {
        SCENARIOS
            .iter()
            .for_each(|it| println!("{:<14} {}", it.name, it.shows));
        return Ok(true);
    }
    let chosen = choose(&order.names)?;
    needs::provide(NEEDS)?;
    let began = Instant::now();
    let image = Image::make(root, &tools::target_dir(root).join("vm"), &order.profile)?;
    let failed = play(&image, &chosen)?;
    let minutes = began.elapsed().as_secs_f64() / 60.0;
    println!(
        "{} passed, {failed} failed in {minutes:.1} min",
        chosen.len() - failed
    );
    Ok(failed == 0)
}

/// Plays one after the other on one fleet; after a failure on a new one. How many failed.
fn play(image: &Image, chosen: &[&Scenario]) -> anyhow::Result<usize> {
    let mut failed = 0;
    let mut ready = None;
    for scenario in chosen {
        println!("=== {}: {} ===", scenario.name, scenario.shows);
        let began = Instant::now();
        let fleet = match ready.take() {
            Some(fleet) => Ok(fleet),
            None => Fleet::start(image),
        };
        let mut fleet = fleet.context("the machines do not start")?;
        let result = (scenario.play)(&mut fleet).and_then(|()| fleet.judge());
        let seconds = began.elapsed().as_secs();
        match result {
            Ok(()) => {
                println!("{}: passed ({seconds} s)", scenario.name);
                ready = Some(fleet);
            }
            Err(error) => {
                failed += 1;
                println!("{}: FAILED ({seconds} s): {error:#}", scenario.name);
                println!("{}", fleet.evidence());
            }
        }
    }
    Ok(failed)
}

fn choose(names: &[String]) -> anyhow::Result<Vec<&'static Scenario>> {
    let is_known = |name: &&String| SCENARIOS.iter().any(|it| it.name == **name);
    if let Some(unknown) = names.iter().find(|name| !is_known(name)) {
        bail!("no scenario is named {unknown}: `cargo xtask vm-test --list` names them all");
    }
    let is_chosen = |it: &&Scenario| names.is_empty() || names.iter().any(|name| name == it.name);
    Ok(SCENARIOS.iter().filter(is_chosen).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_scenarios_are_played_unless_some_are_named() {
        assert_eq!(choose(&[]).unwrap().len(), SCENARIOS.len());
        let last = SCENARIOS.last().unwrap().name;
        let names: Vec<&str> = choose(&[last.to_owned(), "roll".to_owned()])
            .unwrap()
            .iter()
            .map(|it| it.name)
            .collect();
        assert_eq!(names, ["roll", last]);
    }

    #[test]
    fn the_documentation_tells_of_every_scenario_and_its_time() {
        let text = include_str!("../../../docs/reliability.md");
        let (_, text) = text.split_once("## Real machines").unwrap();
        let (_, figures) = text.split_once(" in one run passed in").unwrap();
        for it in SCENARIOS {
            assert!(
                text.contains(&format!("\n| `{}` |", it.name)),
                "{}",
                it.name
            );
            assert!(figures.contains(&format!("`{}` ", it.name)), "{}", it.name);
        }
    }

    #[test]
    fn an_unknown_scenario_is_refused() {
        let Err(error) = choose(&["rolll".to_owned()]) else {
            panic!("it is unknown");
        };
        assert!(error.to_string().contains("--list"), "{error}");
    }
}
