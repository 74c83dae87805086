//! Where requests wait for a slot: first come, first served, each woken by itself.

use reboot_core::id::GroupName;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Every request that waits, by group and by number.
#[derive(Debug, Default)]
pub(crate) struct Room(Mutex<HashMap<GroupName, Queue>>);

#[derive(Debug, Default)]
struct Queue {
    last: u64,
    waiting: BTreeMap<u64, Waiter>,
}

#[derive(Debug)]
struct Waiter {
    bell: Arc<Notify>,
    since: Instant,
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
    pub(crate) fn join(&self, group: &GroupName) -> Place<'_> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let queue = all.entry(group.clone()).or_default();
        queue.last += 1;
        let (number, bell) = (queue.last, Arc::new(Notify::new()));
        let waiter = Waiter {
            bell: bell.clone(),
            since: Instant::now(),
        };
        queue.waiting.insert(number, waiter);
        Place {
            room: self,
            group: group.clone(),
            number,
            bell,
        }
    }

    /// How many wait for a slot of a group before this place, or before somebody new.
    pub(crate) fn ahead(&self, group: &GroupName, place: Option<&Place<'_>>) -> usize {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
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
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let first = all.get(group).map(|queue| queue.waiting.values());
        first
            .into_iter()
            .flatten()
            .take(count)
            .for_each(|waiter| waiter.bell.notify_one());
    }

    /// The groups in which somebody waits.
    pub(crate) fn waiting(&self) -> Vec<Waiting> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let one = |(group, queue): (&GroupName, &Queue)| Waiting {
            group: group.clone(),
            count: queue.waiting.len(),
            longest: queue.longest(),
        };
        all.iter().map(one).collect()
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
}

impl Drop for Place<'_> {
    /// Leaves, and lets the next one see whether it is its turn.
    fn drop(&mut self) {
        let mut all = self.room.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(queue) = all.get_mut(&self.group) else {
            return;
        };
        queue.waiting.remove(&self.number);
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

    #[tokio::test]
    async fn the_first_is_called_and_who_leaves_calls_the_next() {
        let (room, group) = (Room::default(), GroupName::default());
        let places = [room.join(&group), room.join(&group), room.join(&group)];
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
