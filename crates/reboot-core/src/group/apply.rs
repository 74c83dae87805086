//! The one door to a group record: read, apply, compare-and-swap is all that a store does.

use super::applied::{Applied, Reply};
use super::pause::{refuse_held_back, refuse_pause};
use super::{operator, owner};
use crate::group::{Action, Claim, FORMAT_VERSION, Facts, Group, Hold, KNOWN_FEATURES, Phase};
use crate::group::{Refusal, Request};
use crate::id::NodeName;
use crate::undo::Undo;
use serde_json::Map;

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
    if group.pause.is_some() && next.group.pause.is_none() {
        next.note(&request.at, "resume", None, "the pause's time was over");
    }
    for node in group.held_back.keys() {
        if !next.group.held_back.contains_key(node) {
            next.note_of(&request.at, "let-go", node, "the time was over");
        }
    }
    match &request.action {
        Action::Claim(claim) => next.claim(request, claim, facts)?,
        Action::Admit(guest) => next.admit(request, guest, facts)?,
        Action::Steady { node, id } => next.steady(request, node, id.as_ref()),
        Action::Drain { .. }
        | Action::Fence { .. }
        | Action::Return { .. }
        | Action::Release { .. }
        | Action::Adopt { .. } => owner::apply(&mut next, request, facts)?,
        Action::Break { .. }
        | Action::SetMax { .. }
        | Action::Pause(_)
        | Action::Resume { .. }
        | Action::HoldBack { .. }
        | Action::LetGo { .. } => operator::apply(&mut next, request)?,
    }
    next.group.version = next.group.version.max(FORMAT_VERSION);
    Ok(next)
}

fn refuse_unknown_features(group: &Group) -> Result<(), Refusal> {
    match group.unknown_feature() {
        Some(feature) => Err(Refusal::UnknownFeature {
            feature: feature.to_owned(),
        }),
        None => Ok(()),
    }
}

// === impl Group ===

impl Group {
    /// A feature that this version does not know. A record that has one is not written.
    pub fn unknown_feature(&self) -> Option<&str> {
        let features = self.features.iter().map(String::as_str);
        let mut unknown = features.filter(|feature| !KNOWN_FEATURES.contains(feature));
        unknown.next()
    }
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
            guest: None,
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
}

fn refuse_claim(group: &Group, claim: &Claim, facts: &Facts) -> Result<(), Refusal> {
    let node = &claim.identity.node;
    if facts.identity_conflict() {
        return Err(Refusal::IdentityConflict { node: node.clone() });
    }
    refuse_elsewhere(node, facts)?;
    refuse_pause(group, facts)?;
    refuse_held_back(group, node)?;
    if !facts.sessions.contains(&claim.session) {
        return Err(Refusal::SessionEnded);
    }
    if claim.diagnostic && facts.others_waiting > 0 {
        return Err(Refusal::OthersWait {
            waiting: facts.others_waiting,
        });
    }
    refuse_full(group, facts)?;
    refuse_unfenced(group, claim.interval_secs)
}

/// One hold a node.
pub(super) fn refuse_elsewhere(node: &NodeName, facts: &Facts) -> Result<(), Refusal> {
    match &facts.holds_in {
        Some(group) => Err(Refusal::HoldsElsewhere {
            node: node.clone(),
            group: group.clone(),
        }),
        None => Ok(()),
    }
}

/// Refused while every slot is taken.
pub(super) fn refuse_full(group: &Group, facts: &Facts) -> Result<(), Refusal> {
    if group.free() > facts.foreign.len() {
        return Ok(());
    }
    let held = group.holds.iter().map(|hold| &hold.node);
    let holders = held.chain(&facts.foreign).cloned().collect();
    Err(Refusal::Full {
        max: group.max,
        holders,
    })
}

/// With a cooldown, one after another: whoever holds must have started its own.
pub(super) fn refuse_unfenced(group: &Group, interval_secs: u64) -> Result<(), Refusal> {
    match group.holds.iter().find(|hold| !hold.fenced) {
        Some(hold) if interval_secs > 0 => Err(Refusal::UnfencedHolder {
            node: hold.node.clone(),
        }),
        _ => Ok(()),
    }
}
