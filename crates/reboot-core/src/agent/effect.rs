//! What an agent wants done. Nothing else of a daemon spawns, writes or sends.

use crate::agent::news::News;
use crate::agent::notebook::Notebook;
use crate::agent::phase::ScriptPhase;
use crate::id::RequestId;
use crate::order::Order;
use crate::undo::Undo;
use crate::write::Write;

/// Something to look at.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Look {
    /// Kill switch and inhibitors.
    Local,
    /// Every detector.
    Detectors,
    /// The health script, in this phase.
    Health(ScriptPhase),
    /// The fleet in the store.
    Fleet,
}

/// What the script is told of the slot.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct SlotState {
    /// Whether this run may claim at all.
    pub is_enabled: bool,
    /// Whether a slot is held.
    pub is_held: bool,
    /// How often a claim was tried for this need.
    pub attempts: u32,
}

/// Timers; setting one again replaces it.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Timer {
    /// The next pass.
    Pass,
    /// The next refresh of the health record.
    Heartbeat,
    /// The next renewal of the session.
    Session,
    /// The next try of what failed.
    Retry,
    /// The end of a wait: notice to users, reboot timeout, soak.
    Patience,
}

/// What a write is for, so that its answer finds its way.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Tag {
    /// The session is opened.
    OpenSession,
    /// The session is renewed.
    KeepSession,
    /// The session is ended, and the agent with it.
    EndSession,
    /// The sessions of a dead former run are ended.
    EndFormer,
    /// The health record.
    Publish,
    /// A place in line.
    Join,
    /// Out of the line.
    Leave,
    /// A debt of undoing is paid.
    Undone,
    /// An order is done.
    EndOrder,
    /// A request to the group.
    Ask(RequestId),
}

/// An effect.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Effect {
    /// Look, and answer with `Saw`.
    Look {
        /// For which pass.
        pass: u64,
        /// At what.
        look: Look,
        /// What the script is told.
        slot: SlotState,
    },
    /// Write to the store, and answer with `Wrote`.
    Write {
        /// What for.
        tag: Tag,
        /// What.
        write: Box<Write>,
    },
    /// Answer with `TimerFired` at this time of the boot-time clock, in milliseconds.
    SetTimer(Timer, u64),
    /// Answer with `Woken` when the store changes after this revision.
    AwaitChange {
        /// The revision already seen.
        seen: u64,
    },
    /// Answer with `Woken` when what is ordered of this node is something else than this, in place
    /// of any former wait; nothing else wakes a node that waits for nobody.
    AwaitOrder {
        /// The revision already seen.
        seen: u64,
        /// The order already seen.
        known: Option<Order>,
    },
    /// Put the notebook on disk, durably, and answer with `Saved`.
    Save {
        /// Its number.
        id: u64,
        /// What to write.
        notebook: Box<Notebook>,
    },
    /// List the pre-reboot hooks, and answer with `Planned`.
    PlanHooks,
    /// Run these pre-reboot hooks in order, and answer with `Hooked`.
    RunHooks(Vec<String>),
    /// Undo our changes, newest first, and answer with `Undone`.
    Undo(Undo),
    /// Run the post-reboot hooks, and answer with `PostHooked`.
    RunPostHooks,
    /// Tell the users of the machine that it will go down.
    Wall {
        /// In how many seconds.
        delay_secs: u64,
    },
    /// Start the reboot command, and answer with `Issued`.
    IssueReboot,
    /// Leave the marker of a finished reboot.
    MarkReturned {
        /// The need it was for.
        need: String,
        /// The hold's number.
        number: u64,
    },
    /// Log it and count it.
    Tell(News),
    /// The agent's life is over.
    Exit,
}
