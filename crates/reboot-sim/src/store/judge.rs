//! Every commit judged by what the store knows itself, whatever the rules said of it.

use super::Store;
use crate::violation::{Promise, Violation};
use reboot_core::group::{Action, Applied, Group, Request};
use reboot_core::id::{GroupName, NodeName};
use std::collections::BTreeMap;

/// The last fence of each group: when, and for how long it keeps others off, in milliseconds.
pub(super) type Fences = BTreeMap<GroupName, (u64, u64)>;

// === impl Store ===

impl Store {
    pub(super) fn judge(
        &mut self,
        name: &GroupName,
        before: &Group,
        applied: &Applied,
        request: &Request,
    ) {
        let after = &applied.group;
        let mut found = Vec::from_iter(judge_record(before, after));
        found.extend(judge_ends(before, after, &request.action));
        found.extend(self.judge_identity(before, after, request));
        found.extend(self.judge_break(before, applied, &request.action));
        found.extend(self.judge_fence(name, before, &request.action));
        self.log.violations.extend(found);
    }

    /// I9: whoever acts is the only one of its name.
    fn judge_identity(
        &self,
        before: &Group,
        after: &Group,
        request: &Request,
    ) -> Option<Violation> {
        let is_bound = !matches!(request.action, Action::Drain { .. });
        let node = request.action.node().filter(|_| is_bound)?;
        if before.hold_of(node) == after.hold_of(node) {
            return None; // a repetition
        }
        let living = self.identities_of(node);
        let first = living.first()?;
        let differs = living
            .iter()
            .any(|it| it.machine_id != first.machine_id || it.boot.differs_from(&first.boot));
        let what = format!(
            "{node} did {} while two of its name lived",
            request.action.verb()
        );
        differs.then(|| Violation::of(Promise::I9, what))
    }

    /// I8: a break keeps the list.
    fn judge_break(&self, before: &Group, applied: &Applied, action: &Action) -> Option<Violation> {
        use reboot_core::group::Side;
        let Action::Break { number, .. } = action else {
            return None;
        };
        let broken = before.holds.iter().find(|hold| hold.number == *number)?;
        let keeps =
            |side: &Side| matches!(side, Side::OweUndo { node, .. } if *node == broken.node);
        let is_lost = !broken.undo.is_empty() && !applied.sides.iter().any(keeps);
        let what = format!(
            "the break of hold {number} forgot what {} owes",
            broken.node
        );
        is_lost.then(|| Violation::of(Promise::I8, what))
    }

    /// I6, by the store's own time.
    fn judge_fence(
        &mut self,
        name: &GroupName,
        before: &Group,
        action: &Action,
    ) -> Option<Violation> {
        let Action::Fence { owner, .. } = action else {
            return None;
        };
        let hold = before.holds.iter().find(|it| it.number == owner.number)?;
        if hold.fenced {
            return None; // the second try of the same reboot
        }
        let last = self.log.fences.get(name).copied();
        let now_ms = self.now_ms;
        let interval_ms = hold.interval_secs * 1000;
        self.log.fences.insert(name.clone(), (now_ms, interval_ms));
        let (at_ms, apart_ms) = last?;
        let what = format!(
            "{} fenced {} s after another fence that asked for {} s",
            hold.node,
            (now_ms - at_ms) / 1000,
            apart_ms / 1000
        );
        (now_ms - at_ms < apart_ms).then(|| Violation::of(Promise::I6, what))
    }
}

/// I1 and I5: the record itself.
fn judge_record(before: &Group, after: &Group) -> Option<Violation> {
    if let Err(broken) = after.check() {
        return Some(Violation::of(Promise::I9, broken.to_string()));
    }
    if after.mark() < before.mark() {
        return Some(Violation::of(Promise::I5, "the generation went back"));
    }
    let is_grant = after.generation > before.generation;
    let is_over = after.holds.len() > after.max as usize;
    let holders: Vec<&str> = after.holds.iter().map(|it| it.node.as_str()).collect();
    let what = format!("{} hold, {} may", holders.join(" and "), after.max);
    (is_grant && is_over).then(|| Violation::of(Promise::I1, what))
}

/// I3: a durable hold is ended by its own node's release or by an operator's break.
fn judge_ends(before: &Group, after: &Group, action: &Action) -> Option<Violation> {
    let is_left = |number: u64| after.holds.iter().any(|hold| hold.number == number);
    let may_end = |number: u64, node: &NodeName| match action {
        Action::Break { number: broken, .. } => *broken == number,
        Action::Release { owner, .. } => owner.number == number && owner.node == *node,
        _ => false,
    };
    let lost = before.holds.iter().find(|hold| {
        hold.phase.is_durable() && !is_left(hold.number) && !may_end(hold.number, &hold.node)
    })?;
    let what = format!(
        "the {} hold of {} ended by a {}",
        lost.phase,
        lost.node,
        action.verb()
    );
    Some(Violation::of(Promise::I3, what))
}
