//! Reads that never go back behind what this client was told before.
//!
//! An etcd before 3.4.42, 3.5.28 or 3.6.9 may answer a read with what stood some seconds ago, right
//! after its leader was paused and continued (etcd's issue 20418). Nobody's commit rests on that,
//! since each compares; but nobody needs to believe it either.

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use tonic::Status;

use super::connection::Connection;
use super::journey::Errand;
use super::pb;
use super::rpc::{Call, Extras};

/// The newest revision that this client was told of.
#[derive(Debug, Default)]
pub(super) struct Newest(AtomicI64);

/// What is read, and tells as of which revision.
pub(super) trait Read: Call {
    /// The revision at which its answer stood.
    fn revision(answer: &Self::Answer) -> i64;
}

/// A read whose answer is turned down while it is older than what was seen before it was asked.
pub(super) struct Fresh<'a, M> {
    message: M,
    newest: &'a Newest,
    seen: i64,
    /// How many answers were turned down.
    older: AtomicUsize,
    /// An etcd that was put back from a copy is older for good: so many are turned down, and then
    /// it is believed.
    older_max: usize,
}

// === impl Newest ===

impl Newest {
    /// Notes what an answer told.
    pub(super) fn note(&self, revision: i64) {
        self.0.fetch_max(revision, Ordering::SeqCst);
    }

    /// A read on any of so many members.
    pub(super) fn read<M: Read>(&self, message: M, members: usize) -> Fresh<'_, M> {
        Fresh {
            message,
            newest: self,
            seen: self.0.load(Ordering::SeqCst),
            older: AtomicUsize::new(0),
            older_max: members + 1,
        }
    }
}

// === impl Fresh ===

impl<M: Read> Fresh<'_, M> {
    /// Takes an answer as of a revision, or turns it down.
    fn take(&self, revision: i64) -> Result<(), Status> {
        if revision >= self.seen {
            self.newest.note(revision);
            return Ok(());
        }
        if self.older.fetch_add(1, Ordering::SeqCst) < self.older_max {
            return Err(Status::unavailable(format!(
                "it shows revision {revision}, but {} was seen before",
                self.seen
            )));
        }
        self.newest.0.store(revision, Ordering::SeqCst);
        Ok(())
    }
}

impl<M: Read + Sync> Errand for Fresh<'_, M> {
    type Done = M::Answer;

    async fn run(&self, connection: &Connection, extras: Extras) -> Result<M::Answer, Status> {
        let answer = connection.wire.unary(self.message.clone(), extras).await?;
        self.take(M::revision(&answer))?;
        Ok(answer)
    }
}

// === impl Read ===

impl Read for pb::TxnRequest {
    fn revision(answer: &pb::TxnResponse) -> i64 {
        answer.header.as_ref().map_or(0, |header| header.revision)
    }
}

impl Read for pb::RangeRequest {
    fn revision(answer: &pb::RangeResponse) -> i64 {
        answer.header.as_ref().map_or(0, |header| header.revision)
    }
}
