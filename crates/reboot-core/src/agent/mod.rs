//! A node's life as one total step function: inputs in, effects out, no clock and no I/O.
//!
//! `Starting` opens a session and settles what a former run left. `Resting` lies between
//! passes, in line or not. A pass looks at the gates one by one ([`crate::gates`]); when none
//! blocks, the agent claims, looks again under the slot, drains, fences and issues the reboot
//! command. After the boot it finds its own hold, checks the node, undoes and releases.

mod effect;
mod essence;
mod hold;
mod input;
mod keeping;
mod news;
mod notebook;
mod ordered;
mod passing;
mod phase;
mod rebooting;
mod returning;
mod settling;
mod step;

pub use effect::{Effect, Look, SlotState, Tag, Timer};
pub use essence::PRESENT;
pub use input::{Event, Input, Issue, Now, Sight};
pub use keeping::NO_PASS;
pub use news::{Ending, News};
pub use notebook::{CommandMark, NOTEBOOK_VERSION, Newest, Notebook};
pub use phase::{Half, ScriptPhase};
pub use step::step;

use crate::boot::BootIdentity;
use crate::fleet::Health;
use crate::gates::Evidence;
use crate::group::{Phase, Request, Way};
use crate::id::{GroupName, Instance, NodeName, SessionId};
use crate::order::Order;
use crate::outcome::Report;
use crate::policy::Standing;
pub use crate::settings::{Mode, Settings, Zone};
use crate::undo::Undo;
use std::collections::BTreeMap;

/// What a pass is for.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Purpose {
    /// Find out whether the node needs a reboot and may have a slot.
    Find,
    /// Look whether the turn has come, nothing more.
    Peek,
    /// Everything again under the slot.
    Confirm,
    /// Everything that is no longer fresh, right before the fence.
    Fence,
    /// This node only, after its return.
    AfterReboot,
}

/// A pass under way.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Pass {
    /// Its number; answers for other passes are late.
    pub id: u64,
    /// What it is for.
    pub purpose: Purpose,
    /// What was seen so far.
    pub evidence: Evidence,
    /// How often verdicts grew old and were taken again.
    pub renewals: u8,
    /// The look under way.
    pub looking: Option<Look>,
}

/// The hold this agent has, as it knows it.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Held {
    /// In which group.
    pub group: GroupName,
    /// Its number.
    pub number: u64,
    /// Its phase.
    pub phase: Phase,
    /// The run that owns it: this one, unless it is still to be adopted.
    pub owner: Instance,
    /// What it is for.
    pub need: String,
    /// Whether it passed the fence.
    pub fenced: bool,
    /// The boot it was claimed or fenced in.
    pub boot: BootIdentity,
    /// What the record says we changed.
    pub undo: Undo,
}

/// What the agent is busy with.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Stage {
    /// Not started.
    New,
    /// The session is being opened.
    Opening,
    /// Looking for holds and debts that a former run left.
    Settling,
    /// Undoing what a broken hold left.
    PayingDebts,
    /// Between passes.
    Resting,
    /// In a pass without a hold.
    Passing,
    /// A claim is under way.
    Claiming,
    /// A hold is there.
    Holding(Step),
    /// The session is being ended.
    Leaving,
    /// The end.
    Gone,
}

/// The steps of a hold's life on its node.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Step {
    /// A former run's hold is being adopted.
    Adopting,
    /// Everything is looked at again.
    Confirming,
    /// The hooks are being listed.
    Planning,
    /// The hold is being made durable, for these hooks.
    Draining(Vec<String>),
    /// The notebook is being written, for these hooks.
    Noting(Vec<String>),
    /// The hooks run.
    Hooking,
    /// Users are being given notice.
    Waiting,
    /// The last look before the fence.
    LastLook,
    /// The fence is under way; the verdicts it rests on were taken at the earliest then.
    Fencing {
        /// Boot-time milliseconds.
        verdicts_ms: u64,
    },
    /// The command's mark is being written.
    Marking {
        /// Boot-time milliseconds.
        verdicts_ms: u64,
    },
    /// The command is being started.
    Issuing,
    /// The command was issued; the machine should go down.
    Issued,
    /// The machine did not go down in time, twice.
    Overdue,
    /// The return is being recorded.
    Returning,
    /// The post-reboot hooks run.
    PostHooks,
    /// The health script runs in phase `post-reboot`.
    PostScript,
    /// A check after the return failed; it is tried again later.
    PostFailed,
    /// What we changed is being undone, before the hold ends this way.
    Undoing(Way),
    /// Undoing failed; it is tried again later.
    UndoFailed(Way),
    /// Staying healthy for a while before the release.
    Soaking,
    /// The release is under way.
    Releasing(Way),
}

