//! Where requests wait for a slot: first come, first served, each woken by itself.

use crate::clock::time_of_day;
use reboot_core::id::{GroupName, NodeName};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, watch};

/// Every request that waits, by group and by number.
#[derive(Debug, Default)]
pub(crate) struct Room {
    queues: Mutex<HashMap<GroupName, Queue>>,
    /// How often somebody came, went, or was told something else.
    moves: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Queue {
    last: u64,
    waiting: BTreeMap<u64, Waiter>,
}

#[derive(Debug)]
struct Waiter {
    bell: Arc<Notify>,
    since: Instant,
    client: Queuer,
}

/// A client that waits.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Queuer {
    /// What it calls itself.
    pub(crate) id: NodeName,
    /// What it speaks.
    pub(crate) protocol: &'static str,
    /// Since when, for people (RFC 3339).
    pub(crate) since: String,
    /// What kept it when it was last judged.
    pub(crate) why: String,
}

/// Who waits for a slot of a group.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Waiting {
    /// Which group.
    pub group: GroupName,
    /// How many.
    pub count: usize,
    /// For how long the first has.
    pub longest: Duration,
}

/// A place in the room; it is left by dropping it.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    room: &'a Room,
    group: GroupName,
    number: u64,
    bell: Arc<Notify>,
}

// === impl Room ===

impl Room {
    /// Takes the last place of a group.
    pub(crate) fn join(&self, group: &GroupName, client: Queuer) -> Place<'_> {
        let mut all = self.queues();
        let queue = all.entry(group.clone()).or_default();
        queue.last += 1;
        let (number, bell) = (queue.last, Arc::new(Notify::new()));
        let waiter = Waiter {
            bell: bell.clone(),
            since: Instant::now(),
            client,
        };
        queue.waiting.insert(number, waiter);
        self.moved();
        Place {
            room: self,
            group: group.clone(),
            number,
            bell,
        }
    }

    fn queues(&self) -> MutexGuard<'_, HashMap<GroupName, Queue>> {
        let queues = self.queues.lock();
        queues.unwrap_or_else(PoisonError::into_inner)
    }

    fn moved(&self) {
        self.moves.send_modify(|moves| *moves += 1);
    }

    /// Changes whenever somebody comes, goes, or is told something else.
    pub(crate) fn moves(&self) -> watch::Receiver<u64> {
        self.moves.subscribe()
    }

    /// The first so many who wait for a slot of a group, and how many there are.
    pub(crate) fn line(&self, group: &GroupName, count: usize) -> (Vec<Queuer>, usize) {
        let all = self.queues();
        let waiting = all.get(group).map(|queue| &queue.waiting);
        let first = waiting.into_iter().flat_map(BTreeMap::values).take(count);
        let first = first.map(|waiter| waiter.client.clone()).collect();
        (first, waiting.map_or(0, BTreeMap::len))
    }

    /// How many wait for a slot of a group before this place, or before somebody new.
    pub(crate) fn ahead(&self, group: &GroupName, place: Option<&Place<'_>>) -> usize {
        let all = self.queues();
        let Some(queue) = all.get(group) else {
            return 0;
        };
        match place {
            Some(place) => queue.waiting.range(..place.number).count(),
            None => queue.waiting.len(),
        }
    }

    /// Wakes the first so many.
    pub(crate) fn wake(&self, group: &GroupName, count: usize) {
        let all = self.queues();
        let first = all.get(group).map(|queue| queue.waiting.values());
        first
            .into_iter()
            .flatten()
            .take(count)
            .for_each(|waiter| waiter.bell.notify_one());
    }

    /// The groups in which somebody waits.
    pub(crate) fn waiting(&self) -> Vec<Waiting> {
        let all = self.queues();
        let one = |(group, queue): (&GroupName, &Queue)| Waiting {
            group: group.clone(),
            count: queue.waiting.len(),
            longest: queue.longest(),
        };
        all.iter().map(one).collect()
    }
}

// === impl Queuer ===

impl Queuer {
    /// One that begins to wait now.
    pub(crate) fn new(id: NodeName, protocol: &'static str, why: &str) -> Self {
        Self {
            id,
            protocol,
            since: time_of_day(),
            why: why.to_owned(),
        }
    }
}

// === impl Queue ===

impl Queue {
    fn longest(&self) -> Duration {
        let first = self.waiting.values().next();
        first.map_or(Duration::ZERO, |waiter| waiter.since.elapsed())
    }
}

// === impl Place ===

impl Place<'_> {
    /// Answers when it may be this one's turn.
    pub(crate) async fn called(&self) {
        self.bell.notified().await;
    }

    /// Takes note of what keeps it now.
    pub(crate) fn told(&self, why: &str) {
        let mut all = self.room.queues();
        let queue = all.get_mut(&self.group);
        let waiter = queue.and_then(|queue| queue.waiting.get_mut(&self.number));
        if let Some(waiter) = waiter.filter(|waiter| waiter.client.why != why) {
            why.clone_into(&mut waiter.client.why);
            self.room.moved();
        }
    }
}

impl Drop for Place<'_> {
    /// Leaves, and lets the next one see whether it is its turn.
    fn drop(&mut self) {
        let mut all = self.room.queues();
        let Some(queue) = all.get_mut(&self.group) else {
            return;
        };
        queue.waiting.remove(&self.number);
        self.room.moved();
        match queue.waiting.values().next() {
            Some(next) => next.bell.notify_one(),
            None => {
                all.remove(&self.group);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queuer(id: &str) -> Queuer {
        Queuer::new(NodeName::new(id).unwrap(), "fleetlock", "full")
    }

    #[test]
    fn the_line_tells_who_waits_for_what_and_every_change() {
        let (room, group) = (Room::default(), GroupName::default());
        let moves = room.moves();
        let told = |room: &Room, count| {
            let (line, all) = room.line(&group, count);
            let words = line.iter().map(|it| format!("{}: {}", it.id, it.why));
            (words.collect::<Vec<_>>(), all)
        };
        assert_eq!(told(&room, 9), (vec![], 0));
        let (first, second) = (
            room.join(&group, queuer("a")),
            room.join(&group, queuer("b")),
        );
        second.told("paused");
        let both = vec!["a: full".to_owned(), "b: paused".to_owned()];
        assert_eq!(told(&room, 9), (both.clone(), 2));
        assert_eq!(told(&room, 1), (both[..1].to_vec(), 2));
        let before = *moves.borrow();
        second.told("paused");
        assert_eq!(*moves.borrow(), before, "that is no news");
        drop(first);
        assert_eq!(told(&room, 9), (both[1..].to_vec(), 1));
        assert!(*moves.borrow() > before);
    }

    #[tokio::test]
    async fn the_first_is_called_and_who_leaves_calls_the_next() {
        let (room, group) = (Room::default(), GroupName::default());
        let places = ["a", "b", "c"].map(|id| room.join(&group, queuer(id)));
        let ahead: Vec<usize> = places
            .iter()
            .map(|place| room.ahead(&group, Some(place)))
            .collect();
        assert_eq!((ahead, room.ahead(&group, None)), (vec![0, 1, 2], 3));
        let [first, second, third] = places;
        room.wake(&group, 1);
        first.called().await;
        drop(first);
        second.called().await;
        drop((second, third));
        assert_eq!(room.waiting(), []);
    }
}
