//! Who waits for which changes. A change wakes those who wait for it, and nobody else.

use super::subject::Subject;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Everybody who waits.
#[derive(Default)]
pub(super) struct Ears(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    last: u64,
    by_subject: HashMap<Subject, HashMap<u64, Arc<Notify>>>,
}

/// One who waits, until it is dropped.
pub(super) struct Ear<'e> {
    ears: &'e Ears,
    number: u64,
    subjects: Vec<Subject>,
    call: Arc<Notify>,
}

// === impl Ears ===

impl Ears {
    /// Somebody waits for any of these.
    pub(super) fn listen(&self, subjects: Vec<Subject>) -> Ear<'_> {
        let call = Arc::new(Notify::new());
        let mut inner = self.lock();
        inner.last += 1;
        let number = inner.last;
        for subject in &subjects {
            let ears = inner.by_subject.entry(subject.clone()).or_default();
            ears.insert(number, call.clone());
        }
        Ear {
            ears: self,
            number,
            subjects,
            call,
        }
    }

    /// Wakes those who wait for this.
    pub(super) fn tell(&self, subject: &Subject) {
        let inner = self.lock();
        let ears = inner.by_subject.get(subject);
        for call in ears.iter().flat_map(|ears| ears.values()) {
            call.notify_one();
        }
    }

    /// How many wait.
    pub(super) fn count(&self) -> usize {
        let inner = self.lock();
        let numbers = inner.by_subject.values().flat_map(|ears| ears.keys());
        numbers.collect::<std::collections::HashSet<_>>().len()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Ear ===

impl Ear<'_> {
    /// Waits until something of it changed.
    pub(super) async fn heard(&self) {
        self.call.notified().await;
    }
}

impl Drop for Ear<'_> {
    fn drop(&mut self) {
        let mut inner = self.ears.lock();
        for subject in &self.subjects {
            if let Some(ears) = inner.by_subject.get_mut(subject) {
                ears.remove(&self.number);
                if ears.is_empty() {
                    inner.by_subject.remove(subject);
                }
            }
        }
    }
}
