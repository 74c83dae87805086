//! What was seen last: a look that would show the same is answered from here.

use reboot_core::fleet::Fleet;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::time::Instant;

/// So many looks are known by their marks: more than tasks share a store at a time.
const MARKS_MAX: usize = 16;

/// What was seen, and when.
#[derive(Default)]
pub(super) struct Memory(Mutex<Seen>);

#[derive(Default)]
struct Seen {
    /// The last look as it was.
    last: Option<Look>,
    /// Of late looks, newest first: revision and mark.
    marks: VecDeque<(u64, String)>,
}

struct Look {
    mark: String,
    fleet: Fleet,
    asked: Instant,
}

// === impl Memory ===

impl Memory {
    /// The mark of the last look.
    pub(super) fn mark(&self) -> Option<String> {
        Some(self.seen().last.as_ref()?.mark.clone())
    }

    /// The mark of the latest look at this revision.
    pub(super) fn mark_of(&self, revision: u64) -> Option<String> {
        let seen = self.seen();
        let mut marks = seen.marks.iter();
        let (_, mark) = marks.find(|(it, _)| *it == revision)?;
        Some(mark.clone())
    }

    /// Keeps a look; `asked` is when it was asked for.
    pub(super) fn remember(&self, mark: String, fleet: &Fleet, asked: Instant) {
        let mut seen = self.seen();
        seen.marks.push_front((fleet.revision, mark.clone()));
        seen.marks.truncate(MARKS_MAX);
        let fleet = fleet.clone();
        seen.last = Some(Look { mark, fleet, asked });
    }

    /// The look of this mark, as old as it is by now.
    pub(super) fn fleet(&self, mark: &str) -> Option<Fleet> {
        let seen = self.seen();
        let look = seen.last.as_ref().filter(|look| look.mark == mark)?;
        let age_ms = u64::try_from(look.asked.elapsed().as_millis()).unwrap_or(u64::MAX);
        Some(aged(look.fleet.clone(), age_ms))
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What runs has run on. Nothing is decided by how much is left: the end of it is a change.
fn aged(mut fleet: Fleet, ms: u64) -> Fleet {
    for presence in &mut fleet.presences {
        presence.remaining_ms = presence.remaining_ms.saturating_sub(ms);
    }
    let entries = fleet.groups.values_mut();
    for cooldown in entries.filter_map(|entry| entry.cooldown.as_mut()) {
        cooldown.remaining_ms = cooldown.remaining_ms.saturating_sub(ms);
    }
    fleet
}
