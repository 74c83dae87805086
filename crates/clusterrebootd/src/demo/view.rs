//! What there is to see of every machine: from the store's last look, and from its power.

use super::machine::{Machine, Power};
use super::plan::Plan;
use reboot_core::fleet::{Fleet, GroupEntry, NodeRecord};
use reboot_core::group::{Hold, Phase};
use reboot_core::id::NodeName;
use reboot_core::policy::Peer;
use std::time::Duration;
use tokio::time::Instant;

/// How contention is told.
const TAKEN: &str = "every slot is taken";

/// What a machine is doing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum State {
    Starting,
    Idle,
    Needs,
    Waits,
    Claims,
    Drains,
    GoesDown,
    Down,
    Overdue,
    Unlocked,
    Boots,
    Returned,
    Done,
}

/// A machine's line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) state: State,
    /// Its place in the line, 1 for the head.
    pub(super) place: Option<usize>,
    pub(super) reboots: u32,
    /// Until it is overdue.
    pub(super) left: Option<Duration>,
    pub(super) why: String,
}

// === impl State ===

impl State {
    /// The word in the table.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Starting => "starts",
            Self::Idle => "idle",
            Self::Needs => "needs reboot",
            Self::Waits => "waits",
            Self::Claims => "has a slot",
            Self::Drains => "drains",
            Self::GoesDown => "goes down",
            Self::Down => "down",
            Self::Overdue => "overdue",
            Self::Unlocked => "unlocked",
            Self::Boots => "boots",
            Self::Returned => "is back",
            Self::Done => "rebooted",
        }
    }

    /// Its colour, as an SGR number (see console_codes(4)).
    pub(super) fn colour(self) -> u8 {
        match self {
            Self::Starting | Self::Idle | Self::Unlocked => 90,
            Self::Needs | Self::Waits => 33,
            Self::Claims | Self::Drains | Self::GoesDown => 35,
            Self::Down | Self::Overdue => 31,
            Self::Boots | Self::Returned => 36,
            Self::Done => 32,
        }
    }
}

/// The line of one machine.
pub(super) fn row(machine: &Machine, fleet: &Fleet, plan: &Plan, now: Instant) -> Row {
    let found = Found::of(machine, fleet);
    let state = found.state(machine);
    let is_counting = matches!(state, State::GoesDown | State::Down | State::Boots);
    let left = machine.went_down.filter(|_| is_counting).map(|since| {
        let limit = Duration::from_secs(plan.timeout_secs());
        (since + limit).saturating_duration_since(now)
    });
    Row {
        name: machine.name.clone(),
        state,
        place: found.place.filter(|_| state == State::Waits),
        reboots: machine.reboots,
        left,
        why: found.why(state, machine, now),
    }
}

/// What the store knows of a machine.
struct Found<'fleet> {
    record: Option<&'fleet NodeRecord>,
    entry: Option<&'fleet GroupEntry>,
    hold: Option<&'fleet Hold>,
    place: Option<usize>,
    /// Other machines that keep everybody from rebooting.
    blocking: Vec<Peer>,
}

// === impl Found ===

impl<'fleet> Found<'fleet> {
    fn of(machine: &Machine, fleet: &'fleet Fleet) -> Self {
        let node = NodeName::new(machine.name.as_str()).ok();
        let entry = fleet.groups.values().next();
        let node = node.as_ref();
        let place = node.and_then(|node| entry?.line.ahead_of(node));
        let peers = node.map(|node| fleet.peers_of(node)).unwrap_or_default();
        let blocks = |peer: &Peer| peer.standing.blocks();
        Self {
            blocking: peers.into_iter().filter(blocks).collect(),
            record: node.and_then(|node| Some(&fleet.nodes.get(node)?.record)),
            entry,
            hold: node.and_then(|node| entry?.group.hold_of(node)),
            place: place.map(|ahead| ahead + 1),
        }
    }

    fn state(&self, machine: &Machine) -> State {
        let Some(hold) = self.hold else {
            return self.state_without_hold(machine);
        };
        let is_overdue = self.entry.is_some_and(|entry| entry.is_overdue(hold));
        match (hold.phase, machine.power()) {
            _ if is_overdue => State::Overdue,
            (_, Power::Off(_) | Power::Dead) => State::Down,
            (_, Power::GoingDown) => State::GoesDown,
            (Phase::Claimed, Power::On) => State::Claims,
            (Phase::Draining, Power::On) => State::Drains,
            (Phase::Rebooting, Power::On) if machine.reboots == 0 => State::GoesDown,
            (Phase::Rebooting, Power::On) => State::Boots,
            (Phase::Returned, Power::On) => State::Returned,
        }
    }

