//! A state of the model: a few numbers, each the name of something in a pool.

use super::bounds::Bounds;
use super::names::NODES_MAX;
use reboot_core::agent::{Notebook, Tag};
use reboot_core::undo::Undo;
use reboot_core::write::Write;

/// How many things an agent may wait for at once.
pub(super) const TODO_MAX: usize = 6;
/// How many requests may be on their way without a sender that waits.
pub(super) const LATE_MAX: usize = 3;

/// Something an agent wants done that others can see, or that a crash may undo.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) enum Todo {
    /// Nothing.
    Nothing,
    /// A look at the fleet.
    Look,
    /// A write to the store.
    Write(Tag, Box<Write>),
    /// The notebook to disk; whether it is the newest.
    Save(bool, Box<Notebook>),
    /// The hooks.
    RunHooks(Vec<String>),
    /// Undoing.
    Undo(Undo),
    /// The reboot command.
    Issue,
}

/// A machine with its agent.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub(super) struct Entity {
    /// The agent; 0 is none.
    pub(super) agent: u32,
    /// Its notebook on disk.
    pub(super) disk: u32,
    /// An answer that waits while the process is held up; 0 is none.
    pub(super) mail: u32,
    /// What the agent wants done; 0 is nothing.
    pub(super) todo: [u32; TODO_MAX],
    /// Timers that are set, as bits.
    pub(super) timers: u8,
    /// Commands issued in this boot.
    pub(super) issued: u8,
    /// What was looked at since the claim and since the last pause, as bits.
    pub(super) looked: u8,
    /// How often the process was held up: verdicts from before are too old.
    pub(super) aged: u8,
    /// Soft reboots so far.
    pub(super) soft: u8,
    /// The rest, as bits.
    pub(super) flags: u16,
}

/// What may still go wrong.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub(super) struct Left {
    pub(super) crashes: u8,
    pub(super) lost: u8,
    pub(super) pauses: u8,
    pub(super) breaks: u8,
    pub(super) changes: u8,
    /// Of all these together.
    pub(super) together: u8,
    /// Backups to be made, to be put back; commands that cannot start.
    pub(super) specials: u8,
}

/// A state.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub(super) struct State {
    pub(super) entities: [Entity; NODES_MAX],
    pub(super) store: u32,
    pub(super) backup: u32,
    /// Requests on their way whose senders no longer wait; 0 is none.
    pub(super) late: [u32; LATE_MAX],
    pub(super) left: Left,
}

/// Bits of an entity.
pub(super) mod flag {
    /// The machine is up.
    pub(crate) const UP: u16 = 1;
    /// It went down because of us.
    pub(crate) const OURS: u16 = 2;
    /// It will never be up again.
    pub(crate) const DEAD: u16 = 4;
    /// Hooks changed something that is not undone.
    pub(crate) const CHANGED: u16 = 8;
    /// The check after the reboot has passed in this boot.
    pub(crate) const CHECKED: u16 = 16;
    /// It needs a reboot.
    pub(crate) const NEED: u16 = 32;
    /// An operator broke its hold in this boot: what follows is on people.
    pub(crate) const EXCUSED: u16 = 64;
    /// The process stands still.
    pub(crate) const PAUSED: u16 = 128;
    /// The agent is to stop.
    pub(crate) const STOPPING: u16 = 256;
    /// All is done here: nothing will happen any more that anybody could see.
    pub(crate) const DONE: u16 = 512;
}

/// Bits of timers.
pub(super) mod timer {
    pub(crate) const PASS: u8 = 1;
    pub(crate) const RETRY: u8 = 2;
    pub(crate) const PATIENCE: u8 = 4;
    pub(crate) const SESSION: u8 = 8;
}

/// Bits of looks.
pub(super) mod look {
    pub(crate) const LOCAL: u8 = 1;
    pub(crate) const DETECTORS: u8 = 2;
    pub(crate) const HEALTH: u8 = 4;
    pub(crate) const FLEET: u8 = 8;
    /// All four.
    pub(crate) const ALL: u8 = 15;
}

// === impl Todo ===

impl Todo {
    /// A newer notebook is to be saved: the agent does not wait for this one any more.
    pub(super) fn outdate(&mut self) {
        if let Self::Save(is_newest, _) = self {
            *is_newest = false;
        }
    }
}

// === impl Entity ===

impl Entity {
    pub(super) fn is(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }

    pub(super) fn set(&mut self, flag: u16, on: bool) {
        match on {
            true => self.flags |= flag,
            false => self.flags &= !flag,
        }
    }

    /// Whether an agent runs that may act now.
    pub(super) fn acts(&self) -> bool {
        self.agent != 0 && !self.is(flag::PAUSED)
    }

    pub(super) fn is_idle(&self) -> bool {
        self.todo == [0; TODO_MAX]
    }

    /// Adds what the agent wants done.
    pub(super) fn push(&mut self, item: u32) {
        let free = self.todo.iter_mut().find(|it| **it == 0);
        *free.expect("an agent never waits for so much at once") = item;
    }

    /// Keeps of what the agent wants done only some.
    pub(super) fn retain(&mut self, keeps: impl Fn(u32) -> bool) {
        let mut kept = [0; TODO_MAX];
        let items = self.todo.iter().filter(|item| **item != 0 && keeps(**item));
        kept.iter_mut()
            .zip(items)
            .for_each(|(to, from)| *to = *from);
        self.todo = kept;
    }

    /// Takes one out; the others keep their order.
    pub(super) fn take(&mut self, at: usize) -> u32 {
        let item = self.todo[at];
        self.todo.copy_within(at + 1.., at);
        self.todo[TODO_MAX - 1] = 0;
        item
    }
}

// === impl Left ===

impl Left {
    /// Whether all that may go wrong with the other may go wrong with this.
    pub(super) fn covers(&self, other: &Self) -> bool {
        self.crashes >= other.crashes
            && self.lost >= other.lost
            && self.pauses >= other.pauses
            && self.breaks >= other.breaks
            && self.changes >= other.changes
            && self.together >= other.together
            && self.specials >= other.specials
    }

    /// Of nothing more than of all together.
    pub(super) fn within(mut self) -> Self {
        for one in [
            &mut self.crashes,
            &mut self.lost,
            &mut self.pauses,
            &mut self.breaks,
            &mut self.changes,
        ] {
            *one = (*one).min(self.together);
        }
        self
    }

    /// Takes one fault of the kind that `of` names.
    pub(super) fn take(&mut self, of: impl FnOnce(&mut Self) -> &mut u8) {
        *of(self) -= 1;
        self.together -= 1;
        *self = self.within();
    }

    /// How much may still go wrong.
    pub(super) fn total(&self) -> usize {
        usize::from(self.together) + usize::from(self.specials)
    }

    pub(super) fn of(bounds: &Bounds) -> Self {
        Self {
            crashes: bounds.crashes,
            lost: bounds.lost,
            pauses: bounds.pauses,
            breaks: bounds.breaks,
            changes: bounds.changes,
            together: bounds.together,
            specials: 2,
        }
        .within()
    }
}
