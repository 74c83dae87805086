//! Whether a client may be admitted, by what a look shows and by the rules of the core. What
//! the store checks too is asked of the very same function, so both say the same.

use super::{Wish, own_name};
use crate::kind::{Kind, Refused};
use crate::settings::GroupRules;
use crate::view::Sight;
use jiff::Timestamp;
use reboot_core::fleet::{Fleet, GroupEntry};
use reboot_core::group::{Action, Facts, Group, Guest, Hold, Refusal, Request, apply};
use reboot_core::id::{GroupName, NodeName, RequestId};
use reboot_core::policy;
use reboot_core::window::Verdict;
use std::time::Duration;

/// So many holders are named; of the others only the number is told.
const NAMED_MAX: usize = 5;

/// What keeps a client from a slot.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Obstacle {
    /// What it is told.
    pub(crate) refused: Refused,
    /// Whether it may pass while one waits; what does not is the client's own affair.
    pub(crate) may_pass: bool,
    /// After what time to look again though nothing changed in the store.
    pub(crate) look_again: Option<Duration>,
}

// === impl Obstacle ===

impl Obstacle {
    /// One that a wait does not move.
    pub(crate) fn firm(refused: Refused) -> Self {
        Self {
            refused,
            may_pass: false,
            look_again: None,
        }
    }

    /// One that may pass.
    pub(crate) fn passing(refused: Refused, look_again: Option<Duration>) -> Self {
        Self {
            refused,
            may_pass: true,
            look_again,
        }
    }

    /// What the rules say.
    pub(crate) fn of(refusal: &Refusal) -> Self {
        let refused = Refused::from(refusal);
        match refusal {
            Refusal::CooldownRunning { left_ms, .. } => {
                Self::passing(refused, Some(Duration::from_millis(*left_ms)))
            }
            Refusal::Full { .. } | Refusal::Paused { .. } | Refusal::UnfencedHolder { .. } => {
                Self::passing(refused, None)
            }
            _ => Self::firm(refused),
        }
    }
}

/// The guest that a wish becomes.
pub(crate) fn guest(wish: &Wish, rules: &GroupRules) -> Guest {
    Guest {
        node: wish.node.clone(),
        id: own_name(&wish.id, &wish.node),
        protocol: wish.protocol.to_owned(),
        interval_secs: rules.interval_secs,
        max_reboots_per_day: rules.max_reboots_per_day,
        deadline_secs: rules.deadline_secs,
    }
}

/// The first obstacle: pause, window, slot, cooldown, the fleet's health. `ahead` is how many
/// wait before this client.
pub(crate) fn judge(
    sight: &Sight,
    wish: &Wish,
    rules: &GroupRules,
    ahead: usize,
) -> Result<(), Obstacle> {
    let fleet = &sight.fleet;
    let entry = fleet.groups.get(&wish.group);
    let by_rules = ask_the_rules(fleet, entry, wish, rules);
    if let Err(refusal @ (Refusal::Paused { .. } | Refusal::HeldBack { .. })) = &by_rules {
        return Err(Obstacle::of(refusal));
    }
    judge_window(rules)?;
    by_rules.map_err(|refusal| match (&refusal, entry) {
        (Refusal::Full { .. }, Some(entry)) => Obstacle::passing(full(entry), None),
        _ => Obstacle::of(&refusal),
    })?;
    judge_line(entry, wish, rules, ahead, held(sight, wish).is_some())?;
    judge_health(fleet, &wish.node, rules)
}

/// The number of the hold that the client has already, by this look.
pub(crate) fn held(sight: &Sight, wish: &Wish) -> Option<u64> {
    let entry = sight.fleet.groups.get(&wish.group)?;
    let id = own_name(&wish.id, &wish.node);
    let is_own = |hold: &&Hold| hold.is_of_guest(&wish.node, id.as_ref());
    let own = entry.group.holds.iter().find(is_own);
    own.map(|hold| hold.number)
}

/// What the store would say, if the look shows what it knows.
fn ask_the_rules(
    fleet: &Fleet,
    entry: Option<&GroupEntry>,
    wish: &Wish,
    rules: &GroupRules,
) -> Result<(), Refusal> {
    let group = match entry {
        Some(entry) => entry.group.clone(),
        None => Group::create(rules.max, 0, &[])?,
    };
    let Ok(id) = RequestId::new("judge") else {
        unreachable!("it is a name");
    };
    let request = Request {
        id,
        at: String::new(),
        action: Action::Admit(guest(wish, rules)),
    };
    apply(
        &group,
        &request,
        &facts(fleet, entry, &wish.group, &wish.node),
    )
    .map(|_| ())
}

