//! Commits of the embedded store beside a bare sync of the same bytes.

use anyhow::{Context, ensure};
use serde::Deserialize;

use super::Place;
use super::row::{Goal, Row};
use super::samples::Samples;
use crate::stats::median;

/// What the example `commit_bench` prints.
#[derive(Deserialize)]
struct Report {
    clients: usize,
    slot: Measured,
    word: Measured,
}

#[derive(Deserialize)]
struct Measured {
    alone: Alone,
    one_rate: f64,
    many_rate: f64,
}

#[derive(Deserialize)]
struct Alone {
    commit: Vec<usize>,
    fsync: Vec<usize>,
    fdatasync: Vec<usize>,
    bytes: Vec<usize>,
}

/// Measures it.
pub(crate) fn run(place: &Place) -> anyhow::Result<Vec<Row>> {
    let directory = place.directory("store")?;
    let samples = place.count(3000, 100).to_string();
    let mut program = place.example("commit_bench");
    let output = program.arg(directory).arg(samples).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "commit_bench failed: {said}");
    let report: Report = serde_json::from_slice(&output.stdout)
        .context("what commit_bench printed cannot be read")?;
    let clients = report.clients;
    let mut rows = rows("claim, release", report.slot, clients)?;
    rows.extend(self::rows("publish", report.word, clients)?);
    Ok(rows)
}

fn rows(work: &str, measured: Measured, clients: usize) -> anyhow::Result<Vec<Row>> {
    let Alone {
        commit,
        fsync,
        fdatasync,
        bytes,
    } = measured.alone;
    let bytes = median(&bytes).unwrap_or_default();
    let (commit, fsync, fdatasync) = (Samples(commit), Samples(fsync), Samples(fdatasync));
    let mut rows = Vec::new();
    for (name, percent) in [("median", 50), ("p99", 99)] {
        let what = format!("store: {work}, one client, {name}");
        let row = Row::new(what, commit.millis(percent)?, "ms");
        let peer = format!("bare fsync, {bytes} bytes");
        let row = row.beside(peer, fsync.millis(percent)?);
        rows.push(row.goal(Goal::TimesAtMost(1.5)));
    }
    let what = format!("store: {work}, one client, median");
    let row = Row::new(what, commit.millis(50)?, "ms");
    let peer = format!("bare fdatasync, {bytes} bytes");
    rows.push(row.beside(peer, fdatasync.millis(50)?));
    let what = format!("store: {work}, {clients} clients");
    let row = Row::new(what, measured.many_rate, "/s").beside("one client", measured.one_rate);
    rows.push(row.goal(Goal::TimesAtLeast(5.0)));
    Ok(rows)
}
