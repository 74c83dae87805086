//! Label values, as types that cannot be mixed up.

macro_rules! label_values {
    ($($(#[$doc:meta])* $name:ident {
        $($(#[$value_doc:meta])* $variant:ident = $word:literal;)+
    })+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        pub enum $name {
            $($(#[$value_doc])* $variant,)+
        }

        impl $name {
            /// The label's value.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }
    )+};
}

label_values! {
    /// When in a node's life, as `RC_PHASE` has it.
    Phase {
        /// Before a slot is asked for.
        PreLock = "pre-lock";
        /// Under the slot.
        PostLock = "post-lock";
        /// No reboot is pending.
        Monitor = "monitor";
        /// Between passes.
        Heartbeat = "heartbeat";
        /// After the reboot.
        PostReboot = "post-reboot";
    }
    /// What a detector found.
    Finding {
        /// No reboot is needed.
        Clear = "clear";
        /// A reboot is needed.
        Requires = "requires";
        /// It failed.
        Error = "error";
    }
    /// What a health script said.
    Health {
        /// Go.
        Pass = "pass";
        /// Do not.
        Blocked = "blocked";
        /// It could not be run to its end.
        Error = "error";
    }
    /// How asking for a slot went.
    Claim {
        /// A slot was had.
        Success = "success";
        /// Others hold them all.
        Contended = "contended";
        /// The store failed.
        Error = "error";
        /// The try was given up.
        Canceled = "canceled";
    }
    /// How something that is done went.
    CheckResult {
        /// It was done.
        Success = "success";
        /// It failed.
        Error = "error";
    }
    /// Whether a switch or a cooldown is on.
    Switch {
        /// It is on.
        Active = "active";
        /// It is off.
        Inactive = "inactive";
        /// It could not be told.
        Error = "error";
    }
    /// What the windows say.
    WindowState {
        /// Reboots may happen now.
        Allowed = "allowed";
        /// Inside a deny window.
        Deny = "deny";
        /// Outside every allow window.
        OutsideAllow = "outside_allow";
    }
    /// What the look at the peers found.
    Reading {
        /// Nobody blocks.
        Healthy = "healthy";
        /// Somebody blocks.
        Unhealthy = "unhealthy";
        /// The records could not be read.
        Error = "error";
        /// It was left out.
        Skipped = "skipped";
    }
    /// What this node says of itself.
    HealthState {
        /// It is well.
        Healthy = "healthy";
        /// It is not.
        Unhealthy = "unhealthy";
    }
    /// How publishing went.
    Publication {
        /// It was published.
        Success = "success";
        /// There was no need to.
        Skipped = "skipped";
        /// The store failed.
        Error = "error";
    }
    /// Which way a cooldown went.
    Activity {
        /// It began.
        Started = "started";
        /// It was ended.
        Cleared = "cleared";
    }
}
