//! Known bad designs, put back one by one: each must be caught.

use crate::fleet::{self, Mode};
use crate::model::{Bounds, Special, check};
use reboot_core::mutation::Mutation;
use std::fmt;

/// States that the model explores for one design at the most.
const STATES_MAX: usize = 400_000;
/// Seeds that the simulator plays for one design at the most.
const SEEDS_MAX: u64 = 2_000;
/// Of a simulated story, the end.
const STORY_LINES: usize = 40;

/// How a bad design was caught.
#[derive(Clone, Debug)]
pub struct Catch {
    /// Which.
    pub mutation: Mutation,
    /// By whom, after how much, and what it broke; `None` when it got away.
    pub found: Option<Found>,
}

/// What gave it away.
#[derive(Clone, Debug)]
pub struct Found {
    /// `model` or `simulator`.
    pub by: &'static str,
    /// After how much: states or seeds.
    pub after: String,
    /// The broken promise.
    pub promise: String,
    /// The way there.
    pub story: Vec<String>,
}

/// Hunts one bad design: with the model first, then with the simulator.
pub fn hunt(mutation: Mutation) -> Catch {
    Mutation::switch(Some(mutation));
    let found = by_model().or_else(by_simulator);
    Mutation::switch(None);
    Catch { mutation, found }
}

/// Whether the rules as they ship are clean in the very searches that catch the designs.
pub fn is_clean() -> bool {
    Mutation::switch(None);
    by_model().is_none()
}

fn by_model() -> Option<Found> {
    searches().into_iter().find_map(|bounds| {
        let verdict = check(bounds, STATES_MAX);
        let (violation, story) = verdict.violation?;
        Some(Found {
            by: "model",
            after: format!("{} states ({bounds})", verdict.states),
            promise: violation.to_string(),
            story,
        })
    })
}

/// Small searches, each for another kind of trouble, so that stories are short.
fn searches() -> Vec<Bounds> {
    let quiet = Bounds {
        nodes: 2,
        crashes: 0,
        lost: 0,
        pauses: 0,
        breaks: 0,
        changes: 0,
        ..Bounds::BASE
    };
    vec![
        quiet,
        Bounds { breaks: 1, ..quiet },
        Bounds {
            crashes: 1,
            ..quiet
        },
        Bounds { lost: 1, ..quiet },
        Bounds { pauses: 1, ..quiet },
        Bounds {
            special: Special::Clone,
            ..quiet
        },
    ]
}

fn by_simulator() -> Option<Found> {
    (1..=SEEDS_MAX).find_map(|seed| {
        let mode = fleet::mode_of(seed);
        let run = fleet::run(seed, mode);
        let violation = run.violations.first()?;
        Some(Found {
            by: "simulator",
            after: format!("{seed} seeds"),
            promise: violation.to_string(),
            story: end_of(seed, mode),
        })
    })
}

/// The last lines of a seed's story.
fn end_of(seed: u64, mode: Mode) -> Vec<String> {
    let mut text = Vec::new();
    let told = fleet::trace(seed, mode, &mut text);
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let first = lines.len().saturating_sub(STORY_LINES);
    told.map_or_else(|error| vec![error.to_string()], |_| lines[first..].to_vec())
}

// === impl Catch ===

impl fmt::Display for Catch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.mutation.name();
        match &self.found {
            None => write!(f, "{name:<24} GOT AWAY"),
            Some(found) => write!(
                f,
                "{name:<24} {:<10} {:<44} {}",
                found.by, found.after, found.promise
            ),
        }
    }
}
