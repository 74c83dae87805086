//! The one door to a group record: read, apply, compare-and-swap is all that a store does.

use super::{operator, owner};
use crate::group::{Action, Claim, FORMAT_VERSION, Facts, Group, Hold, KNOWN_FEATURES, Phase};
use crate::group::{Refusal, Request};
use crate::id::NodeName;
use crate::undo::Undo;
use serde::{Deserialize, Serialize};
use serde_json::Map;

/// What a granted request answers.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Reply {
    /// The hold as it stands now.
    Held {
        /// Its number.
        number: u64,
        /// Its phase.
        phase: Phase,
    },
    /// The hold has ended.
    Released,
    /// An operator ended this hold.
    Broken(Box<Hold>),
    /// The number of slots, before and after.
    MaxChanged {
        /// Before.
        old: u32,
        /// After.
        new: u32,
    },
    /// Nothing more to say.
    Done,
}

/// What must be committed together with the record.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Side {
    /// Start the group's cooldown.
    StartCooldown {
        /// Whose fence.
        node: NodeName,
        /// For how long, in seconds.
        secs: u64,
    },
    /// (Re)start the timer after which a durable hold is overdue.
    StartDeadline {
        /// Which hold.
        number: u64,
        /// For how long, in seconds.
        secs: u64,
    },
    /// The hold is gone, and its timer with it.
    EndDeadline {
        /// Which hold.
        number: u64,
    },
    /// Count a reboot of this node for a day.
    MarkReboot {
        /// Who.
        node: NodeName,
    },
    /// What a broken hold leaves to be undone moves to the node's own record.
    OweUndo {
        /// Who.
        node: NodeName,
        /// What.
        undo: Undo,
    },
    /// A line for the history.
    History(HistoryEntry),
}

/// A line of a group's history.
#[derive(Clone, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// When, for people (RFC 3339).
    pub at: String,
    /// What happened: the verb of the action, or `expire` for a claim whose lease ended.
    pub event: String,
    /// To whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeName>,
    /// To which hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    /// More, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

/// A granted request: the next record, and all that belongs into the same commit.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Applied {
    /// The next record.
    pub group: Group,
    /// The answer.
    pub reply: Reply,
    /// What else the commit holds.
    pub sides: Vec<Side>,
}

/// Applies a request to a group by the rules. Pure; the store commits the result only if the
/// record and the facts are still the same, and else reads and applies again.
pub fn apply(group: &Group, request: &Request, facts: &Facts) -> Result<Applied, Refusal> {
    refuse_unknown_features(group)?;
    let (swept, dead) = group.swept(facts);
    let mut next = Applied {
        group: swept,
        reply: Reply::Done,
        sides: Vec::new(),
    };
    for hold in &dead {
        next.note(&request.at, "expire", Some(hold), "its lease ended");
    }
    match &request.action {
        Action::Claim(claim) => next.claim(request, claim, facts)?,
        Action::Drain { .. }
        | Action::Fence { .. }
        | Action::Return { .. }
        | Action::Release { .. }
        | Action::Adopt { .. } => owner::apply(&mut next, request, facts)?,
        Action::Break { .. } | Action::SetMax { .. } | Action::Pause(_) | Action::Resume { .. } => {
            operator::apply(&mut next, request)?;
        }
    }
    next.group.version = next.group.version.max(FORMAT_VERSION);
    Ok(next)
}

fn refuse_unknown_features(group: &Group) -> Result<(), Refusal> {
    let unknown = |feature: &&String| !KNOWN_FEATURES.contains(&feature.as_str());
    match group.features.iter().find(unknown) {
        Some(feature) => Err(Refusal::UnknownFeature {
            feature: feature.clone(),
        }),
        None => Ok(()),
    }
}

/// Refused while an operator stopped the group or the fleet.
pub(super) fn refuse_pause(group: &Group, facts: &Facts) -> Result<(), Refusal> {
    let pause = |text: String| Err(Refusal::Paused { reason: text });
    for (what, stop) in [("the fleet", &facts.pause), ("the group", &group.pause)] {
        if let Some(stop) = stop {
            return pause(format!("{} paused {what}: {}", stop.by, stop.reason));
        }
    }
    if group.max == 0 {
        return pause("the group has no slots (max is 0)".to_owned());
    }
    Ok(())
}

// === impl Applied ===

impl Applied {
    fn claim(&mut self, request: &Request, claim: &Claim, facts: &Facts) -> Result<(), Refusal> {
        let node = &claim.identity.node;
        if let Some(hold) = self.group.hold_of(node) {
            if hold.last_request == request.id {
                self.reply = Reply::Held {
                    number: hold.number,
                    phase: hold.phase,
                };
                return Ok(());
            }
            return Err(Refusal::AlreadyHolds {
                node: node.clone(),
                number: hold.number,
                phase: hold.phase,
            });
        }
        refuse_claim(&self.group, claim, facts)?;
        self.group.generation += 1;
        let hold = Hold {
            number: self.group.generation,
            node: node.clone(),
            machine_id: claim.identity.machine_id.clone(),
            instance: claim.identity.instance.clone(),
            session: claim.session.clone(),
            phase: Phase::Claimed,
            boot: claim.identity.boot.clone(),
            fenced: false,
            need: claim.need.clone(),
            pid: claim.pid,
            acquired_at: request.at.clone(),
            interval_secs: claim.interval_secs,
            undo: Undo::default(),
            last_request: request.id.clone(),
            extra: Map::new(),
        };
        self.reply = Reply::Held {
            number: hold.number,
            phase: hold.phase,
        };
        self.note(&request.at, "claim", Some(&hold), "");
        self.group.holds.push(hold);
        Ok(())
    }

    /// Writes a line of history.
    pub(super) fn note(&mut self, at: &str, event: &str, hold: Option<&Hold>, detail: &str) {
        self.sides.push(Side::History(HistoryEntry {
            at: at.to_owned(),
            event: event.to_owned(),
            node: hold.map(|hold| hold.node.clone()),
            number: hold.map(|hold| hold.number),
            detail: detail.to_owned(),
        }));
    }
}

fn refuse_claim(group: &Group, claim: &Claim, facts: &Facts) -> Result<(), Refusal> {
    let node = &claim.identity.node;
    if facts.identity_conflict() {
        return Err(Refusal::IdentityConflict { node: node.clone() });
    }
    if let Some(elsewhere) = &facts.holds_in {
        return Err(Refusal::HoldsElsewhere {
            node: node.clone(),
            group: elsewhere.clone(),
        });
    }
    refuse_pause(group, facts)?;
    if !facts.sessions.contains(&claim.session) {
        return Err(Refusal::SessionEnded);
    }
    if claim.diagnostic && facts.others_waiting > 0 {
        return Err(Refusal::OthersWait {
            waiting: facts.others_waiting,
        });
    }
    if group.free() == 0 {
        let holders = group.holds.iter().map(|hold| hold.node.clone()).collect();
        return Err(Refusal::Full {
            max: group.max,
            holders,
        });
    }
    let unfenced = group.holds.iter().find(|hold| !hold.fenced);
    match unfenced {
        Some(hold) if claim.interval_secs > 0 => Err(Refusal::UnfencedHolder {
            node: hold.node.clone(),
        }),
        _ => Ok(()),
    }
}
