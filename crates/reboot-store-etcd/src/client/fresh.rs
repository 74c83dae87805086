//! Reads that never go back behind what this client was told before.
//!
//! An etcd before 3.4.42, 3.5.28 or 3.6.9 may answer a read with what stood some seconds ago, right
//! after its leader was stopped and goes on (etcd's issue 20418). Nobody's commit rests on that,
//! since each compares; but nobody needs to believe it either.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tonic::Status;

use super::connection::Connection;
use super::journey::Errand;
use super::pb;
use super::rpc::{Call, Extras};

/// The newest that this client was told of.
#[derive(Debug, Default)]
pub(super) struct Newest(Mutex<Seen>);

/// What an answer tells of when it was true.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    /// Of a change of any key.
    revision: i64,
    /// Of a leader.
    term: u64,
}

/// What is read, and tells when it was true.
pub(super) trait Read: Call {
    /// The head of its answer.
    fn header(answer: &Self::Answer) -> Option<&pb::ResponseHeader>;
}

/// A read whose answer is turned down while it is older than what was seen before it was asked.
pub(super) struct Fresh<'a, M> {
    message: M,
    newest: &'a Newest,
    seen: Seen,
    /// How many answers were turned down.
    older: AtomicUsize,
    /// An etcd that was put back from a copy is older for good: so many are turned down, and then
    /// it is believed.
    older_max: usize,
}

// === impl Newest ===

impl Newest {
    /// Notes what an answer tells.
    pub(super) fn note<M: Read>(&self, answer: &M::Answer) {
        let told = Seen::in_head(M::header(answer));
        let mut seen = self.seen();
        *seen = Seen {
            revision: seen.revision.max(told.revision),
            term: seen.term.max(told.term),
        };
    }

    /// Notes what a watch tells.
    pub(super) fn note_change(&self, revision: i64) {
        let mut seen = self.seen();
        seen.revision = seen.revision.max(revision);
    }

    /// A read on any of so many members.
    pub(super) fn read<M: Read>(&self, message: M, members: usize) -> Fresh<'_, M> {
        Fresh {
            message,
            newest: self,
            seen: *self.seen(),
            older: AtomicUsize::new(0),
            older_max: members + 1,
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Seen ===

impl Seen {
    fn in_head(header: Option<&pb::ResponseHeader>) -> Self {
        header.map_or_else(Self::default, |header| Self {
            revision: header.revision,
            term: header.raft_term,
        })
    }

    /// Why an answer cannot be of today.
    fn objection(self, told: Self) -> Option<String> {
        if told.revision < self.revision {
            let (told, seen) = (told.revision, self.revision);
            return Some(format!(
                "it shows revision {told}, but {seen} was seen before"
            ));
        }
        (told.term < self.term).then(|| {
            let (told, seen) = (told.term, self.term);
            format!("it knows of the leader of term {told}, but that of {seen} was seen before")
        })
    }
}

// === impl Fresh ===

impl<M: Read> Fresh<'_, M> {
    /// Takes an answer, or turns it down.
    fn take(&self, answer: &M::Answer) -> Result<(), Status> {
        let told = Seen::in_head(M::header(answer));
        let Some(objection) = self.seen.objection(told) else {
            self.newest.note::<M>(answer);
            return Ok(());
        };
        if self.older.fetch_add(1, Ordering::SeqCst) < self.older_max {
            return Err(Status::unavailable(objection));
        }
        *self.newest.seen() = told;
        Ok(())
    }
}

impl<M: Read + Sync> Errand for Fresh<'_, M> {
    type Done = M::Answer;

    async fn run(&self, connection: &Connection, extras: Extras) -> Result<M::Answer, Status> {
        let answer = connection.wire.unary(self.message.clone(), extras).await?;
        self.take(&answer)?;
        Ok(answer)
    }
}

// === impl Read ===

impl Read for pb::TxnRequest {
    fn header(answer: &pb::TxnResponse) -> Option<&pb::ResponseHeader> {
        answer.header.as_ref()
    }
}

impl Read for pb::RangeRequest {
    fn header(answer: &pb::RangeResponse) -> Option<&pb::ResponseHeader> {
        answer.header.as_ref()
    }
}
