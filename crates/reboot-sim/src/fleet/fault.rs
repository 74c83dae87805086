//! What strikes a fleet, and in which stage of a node's life.

macro_rules! named {
    (
        $(#[$type_doc:meta])*
        $type:ident { $($(#[$doc:meta])* $variant:ident = $name:literal,)* }
    ) => {
        $(#[$type_doc])*
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub enum $type {
            $($(#[$doc])* $variant,)*
        }

        impl $type {
            /// Every one.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its name in tables and stories.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.name())
            }
        }
    };
}

named! {
    /// Where in its life a node is.
    Stage {
        /// No hold, no place in line.
        Idle = "idle",
        /// In line.
        Queued = "queued",
        /// The claim is asked for and not answered.
        ClaimInFlight = "claim in flight",
        /// It has a slot; nothing is disturbed.
        Claimed = "claimed",
        /// It is being prepared.
        Draining = "draining",
        /// The fence is asked for and not answered.
        FenceInFlight = "fence in flight",
        /// Past the fence, still up.
        Issued = "issued, still up",
        /// Off.
        Down = "down",
        /// Up again, not yet released.
        Back = "back, not yet healthy",
        /// The release is asked for and not answered.
        ReleaseInFlight = "release in flight",
    }
}

named! {
    /// What strikes.
    Strike {
        /// The agent is killed, and started again.
        AgentKilled = "agent killed",
        /// The power is lost, and comes back.
        PowerLost = "power lost",
        /// Nothing gets through to the store, nor back.
        CutBothWays = "partition, both ways",
        /// Requests are lost.
        RequestsCut = "partition, requests only",
        /// Replies are lost.
        RepliesCut = "partition, replies only",
        /// A commit is done and its reply is lost.
        ReplyLost = "commit done, reply lost",
        /// A request is given up, and committed after the next action.
        RequestLate = "reply later than the next action",
        /// The process stands still past its lease.
        PausedPastLease = "process paused past the lease",
        /// The process stands still for a day.
        PausedForADay = "process paused for a day",
        /// The store is gone for a while: its leader changes.
        LeaderChanged = "store leader change",
        /// The store restarts and arms every lease anew.
        StoreRestarted = "store restart",
        /// The store is put back from a backup.
        StoreRestored = "store restored from a backup",
        /// A wake-up is lost.
        WakeLost = "watch lost",
        /// A wake-up comes twice, and out of the blue.
        WakeTwice = "watch duplicated",
        /// The node's time of day jumps by a day.
        NodeClockJumps = "node's clock jumps a day",
        /// The store's time of day jumps by a day.
        StoreClockJumps = "store's clock jumps a day",
        /// The node's boot-time clock runs ten times as fast.
        ClockFast = "node's clock at ten times the rate",
        /// The node's boot-time clock runs at a tenth of its rate.
        ClockSlow = "node's clock at a tenth of the rate",
        /// The reboot command does nothing, or fails.
        CommandFails = "command fails",
        /// The reboot command takes effect late.
        CommandDelayed = "command is delayed",
        /// A user's inhibitor is held, or the command cannot be started.
        CommandInhibited = "command is inhibited",
        /// The need vanishes.
        SentinelVanishes = "sentinel vanishes",
        /// The need vanishes and reappears.
        SentinelReappears = "sentinel reappears",
        /// The system restarts above the same kernel.
        SoftReboot = "soft reboot",
        /// The machine comes back with an older disk.
        RolledBack = "snapshot rollback",
        /// Another machine takes the node's name.
        Cloned = "cloned node",
        /// The node takes another name.
        Renamed = "renamed node",
        /// The node is installed anew.
        Reimaged = "re-imaged node",
        /// A second agent is started, and the local lock keeps it out.
        SecondAgent = "two agents on one node",
        /// A second agent is started where the state directory, and the lock in it, is lost.
        SecondAgentLockLost = "two agents, lock lost",
        /// The agent is stopped and another version started.
        Upgraded = "agent upgraded",
        /// An operator breaks the node's hold.
        Broken = "operator breaks",
        /// An operator changes the number of slots.
        MaxChanged = "operator changes max",
        /// Somebody deletes the group's record.
        GroupDeleted = "operator deletes the group",
        /// An operator pauses the group or the fleet.
        Paused = "operator pauses",
        /// The kill switch is set.
        KillSwitch = "kill switch set",
        /// The health script says no.
        Ill = "health script says no",
        /// Hooks fail: an eviction is refused, the API is down.
        HooksFail = "hooks fail",
        /// Hooks hang.
        HooksHang = "hooks hang",
        /// The node's disk is full.
        DiskFull = "disk full",
    }
}

/// Why this never strikes in that stage; `None` when it can.
pub fn impossible(stage: Stage, strike: Strike) -> Option<&'static str> {
    use Stage as S;
    use Strike as F;
    match (stage, strike) {
        (
            S::Down,
            F::AgentKilled
            | F::PowerLost
            | F::PausedPastLease
            | F::PausedForADay
            | F::SoftReboot
            | F::SecondAgent
            | F::SecondAgentLockLost
            | F::Upgraded
            | F::ClockFast
            | F::ClockSlow
            | F::DiskFull,
        ) => Some("nothing runs on a machine that is off"),
        (S::Down, F::ReplyLost | F::RequestLate | F::WakeLost | F::WakeTwice) => {
            Some("no agent asks or waits")
        }
        (S::Down | S::Back, F::CommandFails | F::CommandDelayed | F::CommandInhibited) => {
            Some("the command has had its effect")
        }
        (S::Down, F::SentinelVanishes | F::SentinelReappears) => {
            Some("nobody looks at the detectors")
        }
        (S::Idle | S::Queued, F::Broken) => Some("there is no hold to break"),
        (
            S::Idle
            | S::ClaimInFlight
            | S::Claimed
            | S::Draining
            | S::FenceInFlight
            | S::Issued
            | S::ReleaseInFlight,
            F::WakeLost,
        ) => Some("only who is in line, or back, waits for a wake-up"),
        _ => None,
    }
}