/// What the rules ask for an admission: not every session of a large fleet.
fn facts(fleet: &Fleet, entry: Option<&GroupEntry>, group: &GroupName, id: &NodeName) -> Facts {
    let holds = entry.map_or(&[][..], |entry| &entry.group.holds);
    let pauses = entry.map(|entry| entry.group.leases_of_pauses());
    // A look shows no claim and no pause whose lease is gone.
    let leases = holds.iter().map(|hold| &hold.session);
    let leases = leases.chain(pauses.into_iter().flatten());
    Facts {
        sessions: leases.cloned().collect(),
        presences: Vec::new(),
        cooldown: entry.and_then(|entry| entry.cooldown.clone()),
        pause: fleet.pause.clone(),
        marks: fleet.nodes.get(id).map_or(0, |node| node.marks),
        others_waiting: 0,
        holds_in: fleet
            .holds_of(id)
            .map(|(name, _)| name)
            .find(|name| *name != group)
            .cloned(),
        foreign: entry.map_or(Vec::new(), |entry| entry.foreign.clone()),
    }
}

fn judge_window(rules: &GroupRules) -> Result<(), Obstacle> {
    let now = Timestamp::now();
    let text = match rules.windows.verdict(now, &rules.zone) {
        Verdict::Allowed => return Ok(()),
        Verdict::Deny { window, .. } => format!("inside the closed window {window}"),
        Verdict::OutsideAllow { .. } => "outside every maintenance window".to_owned(),
    };
    let opens = rules.windows.next_open(now, &rules.zone);
    let next = match opens {
        Some(at) => format!("ask again from {}", at.to_zoned(rules.zone.clone())),
        None => "no window ever opens: mend the server's configuration".to_owned(),
    };
    let refused = Kind::WindowClosed.because(format!("{text}: {next}"));
    let left = opens.and_then(|at| Duration::try_from(at.duration_since(now)).ok());
    Err(Obstacle::passing(refused, left))
}

/// Nobody overtakes those who wait: agents in the store's line, requests in ours.
fn judge_line(
    entry: Option<&GroupEntry>,
    wish: &Wish,
    rules: &GroupRules,
    ahead: usize,
    is_own: bool, // it seems to hold: without its hold one more is free
) -> Result<(), Obstacle> {
    let free = entry.map_or(rules.max as usize, GroupEntry::free) + usize::from(is_own);
    let before = entry.map_or(0, |entry| entry.line.others_than(&wish.node)) + ahead;
    if before < free {
        return Ok(());
    }
    let text = format!("{before} wait for a slot already: ask again later");
    Err(Obstacle::passing(Kind::LockHeld.because(text), None))
}

fn judge_health(fleet: &Fleet, id: &NodeName, rules: &GroupRules) -> Result<(), Obstacle> {
    let blocks = policy::blocks(&rules.policies, id, &fleet.peers_to_judge(id));
    if blocks.is_empty() {
        return Ok(());
    }
    let words: Vec<String> = blocks.iter().map(ToString::to_string).collect();
    let refused = Kind::BlockedByHealth.because(words.join("; "));
    Err(Obstacle::passing(refused, None))
}

/// Who has the slots, since when, and what to do about it.
fn full(entry: &GroupEntry) -> Refused {
    let held = entry.group.holds.iter().map(|hold| holder(entry, hold));
    let foreign = entry
        .foreign
        .iter()
        .map(|name| format!("{name} (by another program)"));
    let holders: Vec<String> = held.chain(foreign).collect();
    let named = holders[..holders.len().min(NAMED_MAX)].join(", ");
    let more = match holders.len().saturating_sub(NAMED_MAX) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Kind::LockHeld.because(format!(
        "every slot is taken, by {named}{more}: ask again later, or have an operator look after \
         a holder that does not come back"
    ))
}

fn holder(entry: &GroupEntry, hold: &Hold) -> String {
    let overdue = if entry.is_overdue(hold) {
        ", overdue"
    } else {
        ""
    };
    let (node, phase, since) = (&hold.node, hold.phase, &hold.acquired_at);
    format!("{node} ({phase} since {since}{overdue})")
}
