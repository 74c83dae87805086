//! The way to the store: writes in the order the agent asked for them, each with a deadline.

use crate::failpoints::{Failpoints, write_name};
use crate::report::Report;
use reboot_core::agent::{Event, Tag};
use reboot_core::write::{Trouble, Write, Written};
use reboot_store::Store;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How long the store may take to answer.
pub(crate) const STORE_TIMEOUT: Duration = Duration::from_secs(10);
/// How many writes may wait; more are answered as failed.
const QUEUE_LENGTH: usize = 64;

/// Two queues to one store: what the group is asked, and what the agent tells of itself.
/// The first must not wait behind the second.
pub(crate) struct Desk {
    asks: mpsc::Sender<(Tag, Write)>,
    words: mpsc::Sender<(Tag, Write)>,
}

// === impl Desk ===

impl Desk {
    /// Opens the desk; its clerks live in `tasks`.
    pub(crate) fn open(
        store: &Arc<dyn Store>,
        reports: &mpsc::Sender<Report>,
        tasks: &mut JoinSet<()>,
        failpoints: &Failpoints,
    ) -> Self {
        let mut clerk = || {
            let (queue, waiting) = mpsc::channel(QUEUE_LENGTH);
            let failpoints = failpoints.clone();
            tasks.spawn(serve(
                Arc::clone(store),
                waiting,
                reports.clone(),
                failpoints,
            ));
            queue
        };
        Self {
            asks: clerk(),
            words: clerk(),
        }
    }

    /// Queues a write; a full queue is answered at once.
    pub(crate) fn write(&self, tag: Tag, write: Write) -> Option<Event> {
        let queue = match tag {
            Tag::Publish | Tag::KeepSession => &self.words,
            _ => &self.asks,
        };
        let (tag, _) = queue.try_send((tag, write)).err()?.into_inner();
        let trouble = Trouble::Unavailable(format!("{QUEUE_LENGTH} writes wait already"));
        Some(Event::Wrote {
            tag,
            result: Err(trouble),
        })
    }
}

async fn serve(
    store: Arc<dyn Store>,
    mut waiting: mpsc::Receiver<(Tag, Write)>,
    reports: mpsc::Sender<Report>,
    failpoints: Failpoints,
) {
    while let Some((tag, write)) = waiting.recv().await {
        let name = write_name(&write);
        failpoints.before(name);
        let result = within_deadline(store.write(write)).await;
        failpoints.after(name);
        if reports
            .send(Report::Event(Event::Wrote { tag, result }))
            .await
            .is_err()
        {
            return; // the shell is gone
        }
    }
}

async fn within_deadline(
    answer: impl Future<Output = Result<Written, Trouble>>,
) -> Result<Written, Trouble> {
    let secs = STORE_TIMEOUT.as_secs();
    let late = || Trouble::Unknown(format!("the store did not answer within {secs} s"));
    timeout(STORE_TIMEOUT, answer)
        .await
        .unwrap_or_else(|_| Err(late()))
}
