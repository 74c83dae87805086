//! Whole fleets drawn from seeds, struck by every fault in every stage, judged all the time.

mod away;
mod coverage;
mod fault;
mod operator;
mod play;
mod promises;
mod scenario;
mod stage;
mod strike;
mod sweep;

pub use away::{Away, thirty_days_away};
pub use coverage::{Coverage, HITS_MIN};
pub use fault::{Stage, Strike, impossible};
pub use sweep::{Sweep, mode_of, sweep};

use crate::violation::Violation;
use play::Play;
use std::io::{self, Write};

/// What is looked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    /// Faults to the end: nothing may happen that never may.
    Safety,
    /// Faults stop at some time: then everybody finishes, or says every reason why not.
    Liveness,
}

/// How much happened.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    /// Machines of the fleet.
    pub nodes: u64,
    /// Reboot commands started.
    pub reboots: u64,
    /// Events that agents took.
    pub events: u64,
    /// Virtual time, in milliseconds.
    pub virtual_ms: u64,
}

/// What came of a seed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Run {
    /// The broken promises; the run ends at the first.
    pub violations: Vec<Violation>,
    /// Which faults struck where.
    pub coverage: Coverage,
    /// How much happened.
    pub counts: Counts,
}

/// Plays a seed.
pub fn run(seed: u64, mode: Mode) -> Run {
    let mut play = Play::new(seed, mode, true);
    play.run();
    outcome(play)
}

/// Plays a seed in which no machine sleeps while it has nothing to do: slower, and to the same
/// promises.
pub fn run_awake(seed: u64, mode: Mode) -> Run {
    let mut play = Play::new(seed, mode, false);
    play.run();
    outcome(play)
}

fn outcome(play: Play) -> Run {
    let world = play.world;
    let reboots = world.machines.iter().map(|it| it.commands.len() as u64);
    Run {
        counts: Counts {
            nodes: play.nodes as u64,
            reboots: reboots.sum(),
            events: world.events,
            virtual_ms: world.now_ms,
        },
        coverage: play.coverage,
        violations: world.violations,
    }
}

/// Plays a seed and tells its story, a line for each thing that happened.
///
/// # Errors
/// The story cannot be written.
pub fn trace(seed: u64, mode: Mode, out: &mut dyn Write) -> io::Result<Run> {
    let mut play = Play::new(seed, mode, true);
    play.world.story = Some(Vec::new());
    writeln!(out, "seed {seed}: {} nodes", play.nodes)?;
    play.run();
    for line in play.world.story.take().unwrap_or_default() {
        writeln!(out, "{line}")?;
    }
    let run = outcome(play);
    for violation in &run.violations {
        writeln!(out, "BROKEN {violation}")?;
    }
    Ok(run)
}
