//! A line for every change that somebody asked for: who, from where, what, and what came of it.

use crate::doors::Who;
use http::StatusCode;
use reboot_core::group::{Action, Reply};
use reboot_core::id::{GroupName, NodeName};
use reboot_core::write::{Trouble, Write, Written};
use std::fmt;
use std::net::SocketAddr;

/// A change that somebody asked for.
#[derive(Clone, Copy, Debug)]
pub struct Deed<'a> {
    /// Who asked.
    pub who: &'a Who,
    /// From where, where that is known.
    pub from: Option<SocketAddr>,
    /// For what.
    pub write: &'a Write,
    /// What came of it.
    pub answer: Result<&'a Written, &'a str>,
}

/// A change that was refused for who asked for it.
#[derive(Clone, Copy, Debug)]
pub struct TurnedAway<'a> {
    /// Who asked; `None` when they showed nothing that is known.
    pub who: Option<&'a Who>,
    /// The name in the certificate that they showed.
    pub certificate: Option<&'a str>,
    /// From where, where that is known.
    pub from: Option<SocketAddr>,
    /// The method of the request.
    pub method: &'a str,
    /// Its path.
    pub path: &'a str,
    /// 401 or 403.
    pub status: StatusCode,
    /// Why, where the route tells.
    pub why: Option<&'a str>,
    /// How many of these were left out before this one, in a flood of them.
    pub unwritten: u64,
}

/// Is told of every change. Must not block.
pub trait Audit: Send + Sync {
    /// Somebody asked for a change, and was answered.
    fn done(&self, deed: &Deed<'_>);

    /// Somebody who may not have it asked for a change.
    fn turned_away(&self, _: &TurnedAway<'_>) {}
}

/// Keeps no record.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoAudit;

// === impl NoAudit ===

impl Audit for NoAudit {
    fn done(&self, _: &Deed<'_>) {}
}

// === impl Deed ===

impl<'a> Deed<'a> {
    /// What was done, where it may matter to anybody later: signs of life do not.
    pub fn of(
        who: &'a Who,
        from: Option<SocketAddr>,
        write: &'a Write,
        answer: &'a Result<Written, Trouble>,
    ) -> Option<Self> {
        let is_sign_of_life = matches!(
            write,
            Write::OpenSession { .. } | Write::KeepSession { .. } | Write::Publish { .. }
        );
        (!is_sign_of_life).then(|| Self {
            who,
            from,
            write,
            answer: answer.as_ref().map_err(Trouble::kind),
        })
    }

    /// What was asked for, in a word.
    pub fn verb(&self) -> &'static str {
        match self.write {
            Write::OpenSession { .. } => "open-session",
            Write::KeepSession { .. } => "keep-session",
            Write::EndSession { .. } => "end-session",
            Write::EndInstance { .. } => "end-instance",
            Write::Publish { .. } => "publish",
            Write::Forget { .. } => "forget",
            Write::Undone { .. } => "undone",
            Write::Order { .. } => "order",
            Write::EndOrder { end, .. } => end.verb(),
            Write::Join { .. } => "join",
            Write::Leave { .. } => "leave",
            Write::Ask { request, .. } => request.action.verb(),
            Write::PauseFleet { pause: Some(_), .. } => "pause-fleet",
            Write::PauseFleet { pause: None, .. } => "resume-fleet",
        }
    }

    /// In which group, where it was one.
    pub fn group(&self) -> Option<&GroupName> {
        match self.write {
            Write::Join { group, .. }
            | Write::Leave { group, .. }
            | Write::Order { group, .. }
            | Write::EndOrder { group, .. }
            | Write::Ask { group, .. } => Some(group),
            _ => None,
        }
    }

    /// Of which node, where it was one.
    pub fn node(&self) -> Option<&NodeName> {
        match self.write {
            Write::OpenSession { identity, .. } => Some(&identity.node),
            Write::Publish { record, .. } => Some(&record.node),
            Write::Forget { node }
            | Write::Undone { node, .. }
            | Write::Order { node, .. }
            | Write::EndOrder { node, .. }
            | Write::Leave { node, .. } => Some(node),
            Write::Join { ticket, .. } => Some(&ticket.node),
            Write::Ask { request, .. } => match (&request.action, self.answer) {
                (Action::HoldBack { node, .. } | Action::LetGo { node, .. }, _) => Some(node),
                (_, Ok(Written::Granted(Reply::Broken(hold)))) => Some(&hold.node),
                (action, _) => action.node(),
            },
            _ => None,
        }
    }

    /// `done`, or why not.
    pub fn outcome(&self) -> &'a str {
        self.answer.map_or_else(|kind| kind, |_| "done")
    }
}

impl fmt::Display for Deed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known_by = self.who.known_by.name();
        write!(f, "{} known by {known_by}", self.who)?;
        if let Some(from) = self.from {
            write!(f, " from {from}")?;
        }
        write!(f, ": {}", self.verb())?;
        if let Some(node) = self.node() {
            write!(f, " of {node}")?;
        }
        if let Some(group) = self.group() {
            write!(f, " in group {group}")?;
        }
        write!(f, ": {}", self.outcome())
    }
}

// === impl TurnedAway ===

impl fmt::Display for TurnedAway<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.who, self.certificate) {
            (Some(who), _) => write!(f, "{who} known by {}", who.known_by.name())?,
            (None, Some(name)) => write!(f, "somebody with the certificate of {name:?}")?,
            (None, None) => f.write_str("somebody")?,
        }
        if let Some(from) = self.from {
            write!(f, " from {from}")?;
        }
        write!(f, ": {} {}: {}", self.method, self.path, self.status)?;
        if let Some(why) = self.why {
            write!(f, ": {why}")?;
        }
        match self.unwritten {
            0 => Ok(()),
            more => write!(f, " ({more} more were not written down)"),
        }
    }
}
