//! The run itself.

use crate::campaign::{Campaign, Plan, stormy};
use crate::judge::{Verdict, judge};
use crate::weather::{BLOWS, Blow, GUSTS};
use std::time::Duration;

/// How long a run is to be, other than as a test: `cycles=10000,minutes=60,calm_ms=4000`.
const VARIABLE: &str = "CLUSTERREBOOTD_TEST_FAULTS";

/// From so many cycles on an agent dies at every stage.
const LONG_CYCLES: u64 = 5_000;

// === impl Plan ===

impl Plan {
    /// What is told by the variable; else short.
    fn told() -> Self {
        // A run belongs to whoever starts it: nothing passes a test a setting.
        #[allow(clippy::disallowed_methods)]
        let told = std::env::var(VARIABLE).unwrap_or_default();
        let value = |name: &str, usual: u64| {
            let mut pairs = told.split(',').filter_map(|pair| pair.split_once('='));
            let found = pairs.find(|(key, _)| *key == name);
            found.map_or(usual, |(_, value)| value.parse().unwrap())
        };
        Self {
            cycles: value("cycles", 250),
            longest: Duration::from_secs(60 * value("minutes", 10)),
            calm: Duration::from_millis(value("calm_ms", 1500)),
            seed: value("seed", u64::from(std::process::id())),
            blows: blows(&told),
        }
    }
}

/// Those that are named, `faults=leader-stopped+compacted`; else all.
fn blows(told: &str) -> Vec<Blow> {
    let mut pairs = told.split(',').filter_map(|pair| pair.split_once('='));
    let Some((_, named)) = pairs.find(|(key, _)| *key == "faults") else {
        return BLOWS.to_vec();
    };
    let plain = |name: &str| name.replace('-', "").to_lowercase();
    let blow = |name: &str| {
        let is_it = |blow: &&Blow| format!("{blow:?}").to_lowercase() == plain(name);
        let found = BLOWS.iter().find(is_it);
        *found.unwrap_or_else(|| panic!("{name} is no fault: they are {BLOWS:?}"))
    };
    named.split('+').map(blow).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_history_under_every_fault_is_one_that_the_rules_allow() {
    let plan = Plan::told();
    println!("seed {}", plan.seed);
    let campaign = stormy(plan.clone()).await;
    let verdict = judge(&campaign.evidence);
    print(&campaign, &verdict);
    verdict.violations.iter().for_each(|it| println!("{it}"));
    let first = verdict.violations.iter().take(10).map(ToString::to_string);
    let first = Vec::from_iter(first).join("\n");
    assert!(verdict.violations.is_empty(), "{first}");
    let cycles = campaign.evidence.notes.cycles;
    assert!(cycles >= plan.cycles, "{cycles} cycles are too few to tell");
    if plan.blows.len() < BLOWS.len() {
        return; // a look at some faults does not meet all that can be met
    }
    assert_met(&campaign, &verdict);
    if plan.cycles >= LONG_CYCLES {
        assert_killed_at_every_stage(&campaign);
    }
}

/// A run that did not meet what it should shows nothing.
fn assert_met(campaign: &Campaign, verdict: &Verdict) {
    for blow in BLOWS {
        let name = format!("{blow:?}");
        assert!(campaign.blows.contains_key(&name), "{name} never struck");
    }
    for gust in GUSTS {
        let name = format!("{gust:?}");
        assert!(campaign.gusts.contains_key(&name), "{name} never struck");
    }
    let verbs = [
        "claim", "drain", "fence", "return", "release", "adopt", "break", "set-max",
    ];
    for verb in verbs.iter().chain(&["pause", "resume", "expire"]) {
        let is_there = verdict.figures.verbs.contains_key(*verb);
        assert!(is_there, "no {verb} was committed");
    }
    let figures = &verdict.figures;
    assert!(figures.unknown > 0, "no result was unknown");
    assert!(figures.cooldowns > 0, "no cooldown was started");
    let kills: u64 = campaign.evidence.notes.kills.values().sum();
    assert!(kills > 0, "no agent was killed amid a call");
}

/// A short run cannot meet them all.
fn assert_killed_at_every_stage(campaign: &Campaign) {
    for stage in ["claim", "drain", "fence", "adopt", "return", "release"] {
        let is_met = campaign.evidence.notes.kills.contains_key(stage);
        assert!(is_met, "no agent was killed at its {stage}");
    }
}

fn print(campaign: &Campaign, verdict: &Verdict) {
    let (notes, figures) = (&campaign.evidence.notes, &verdict.figures);
    println!("cycles: {}", notes.cycles);
    println!("commands: {}", notes.commands.len());
    println!("seconds: {}", campaign.took.as_secs());
    println!("faults of members: {:?}", campaign.blows);
    println!("faults of the network: {:?}", campaign.gusts);
    println!("members ended by a full disk: {}", campaign.disk_ends);
    println!("calls cut off: {:?}", notes.kills);
    println!("{figures:#?}");
    println!("violations: {}", verdict.violations.len());
}
