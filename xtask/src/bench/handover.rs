//! From a slot that is given back to the claim of the next in line.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use super::daemon::{Daemon, Plan};
use super::row::Row;
use super::samples::Samples;
use super::{Place, pause};

/// Pairs in turn: each must rest between two needs, and the others fill the time.
const PAIRS: usize = 4;
/// Longer than a daemon rests between two passes for files that change.
const REST: Duration = Duration::from_millis(1100);
/// For a place in line that is asked for to stand in the store.
const QUEUE: Duration = Duration::from_millis(60);
/// About what a claim or a release writes.
const COMMIT_BYTES: usize = 12 * 1024;

/// Two nodes of one store: the first holds until its gate opens, the second waits in line.
struct Pair {
    gate: std::path::PathBuf,
    holder: Daemon,
    waiter: Daemon,
}

/// Measures it.
pub(crate) fn run(place: &Place) -> anyhow::Result<Vec<Row>> {
    let pairs: Vec<Pair> = (0..PAIRS)
        .map(|number| Pair::start(place, number))
        .collect::<Result<_, _>>()?;
    let (mut whole, mut net) = (Samples::default(), Samples::default());
    let rounds = place.count(20, 2);
    for round in 1..=rounds {
        for pair in &pairs {
            let (took, script) = pair.sample(round)?;
            whole.push(took);
            net.push(took.saturating_sub(script));
        }
        pause(REST);
        eprintln!("  handover: round {round} of {rounds}");
    }
    let sync = bare_syncs(place)?;
    let mut rows = Vec::new();
    for (name, percent) in [("median", 50), ("p99", 99)] {
        let what =
            |how: &str| format!("release asked for → next node's claim committed{how}, {name}");
        let syncs = 2.0 * sync.millis(percent)?;
        let row = Row::new(what(""), whole.millis(percent)?, "ms");
        rows.push(row.beside("two bare fsyncs", syncs));
        let row = Row::new(
            what(", without its script's run"),
            net.millis(percent)?,
            "ms",
        );
        rows.push(row.beside("two bare fsyncs", syncs));
    }
    Ok(rows)
}

fn bare_syncs(place: &Place) -> anyhow::Result<Samples> {
    use std::os::unix::fs::FileExt;
    let file = fs::File::create(place.directory("syncs")?.join("file"))?;
    let bytes = vec![1; COMMIT_BYTES];
    let mut samples = Samples::default();
    file.write_all_at(&bytes, 0)?;
    file.sync_all()?;
    for _ in 0..200 {
        let from = Instant::now();
        file.write_all_at(&bytes, 0)?;
        file.sync_all()?;
        samples.push(from.elapsed());
    }
    Ok(samples)
}

// === impl Pair ===

impl Pair {
    fn start(place: &Place, number: usize) -> anyhow::Result<Self> {
        let dir = place.directory(&format!("handover-{number}"))?;
        let (gate, script) = (dir.join("gate"), dir.join("health"));
        make_gate(&gate, &script)?;
        let store = dir.join("fleet.db").display().to_string();
        let start = |name: &str, health: &Path| {
            let plan = Plan::new(place, &dir.join(name))?.calm();
            let plan = plan.set("store", format!("{{embedded: {{path: {store}}}}}"));
            plan.set("health_script", health.display()).start()
        };
        Ok(Self {
            holder: start("holder", &script)?,
            waiter: start("waiter", Path::new("/bin/true"))?,
            gate,
        })
    }

    /// The time from release to claim, and how long of it the waiter's health script ran.
    fn sample(&self, round: usize) -> anyhow::Result<(Duration, Duration)> {
        self.holder.need(round)?;
        self.holder.wait("lock_acquired", |_| true)?;
        self.waiter.need(round)?;
        self.waiter.wait("run_outcome", |line| {
            line.field("status") == "lock_unavailable"
        })?;
        pause(QUEUE);
        fs::write(&self.gate, "go\n")?;
        // The release is asked for in the same step that this line comes from.
        let release = self
            .holder
            .wait("health_check", |line| line.field("phase") == "post-lock")?;
        let run = self
            .waiter
            .wait("health_check", |line| line.field("phase") == "pre-lock")?;
        let claim = self.waiter.wait("lock_acquired", |_| true)?;
        self.waiter.wait("lock_released", |_| true)?;
        let took = claim.at.checked_duration_since(release.at);
        Ok((took.context("the claim came first")?, run.duration()?))
    }
}

/// A health script that waits under the slot for a word in a pipe.
fn make_gate(gate: &Path, script: &Path) -> anyhow::Result<()> {
    let made = Command::new("mkfifo").arg(gate).status()?;
    ensure!(made.success(), "{} cannot be made", gate.display());
    let wait = format!("read -r _ < '{}'", gate.display());
    let text = format!("#!/bin/sh\nif [ \"$RC_PHASE\" = post-lock ]; then {wait}; fi\n");
    fs::write(script, text)?;
    fs::set_permissions(script, fs::Permissions::from_mode(0o755))?;
    Ok(())
}
