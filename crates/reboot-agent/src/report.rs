//! What the tasks of a shell report to its loop.

use reboot_core::agent::{Event, Half, ScriptPhase};
use reboot_host::detector::DetectorReport;
use reboot_host::script::HealthRun;
use tokio::sync::mpsc;

/// What a task reports to the loop.
pub(crate) enum Report {
    /// For the agent.
    Event(Event),
    /// For the observer.
    Detector(Half, Box<DetectorReport>),
    /// For the observer.
    Script(ScriptPhase, Box<HealthRun>),
}

pub(crate) async fn send(sender: &mpsc::Sender<Report>, event: Event) {
    // The loop holds the receiver as long as tasks run: an error means that all is over.
    let _ = sender.send(Report::Event(event)).await;
}
