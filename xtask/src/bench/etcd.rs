//! The store on a real etcd beside bare transactions and watches on the same member.

use anyhow::{Context, ensure};
use serde::Deserialize;

use super::Place;
use super::row::{Goal, Row};
use super::samples::Samples;

/// What the example `etcd_bench` prints.
#[derive(Deserialize)]
struct Report {
    claim: Vec<usize>,
    swap: Vec<usize>,
    writes: [u32; 2],
    lines: Vec<Line>,
    roll: Roll,
    waiting: Waiting,
}

#[derive(Deserialize)]
struct Line {
    waiters: usize,
    handover: Vec<usize>,
    hop: Vec<usize>,
    look: Vec<usize>,
    attempts: u32,
    grants: u32,
}

#[derive(Deserialize)]
struct Roll {
    nodes: usize,
    seconds: f64,
    attempts: u32,
}

#[derive(Deserialize)]
struct Waiting {
    resident_kb: u32,
    anonymous_kb: u32,
    calls: u32,
    seconds: u32,
}

/// A waiting daemon's own calls a minute, by its configuration: four heartbeats of two calls, and
/// two renewals of its session.
const EXPECTED_A_MINUTE: f64 = 4.0 * 2.0 + 2.0;

/// Measures it.
pub(crate) fn run(place: &Place) -> anyhow::Result<Vec<Row>> {
    let samples = place.count(500, 20).to_string();
    let seconds = place.count(60, 4).to_string();
    let sizes: &[&str] = if place.is_quick {
        &["10"]
    } else {
        &["10", "100", "1000"]
    };
    let mut program = place.example("etcd_bench");
    program.arg(&place.program);
    let output = program.args([samples, seconds]).args(sizes).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "etcd_bench failed: {said}");
    let report: Report =
        serde_json::from_slice(&output.stdout).context("what etcd_bench printed cannot be read")?;
    rows(report)
}

fn rows(report: Report) -> anyhow::Result<Vec<Row>> {
    let (claim, swap) = (Samples(report.claim), Samples(report.swap));
    let claim = Row::new("etcd: claim, empty line, median", claim.millis(50)?, "ms")
        .beside("bare compare-and-swap", swap.millis(50)?)
        .goal(Goal::TimesAtMost(1.5));
    let mut rows = vec![claim];
    let most = [("no hooks", 4.0), ("hooks", 5.0)];
    for ((name, most), writes) in most.into_iter().zip(report.writes) {
        let what = format!("etcd: writes of the record, {name}");
        let row = Row::new(what, f64::from(writes), "");
        rows.push(row.goal(Goal::AtMost(most)));
    }
    rows.extend(lines(report.lines)?);
    rows.push(roll(&report.roll));
    rows.extend(waiting(&report.waiting));
    Ok(rows)
}

fn lines(lines: Vec<Line>) -> anyhow::Result<Vec<Row>> {
    let (mut rows, mut shortest) = (Vec::new(), None);
    for line in lines {
        let waiters = line.waiters;
        let (handover, hop) = (Samples(line.handover), Samples(line.hop));
        let taken = handover.millis(50)?;
        let what = format!("etcd: release to grant, {waiters} wait, median");
        let row = Row::new(what, taken, "ms").beside("bare watch-and-delete", hop.millis(50)?);
        rows.push(row.goal(Goal::TimesAtMost(3.0)));
        match shortest {
            None => shortest = Some((waiters, taken)),
            Some((few, least)) => {
                let what = format!("etcd: release to grant, {waiters} wait, median");
                let row = Row::new(what, taken, "ms").beside(format!("{few} wait"), least);
                rows.push(row.goal(Goal::TimesAtMost(1.2)));
            }
        }
        let attempts = f64::from(line.attempts) / f64::from(line.grants);
        let row = Row::new(
            format!("etcd: claims a grant, {waiters} wait"),
            attempts,
            "",
        );
        rows.push(row.goal(Goal::AtMost(1.05)));
        let look = Samples(line.look).millis(50)?;
        rows.push(Row::new(
            format!("etcd: a look at {waiters} nodes, median"),
            look,
            "ms",
        ));
    }
    Ok(rows)
}

fn roll(roll: &Roll) -> Row {
    let Roll { nodes, seconds, .. } = roll;
    let row = Row::new(
        format!("etcd: a roll of {nodes} nodes, {} claims", roll.attempts),
        *seconds,
        "s",
    );
    match nodes {
        1000 => row.goal(Goal::AtMost(5.0)),
        _ => row,
    }
}

fn waiting(waiting: &Waiting) -> [Row; 3] {
    let megabytes = |kilobytes: u32| f64::from(kilobytes) / 1024.0;
    let minutes = f64::from(waiting.seconds) / 60.0;
    [
        Row::new(
            "etcd: a daemon in line over TLS, resident",
            megabytes(waiting.resident_kb),
            "MB",
        )
        .goal(Goal::AtMost(8.0)),
        Row::new(
            "etcd: a daemon in line over TLS, anonymous",
            megabytes(waiting.anonymous_kb),
            "MB",
        )
        .goal(Goal::AtMost(3.0)),
        Row::new(
            "etcd: a daemon in line, calls",
            f64::from(waiting.calls) / minutes,
            "/min",
        )
        .beside("health and keep-alive", EXPECTED_A_MINUTE)
        .goal(Goal::TimesAtMost(1.0)),
    ]
}
