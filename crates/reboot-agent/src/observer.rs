//! Who is told what happens: logs and metrics, behind one door.

use reboot_core::agent::{Agent, Event, Half, News, ScriptPhase, Sight, Tag};
use reboot_core::write::Trouble;
use reboot_host::detector::DetectorReport;
use reboot_host::script::HealthRun;

/// What the store was asked for. Some of it may be in trouble while the rest goes well: a role
/// that may read and not write, a value that nobody can read.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Errand {
    /// A look at the fleet.
    Look,
    /// What the agent tells of itself: its session, its health.
    Word,
    /// What the group is asked, and places in line.
    Ask,
}

/// Is told everything an agent does. Must not block.
pub trait Observer: Send {
    /// The agent's own news, with the agent as it is after the step.
    fn told(&mut self, news: &News, agent: &Agent);

    /// One detector ran.
    fn detector_ran(&mut self, half: Half, report: &DetectorReport);

    /// The health script ran.
    fn script_ran(&mut self, phase: ScriptPhase, run: &HealthRun);

    /// The store did an errand or refused it by the rules, or there was trouble.
    fn store_answered(&mut self, errand: Errand, answer: Result<(), &Trouble>);

    /// A step was taken: a good moment to tell the service manager what goes on.
    fn stepped(&mut self, agent: &Agent);
}

// === impl Errand ===

impl Errand {
    /// The errand that a write is.
    pub(crate) fn of(tag: &Tag) -> Self {
        match tag {
            Tag::OpenSession
            | Tag::KeepSession
            | Tag::EndSession
            | Tag::EndFormer
            | Tag::Publish => Self::Word,
            Tag::Join | Tag::Leave | Tag::Undone | Tag::EndOrder | Tag::Ask(_) => Self::Ask,
        }
    }
}

/// What an event tells of the store, if it comes from there.
pub(crate) fn answer(event: &Event) -> Option<(Errand, Result<(), &Trouble>)> {
    let (errand, trouble) = match event {
        Event::Wrote { tag, result } => (Errand::of(tag), result.as_ref().err()),
        Event::Saw {
            sight: Sight::Fleet(result),
            ..
        } => (Errand::Look, result.as_ref().err()),
        _ => return None,
    };
    let is_grave = |it: &&Trouble| !matches!(it, Trouble::Refused(_));
    Some((errand, trouble.filter(is_grave).map_or(Ok(()), Err)))
}
