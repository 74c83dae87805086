//! Known bad designs, put back by a switch to see that the checkers catch them. The switches
//! exist only with the feature `mutations`, which no shipped build has: without it
//! [`Mutation::is_on`] is the constant `false`.

macro_rules! mutations {
    ($($(#[$doc:meta])* $variant:ident = $name:literal;)*) => {
        /// A bad design.
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub enum Mutation {
            $($(#[$doc])* $variant,)*
        }

        impl Mutation {
            /// Every one.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its name on command lines and in tables.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

mutations! {
    /// A lease ends a durable hold too.
    TtlOnTheGrant = "ttl-on-the-grant";
    /// An agent that starts takes its former run's hold for left over and releases it.
    ReleaseOnStart = "release-on-start";
    /// The command is issued under the claim, without the fence.
    NoFence = "no-fence";
    /// The cooldown is written after the fence, in a commit of its own.
    CooldownApart = "cooldown-apart";
    /// A claim whose answer is lost is taken for refused, and nobody looks.
    NoLookAfterUnknown = "no-look-after-unknown";
    /// A wake-up is taken for the grant.
    WatchDecides = "watch-decides";
    /// A machine that is back releases at once.
    NoHealthGate = "no-health-gate";
    /// What was changed is undone after the release.
    UndoAfterRelease = "undo-after-release";
    /// The store's leases and timers follow the time of day.
    WallClockTtl = "wall-clock-ttl";
    /// Each hold is an object of its own: counted in one step, written in another.
    CountManyObjects = "count-many-objects";
    /// What was seen before the claim is believed at the fence.
    NoRecheck = "no-recheck";
    /// An agent that starts is taken for a machine that has rebooted.
    BootIgnored = "boot-ignored";
    /// What was seen once is believed for ever.
    VerdictsNeverExpire = "verdicts-never-expire";
    /// A break forgets what is to be undone.
    BreakDropsUndo = "break-drops-undo";
    /// Who bears the name may act, whichever machine or boot it is.
    CloneMayAct = "clone-may-act";
}

#[cfg(feature = "mutations")]
thread_local! {
    static ON: std::cell::Cell<Option<Mutation>> = const { std::cell::Cell::new(None) };
}

// === impl Mutation ===

impl Mutation {
    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|it| it.name() == name)
    }

    /// Whether this thread runs under it.
    #[cfg(feature = "mutations")]
    pub fn is_on(self) -> bool {
        ON.get() == Some(self)
    }

    /// Whether this thread runs under it: never, in a build without the switches.
    #[cfg(not(feature = "mutations"))]
    pub const fn is_on(self) -> bool {
        false
    }

    /// Puts this thread under a bad design, or back to the rules.
    #[cfg(feature = "mutations")]
    pub fn switch(mutation: Option<Self>) {
        ON.set(mutation);
    }
}
