//! From a sentinel file that appears to the claim that is asked for.

use std::time::Duration;

use anyhow::Context;

use super::daemon::{Daemon, Plan};
use super::row::{Goal, Row};
use super::samples::Samples;
use super::{Place, pause};

/// Daemons in turn: each must rest between two needs, and the others fill the time.
const DAEMONS: usize = 8;
/// A daemon starts at most one pass a second for files that change: what is measured is how soon
/// it sees one, not how it bears a flood of them.
const REST: Duration = Duration::from_millis(1100);

/// Measures it.
pub(crate) fn run(place: &Place) -> anyhow::Result<Vec<Row>> {
    let daemon = |number| {
        let dir = place.directory(&format!("sentinel-{number}"))?;
        Plan::new(place, &dir)?.calm().start()
    };
    let daemons: Vec<Daemon> = (0..DAEMONS).map(daemon).collect::<Result<_, _>>()?;
    let (mut whole, mut net) = (Samples::default(), Samples::default());
    let rounds = place.count(16, 2);
    for round in 1..=rounds {
        for daemon in &daemons {
            pause(Duration::from_millis(20));
            let (took, script) = sample(daemon, round)?;
            whole.push(took);
            net.push(took.saturating_sub(script));
        }
        calm_down(&daemons)?;
        eprintln!("  sentinel: round {round} of {rounds}");
    }
    let what = |name| format!("sentinel appears → claim requested, {name}");
    let row = |name, percent| -> anyhow::Result<Row> {
        let row = Row::new(what(name), net.millis(percent)?, "ms");
        Ok(row.beside("with the script's run", whole.millis(percent)?))
    };
    let p99 = row("p99", 99)?.goal(Goal::AtMost(10.0));
    Ok(vec![row("median", 50)?, p99])
}

/// The time to the claim, and how long of it the health script ran.
fn sample(daemon: &Daemon, round: usize) -> anyhow::Result<(Duration, Duration)> {
    let from = daemon.need(round)?;
    let run = daemon.wait("health_check", |line| line.field("phase") == "pre-lock")?;
    let claim = daemon.wait("lock_attempt", |_| true)?;
    daemon.wait("lock_released", |_| true)?;
    let took = claim.at.checked_duration_since(from);
    Ok((took.context("the claim came first")?, run.duration()?))
}

fn calm_down(daemons: &[Daemon]) -> anyhow::Result<()> {
    daemons.iter().try_for_each(Daemon::calm_down)?;
    for daemon in daemons {
        daemon.wait("detectors_evaluated", |line| {
            line.field("requires_reboot") == false
        })?;
    }
    pause(REST);
    Ok(())
}
