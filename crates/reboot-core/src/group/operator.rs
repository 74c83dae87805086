//! What operators may do to a group. All of it is recorded.

use super::applied::{Applied, Reply, Side};
use crate::group::{Action, HELD_BACK_MAX, MAX_SLOTS, Pause, Refusal, Request};
use crate::id::NodeName;
use crate::mutation::Mutation;

/// Applies a break, set-max, pause, resume, hold-back or let-go.
pub(super) fn apply(next: &mut Applied, request: &Request) -> Result<(), Refusal> {
    match &request.action {
        Action::Break { number, by, reason } => break_hold(next, request, *number, by, reason),
        Action::SetMax { max, by } => set_max(next, request, *max, by),
        Action::Pause(pause) => {
            let detail = format!("{}: {}", pause.by, pause.reason);
            next.group.pause = Some(pause.clone());
            next.note(&request.at, "pause", None, &detail);
            Ok(())
        }
        Action::Resume { by } => {
            next.group.pause = None;
            next.note(&request.at, "resume", None, by);
            Ok(())
        }
        Action::HoldBack { node, stop } => hold_back(next, request, node, stop),
        Action::LetGo { node, by } => {
            if next.group.held_back.remove(node).is_some() {
                next.note_of(&request.at, "let-go", node, by);
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn hold_back(
    next: &mut Applied,
    request: &Request,
    node: &NodeName,
    stop: &Pause,
) -> Result<(), Refusal> {
    let held_back = &mut next.group.held_back;
    if held_back.len() >= HELD_BACK_MAX && !held_back.contains_key(node) {
        return Err(Refusal::TooManyHeldBack);
    }
    held_back.insert(node.clone(), stop.clone());
    let detail = format!("{}: {}", stop.by, stop.reason);
    next.note_of(&request.at, "hold-back", node, &detail);
    Ok(())
}

fn break_hold(
    next: &mut Applied,
    request: &Request,
    number: u64,
    by: &str,
    reason: &str,
) -> Result<(), Refusal> {
    let at = next
        .group
        .holds
        .iter()
        .position(|hold| hold.number == number);
    let hold = next
        .group
        .holds
        .remove(at.ok_or(Refusal::NothingToBreak { number })?);
    next.sides.push(Side::EndDeadline { number });
    if !hold.undo.is_empty() && !Mutation::BreakDropsUndo.is_on() {
        let (node, undo) = (hold.node.clone(), hold.undo.clone());
        next.sides.push(Side::OweUndo { node, undo });
    }
    next.note(
        &request.at,
        "break",
        Some(&hold),
        &format!("{by}: {reason}"),
    );
    next.reply = Reply::Broken(Box::new(hold));
    Ok(())
}

fn set_max(next: &mut Applied, request: &Request, max: u32, by: &str) -> Result<(), Refusal> {
    if max > MAX_SLOTS {
        return Err(Refusal::BadMax { max });
    }
    let old = std::mem::replace(&mut next.group.max, max);
    next.note(
        &request.at,
        "set-max",
        None,
        &format!("{by}: {old} to {max}"),
    );
    next.reply = Reply::MaxChanged { old, new: max };
    Ok(())
}
