//! Who is told what happens: logs and metrics, behind one door.

use reboot_core::agent::{Agent, Half, News, ScriptPhase};
use reboot_host::detector::DetectorReport;
use reboot_host::script::HealthRun;

/// Is told everything an agent does. Must not block.
pub trait Observer: Send {
    /// The agent's own news, with the agent as it is after the step.
    fn told(&mut self, news: &News, agent: &Agent);

    /// One detector ran.
    fn detector_ran(&mut self, half: Half, report: &DetectorReport);

    /// The health script ran.
    fn script_ran(&mut self, phase: ScriptPhase, run: &HealthRun);

    /// A step was taken: a good moment to tell the service manager what goes on.
    fn stepped(&mut self, agent: &Agent);
}
