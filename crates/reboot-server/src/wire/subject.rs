//! What can change between two looks, cut so that whoever waits in a line is woken by the one
//! before it, and only the first by all that may open its way.

use reboot_core::fleet::{Fleet, GroupEntry};
use reboot_core::group::{Cooldown, Reply};
use reboot_core::id::{GroupName, NodeName};
use reboot_core::write::{Write, Written};
use reboot_store::Interest;
use std::collections::{BTreeMap, BTreeSet};

/// Something of which somebody may want to hear.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(super) enum Subject {
    /// A node's leases, marks and holds.
    Own(NodeName),
    /// What is ordered of a node.
    Order(NodeName),
    /// A place in a group's line, taken or left.
    Ticket(GroupName, NodeName),
    /// What the first of a group's line waits for.
    Front(GroupName),
    /// What the first of each line waits for.
    Fronts,
    /// A group's record.
    Record(GroupName),
    /// Anything but renewals.
    Anything,
}

/// What somebody who waits for this must hear of, as things are now.
pub(super) fn subjects_of(interest: &Interest, fleet: &Fleet) -> Vec<Subject> {
    let (group, node) = match interest {
        Interest::Everything => return vec![Subject::Anything],
        Interest::Order { node, .. } => return vec![Subject::Order(node.clone())],
        Interest::Slot { group, node } => (group, node),
    };
    let mut subjects = vec![Subject::Own(node.clone()), Subject::Order(node.clone())];
    let entry = fleet.groups.get(group);
    if entry.is_some_and(|entry| entry.group.hold_of(node).is_some()) {
        subjects.push(Subject::Record(group.clone()));
        return subjects;
    }
    match entry.and_then(|entry| before(entry, node)) {
        Some(before) => subjects.push(Subject::Ticket(group.clone(), before.clone())),
        None => subjects.extend([Subject::Front(group.clone()), Subject::Fronts]),
    }
    subjects
}

/// Behind whom a node stands; behind the last, when it does not wait yet.
fn before<'a>(entry: &'a GroupEntry, node: &NodeName) -> Option<&'a NodeName> {
    let tickets = entry.line.tickets();
    let ahead = entry.line.ahead_of(node).unwrap_or(tickets.len());
    Some(&tickets[ahead.checked_sub(1)?].node)
}

/// What a write that was just committed frees, as far as it tells by itself. A look finds the rest,
/// and takes its time in a large fleet.
pub(super) fn freed_by(write: &Write, written: &Written) -> Vec<Subject> {
    match (write, written) {
        (Write::Leave { group, node }, _) => {
            let ticket = Subject::Ticket(group.clone(), node.clone());
            vec![ticket, Subject::Front(group.clone())]
        }
        (Write::Order { node, .. } | Write::EndOrder { node, .. }, _) => {
            vec![Subject::Order(node.clone())]
        }
        (Write::Ask { group, .. }, Written::Granted(reply)) => match reply {
            Reply::Released | Reply::Broken(_) | Reply::MaxChanged { .. } => {
                vec![Subject::Front(group.clone())]
            }
            Reply::Held { .. } | Reply::Done => Vec::new(),
        },
        _ => Vec::new(),
    }
}

/// What is another at the second look than at the first.
pub(super) fn changes(old: &Fleet, new: &Fleet) -> BTreeSet<Subject> {
    let mut subjects = BTreeSet::new();
    own_changes(old, new, &mut subjects);
    for name in old.groups.keys().chain(new.groups.keys()) {
        group_changes(name, old, new, &mut subjects);
    }
    for node in old.orders.keys().chain(new.orders.keys()) {
        if old.orders.get(node) != new.orders.get(node) {
            subjects.insert(Subject::Order(node.clone()));
        }
    }
    if old.pause != new.pause || !is_same_company(old, new) {
        subjects.insert(Subject::Fronts);
    }
    subjects
}

