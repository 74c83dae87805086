//! What an agent tells the outside: one entry for each event of the log.

use crate::agent::phase::{Half, ScriptPhase};
use crate::id::{GroupName, NodeName};
use crate::need::Detection;
use crate::order::Order;
use crate::outcome::Report;
use crate::policy::Standing;
use crate::window::Verdict;

/// How something ended.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Ending {
    /// As hoped.
    Success,
    /// Somebody else was first, or a rule forbids it.
    Refused(String),
    /// It failed.
    Error(String),
}

/// News.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum News {
    /// The kill switch was looked at.
    KillSwitch {
        /// When.
        half: Half,
        /// Whether it is there.
        result: Result<bool, String>,
    },
    /// The windows were evaluated.
    Window(Verdict),
    /// The detectors ran.
    Detectors {
        /// When.
        half: Half,
        /// What they found.
        detection: Detection,
    },
    /// An operator ordered a reboot of this node, or took the order back (`None`).
    Ordered(Option<Order>),
    /// An order of a former boot is cleared: the node has rebooted since.
    OrderDone(Order),
    /// Peers and policies were looked at.
    ClusterHealth {
        /// When.
        half: Half,
        /// What blocks; the error when the store could not be read.
        result: Result<Vec<String>, String>,
    },
    /// This node's record was published.
    HealthPublished {
        /// The run that gave the verdict.
        phase: ScriptPhase,
        /// Whether it is healthy.
        healthy: bool,
        /// Whether the store took it.
        result: Result<(), String>,
    },
    /// A peer appeared, changed, or went missing (`None`).
    Peer {
        /// Who.
        node: NodeName,
        /// How it counts now.
        standing: Option<Standing>,
    },
    /// The cooldown was looked at.
    Cooldown {
        /// When.
        half: Half,
        /// The message while it runs.
        active: Option<String>,
    },
    /// This node's fence started a cooldown.
    CooldownStarted {
        /// For how long, in seconds.
        secs: u64,
    },
    /// A cooldown that this node saw has ended.
    CooldownCleared,
    /// A claim is tried.
    ClaimTried {
        /// Which try for this need.
        attempt: u32,
    },
    /// The claim was answered.
    Claimed(Ending),
    /// The next try is later.
    BackedOff {
        /// By how much, in milliseconds.
        delay_ms: u64,
    },
    /// The hold was released, or could not be.
    Released(Ending),
    /// A step of the hold's life.
    Step {
        /// Its name: `draining`, `fenced`, `command_issued`, `returned` …
        name: &'static str,
        /// For people.
        message: String,
    },
    /// The group has other slots than the configuration names.
    OtherMax {
        /// Which group.
        group: GroupName,
        /// Its slots, which count.
        max: u32,
        /// Those of the configuration.
        written: u32,
    },
    /// Something went wrong that the agent outlives.
    Trouble {
        /// What.
        what: &'static str,
        /// Why, and what to do.
        error: String,
    },
    /// The settings were replaced, or not.
    Reloaded(Result<(), String>),
    /// A pass ended.
    Outcome {
        /// How.
        report: Report,
        /// Whether it differs from the one before.
        is_new: bool,
    },
}
