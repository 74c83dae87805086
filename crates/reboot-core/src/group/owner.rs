//! The transitions that only a hold's own node may ask for.

use super::applied::{Applied, Reply, Side};
use super::pause::{refuse_held_back, refuse_pause};
use crate::boot::BootIdentity;
use crate::group::{Action, Facts, Hold, Identity, Owner, Phase, Refusal, Request, Way};
use crate::id::{NodeName, SessionId};
use crate::mutation::Mutation;
use crate::undo::Undo;

/// Applies a drain, fence, return, release or adopt.
pub(super) fn apply(next: &mut Applied, request: &Request, facts: &Facts) -> Result<(), Refusal> {
    let Some(owner) = owner_of(&request.action) else {
        return Ok(());
    };
    let at = position(next, owner)?;
    if next.group.holds[at].last_request == request.id {
        next.reply = held(&next.group.holds[at]);
        return Ok(());
    }
    refuse_stranger(&next.group.holds[at], owner)?;
    match &request.action {
        Action::Drain {
            undo,
            deadline_secs,
            ..
        } => drain(next, at, undo, *deadline_secs)?,
        Action::Fence {
            boot,
            max_reboots_per_day,
            deadline_secs,
            ..
        } => {
            let gates = FenceGates {
                boot,
                max_per_day: *max_reboots_per_day,
                facts,
            };
            fence(next, at, &gates, *deadline_secs)?;
        }
        Action::Return {
            boot,
            deadline_secs,
            ..
        } => {
            return_(next, at, boot, *deadline_secs, facts)?;
        }
        Action::Release {
            boot, way, undone, ..
        } => {
            refuse_release(&next.group.holds[at], boot, *way, undone, facts)?;
            release(next, at, request, *way);
            return Ok(());
        }
        Action::Adopt {
            identity,
            session,
            return_within_secs,
            ..
        } => {
            adopt(next, at, identity, session, facts)?;
            if let Some(secs) = return_within_secs {
                return_(next, at, &identity.boot, *secs, facts)?;
            }
        }
        _ => {}
    }
    next.group.holds[at].last_request = request.id.clone();
    next.reply = held(&next.group.holds[at]);
    let hold = next.group.holds[at].clone();
    next.note(&request.at, request.action.verb(), Some(&hold), "");
    if is_return_too(&request.action) {
        next.note(&request.at, "return", Some(&hold), "");
    }
    Ok(())
}

fn is_return_too(action: &Action) -> bool {
    let Action::Adopt {
        return_within_secs, ..
    } = action
    else {
        return false;
    };
    return_within_secs.is_some()
}

fn owner_of(action: &Action) -> Option<&Owner> {
    match action {
        Action::Drain { owner, .. }
        | Action::Fence { owner, .. }
        | Action::Return { owner, .. }
        | Action::Release { owner, .. }
        | Action::Adopt { owner, .. } => Some(owner),
        Action::Claim(_)
        | Action::Admit(_)
        | Action::Steady { .. }
        | Action::Break { .. }
        | Action::SetMax { .. }
        | Action::Pause(_)
        | Action::Resume { .. }
        | Action::HoldBack { .. }
        | Action::LetGo { .. } => None,
    }
}

fn held(hold: &Hold) -> Reply {
    Reply::Held {
        number: hold.number,
        phase: hold.phase,
    }
}

fn position(next: &Applied, owner: &Owner) -> Result<usize, Refusal> {
    let is_it = |hold: &Hold| hold.number == owner.number && hold.node == owner.node;
    next.group
        .holds
        .iter()
        .position(is_it)
        .ok_or_else(|| Refusal::HoldGone {
            node: owner.node.clone(),
            number: owner.number,
        })
}

fn refuse_stranger(hold: &Hold, owner: &Owner) -> Result<(), Refusal> {
    if hold.instance != owner.instance || hold.guest.is_some() {
        return Err(Refusal::NotOwner {
            node: hold.node.clone(),
            number: hold.number,
        });
    }
    if hold.phase != owner.expects {
        return Err(wrong_phase(hold));
    }
    Ok(())
}

fn wrong_phase(hold: &Hold) -> Refusal {
    Refusal::WrongPhase {
        number: hold.number,
        phase: hold.phase,
    }
}

fn drain(next: &mut Applied, at: usize, undo: &Undo, secs: u64) -> Result<(), Refusal> {
    let hold = &mut next.group.holds[at];
    match hold.phase {
        Phase::Claimed | Phase::Draining => {}
        Phase::Rebooting | Phase::Returned => return Err(wrong_phase(hold)),
    }
    hold.phase = Phase::Draining;
    hold.undo.merge(undo);
    let number = hold.number;
    next.sides.push(Side::StartDeadline { number, secs });
    Ok(())
}

struct FenceGates<'a> {
    boot: &'a BootIdentity,
    max_per_day: u32,
    facts: &'a Facts,
}

