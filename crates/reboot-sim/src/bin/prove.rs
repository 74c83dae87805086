//! `prove`: the model checker, the fleet simulator and the hunt for bad designs, as one command.

use anyhow::{Result, bail};
use clap::{Parser, Subcommand};
use reboot_core::mutation::Mutation;
use reboot_sim::fleet::{self, Mode};
use reboot_sim::hunt::{self, Catch};
use reboot_sim::model::{self, Bounds};
use std::io::{self, Write};
use std::sync::Mutex;
use std::thread;

/// The most states of a search that is not told otherwise: about 6 GB.
const STATES_MAX: usize = 40_000_000;
/// How often each possible fault must strike in each stage in a sweep that counts.
const SEEDS: u64 = 10_000;

/// Shows, on the code that ships, that the promises of SAFETY.md hold, and that their breach
/// would be noticed.
#[derive(Parser)]
#[command(name = "prove", version, after_help = EXAMPLES)]
struct Arguments {
    #[command(subcommand)]
    what: Option<What>,
}

const EXAMPLES: &str = "\
Examples:
  cargo xtask prove                           everything, as in continuous integration
  cargo xtask prove model --deep              larger worlds, for hours
  cargo xtask prove fleet --seeds 100000      more fleets
  cargo xtask prove fleet --seed 577 --trace  one fleet's story
  cargo xtask prove mutations --stories       how each bad design is caught";

#[derive(Subcommand)]
enum What {
    /// Explore every order of events in small fleets.
    Model {
        /// Larger worlds; takes long and much memory.
        #[arg(long)]
        deep: bool,
    },
    /// Play fleets drawn from seeds, with faults in every stage.
    Fleet {
        /// How many seeds.
        #[arg(long, default_value_t = SEEDS)]
        seeds: u64,
        /// The first seed.
        #[arg(long, default_value_t = 1)]
        from: u64,
        /// Only this seed.
        #[arg(long, conflicts_with_all = ["seeds", "from"])]
        seed: Option<u64>,
        /// Tell its story.
        #[arg(long, requires = "seed")]
        trace: bool,
    },
    /// Put known bad designs back, and see each caught.
    Mutations {
        /// Only this one.
        #[arg(long)]
        only: Option<String>,
        /// Tell how each was caught.
        #[arg(long)]
        stories: bool,
    },
}

fn main() -> Result<()> {
    match Arguments::parse().what {
        None => {
            prove_model(false)?;
            prove_mutations(None, false)?;
            sweep(1, SEEDS)
        }
        Some(What::Model { deep }) => prove_model(deep),
        Some(What::Fleet {
            seed: Some(seed),
            trace,
            ..
        }) => play(seed, trace),
        Some(What::Fleet { seeds, from, .. }) => sweep(from, seeds),
        Some(What::Mutations { only, stories }) => prove_mutations(only.as_deref(), stories),
    }
}

/// One search or hunt a thread, as many threads as there are processors.
fn side_by_side<T: Send, R: Send>(work: Vec<T>, run: impl Fn(T) -> R + Sync) -> Vec<R> {
    let queue = Mutex::new(work.into_iter().enumerate());
    let done = Mutex::new(Vec::new());
    let next = || queue.lock().ok()?.next();
    thread::scope(|scope| {
        for _ in 0..threads() {
            scope.spawn(|| {
                while let Some((at, item)) = next() {
                    let result = run(item);
                    if let Ok(mut done) = done.lock() {
                        done.push((at, result));
                    }
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_default();
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}

fn threads() -> usize {
    thread::available_parallelism().map_or(1, Into::into)
}

fn prove_model(is_deep: bool) -> Result<()> {
    let searches = if is_deep {
        model::deep()
    } else {
        model::short()
    };
    println!("model: every order of events, within bounds");
    let run = |bounds: Bounds| {
        let verdict = model::check(bounds, STATES_MAX);
        say(&verdict.to_string());
        verdict.is_good()
    };
    match side_by_side(searches, run)
        .into_iter()
        .all(|is_good| is_good)
    {
        true => Ok(()),
        false => bail!("the model found a broken promise, or could not see everything"),
    }
}

fn prove_mutations(only: Option<&str>, tells: bool) -> Result<()> {
    let wanted: Vec<Mutation> = match only {
        None => Mutation::ALL.to_vec(),
        Some(name) => match Mutation::named(name) {
            Some(mutation) => vec![mutation],
            None => bail!("no bad design is called {name}: see the table of all"),
        },
    };
    println!("mutations: known bad designs, put back one by one");
    let catches = side_by_side(wanted, |mutation| {
        let catch = hunt::hunt(mutation);
        say(&format!("{catch}\n"));
        catch
    });
    if tells {
        catches.iter().for_each(tell);
    }
    let escaped = catches.iter().filter(|catch| catch.found.is_none()).count();
    if escaped > 0 {
        bail!("{escaped} bad designs got away");
    }
    if !hunt::is_clean() {
        bail!("the rules themselves were taken for a bad design");
    }
    println!(
        "all {} caught; the rules as they ship pass the same searches",
        catches.len()
    );
    Ok(())
}

fn tell(catch: &Catch) {
    if let Some(found) = &catch.found {
        println!("\n{} breaks {}", catch.mutation.name(), found.promise);
        for line in &found.story {
            println!("  {line}");
        }
    }
}

fn sweep(from: u64, seeds: u64) -> Result<()> {
    println!("fleets: drawn from seeds, struck in every stage");
    let sweep = fleet::sweep(from..from + seeds, threads());
    println!("{sweep}");
    match sweep.is_good() {
        true => Ok(()),
        false => bail!("the sweep failed"),
    }
}

fn play(seed: u64, tells: bool) -> Result<()> {
    let mode = fleet::mode_of(seed);
    let run = match tells {
        true => fleet::trace(seed, mode, &mut io::stdout().lock())?,
        false => fleet::run(seed, mode),
    };
    let Some(violation) = run.violations.first() else {
        let how = if mode == Mode::Safety {
            "safety"
        } else {
            "liveness"
        };
        println!(
            "seed {seed} ({how}): {} reboots, nothing broken",
            run.counts.reboots
        );
        return Ok(());
    };
    bail!("seed {seed}: {violation}")
}

/// Says it at once, in one piece.
fn say(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush()); // nobody may be listening
}
