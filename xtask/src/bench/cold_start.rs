//! From the start of the process to its word that it is ready.

use std::io::Read;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use super::Place;
use super::daemon::Plan;
use super::row::{Goal, Row};
use super::samples::Samples;

/// How long a start may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Measures it.
pub(crate) fn run(place: &Place) -> anyhow::Result<Vec<Row>> {
    let dir = place.directory("start")?;
    let socket = dir.join("notify");
    let manager = UnixDatagram::bind(&socket)?;
    manager.set_read_timeout(Some(PATIENCE))?;
    let plan = Plan::new(place, &dir)?;
    let mut command = plan.command()?;
    command.env("NOTIFY_SOCKET", &socket).stderr(Stdio::null());
    let first = start(&mut command, &manager)?;
    let (mut samples, mut floor) = (Samples::default(), Samples::default());
    for _ in 0..place.count(20, 3) {
        samples.push(start(&mut command, &manager)?);
        floor.push(empty(place)?);
    }
    let what = |name| format!("start → ready, {name}");
    let peer = "empty tokio program";
    Ok(vec![
        Row::new(what("median"), samples.millis(50)?, "ms").beside(peer, floor.millis(50)?),
        Row::new(what("p99"), samples.millis(99)?, "ms")
            .beside(peer, floor.millis(99)?)
            .goal(Goal::AtMost(50.0)),
        Row::new(
            what("the very first, which makes the store"),
            first.as_secs_f64() * 1000.0,
            "ms",
        ),
    ])
}

fn start(command: &mut Command, manager: &UnixDatagram) -> anyhow::Result<Duration> {
    let from = Instant::now();
    let child = command.spawn()?;
    let took = loop {
        let mut word = [0; 1024];
        let length = manager.recv(&mut word).context("no word of being ready")?;
        let took = from.elapsed();
        if String::from_utf8_lossy(&word[..length]).contains("READY=1") {
            break took;
        }
    };
    stop(child)?;
    drain(manager)?;
    Ok(took)
}

/// As the service manager does: it ends the session and closes the store.
fn stop(mut child: Child) -> anyhow::Result<()> {
    let asked = Command::new("kill").arg(child.id().to_string()).status()?;
    ensure!(asked.success(), "the daemon ended by itself");
    child.wait()?;
    Ok(())
}

/// Takes what the last daemon said before its end.
fn drain(manager: &UnixDatagram) -> anyhow::Result<()> {
    manager.set_nonblocking(true)?;
    while manager.recv(&mut [0; 1024]).is_ok() {}
    manager.set_nonblocking(false)?;
    Ok(())
}

/// The same of a program that does nothing.
fn empty(place: &Place) -> anyhow::Result<Duration> {
    let mut command = place.example("idle_floor");
    let from = Instant::now();
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    let mut stdout = child.stdout.take().context("stdout is piped")?;
    stdout.read_exact(&mut [0; 5])?;
    let took = from.elapsed();
    child.kill()?;
    child.wait()?;
    Ok(took)
}
