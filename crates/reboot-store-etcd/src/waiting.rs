//! Who waits for what. Each waiter stands behind one other and watches that one's ticket; the
//! first of the line watches all that may open its way. Nobody else is woken: no herd.
//!
//! A watch only wakes. It begins when it is set up, and then etcd is asked what happened between
//! the look and that moment, so nothing is missed: a watch that begins in the past would be told
//! of it only when etcd gets round to it, every 100 ms. One that is lost wakes too. A member that
//! lags, or was put back, may tell what the look has shown: better once too often than never.

use crate::client::WatchEnd;
use crate::ears::{Ear, Wakes, have_missed, wakes};
use crate::keys::Range;
use crate::store::{EtcdStore, trouble};
use reboot_core::fleet::Fleet;
use reboot_core::group::Pause;
use reboot_core::id::{GroupName, NodeName};
use reboot_core::write::Trouble;
use reboot_store::Interest;
use std::collections::{BTreeMap, VecDeque};

/// So many looks are remembered: more than tasks share a store at a time.
const LOOKS_MAX: usize = 16;

/// The lines of all groups, as the last looks saw them.
#[derive(Default)]
pub(crate) struct Lines(VecDeque<(u64, BTreeMap<GroupName, Seen>)>);

/// One group's line, and its holders.
#[derive(Default)]
struct Seen {
    line: Vec<NodeName>,
    holders: Vec<NodeName>,
}

/// What wakes a waiter.
#[derive(Debug, Eq, PartialEq)]
enum Place {
    /// It holds: its own hold, and who bears its name.
    Holder,
    /// It stands behind this one.
    Behind(NodeName),
    /// It is the first: all that may open its way.
    First,
}

// === impl Lines ===

impl Lines {
    /// Remembers the lines that a look saw.
    pub(crate) fn note(&mut self, fleet: &Fleet) {
        let seen = fleet.groups.iter().map(|(name, entry)| {
            let line = entry.line.tickets().iter().map(|it| it.node.clone());
            let holders = entry.group.holds.iter().map(|it| it.node.clone());
            let seen = Seen {
                line: line.collect(),
                holders: holders.collect(),
            };
            (name.clone(), seen)
        });
        let seen = seen.collect();
        self.0.retain(|(revision, _)| *revision != fleet.revision);
        self.0.push_back((fleet.revision, seen));
        if self.0.len() > LOOKS_MAX {
            self.0.pop_front();
        }
    }

    /// Where a node stood at a look that is remembered.
    fn place(&self, group: &GroupName, node: &NodeName, seen: u64) -> Option<Place> {
        let (_, groups) = self.0.iter().find(|(revision, _)| *revision == seen)?;
        let Some(group) = groups.get(group) else {
            return Some(Place::First);
        };
        if group.holders.contains(node) {
            return Some(Place::Holder);
        }
        let is_it = |other: &NodeName| other == node;
        let ahead = match group.line.iter().position(is_it) {
            Some(place) => place.checked_sub(1).map(|before| &group.line[before]),
            None => group.line.last(),
        };
        Some(ahead.map_or(Place::First, |node| Place::Behind(node.clone())))
    }
}

// === impl EtcdStore ===

impl EtcdStore {
    /// Waits until something of interest may have changed.
    pub(crate) async fn wait(&self, interest: &Interest, seen: u64) -> Result<(), Trouble> {
        let ears = match interest {
            Interest::Everything => self.all_ears(),
            Interest::Order { node, .. } => {
                vec![Ear::new(Range::one(self.keys.order(node)), Wakes::All)]
            }
            Interest::Slot { group, node } => {
                let lines = self.lines.lock().ok();
                match lines.and_then(|lines| lines.place(group, node, seen)) {
                    Some(place) => self.ears(group, node, &place),
                    None => return Ok(()), // nobody knows what was seen: look again
                }
            }
        };
        self.hear(ears, seen).await
    }

