//! How large a world is explored, and what may go wrong in it.

use super::names::NODES_MAX;
use std::fmt;

/// Something that the world has besides crashes, lost replies, pauses and operators.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Special {
    /// Nothing.
    Nothing,
    /// Reboots of the services only: the kernel's boot id stays.
    SoftReboot,
    /// Another machine that bears the first node's name and machine id.
    Clone,
    /// A second agent on the first node, with a notebook of its own.
    TwoAgents,
    /// A backup of the store that is put back later.
    Restore,
    /// Agents that are told to stop, and the command that cannot be started.
    Stop,
}

/// The bounds of a model.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Bounds {
    /// Nodes.
    pub nodes: usize,
    /// Slots.
    pub max: u32,
    /// Kills, power losses and machines that never return, together.
    pub crashes: u8,
    /// Replies lost, or requests that arrive late.
    pub lost: u8,
    /// Processes held up until their lease has ended.
    pub pauses: u8,
    /// Holds that an operator breaks.
    pub breaks: u8,
    /// Changes of `max`.
    pub changes: u8,
    /// Of all these, at most so many in one history.
    pub together: u8,
    /// What else there is.
    pub special: Special,
    /// Whether nodes have a hook to run before their reboot.
    pub hooks: bool,
}

// === impl Bounds ===

impl Bounds {
    /// Three nodes and one slot, with every kind of trouble together.
    pub const BASE: Self = Self {
        nodes: 3,
        max: 1,
        crashes: 3,
        lost: 2,
        pauses: 1,
        breaks: 1,
        changes: 1,
        together: 8,
        special: Special::Nothing,
        hooks: true,
    };

    /// Smaller, with something special. A second bearer of a name meets no held-up process: one
    /// that is held up at the very start of its command could not be told from a dead one. A
    /// second agent is not there when the first is killed or its hold is broken: with a journal
    /// of its own it could not know whether the command was issued.
    pub const fn special(special: Special) -> Self {
        let base = Self {
            nodes: 2,
            crashes: 2,
            lost: 1,
            together: 1,
            special,
            ..Self::BASE
        };
        match special {
            Special::Nothing | Special::SoftReboot | Special::Stop => base,
            Special::Clone => Self {
                nodes: 1,
                pauses: 0,
                together: 2,
                ..base
            },
            Special::TwoAgents => Self {
                nodes: 1,
                crashes: 0,
                pauses: 0,
                breaks: 0,
                together: 2,
                ..base
            },
            Special::Restore => Self {
                nodes: 1,
                together: 1,
                ..base
            },
        }
    }

    /// Processes that act: one for each node, and one more where the special asks for it.
    pub(super) fn entities(&self) -> usize {
        let more = usize::from(self.has_double());
        (self.nodes + more).min(NODES_MAX)
    }

    /// Whether the last entity is a second one of the first node.
    pub(super) fn has_double(&self) -> bool {
        matches!(self.special, Special::Clone | Special::TwoAgents)
    }

    /// Which name an entity bears.
    pub(super) fn name(&self, entity: usize) -> usize {
        if entity < self.nodes { entity } else { 0 }
    }

    /// On which entity's machine it runs.
    pub(super) fn host(&self, entity: usize) -> usize {
        match self.special {
            Special::TwoAgents => self.name(entity),
            _ => entity,
        }
    }
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            nodes,
            max,
            crashes,
            lost,
            pauses,
            breaks,
            changes,
            together,
            ..
        } = self;
        write!(f, "{nodes}x{max}")?;
        for (count, what) in [
            (crashes, "crashes"),
            (lost, "lost"),
            (pauses, "pauses"),
            (breaks, "breaks"),
            (changes, "changes"),
        ] {
            if *count > 0 {
                write!(f, " {what} {count}")?;
            }
        }
        if *together < crashes + lost + pauses + breaks + changes {
            write!(f, ", {together} together")?;
        }
        match self.special {
            Special::Nothing => Ok(()),
            special => write!(f, ", {special:?}"),
        }
    }
}
