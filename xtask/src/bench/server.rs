//! The coordination server: pairs of requests, refusals, memory, very many that wait.

use std::process::Command;

use anyhow::{Context, ensure};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::Place;
use super::row::{Goal, Row};
use super::samples::Samples;

/// Raises the limit of open files as far as it goes, then runs what it is told.
const MANY_FILES: &str = "ulimit -n \"$(ulimit -Hn)\"; exec \"$@\"";

/// What the example `server_bench` prints.
#[derive(Deserialize)]
struct Report {
    clients: usize,
    pairs: Load,
    floor: Load,
    refusals: Load,
    idle_kb: u32,
    peak_kb: u32,
    herd: Herd,
}

#[derive(Deserialize)]
struct Load {
    rate: f64,
    errors: u32,
    took: Vec<usize>,
}

#[derive(Deserialize)]
struct Herd {
    waiting: usize,
    resident_kb: u32,
    handover: Vec<usize>,
}

/// What `etcd_bench served` prints.
#[derive(Deserialize)]
struct OnEtcd {
    clients: usize,
    one: Load,
    many: Load,
    floor: Vec<usize>,
}

/// Measures it.
pub(crate) fn run(place: &Place) -> anyhow::Result<Vec<Row>> {
    let directory = place.directory("server")?;
    let numbers = [(500, 20), (10_000, 200), (500, 20)];
    let numbers = numbers.map(|(thorough, quick)| place.count(thorough, quick).to_string());
    let mut bench = Command::new("sh");
    bench.args(["-c", MANY_FILES, "sh"]);
    bench.arg(place.example("server_bench").get_program());
    bench.arg(&place.program).arg(directory);
    let mut rows = rows(&report(bench.args(numbers))?)?;
    let samples = place.count(1000, 50).to_string();
    let mut bench = place.example("etcd_bench");
    bench.arg("served").arg(&place.program);
    rows.extend(on_etcd(report(bench.arg(samples))?)?);
    Ok(rows)
}

fn report<T: DeserializeOwned>(command: &mut Command) -> anyhow::Result<T> {
    let output = command.output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "the measurement failed: {said}");
    serde_json::from_slice(&output.stdout).context("what was measured cannot be read")
}

fn rows(report: &Report) -> anyhow::Result<Vec<Row>> {
    let clients = report.clients;
    let pairs = Row::new(
        format!("server: slot taken and given back, {clients} clients"),
        report.pairs.rate,
        "/s",
    );
    let what = format!("server: refused, {clients} clients");
    let refused = Samples(report.refusals.took.clone()).millis(99)?;
    let mut rows = vec![
        pairs
            .beside("the same server, a bare fsync each", report.floor.rate)
            .goal(Goal::TimesAtLeast(0.5)),
        Row::new(what.clone(), report.refusals.rate, "/s").goal(Goal::AtLeast(30_000.0)),
        Row::new(format!("{what}, p99"), refused, "ms").goal(Goal::AtMost(10.0)),
        errors("server", &[&report.pairs, &report.refusals]),
        Row::new(
            "server: resident memory at rest",
            megabytes(report.idle_kb),
            "MB",
        )
        .goal(Goal::AtMost(8.0)),
        Row::new(
            format!("server: resident memory at its peak, {clients} clients"),
            megabytes(report.peak_kb),
            "MB",
        )
        .goal(Goal::AtMost(16.0)),
    ];
    rows.extend(herd(&report.herd)?);
    Ok(rows)
}

fn herd(herd: &Herd) -> anyhow::Result<[Row; 3]> {
    let waiting = herd.waiting;
    let handover = Samples(herd.handover.clone());
    let what = |name: &str| format!("server: release to next grant, {waiting} wait, {name}");
    Ok([
        Row::new(
            format!("server: resident memory, {waiting} wait"),
            megabytes(herd.resident_kb),
            "MB",
        )
        .goal(Goal::AtMost(100.0)),
        Row::new(what("median"), handover.millis(50)?, "ms"),
        Row::new(what("p99"), handover.millis(99)?, "ms").goal(Goal::AtMost(20.0)),
    ])
}

fn on_etcd(report: OnEtcd) -> anyhow::Result<[Row; 3]> {
    let errors = errors("server on etcd", &[&report.one, &report.many]);
    let (one, floor) = (Samples(report.one.took), Samples(report.floor));
    let (clients, peer) = (report.clients, "two bare compare-and-swaps");
    let floor = floor.millis(50)?;
    let what = "server on etcd: slot taken and given back, one client, median";
    let many = format!("server on etcd: slot taken and given back, {clients} clients");
    Ok([
        Row::new(what, one.millis(50)?, "ms")
            .beside(peer, floor)
            .goal(Goal::TimesAtMost(1.5)),
        Row::new(many, report.many.rate, "/s")
            .beside(format!("{peer}, again and again"), 1000.0 / floor)
            .goal(Goal::TimesAtLeast(0.67)),
        errors,
    ])
}

/// Answers that were neither a yes nor a no.
fn errors(what: &str, loads: &[&Load]) -> Row {
    let errors = loads.iter().map(|load| f64::from(load.errors)).sum();
    Row::new(
        format!("{what}: other answers than a yes or a no"),
        errors,
        "",
    )
    .goal(Goal::AtMost(0.0))
}

fn megabytes(kilobytes: u32) -> f64 {
    f64::from(kilobytes) / 1024.0
}