    /// Waits for the first change since a look that wakes.
    async fn hear(&self, ears: Vec<Ear>, seen: u64) -> Result<(), Trouble> {
        let seen = i64::try_from(seen).unwrap_or(i64::MAX);
        let ranges = ears.iter().map(Ear::watch).collect();
        let mut watch = self.client.watch(ranges).await.map_err(trouble)?;
        if watch.since() > seen && have_missed(&ears, seen, &self.client).await? {
            return Ok(());
        }
        loop {
            let events = match watch.next().await {
                Ok(events) => events,
                Err(WatchEnd::Compacted { .. }) => return Ok(()),
                Err(WatchEnd::Lost(fault)) => return Err(trouble(fault)),
            };
            self.memory.follow(&self.keys, &events);
            if events.iter().any(|event| wakes(&ears, event)) {
                return Ok(());
            }
        }
    }

    fn ears(&self, group: &GroupName, node: &NodeName, place: &Place) -> Vec<Ear> {
        let keys = &self.keys;
        let mut ears = vec![
            Ear::new(Range::under(keys.sessions(node)), Wakes::ComingAndGoing),
            Ear::new(Range::under(keys.marks(node)), Wakes::ComingAndGoing),
            Ear::new(Range::one(keys.order(node)), Wakes::All),
        ];
        match place {
            Place::Behind(before) => {
                let ticket = Range::one(keys.ticket(group, before));
                ears.push(Ear::new(ticket, Wakes::ComingAndGoing));
                ears.push(Ear::new(Range::one(keys.pause()), Wakes::All));
            }
            Place::Holder => {
                ears.push(Ear::new(Range::one(keys.record(group)), Wakes::All));
                let document = keys.semaphore(group).map(Range::one);
                ears.extend(document.map(|it| Ear::new(it, Wakes::All)));
            }
            Place::First => {
                let directory = Range::under(keys.lock_directory(group));
                ears.extend([
                    Ear::new(Range::one(keys.record(group)), Wakes::Slots),
                    Ear::new(directory, Wakes::ComingAndGoing),
                    Ear::new(Range::one(keys.cooldown(group)), Wakes::All),
                    Ear::new(Range::one(keys.pause()), Wakes::All),
                    Ear::new(
                        Range::under(keys.sessions(&Pause::keeper())),
                        Wakes::ComingAndGoing,
                    ),
                    Ear::new(Range::under(keys.all_health()), Wakes::Verdicts),
                    Ear::new(Range::under(keys.nodes()), Wakes::ComingAndGoing),
                    Ear::new(Range::under(keys.all_deadlines()), Wakes::ComingAndGoing),
                ]);
                let document = keys.semaphore(group).map(Range::one);
                ears.extend(document.map(|it| Ear::new(it, Wakes::All)));
            }
        }
        ears
    }

    /// All that a look shows, but renewals.
    fn all_ears(&self) -> Vec<Ear> {
        let (keys, default) = (&self.keys, GroupName::default());
        let documents = keys.semaphores().map(Range::under);
        let document = keys.semaphore(&default).map(Range::one);
        let old = documents.into_iter().chain(document);
        let mut ears: Vec<Ear> = old.map(|it| Ear::new(it, Wakes::All)).collect();
        ears.extend([
            Ear::new(Range::one(keys.record(&default)), Wakes::All),
            Ear::new(
                Range::under(keys.lock_directory(&default)),
                Wakes::ComingAndGoing,
            ),
            Ear::new(Range::one(keys.cooldown(&default)), Wakes::All),
            Ear::new(Range::under(keys.groups()), Wakes::All),
            Ear::new(Range::under(keys.lines()), Wakes::ComingAndGoing),
            Ear::new(Range::one(keys.pause()), Wakes::All),
            Ear::new(Range::under(keys.all_orders()), Wakes::All),
            Ear::new(Range::under(keys.all_sessions()), Wakes::ComingAndGoing),
            Ear::new(Range::under(keys.all_health()), Wakes::Verdicts),
            Ear::new(Range::under(keys.nodes()), Wakes::ComingAndGoing),
            Ear::new(Range::under(keys.all_deadlines()), Wakes::ComingAndGoing),
        ]);
        ears
    }
}
