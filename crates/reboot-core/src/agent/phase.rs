//! Where in a pass, or in a node's life, something happens.

use std::fmt;

/// Which of a pass's two halves an event belongs to.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Half {
    /// Before the slot.
    PreLock,
    /// Under the slot.
    PostLock,
}

/// Why the health script runs (`RC_PHASE`).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum ScriptPhase {
    /// No reboot is pending.
    Monitor,
    /// Between passes, to keep the record fresh.
    Heartbeat,
    /// A reboot is pending, no slot is held.
    PreLock,
    /// Under the slot.
    PostLock,
    /// After the return.
    PostReboot,
}

// === impl ScriptPhase ===

impl ScriptPhase {
    /// Every phase.
    pub const ALL: [Self; 5] = [
        Self::Monitor,
        Self::Heartbeat,
        Self::PreLock,
        Self::PostLock,
        Self::PostReboot,
    ];

    /// The phase of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.name() == name)
    }

    /// The value of `RC_PHASE` and of metric labels.
    pub fn name(self) -> &'static str {
        match self {
            Self::Monitor => "monitor",
            Self::Heartbeat => "heartbeat",
            Self::PreLock => "pre-lock",
            Self::PostLock => "post-lock",
            Self::PostReboot => "post-reboot",
        }
    }
}

impl fmt::Display for ScriptPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
