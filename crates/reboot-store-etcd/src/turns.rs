//! Turns of one process at a group's record. Two tasks that commit at once cost each other a
//! transaction each time one is faster; of 64 the last one would lose 63 races. In turn nobody
//! loses any to its own process; and whoever has the turn may take along what others queued.
//!
//! A turn is a courtesy: what keeps order is the compare-and-swap. Who has waited for long goes
//! without, so that one request to a slow etcd does not hold up all others.

use reboot_core::group::Request;
use reboot_core::id::GroupName;
use reboot_core::write::Written;
use std::collections::VecDeque;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::{Mutex as Shared, MutexGuard as SharedGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Mutex, MutexGuard, oneshot};
use tokio::time::timeout;

/// So many groups go side by side; others may have to share.
const LANES: usize = 16;
/// How long anybody waits for its turn.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whose turn it is, by group.
#[derive(Default)]
pub(crate) struct Turns([Lane; LANES]);

/// The turn at some groups, and what waits to be taken along.
#[derive(Default)]
pub(crate) struct Lane {
    turn: Mutex<()>,
    queue: Shared<Queue>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Queued>,
    /// The number of the last that came.
    last: u64,
}

/// A request that whoever has the turn may commit with its own.
pub(crate) struct Queued {
    pub(crate) group: GroupName,
    pub(crate) request: Request,
    ticket: u64,
    /// Dropped without a word: its owner goes alone.
    granted: oneshot::Sender<Written>,
}

// === impl Turns ===

impl Turns {
    /// Where a group's requests meet.
    pub(crate) fn lane(&self, group: &GroupName) -> &Lane {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(group);
        let lane = usize::try_from(hash % LANES as u64).unwrap_or(0);
        &self.0[lane]
    }
}

// === impl Lane ===

impl Lane {
    /// The turn, until it is dropped; nothing when it does not come.
    pub(crate) async fn turn(&self) -> Option<MutexGuard<'_, ()>> {
        timeout(PATIENCE, self.turn.lock()).await.ok()
    }

    /// Has a request taken along by whoever has the turn. Answers with its ticket, and where its
    /// owner learns that it was granted, or, when that is dropped, that it goes alone.
    pub(crate) fn queue(
        &self,
        group: &GroupName,
        request: &Request,
    ) -> (u64, oneshot::Receiver<Written>) {
        let (granted, answer) = oneshot::channel();
        let mut queue = self.queue_now();
        queue.last += 1;
        let ticket = queue.last;
        queue.waiting.push_back(Queued {
            group: group.clone(),
            request: request.clone(),
            ticket,
            granted,
        });
        (ticket, answer)
    }

    /// At most so many requests to a group, the oldest first, that somebody still waits for.
    pub(crate) fn take(&self, group: &GroupName, max: usize) -> Vec<Queued> {
        let mut queue = self.queue_now();
        let (mut taken, mut left) = (Vec::new(), VecDeque::new());
        let waiting = queue.waiting.drain(..);
        for queued in waiting.filter(|it| !it.granted.is_closed()) {
            match queued.group == *group && taken.len() < max {
                true => taken.push(queued),
                false => left.push_back(queued),
            }
        }
        queue.waiting = left;
        taken
    }

    /// Leaves requests to the next one who has the turn, before all others.
    pub(crate) fn put_back(&self, left: Vec<Queued>) {
        let mut queue = self.queue_now();
        let left = left.into_iter().rev();
        left.for_each(|it| queue.waiting.push_front(it));
    }

    /// Takes a request out of the queue; answers whether it was there. If not, somebody has taken
    /// it along.
    pub(crate) fn withdraw(&self, ticket: u64) -> bool {
        let waiting = &mut self.queue_now().waiting;
        let at = waiting.iter().position(|it| it.ticket == ticket);
        at.and_then(|at| waiting.remove(at)).is_some()
    }

    fn queue_now(&self) -> SharedGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Queued ===

impl Queued {
    /// It was committed.
    pub(crate) fn grant(self, written: Written) {
        let _ = self.granted.send(written); // who does not listen any more asks again
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reboot_core::group::Action;
    use reboot_core::id::{NodeName, RequestId};

    #[tokio::test(start_paused = true)]
    async fn one_goes_after_the_other_and_nobody_waits_for_ever() {
        let (turns, group) = (Turns::default(), GroupName::default());
        let first = turns.lane(&group).turn().await;
        assert!(first.is_some());
        assert!(turns.lane(&group).turn().await.is_none(), "it went without");
        drop(first);
        assert!(turns.lane(&group).turn().await.is_some());
    }

    fn steady(node: &str) -> Request {
        let node = NodeName::new(node).unwrap();
        Request {
            id: RequestId::new("request").unwrap(),
            at: String::new(),
            action: Action::Steady { node, id: None },
        }
    }

    fn nodes(queued: &[Queued]) -> Vec<&str> {
        let nodes = queued.iter().filter_map(|it| it.request.action.node());
        nodes.map(NodeName::as_str).collect()
    }

    #[test]
    fn the_oldest_of_a_group_are_taken_along_and_the_rest_keeps_its_order() {
        let (lane, group) = (Lane::default(), GroupName::default());
        let other = GroupName::new("other").unwrap();
        let queue = |group, node| lane.queue(group, &steady(node)).1;
        let mut a = queue(&group, "a");
        let (_b, gone) = (queue(&other, "b"), queue(&group, "gone"));
        let (_c, mut d, _e) = (queue(&group, "c"), queue(&group, "d"), queue(&group, "e"));
        drop(gone);
        let mut taken = lane.take(&group, 3);
        assert_eq!(nodes(&taken), ["a", "c", "d"]);
        lane.put_back(taken.split_off(1));
        let reply = Written::Done;
        taken.remove(0).grant(reply.clone());
        assert_eq!(a.try_recv(), Ok(reply));
        let taken = lane.take(&group, 9);
        assert_eq!(nodes(&taken), ["c", "d", "e"]);
        drop(taken);
        assert_eq!(d.try_recv(), Err(oneshot::error::TryRecvError::Closed));
        assert_eq!(nodes(&lane.take(&other, 9)), ["b"]);
    }

    #[test]
    fn who_goes_alone_is_taken_along_by_nobody() {
        let (lane, group) = (Lane::default(), GroupName::default());
        let (ticket, _a) = lane.queue(&group, &steady("a"));
        let (taken, _b) = lane.queue(&group, &steady("b"));
        assert!(lane.withdraw(ticket));
        assert_eq!(nodes(&lane.take(&group, 9)), ["b"]);
        assert!(!lane.withdraw(ticket) && !lane.withdraw(taken));
    }
}