fn own_changes(old: &Fleet, new: &Fleet, subjects: &mut BTreeSet<Subject>) {
    let sessions = |fleet: &Fleet| -> BTreeSet<_> {
        let presences = fleet.presences.iter();
        presences
            .map(|it| (it.identity.node.clone(), it.session.clone()))
            .collect()
    };
    let (before, after) = (sessions(old), sessions(new));
    let others = before.symmetric_difference(&after);
    subjects.extend(others.map(|(node, _)| Subject::Own(node.clone())));
    let marks = |fleet: &Fleet, node| fleet.nodes.get(node).map_or(0, |it| it.marks);
    for node in old.nodes.keys().chain(new.nodes.keys()) {
        if marks(old, node) != marks(new, node) {
            subjects.insert(Subject::Own(node.clone()));
        }
    }
}

fn group_changes(name: &GroupName, old: &Fleet, new: &Fleet, subjects: &mut BTreeSet<Subject>) {
    let (old, new) = (old.groups.get(name), new.groups.get(name));
    let front = Subject::Front(name.clone());
    let record = Subject::Record(name.clone());
    let (Some(old), Some(new)) = (old, new) else {
        subjects.extend([front, record]);
        let entry = old.or(new);
        let tickets = entry.iter().flat_map(|it| it.line.tickets());
        subjects.extend(tickets.map(|it| Subject::Ticket(name.clone(), it.node.clone())));
        let holds = entry.iter().flat_map(|it| &it.group.holds);
        subjects.extend(holds.map(|it| Subject::Own(it.node.clone())));
        return;
    };
    let waiting = |entry: &GroupEntry| -> BTreeSet<NodeName> {
        let tickets = entry.line.tickets().iter();
        tickets.map(|it| it.node.clone()).collect()
    };
    if old.line != new.line {
        let (before, after) = (waiting(old), waiting(new));
        let others = before.symmetric_difference(&after);
        subjects.extend(others.map(|it| Subject::Ticket(name.clone(), it.clone())));
    }
    let is_same_group = old.group == new.group && old.foreign == new.foreign;
    let head = |entry: &GroupEntry| entry.line.tickets().first().map(|it| it.node.clone());
    let is_same_front = is_same_group
        && head(old) == head(new)
        && which(&old.cooldown) == which(&new.cooldown)
        && old.within_deadline == new.within_deadline;
    if !is_same_front {
        subjects.insert(front);
    }
    if !is_same_group {
        subjects.insert(record);
        let holds = old.group.holds.iter().chain(&new.group.holds);
        let is_other = |node| old.group.hold_of(node) != new.group.hold_of(node);
        let others = holds.filter(|it| is_other(&it.node));
        subjects.extend(others.map(|it| Subject::Own(it.node.clone())));
    }
}

/// Which cooldown it is; how much is left of it changes all the time.
pub(super) fn which(cooldown: &Option<Cooldown>) -> Option<(&NodeName, u64, &str)> {
    let it = cooldown.as_ref()?;
    Some((&it.node, it.duration_secs, &it.started_at))
}

/// Whether everybody counts as before in the eyes of those who judge their peers.
fn is_same_company(old: &Fleet, new: &Fleet) -> bool {
    fn standings(fleet: &Fleet) -> impl Iterator<Item = (&NodeName, bool, bool)> {
        let nodes = fleet.nodes.iter();
        nodes.map(|(name, it)| (name, it.is_fresh, it.record.health.healthy))
    }
    let holds = |fleet: &Fleet| -> BTreeMap<NodeName, _> {
        let entries = fleet.groups.values();
        let holds = entries.flat_map(|entry| {
            let holds = entry.group.holds.iter();
            holds.map(|hold| (hold.node.clone(), (hold.phase, entry.is_overdue(hold))))
        });
        holds.collect()
    };
    standings(old).eq(standings(new)) && holds(old) == holds(new)
}
