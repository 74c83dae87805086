//! Who calls at this moment. A client's word that it is steady ends its other requests, and of
//! one client's commits only one is under way at a time: so no slot is given to somebody who has
//! just said that it needs none.

use reboot_core::id::NodeName;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedMutexGuard, watch};

/// Every client with a request under way.
#[derive(Clone, Debug, Default)]
pub(crate) struct Callers(Arc<Mutex<HashMap<NodeName, Arc<Caller>>>>);

#[derive(Debug)]
struct Caller {
    /// How often it has said that it is steady.
    words: watch::Sender<u64>,
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// One request of a client.
#[derive(Debug)]
pub(crate) struct Call {
    callers: Callers,
    id: NodeName,
    caller: Arc<Caller>,
    words: u64,
}

// === impl Callers ===

impl Callers {
    /// A new request of this client.
    pub(crate) fn enter(&self, id: &NodeName) -> Arc<Call> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let caller = all.entry(id.clone()).or_insert_with(|| {
            Arc::new(Caller {
                words: watch::Sender::new(0),
                turn: Arc::default(),
            })
        });
        let words = *caller.words.borrow();
        Arc::new(Call {
            callers: self.clone(),
            id: id.clone(),
            caller: caller.clone(),
            words,
        })
    }

    /// How many clients have a request under way.
    #[cfg(test)]
    fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

// === impl Call ===

impl Call {
    /// The client is steady: its other requests are over.
    pub(crate) fn end_others(&self) {
        self.caller.words.send_modify(|words| *words += 1);
    }

    /// Whether the client has said since that it is steady.
    pub(crate) fn is_ended(&self) -> bool {
        *self.caller.words.borrow() != self.words
    }

    /// Answers when the client says that it is steady.
    pub(crate) async fn ended(&self) {
        let mut words = self.caller.words.subscribe();
        // The sender lives as long as this.
        let _ = words.wait_for(|words| *words != self.words).await;
    }

    /// The right to commit something for this client.
    pub(crate) async fn turn(&self) -> OwnedMutexGuard<()> {
        self.caller.turn.clone().lock_owned().await
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let all = self.callers.0.lock();
        let mut all = all.unwrap_or_else(PoisonError::into_inner);
        // The map and this one: nobody else is here.
        if Arc::strong_count(&self.caller) == 2 {
            all.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> NodeName {
        NodeName::new(text).unwrap()
    }

    #[test]
    fn a_word_ends_the_requests_before_it_and_none_after() {
        let callers = Callers::default();
        let (before, other) = (callers.enter(&id("a")), callers.enter(&id("b")));
        callers.enter(&id("a")).end_others();
        let after = callers.enter(&id("a"));
        assert!(before.is_ended() && !after.is_ended() && !other.is_ended());
    }

    #[test]
    fn nobody_is_remembered_who_has_left() {
        let callers = Callers::default();
        let calls = [callers.enter(&id("a")), callers.enter(&id("a"))];
        assert_eq!(callers.count(), 1);
        drop(calls);
        assert_eq!(callers.count(), 0);
    }

    #[tokio::test]
    async fn of_one_client_one_commit_is_under_way() {
        let callers = Callers::default();
        let (one, next, other) = (
            callers.enter(&id("a")),
            callers.enter(&id("a")),
            callers.enter(&id("b")),
        );
        let turn = one.turn().await;
        assert!(
            next.caller.turn.try_lock().is_err(),
            "it waits for its turn"
        );
        assert!(other.caller.turn.try_lock().is_ok());
        drop(turn);
        assert!(next.caller.turn.try_lock().is_ok());
    }
}
