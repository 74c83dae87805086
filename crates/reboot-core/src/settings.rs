//! What an agent is told: the checked configuration, as far as the rules ask.

use crate::backoff::Backoff;
use crate::group::Identity;
use crate::id::{GroupName, Instance};
use crate::policy::Policies;
use crate::window::Windows;
use jiff::tz::TimeZone;
use std::hash::{Hash, Hasher};

/// A time zone that can be compared and hashed by its name.
#[derive(Clone, Debug)]
pub struct Zone {
    /// Its IANA name, or what stands for it.
    pub name: String,
    /// Its rules.
    pub rules: TimeZone,
}

/// What kind of run this is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Mode {
    /// For good.
    Daemon,
    /// One diagnostic pass: never queues, never reboots, always gives the slot back.
    Diagnostic {
        /// Do not run the health script.
        skip_health: bool,
        /// Do not claim, and look at neither peers nor policies.
        skip_lock: bool,
        /// Publish the health record.
        publishes: bool,
    },
}

/// The settings of one agent. Durations are milliseconds unless the name says otherwise.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Settings {
    /// Who it is.
    pub identity: Identity,
    /// Its process, for people.
    pub pid: u32,
    /// The store it uses, for people and to tell one from another.
    pub place: String,
    /// The group whose slots it uses.
    pub group: GroupName,
    /// The slots a missing group is created with.
    pub max: u32,
    /// The slots that the configuration names; `None` where it names none and any number is fine.
    pub max_as_written: Option<u32>,
    /// Daemon or diagnostic pass.
    pub mode: Mode,
    /// Never go past `claimed`.
    pub is_dry_run: bool,
    /// A former run on this node that is proven dead: its lock was free, in this boot.
    pub dead_former: Option<Instance>,
    /// Between passes.
    pub check_interval_ms: u64,
    /// Between refreshes of the health record.
    pub publish_interval_ms: u64,
    /// How long a health record counts as fresh.
    pub stale_after_ms: u64,
    /// How long the session (claim, ticket, presence) lasts unrenewed.
    pub lock_ttl_ms: u64,
    /// The net under every wake-up.
    pub audit_interval_ms: u64,
    /// Between tries after a failure.
    pub backoff: Backoff,
    /// The cooldown this node's fence starts, in seconds; 0 is none.
    pub interval_secs: u64,
    /// How long the machine may take to go down, or to come back.
    pub reboot_timeout_ms: u64,
    /// How long one hook may take.
    pub hook_timeout_ms: u64,
    /// Healthy for so long before the release.
    pub soak_ms: u64,
    /// Notice to users before the fence.
    pub delay_ms: u64,
    /// The node's daily cap.
    pub max_reboots_per_day: u32,
    /// When reboots may happen.
    pub windows: Windows,
    /// In which zone.
    pub zone: Zone,
    /// The cluster's thresholds.
    pub policies: Policies,
}

// === impl Zone ===

impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Zone {}

impl Hash for Zone {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl Zone {
    /// Coordinated universal time.
    pub fn utc() -> Self {
        Self {
            name: "UTC".to_owned(),
            rules: TimeZone::UTC,
        }
    }
}

// === impl Mode ===

impl Mode {
    /// Whether this run is for good.
    pub fn is_daemon(self) -> bool {
        self == Self::Daemon
    }

    /// Whether the health script is left out.
    pub fn skips_health(self) -> bool {
        matches!(
            self,
            Self::Diagnostic {
                skip_health: true,
                ..
            }
        )
    }

    /// Whether nothing is claimed.
    pub fn skips_lock(self) -> bool {
        matches!(
            self,
            Self::Diagnostic {
                skip_lock: true,
                ..
            }
        )
    }

    /// Whether health records are published.
    pub fn publishes(self) -> bool {
        !matches!(
            self,
            Self::Diagnostic {
                publishes: false,
                ..
            }
        )
    }
}

// === impl Settings ===

impl Settings {
    /// After how many seconds a hold with so many hooks to run counts as overdue.
    pub fn drain_deadline_secs(&self, hooks: usize) -> u64 {
        let hooks_ms = self.hook_timeout_ms.saturating_mul(2 * hooks as u64);
        (self
            .reboot_timeout_ms
            .saturating_add(hooks_ms)
            .saturating_add(self.delay_ms))
            / 1000
    }

    /// After how many seconds a fenced hold counts as overdue.
    pub fn reboot_deadline_secs(&self) -> u64 {
        (self.reboot_timeout_ms / 1000).max(1)
    }

    /// After how many seconds a returned hold counts as overdue.
    pub fn return_deadline_secs(&self) -> u64 {
        (self.reboot_timeout_ms.saturating_add(self.soak_ms) / 1000).max(1)
    }

    /// What of `next` cannot be taken over while a slot is held, or at all while running.
    pub fn refuse_reload(&self, next: &Self, is_holding: bool) -> Result<(), String> {
        if self.identity.node != next.identity.node {
            return Err("node_name cannot change while running: restart the daemon".to_owned());
        }
        if is_holding && self.group != next.group {
            return Err("group cannot change while this node holds a slot".to_owned());
        }
        Ok(())
    }
}
