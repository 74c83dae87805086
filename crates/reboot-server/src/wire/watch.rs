//! The newest look, what it changed, and who is to hear of it. One follower of the store serves
//! everybody who waits.

use super::ears::{Ear, Ears};
use super::mark::Mark;
use super::subject::{Subject, changes, freed_by, subjects_of};
use crate::view::{Sight, View};
use axum::body::Bytes;
use reboot_core::fleet::Fleet;
use reboot_core::write::{Trouble, Write, Written};
use reboot_store::Interest;
use reboot_store::wire::{LookAnswer, VERSION};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// So many looks are known by their marks; who saw an older one is told to look again.
const MARKS_MAX: usize = 4096;

/// One look, ready to be shown.
pub(super) struct Shown {
    /// What it shows.
    pub(super) fleet: Arc<Fleet>,
    /// Its name.
    pub(super) mark: Mark,
    answer: OnceLock<Bytes>,
}

/// The newest look, and who waits for another.
pub(super) struct Watch {
    view: Arc<View>,
    past: Mutex<Past>,
    ears: Ears,
}

/// Looks in their order.
#[derive(Default)]
struct Past {
    newest: Option<Arc<Shown>>,
    /// Counts looks that show something else than the one before.
    step: u64,
    /// Of late looks, oldest first.
    marks: VecDeque<(Mark, u64)>,
    /// When something changed last; what is not here changed before the oldest mark.
    changed_at: HashMap<Subject, u64>,
}

// === impl Shown ===

impl Shown {
    /// The look as text; written once for all who ask.
    pub(super) fn answer(&self) -> Result<Bytes, Trouble> {
        if let Some(answer) = self.answer.get() {
            return Ok(answer.clone());
        }
        let answer = LookAnswer {
            version: VERSION,
            mark: self.mark.to_string(),
            fleet: Fleet::clone(&self.fleet),
        };
        let text = serde_json::to_vec(&answer)
            .map_err(|error| Trouble::Broken(format!("the look cannot be written: {error}")))?;
        Ok(self.answer.get_or_init(|| Bytes::from(text)).clone())
    }
}

// === impl Watch ===

impl Watch {
    pub(super) fn new(view: Arc<View>) -> Self {
        Self {
            view,
            past: Mutex::default(),
            ears: Ears::default(),
        }
    }

    /// A look that begins from now on; those who want one at the same time share it.
    pub(super) async fn look(&self) -> Result<Arc<Shown>, Trouble> {
        let fresh = self.view.fresh().await;
        let newest = self.catch_up()?;
        match fresh {
            Ok(_) => Ok(newest),
            Err(late) => Err(Trouble::Unavailable(late.value)),
        }
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.ears.count()
    }

    /// Takes note of the newest look, and wakes whom it concerns.
    pub(super) fn catch_up(&self) -> Result<Arc<Shown>, Trouble> {
        self.note(&mut self.past())
    }

    /// Something was committed by this server: whoever it frees need not wait for a look.
    pub(super) fn hint(&self, write: &Write, written: &Written) {
        let freed = freed_by(write, written);
        if !freed.is_empty() {
            self.past().expect_change(&freed);
            freed.iter().for_each(|subject| self.ears.tell(subject));
        }
    }

    /// Under the lock the newest look is never older than the one before.
    fn note(&self, past: &mut Past) -> Result<Arc<Shown>, Trouble> {
        let Sight { fleet, .. } = self.view.newest()?;
        match &past.newest {
            Some(newest) if Arc::ptr_eq(&newest.fleet, &fleet) => Ok(newest.clone()),
            _ => {
                let (shown, changed) = past.take(fleet);
                changed.iter().for_each(|subject| self.ears.tell(subject));
                Ok(shown)
            }
        }
    }