/// A request whose answer is awaited.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Asked {
    /// The group.
    pub group: GroupName,
    /// The request; repeated under the same id until it is answered.
    pub request: Request,
    /// Tries so far.
    pub tries: u32,
}

/// A node's agent.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Agent {
    /// What it is told.
    pub settings: Settings,
    /// What it is busy with.
    pub stage: Stage,
    /// What it knows of itself after a crash.
    pub notebook: Notebook,
    /// The hold it has.
    pub hold: Option<Held>,
    /// How the last pass ended.
    pub report: Option<Report>,
    /// The last verdict on this node's health.
    pub health: Option<Health>,
    /// What the last pass saw.
    pub evidence: Evidence,
    session: Option<SessionId>,
    is_session_open: bool,
    is_session_doubtful: bool,
    is_need_remembered: bool,
    pass: Option<Pass>,
    asked: Option<Asked>,
    is_queued: bool,
    is_heartbeat_running: bool,
    attempts: u32,
    failures: u32,
    wants_pass: bool,
    counter: u64,
    seed: u64,
    started_ms: u64,
    peers: BTreeMap<NodeName, Standing>,
    told: Option<Report>,
    owed: Undo,
    order: Option<Order>,
    undoing: Option<Undo>,
    unleft_line: Option<GroupName>,
    dry_done: Option<String>,
    saw_cooldown: bool,
    abort: Option<Report>,
    told_max: Option<(u32, u32)>,
    saving: Option<u64>,
    revision: u64,
}

// === impl Agent ===

impl Agent {
    /// A new agent with what its notebook says. The seed feeds jitter only.
    pub fn new(settings: Settings, notebook: Notebook, seed: u64) -> Self {
        Self {
            settings,
            stage: Stage::New,
            notebook,
            hold: None,
            report: None,
            health: None,
            evidence: Evidence::default(),
            session: None,
            is_session_open: false,
            is_session_doubtful: false,
            is_need_remembered: false,
            pass: None,
            asked: None,
            is_queued: false,
            is_heartbeat_running: false,
            attempts: 0,
            failures: 0,
            wants_pass: false,
            counter: 0,
            seed,
            started_ms: 0,
            peers: BTreeMap::new(),
            told: None,
            owed: Undo::default(),
            order: None,
            undoing: None,
            unleft_line: None,
            dry_done: None,
            saw_cooldown: false,
            abort: None,
            told_max: None,
            saving: None,
            revision: 0,
        }
    }

    /// What it is doing, in a word, for `status` and tables.
    pub fn activity(&self) -> &'static str {
        match &self.stage {
            Stage::New | Stage::Opening | Stage::Settling | Stage::PayingDebts => "starting",
            Stage::Resting | Stage::Passing if self.is_queued => "queued",
            Stage::Resting | Stage::Passing => "idle",
            Stage::Claiming => "claiming",
            Stage::Holding(step) => step.activity(),
            Stage::Leaving | Stage::Gone => "stopped",
        }
    }

    /// The pass under way.
    pub fn pass(&self) -> Option<&Pass> {
        self.pass.as_ref()
    }

    /// The request whose answer is awaited.
    pub fn asked(&self) -> Option<&Asked> {
        self.asked.as_ref()
    }

    /// Whether the agent has ended.
    pub fn is_gone(&self) -> bool {
        self.stage == Stage::Gone
    }
}

// === impl Step ===

impl Step {
    /// The word for people.
    pub fn activity(&self) -> &'static str {
        match self {
            Self::Adopting => "starting",
            Self::Confirming | Self::Planning => "claimed",
            Self::Draining(_) | Self::Noting(_) | Self::Hooking | Self::Waiting => "draining",
            Self::LastLook | Self::Fencing { .. } => "fencing",
            Self::Marking { .. } | Self::Issuing | Self::Issued => "rebooting",
            Self::Overdue => "overdue",
            Self::Returning | Self::PostHooks | Self::PostScript | Self::PostFailed => "returned",
            Self::Soaking => "soaking",
            Self::Undoing(_) | Self::UndoFailed(_) => "undoing",
            Self::Releasing(_) => "releasing",
        }
    }
}