    fn state_without_hold(&self, machine: &Machine) -> State {
        let is_needy = self.record.is_some_and(|record| record.need.is_some());
        match (machine.power(), self.place) {
            (Power::Dead, _) => State::Unlocked,
            (Power::GoingDown | Power::Off(_), _) => State::Down,
            (Power::On, Some(_)) => State::Waits,
            (Power::On, None) if machine.reboots > 0 => State::Done,
            (Power::On, None) if is_needy => State::Needs,
            (Power::On, None) if self.record.is_none() => State::Starting,
            (Power::On, None) => State::Idle,
        }
    }

    fn why(&self, state: State, machine: &Machine, now: Instant) -> String {
        match state {
            State::Waits | State::Needs => self.reason(),
            State::Starting => "has not reported yet".to_owned(),
            State::Idle => "nothing asks for a reboot".to_owned(),
            State::Claims => "looks at everything again under the slot".to_owned(),
            State::Drains => "moves its work away (pre-reboot.d/10-drain)".to_owned(),
            State::GoesDown => "the reboot command was issued".to_owned(),
            State::Down => match machine.power() {
                Power::Off(until) => {
                    let left = until.saturating_duration_since(now).as_secs_f64();
                    format!("back in {left:.1} s")
                }
                _ => "does not come back".to_owned(),
            },
            State::Overdue => "keeps its slot until an operator decides".to_owned(),
            State::Unlocked => "gave its slot up, stays down".to_owned(),
            State::Boots => "a new boot, looks for its own hold".to_owned(),
            State::Returned => "checks itself, undoes what it drained".to_owned(),
            State::Done => String::new(),
        }
    }

    /// What keeps it now, by the very facts its daemon will find at its next look; else what the
    /// daemon itself said last.
    fn reason(&self) -> String {
        let blocking: Vec<String> = self.blocking.iter().map(ToString::to_string).collect();
        let holds = self.entry.map(|entry| entry.group.holds.as_slice());
        let holders = holds.unwrap_or_default().iter();
        let holders: Vec<&str> = holders.map(|hold| hold.node.as_str()).collect();
        let is_full = self.entry.is_some_and(|entry| entry.free() == 0);
        let said = self.record.and_then(|record| record.waiting_for.first());
        match (blocking.is_empty(), is_full) {
            (false, _) => blocking.join(", "),
            (true, true) => format!("{TAKEN} by {}", holders.join(", ")),
            (true, false) => said.cloned().unwrap_or_default(),
        }
    }
}

// === impl Row ===

impl Row {
    /// What makes a line worth a new line where nothing can be redrawn.
    pub(super) fn gist(&self) -> (State, Option<usize>, String) {
        let is_waiting = matches!(self.state, State::Waits | State::Needs);
        let is_told = is_waiting && !self.why.starts_with(TAKEN);
        let reason = self.why.split(" (").next().filter(|_| is_told);
        let reason = reason.unwrap_or_default().to_owned();
        (self.state, self.place, reason)
    }

    /// The state, with the place in line.
    pub(super) fn state_text(&self) -> String {
        let name = self.state.name();
        self.place
            .map_or_else(|| name.to_owned(), |place| format!("{name}, #{place}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(state: State, place: Option<usize>, why: &str) -> Row {
        Row {
            name: "node-1".to_owned(),
            state,
            place,
            reboots: 0,
            left: None,
            why: why.to_owned(),
        }
    }

    #[test]
    fn who_holds_is_no_news_for_a_waiter_but_its_place_and_other_reasons_are() {
        let first = row(State::Waits, Some(2), "every slot is taken by node-1");
        let later = row(State::Waits, Some(2), "every slot is taken by node-2");
        assert_eq!(first.gist(), later.gist());
        let ahead = row(State::Waits, Some(1), "every slot is taken by node-2");
        assert_ne!(first.gist(), ahead.gist());
        let blocked = row(
            State::Waits,
            Some(2),
            "node-1 is overdue from its reboot (bring it)",
        );
        assert_ne!(first.gist(), blocked.gist());
    }

    #[test]
    fn times_that_only_run_down_are_no_news() {
        let down = row(State::Down, None, "back in 1.2 s");
        assert_eq!(down.gist(), row(State::Down, None, "back in 0.9 s").gist());
    }
}
