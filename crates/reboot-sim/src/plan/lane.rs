//! What a node does over time.

use jiff::{SignedDuration, Timestamp};
use reboot_core::group::Phase;
use reboot_core::id::{GroupName, NodeName};
use reboot_core::outcome::{Outcome, Report};

/// An agent knows what it waits for after so long.
const FIRST_LOOK: SignedDuration = SignedDuration::from_secs(1);

/// What a node that holds nothing waits for.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Wait {
    /// A slot.
    Slot,
    /// Its maintenance window.
    Window,
    /// The end of the group's cooldown.
    Cooldown,
    /// Other nodes to be well.
    Peers,
    /// An operator who resumes.
    Pause,
    /// The end of a day with many reboots.
    DailyCap,
    /// Something else; the reasons tell.
    Other,
}

/// What a node does for a while.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum What {
    /// It waits.
    Waiting(Wait),
    /// It has a slot and looks at everything again.
    Claimed,
    /// It moves its work away.
    Draining,
    /// It goes down, is off or boots.
    Down,
    /// It is back and checks itself.
    Checking,
}

/// A while.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Span {
    /// What the node does.
    pub what: What,
    /// From when.
    pub from: Timestamp,
    /// Until when.
    pub to: Timestamp,
    /// What its agent said at the beginning; empty where it says nothing.
    pub says: String,
}

/// A node over time.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Lane {
    /// Who.
    pub node: NodeName,
    /// In which group.
    pub group: GroupName,
    /// What it does, one after the other without gaps.
    pub spans: Vec<Span>,
    /// When it has given its slot back; `None` when not within the horizon.
    pub done: Option<Timestamp>,
    /// When it is not done: every reason, as its agent says.
    pub blocked_by: Vec<String>,
}

// === impl Wait ===

impl Wait {
    /// A word for tables and programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Slot => "slot",
            Self::Window => "window",
            Self::Cooldown => "cooldown",
            Self::Peers => "peers",
            Self::Pause => "pause",
            Self::DailyCap => "daily_cap",
            Self::Other => "other",
        }
    }

    /// What the first reason of a report waits for.
    pub(super) fn of(report: &Report) -> Option<Self> {
        let first = report.blockers.first()?;
        Some(match first.outcome {
            Outcome::LockUnavailable => Self::Slot,
            Outcome::WindowDenied | Outcome::WindowOutsideAllow => Self::Window,
            Outcome::CooldownActive => Self::Cooldown,
            Outcome::HealthBlocked => Self::Peers,
            Outcome::Paused => Self::Pause,
            Outcome::RebootLimit => Self::DailyCap,
            _ => Self::Other,
        })
    }
}

// === impl What ===

impl What {
    /// What a holder does.
    pub(super) fn of(phase: Phase) -> Self {
        match phase {
            Phase::Claimed => Self::Claimed,
            Phase::Draining => Self::Draining,
            Phase::Rebooting => Self::Down,
            Phase::Returned => Self::Checking,
        }
    }

    /// A word for tables and programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting(_) => "waiting",
            Self::Claimed => "claimed",
            Self::Draining => "draining",
            Self::Down => "down",
            Self::Checking => "checking",
        }
    }

    /// Whether it waits.
    pub fn is_waiting(self) -> bool {
        matches!(self, Self::Waiting(_))
    }
}

// === impl Span ===

impl Span {
    /// Whether it is but the first moment of this wait, in which its agent had not looked yet.
    fn is_start_of(&self, what: What, now: Timestamp) -> bool {
        let since = now.duration_since(self.from);
        self.what.is_waiting() && what.is_waiting() && since < FIRST_LOOK
    }
}

// === impl Lane ===

impl Lane {
    pub(super) fn new(node: NodeName, group: GroupName) -> Self {
        Self {
            node,
            group,
            spans: Vec::new(),
            done: None,
            blocked_by: Vec::new(),
        }
    }

    /// From now on it does this.
    pub(super) fn enter(&mut self, what: What, now: Timestamp, says: impl FnOnce() -> String) {
        match self.spans.last_mut() {
            Some(last) if last.what == what && !last.says.is_empty() => return,
            Some(last) if last.what == what || last.is_start_of(what, now) => {
                last.what = what;
                last.says = says();
                return;
            }
            Some(last) => last.to = now,
            None => {}
        }
        self.spans.retain(|span| span.from < span.to);
        self.spans.push(Span {
            what,
            from: now,
            to: Timestamp::MAX,
            says: says(),
        });
    }

    /// The last span ends now.
    pub(super) fn close(&mut self, now: Timestamp) {
        if let Some(last) = self.spans.last_mut() {
            last.to = last.to.min(now);
        }
    }

    /// When it gets its slot, the last time.
    pub fn claims(&self) -> Option<Timestamp> {
        let mut spans = self.spans.iter().rev();
        let waiting = spans.find(|span| span.what.is_waiting());
        match waiting {
            Some(span) if self.is_served() => Some(span.to),
            Some(_) => None,
            None => self.spans.first().map(|span| span.from),
        }
    }

    /// When it goes down.
    pub fn goes_down(&self) -> Option<Timestamp> {
        let down = self.spans.iter().rev().find(|span| span.what == What::Down);
        down.map(|span| span.from)
    }

    /// What it waits for and how long each, in milliseconds, in the order in which it began.
    pub fn waits(&self) -> Vec<(Wait, u64)> {
        let mut waits: Vec<(Wait, u64)> = Vec::new();
        for span in &self.spans {
            let What::Waiting(wait) = span.what else {
                continue;
            };
            let ms = span.to.duration_since(span.from).as_millis();
            let ms = u64::try_from(ms).unwrap_or(0);
            match waits.iter_mut().find(|it| it.0 == wait) {
                Some(known) => known.1 += ms,
                None => waits.push((wait, ms)),
            }
        }
        waits
    }

    fn is_served(&self) -> bool {
        self.spans
            .last()
            .is_some_and(|span| !span.what.is_waiting())
    }
}