fn fence(next: &mut Applied, at: usize, gates: &FenceGates, secs: u64) -> Result<(), Refusal> {
    let hold = &next.group.holds[at];
    refuse_conflict(hold, gates.facts)?;
    if hold.boot.differs_from(gates.boot) {
        return Err(Refusal::OtherBoot {
            node: hold.node.clone(),
        });
    }
    refuse_pause(&next.group, gates.facts)?;
    refuse_held_back(&next.group, &hold.node)?;
    let is_again = match hold.phase {
        Phase::Claimed | Phase::Draining => false,
        Phase::Rebooting => true, // the second try of a command that did not end this boot
        Phase::Returned => return Err(wrong_phase(hold)),
    };
    if !is_again {
        refuse_too_soon(&hold.node, gates.facts, gates.max_per_day)?;
    }
    let (number, node, interval) = (hold.number, hold.node.clone(), hold.interval_secs);
    next.group.holds[at].phase = Phase::Rebooting;
    next.group.holds[at].fenced = true;
    match is_again {
        true => next.sides.push(Side::StartDeadline { number, secs }),
        false => next.fenced(&node, number, interval, secs, gates.max_per_day),
    }
    Ok(())
}

/// Refused while a cooldown runs, and for a node that was rebooted too often in a day.
pub(super) fn refuse_too_soon(
    node: &NodeName,
    facts: &Facts,
    max_per_day: u32,
) -> Result<(), Refusal> {
    if let Some(cooldown) = &facts.cooldown {
        return Err(Refusal::CooldownRunning {
            node: cooldown.node.clone(),
            duration_secs: cooldown.duration_secs,
            left_ms: cooldown.remaining_ms,
        });
    }
    if facts.marks >= max_per_day {
        return Err(Refusal::DailyCap {
            node: node.clone(),
            marks: facts.marks,
            max: max_per_day,
        });
    }
    Ok(())
}

fn refuse_conflict(hold: &Hold, facts: &Facts) -> Result<(), Refusal> {
    if facts.identity_conflict() {
        return Err(Refusal::IdentityConflict {
            node: hold.node.clone(),
        });
    }
    Ok(())
}

fn return_(
    next: &mut Applied,
    at: usize,
    boot: &BootIdentity,
    secs: u64,
    facts: &Facts,
) -> Result<(), Refusal> {
    let hold = &mut next.group.holds[at];
    match hold.phase {
        Phase::Draining | Phase::Rebooting | Phase::Returned => {}
        Phase::Claimed => return Err(wrong_phase(hold)),
    }
    refuse_unreturned(hold, boot, facts)?;
    hold.phase = Phase::Returned;
    let number = hold.number;
    next.sides.push(Side::StartDeadline { number, secs });
    Ok(())
}

fn refuse_unreturned(hold: &Hold, boot: &BootIdentity, facts: &Facts) -> Result<(), Refusal> {
    if !hold.boot.differs_from(boot) && !Mutation::BootIgnored.is_on() {
        return Err(Refusal::SameBoot {
            node: hold.node.clone(),
        });
    }
    if facts.is_boot_present(&hold.boot) {
        return Err(Refusal::FormerAlive {
            node: hold.node.clone(),
        });
    }
    refuse_conflict(hold, facts)
}

fn refuse_release(
    hold: &Hold,
    boot: &BootIdentity,
    way: Way,
    undone: &Undo,
    facts: &Facts,
) -> Result<(), Refusal> {
    refuse_conflict(hold, facts)?;
    match (way, hold.phase) {
        (Way::GivenBack, Phase::Claimed) => {}
        (Way::NeverIssued, Phase::Draining | Phase::Rebooting) => {
            if hold.boot.differs_from(boot) {
                return Err(Refusal::OtherBoot {
                    node: hold.node.clone(),
                });
            }
        }
        (Way::Returned, Phase::Returned) => refuse_unreturned(hold, boot, facts)?,
        (Way::GivenBack, _) | (Way::NeverIssued, _) | (Way::Returned, _) => {
            return Err(wrong_phase(hold));
        }
    }
    let left = hold.undo.left_after(undone);
    if !left.is_empty() {
        let left = left.newest_first().map(str::to_owned).collect();
        return Err(Refusal::NotUndone {
            node: hold.node.clone(),
            left,
        });
    }
    Ok(())
}

fn release(next: &mut Applied, at: usize, request: &Request, way: Way) {
    let hold = next.group.holds.remove(at);
    next.sides.push(Side::EndDeadline {
        number: hold.number,
    });
    if way == Way::Returned && !hold.fenced && hold.interval_secs > 0 {
        let (node, secs) = (hold.node.clone(), hold.interval_secs);
        next.sides.push(Side::StartCooldown { node, secs });
    }
    let detail = match way {
        Way::GivenBack => "given back",
        Way::Returned => "returned",
        Way::NeverIssued => "never issued",
    };
    next.note(&request.at, "release", Some(&hold), detail);
    next.reply = Reply::Released;
}

fn adopt(
    next: &mut Applied,
    at: usize,
    identity: &Identity,
    session: &SessionId,
    facts: &Facts,
) -> Result<(), Refusal> {
    let hold = &mut next.group.holds[at];
    if hold.machine_id != identity.machine_id && !Mutation::CloneMayAct.is_on() {
        return Err(Refusal::OtherMachine {
            node: hold.node.clone(),
            number: hold.number,
        });
    }
    refuse_conflict(hold, facts)?;
    if facts.is_present(&hold.instance) {
        return Err(Refusal::FormerAlive {
            node: hold.node.clone(),
        });
    }
    if !facts.sessions.contains(session) {
        return Err(Refusal::SessionEnded);
    }
    hold.instance = identity.instance.clone();
    hold.session = session.clone();
    Ok(())
}
