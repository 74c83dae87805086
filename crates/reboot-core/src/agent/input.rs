//! What happens to an agent.

use crate::agent::{Look, Settings, Tag, Timer};
use crate::fleet::Fleet;
use crate::gates::{Local, ScriptVerdict};
use crate::need::Detection;
use crate::write::{Trouble, Written};
use jiff::Timestamp;
use std::sync::Arc;

/// The time of an input: the boot-time clock decides, the time of day only opens windows.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Now {
    /// Milliseconds of the boot-time clock.
    pub boot_ms: u64,
    /// The time of day.
    pub wall: Timestamp,
}

/// What a look saw.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Sight {
    /// Kill switch and inhibitors.
    Local(Local),
    /// The detectors.
    Detection(Detection),
    /// The health script.
    Health(ScriptVerdict),
    /// The fleet, as the store shows it.
    Fleet(Result<Arc<Fleet>, Trouble>),
}

/// How the reboot command went.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Issue {
    /// It runs, or ran: it counts as issued, whatever comes of it.
    Started,
    /// It could not be started: not issued.
    NotStarted(String),
    /// It ended, with this text for people. The machine may still go down.
    Ended {
        /// Whether it ended well.
        is_success: bool,
        /// How, for people.
        how: String,
    },
}

/// An event.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Event {
    /// The agent runs; the first event of its life.
    Started,
    /// A timer that the agent set.
    TimerFired(Timer),
    /// Something that detectors look at may have changed.
    NeedHint,
    /// The store changed in a way the agent waits for.
    Woken,
    /// A look ended.
    Saw {
        /// The pass it belongs to.
        pass: u64,
        /// Which look it was.
        look: Look,
        /// What it saw.
        sight: Sight,
    },
    /// A write was answered.
    Wrote {
        /// Which.
        tag: Tag,
        /// The answer.
        result: Result<Written, Trouble>,
    },
    /// The notebook is on disk, or why not.
    Saved {
        /// The number that came with the effect.
        id: u64,
        /// How it went.
        result: Result<(), String>,
    },
    /// The pre-reboot hooks that would run.
    Planned(Result<Vec<String>, String>),
    /// The pre-reboot hooks ran, or the first failed.
    Hooked(Result<(), String>),
    /// Our changes are undone, or why not.
    Undone(Result<(), String>),
    /// The post-reboot hooks ran, or one failed.
    PostHooked(Result<(), String>),
    /// The reboot command.
    Issued(Issue),
    /// New settings.
    Reload(Box<Settings>),
    /// The agent must stop.
    Terminate,
}

/// One step's input.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Input {
    /// When.
    pub now: Now,
    /// What.
    pub event: Event,
}
