//! The first thing to try: a fleet of pretended machines on this one, and nothing else pretended.
//!
//! Every machine is a daemon of this very program with files, scripts and a boot identity of its
//! own; all share one embedded store. The supervisor has its hand on the power: a reboot command
//! tells it who goes down, it ends that daemon, and starts it again in a new boot.

mod guard;
mod history;
mod judge;
mod machine;
mod operator;
mod page;
mod place;
mod plan;
mod screen;
mod show;
mod summary;
mod trace;
mod view;

pub(crate) use plan::Plan;

use crate::console::complain;
use crate::exit::ExitCode;
use anyhow::Result;
use show::Show;
use tokio::signal::unix::{SignalKind, signal};

/// Runs the demo. Success is a roll that came to its end with every promise kept.
///
/// # Errors
/// What keeps it from starting, or from going on.
pub(crate) async fn run(plan: Plan) -> Result<ExitCode> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let mut show = Show::set_up(plan)?;
    show.open_page().await;
    let told = tokio::select! {
        result = show.roll() => return Ok(show.finish(result).await),
        _ = interrupt.recv() => "interrupted",
        _ = terminate.recv() => "told to stop",
        _ = hang_up.recv() => "the terminal is gone",
    };
    show.stop().await;
    complain(&format!("demo: {told}: every daemon of the demo was ended"));
    Ok(ExitCode::RuntimeFailure)
}
