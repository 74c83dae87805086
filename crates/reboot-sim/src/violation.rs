//! What a checker found.

use std::fmt;

/// A promise of SAFETY.md.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Promise {
    /// A grant commits only if holds < `max`; whoever is down because of us holds.
    I1,
    /// A command is issued only right after this run's own fence, in the same boot.
    I2,
    /// A durable hold ends only by R1, R2, R3.
    I3,
    /// One reboot for a need and boot; a daily cap.
    I4,
    /// Generations grow within an epoch; a stale number has no effect.
    I5,
    /// Two fences of a group are the earlier one's interval apart.
    I6,
    /// At the command every gate held within the last 10 s.
    I7,
    /// What we changed is undone before the release; a break keeps the list.
    I8,
    /// One hold a node; conflicting identities never act.
    I9,
    /// A needing node reboots, or says every reason why not.
    L1,
    /// No ready waiter is overtaken by more than `max` later ones.
    L2,
    /// A free slot goes to the first live, ready waiter at its wake-up.
    L3,
    /// A healthy returned node releases promptly.
    L4,
    /// A holder that does not return is reported at its deadline.
    L5,
    /// A dead waiter's ticket goes with its session.
    L6,
}

/// A broken promise.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Violation {
    /// Which.
    pub promise: Promise,
    /// How, for people.
    pub what: String,
}

// === impl Violation ===

impl Violation {
    /// That this promise is broken, and how.
    pub fn of(promise: Promise, what: impl Into<String>) -> Self {
        Self {
            promise,
            what: what.into(),
        }
    }
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.promise, self.what)
    }
}
