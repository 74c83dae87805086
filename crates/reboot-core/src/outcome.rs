//! How a pass can end: one name each for logs, metrics, `status` and the exit code.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! outcomes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $exit:literal;)*) => {
        /// The outcome of a pass.
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Outcome {
            $($(#[$doc])* $variant,)*
        }

        impl Outcome {
            /// Every outcome.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name in logs, metrics and reports.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// The process exit code that stands for it.
            pub fn exit_code(self) -> u8 {
                match self {
                    $(Self::$variant => $exit,)*
                }
            }
        }
    };
}

outcomes! {
    /// No detector asks for a reboot.
    NoAction = "no_action", 0;
    /// The kill switch file exists.
    KillSwitchActive = "kill_switch_active", 5;
    /// A script or a cluster policy blocks.
    HealthBlocked = "health_blocked", 3;
    /// Inside a deny window.
    WindowDenied = "window_denied", 0;
    /// Outside every allow window.
    WindowOutsideAllow = "window_outside_allow", 0;
    /// No slot: contention, or the store is out of reach.
    LockUnavailable = "lock_unavailable", 4;
    /// The pass was told not to claim.
    LockSkipped = "lock_skipped", 0;
    /// The need went away under the slot.
    RecheckCleared = "recheck_cleared", 0;
    /// A cooldown runs.
    CooldownActive = "cooldown_active", 0;
    /// Everything allows the reboot.
    Ready = "ready", 0;
    /// An operator paused the group or the fleet.
    Paused = "paused", 0;
    /// Somebody asked this node to wait.
    HeldBack = "held_back", 0;
    /// The daily cap of reboots is reached.
    RebootLimit = "reboot_limit", 0;
    /// The last reboot did not make the need go away.
    NeedIneffective = "need_ineffective", 0;
    /// A hook failed.
    HookFailed = "hook_failed", 3;
    /// Draining failed.
    DrainFailed = "drain_failed", 3;
    /// Two live machines bear this node's name.
    IdentityConflict = "identity_conflict", 1;
    /// The command was issued and the machine did not go down, or did not come back.
    RebootOverdue = "reboot_overdue", 1;
    /// The pass itself failed.
    Error = "error", 1;
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A reason that blocks a reboot.
#[derive(Clone, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
pub struct Blocker {
    /// The outcome it stands for.
    pub outcome: Outcome,
    /// What blocks, and until when where that is known.
    pub message: String,
    /// Whether it blocks others alike: then the node keeps its place in line.
    pub is_shared: bool,
}

// === impl Blocker ===

impl Blocker {
    /// A reason of this node alone.
    pub fn local(outcome: Outcome, message: impl Into<String>) -> Self {
        Self {
            outcome,
            message: message.into(),
            is_shared: false,
        }
    }

    /// A reason that others have too.
    pub fn shared(outcome: Outcome, message: impl Into<String>) -> Self {
        Self {
            outcome,
            message: message.into(),
            is_shared: true,
        }
    }
}

/// How the last pass ended: the first reason in the order of the pass, and every reason.
#[derive(Clone, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The outcome.
    pub outcome: Outcome,
    /// What it means here.
    pub message: String,
    /// Every reason that blocks.
    pub blockers: Vec<Blocker>,
}

// === impl Report ===

impl Report {
    /// A report without blockers.
    pub fn plain(outcome: Outcome, message: impl Into<String>) -> Self {
        Self {
            outcome,
            message: message.into(),
            blockers: Vec::new(),
        }
    }

    /// A report of these blockers, the first of which is the outcome; `None` without any.
    pub fn blocked(blockers: Vec<Blocker>) -> Option<Self> {
        let first = blockers.first()?;
        Some(Self {
            outcome: first.outcome,
            message: first.message.clone(),
            blockers,
        })
    }
}
