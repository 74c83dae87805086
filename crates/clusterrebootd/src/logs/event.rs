//! The names of log events, in one place.

macro_rules! events {
    ($($component:literal { $($(#[$doc:meta])* $variant:ident = $name:literal;)* })*) => {
        /// What a log line is about.
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub enum Event {
            $($($(#[$doc])* $variant,)*)*
        }

        impl Event {
            /// Every event.
            pub const ALL: &'static [Self] = &[$($(Self::$variant,)*)*];

            /// The name in the log.
            pub fn name(self) -> &'static str {
                match self { $($(Self::$variant => $name,)*)* }
            }

            /// The part of the program it comes from.
            pub fn component(self) -> &'static str {
                match self { $($(Self::$variant => $component,)*)* }
            }
        }
    };
}

events! {
    // The contract: dashboards and alerts for the original rely on these.
    "orchestrator" {
        /// The kill switch was looked at.
        KillSwitch = "kill_switch";
        /// The maintenance windows were looked at.
        MaintenanceWindow = "maintenance_window";
        /// The detectors ran.
        DetectorsEvaluated = "detectors_evaluated";
        /// The health script ran.
        HealthCheck = "health_check";
        /// The peers' health was looked at.
        ClusterHealthStatus = "cluster_health_status";
        /// This node's health was published.
        ClusterHealthUpdate = "cluster_health_update";
        /// A peer appeared, changed or went missing.
        ClusterPeerStatus = "cluster_peer_status";
        /// The cooldown was looked at.
        CooldownStatus = "cooldown_status";
        /// A cooldown began.
        CooldownStarted = "cooldown_started";
        /// A cooldown ended.
        CooldownCleared = "cooldown_cleared";
        /// A slot was asked for.
        LockAttempt = "lock_attempt";
        /// The next try for a slot waits.
        LockBackoff = "lock_backoff";
        /// A slot was had.
        LockAcquired = "lock_acquired";
        /// No slot was had.
        LockFailed = "lock_failed";
        /// An operator ordered a reboot of this node.
        RebootOrdered = "reboot_ordered";
        /// An order was taken back.
        OrderCancelled = "order_cancelled";
        /// An order is over: the machine has rebooted since.
        OrderDone = "order_done";
        /// A slot was given back.
        LockReleased = "lock_released";
        /// A pass ended.
        RunOutcome = "run_outcome";
        /// The hold is durable, and the hooks begin.
        HooksStarted = "hooks_started";
        /// The fence stands: from here on the reboot is under way.
        RebootFenced = "reboot_fenced";
        /// The reboot command was issued.
        RebootIssued = "reboot_issued";
        /// The machine did not go down, or did not come back, in time.
        RebootOverdue = "reboot_overdue";
        /// The machine is back from its reboot.
        RebootReturned = "reboot_returned";
    }
    "daemon" {
        /// The daemon started.
        DaemonStarted = "daemon_started";
        /// The daemon was told to stop.
        DaemonStopping = "daemon_stopping";
        /// The configuration was read again.
        ConfigReloaded = "config_reloaded";
        /// The configuration was not taken over.
        ConfigRefused = "config_refused";
        /// The configuration is allowed, but deserves a word.
        ConfigWarning = "config_warning";
        /// The metrics listener is bound.
        MetricsListening = "metrics_listening";
        /// The store can be reached, or no longer.
        StoreStatus = "store_status";
        /// The coordination server listens.
        ServerStarted = "server_started";
        /// The coordination server sees something that an operator should know.
        ServerWarning = "server_warning";
        /// A file of secrets or certificates changed and cannot be used.
        FileRefused = "file_refused";
        /// That file can be used again.
        FileTaken = "file_taken";
        /// A client of the server was given a slot.
        SlotGranted = "slot_granted";
        /// A client of the server was given none.
        SlotRefused = "slot_refused";
        /// A client of the server said that it is back and steady.
        SlotReturned = "slot_returned";
        /// Somebody asked the server for a change, and what came of it.
        ChangeAsked = "change_asked";
        /// Somebody who may not have it asked the server for a change.
        ChangeRefused = "change_refused";
        /// A group's slots were set to what the server's configuration says.
        SlotsReconciled = "slots_reconciled";
        /// Something of the daemon failed that it outlives.
        InternalError = "internal_error";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        let mut names: Vec<&str> = Event::ALL.iter().map(|event| event.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Event::ALL.len());
    }
}