    /// Waits until something of interest changed since the look of this mark, or, without a
    /// mark, of this revision.
    pub(super) async fn changed(
        &self,
        interest: &Interest,
        seen: u64,
        mark: Option<Mark>,
    ) -> Result<(), Trouble> {
        let base = match interest {
            Interest::Order { .. } => {
                self.catch_up()?;
                0 // the order that is known tells more than any look
            }
            Interest::Slot { .. } | Interest::Everything => match self.step_of(seen, mark).await? {
                Some(base) => base,
                None => return Ok(()), // nobody knows what was seen: look again
            },
        };
        loop {
            let Some(ear) = self.listen(interest, base)? else {
                return Ok(());
            };
            ear.heard().await;
        }
    }

    /// An ear for what is still to come; nothing when it came already.
    fn listen(&self, interest: &Interest, base: u64) -> Result<Option<Ear<'_>>, Trouble> {
        let past = self.past();
        let Some(newest) = &past.newest else {
            return Ok(None);
        };
        let subjects = subjects_of(interest, &newest.fleet);
        let is_news = match interest {
            Interest::Order { node, known } => newest.fleet.orders.get(node) != known.as_ref(),
            Interest::Slot { .. } | Interest::Everything => past.changed_since(&subjects, base),
        };
        Ok((!is_news).then(|| self.ears.listen(subjects)))
    }

    /// The step at which somebody looked.
    async fn step_of(&self, seen: u64, mark: Option<Mark>) -> Result<Option<u64>, Trouble> {
        let newest = self.catch_up()?;
        let known = |past: &Past| match mark {
            Some(mark) => past.step_of(mark),
            None => None,
        };
        if let Some(step) = known(&self.past()) {
            return Ok(Some(step));
        }
        // Another server may have shown it, which is ahead of us.
        let newest = match mark.is_some() || newest.fleet.revision < seen {
            true => self.look().await?,
            false => newest,
        };
        let past = self.past();
        let by_revision = || (newest.fleet.revision == seen).then_some(past.step);
        Ok(match mark {
            Some(_) => known(&past),
            None => by_revision(),
        })
    }

    fn past(&self) -> MutexGuard<'_, Past> {
        self.past.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Past ===

impl Past {
    /// Makes this the newest look; tells what it changed.
    fn take(&mut self, fleet: Arc<Fleet>) -> (Arc<Shown>, Vec<Subject>) {
        let mark = Mark::of(&fleet);
        let former = self.newest.take();
        let is_other = former.as_ref().is_none_or(|former| former.mark != mark);
        let mut changed = Vec::new();
        if is_other {
            self.step += 1;
            self.remember(mark);
            changed.push(Subject::Anything);
            changed.extend(former.iter().flat_map(|it| changes(&it.fleet, &fleet)));
        }
        for subject in &changed {
            self.changed_at.insert(subject.clone(), self.step);
        }
        let shown = Arc::new(Shown {
            fleet,
            mark,
            answer: OnceLock::new(),
        });
        self.newest = Some(shown.clone());
        (shown, changed)
    }

    /// These change, though no look shows it yet. Whoever looks and sees nothing new has seen this
    /// too: it is not told again.
    fn expect_change(&mut self, subjects: &[Subject]) {
        let Some(mark) = self.newest.as_ref().map(|newest| newest.mark) else {
            return;
        };
        self.step += 1;
        self.remember(mark);
        for subject in subjects {
            self.changed_at.insert(subject.clone(), self.step);
        }
    }

    fn remember(&mut self, mark: Mark) {
        self.marks.push_back((mark, self.step));
        if self.marks.len() > MARKS_MAX {
            // In one go: whoever saw those looks first.
            self.marks.drain(..MARKS_MAX / 2);
            let oldest = self.marks.front().map_or(self.step, |(_, step)| *step);
            self.changed_at.retain(|_, step| *step > oldest);
        }
    }

    /// The latest step of this mark.
    fn step_of(&self, mark: Mark) -> Option<u64> {
        let mut marks = self.marks.iter().rev();
        let (_, step) = marks.find(|(it, _)| *it == mark)?;
        Some(*step)
    }

    fn changed_since(&self, subjects: &[Subject], base: u64) -> bool {
        let changed_at = |subject| self.changed_at.get(subject).copied().unwrap_or(0);
        subjects.iter().any(|subject| changed_at(subject) > base)
    }
}
