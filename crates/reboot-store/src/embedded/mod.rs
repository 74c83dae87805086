//! The embedded store: an SQLite database on a local disk, shared by the processes of one
//! machine.
//!
//! It answers a write only after the commit is synced to the disk. Leases and timers run on
//! the boot-time clock, and in full again after a reboot of the machine. Processes that share
//! the file wake each other by a doorbell file beside it.

mod ask;
mod change;
mod clock;
mod database;
mod doorbell;
mod error;
mod facts;
mod file;
mod look;
pub mod maintenance;
#[cfg(test)]
mod tests;
mod worker;

pub use error::StoreError;

use crate::{Interest, Store};
use async_trait::async_trait;
use clock::{Clock, SystemClock};
use database::{Database, Tuning};
use doorbell::{Doorbell, Ear};
use file::Lock;
use look::Peek;
use reboot_core::fleet::Fleet;
use reboot_core::group::HistoryEntry;
use reboot_core::id::GroupName;
use reboot_core::write::{Trouble, Write, Written};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use worker::{Answer, Job, Worker};

/// Requests that may wait for the thread; more wait outside.
const WAITING_MAX: usize = 1024;
/// How often a waiter looks though nothing told it to.
const POLL: Duration = Duration::from_secs(30);

/// How an embedded store behaves.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Options {
    /// For how long a reboot counts towards the daily cap, in milliseconds of the boot-time
    /// clock.
    pub marks_ttl_ms: u64,
}

/// A fleet's state in an SQLite database on this machine.
pub struct EmbeddedStore {
    path: PathBuf,
    clock: Arc<dyn Clock>,
    /// `None` only while it is dropped: the thread ends when nobody can ask any more.
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    revision: watch::Receiver<u64>,
    ear: Ear,
    /// Keeps a restore out; let go last.
    _lock: Lock,
}

// === impl Options ===

impl Default for Options {
    fn default() -> Self {
        Self {
            marks_ttl_ms: 24 * 60 * 60 * 1000,
        }
    }
}

// === impl EmbeddedStore ===

impl EmbeddedStore {
    /// Opens the store of this path, or makes it where there never was one; its directory must
    /// be there. Blocks for as long as the disk takes. Waiting for changes wants a runtime with
    /// time and I/O enabled.
    ///
    /// # Errors
    /// Every [`StoreError`] that says why the place cannot be used, and what to do about it.
    pub fn open(path: &Path, options: Options) -> Result<Self, StoreError> {
        let clock = Arc::new(SystemClock::new()?);
        Self::open_with(path, &options, Tuning::default(), clock)
    }

    fn open_with(
        path: &Path,
        options: &Options,
        tuning: Tuning,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StoreError> {
        file::refuse_network(path)?;
        let lock = Lock::shared(path)?;
        let database = Database::open_or_make(path, &lock, tuning, clock.as_ref())?;
        let first = look::revision(&database.conn).map_err(|e| StoreError::sql(path, &e))?;
        let (jobs, queue) = mpsc::channel(WAITING_MAX);
        let (known, revision) = watch::channel(first);
        let worker = Worker {
            path: path.to_owned(),
            tuning,
            marks_ttl_ms: change::column(options.marks_ttl_ms),
            clock: clock.clone(),
            database: Some(database),
            jobs: queue,
            revision: known,
            doorbell: Doorbell::new(path)?,
            is_ring_due: false,
        };
        let ear = Ear::new(path)?;
        let thread = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || worker.run())
            .map_err(StoreError::file("start a thread for", path))?;
        Ok(Self {
            path: path.to_owned(),
            clock,
            jobs: Some(jobs),
            thread: Some(thread),
            revision,
            ear,
            _lock: lock,
        })
    }

    async fn ask<T>(&self, job: impl FnOnce(Answer<T>) -> Job) -> Result<T, Trouble> {
        let (answer, reply) = oneshot::channel();
        let jobs = self.jobs.as_ref().ok_or_else(|| self.gone())?;
        jobs.send(job(answer)).await.map_err(|_| self.gone())?;
        reply.await.map_err(|_| self.gone())?
    }

    fn gone(&self) -> Trouble {
        let what = self.describe();
        Trouble::Unknown(format!("{what}: its thread is gone, restart the program"))
    }
}

impl Drop for EmbeddedStore {
    /// Waits until what was asked is committed and the database is closed.
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A panic was reported where it happened, and answered to those who waited.
            let _ = thread.join();
        }
    }
}

#[async_trait]
impl Store for EmbeddedStore {
    fn describe(&self) -> String {
        format!("embedded store {}", self.path.display())
    }

    async fn write(&self, write: Write) -> Result<Written, Trouble> {
        self.ask(|answer| Job::Write(Box::new(write), answer)).await
    }

    async fn look(&self) -> Result<Fleet, Trouble> {
        self.ask(Job::Look).await
    }

    async fn changed(&self, interest: &Interest, seen: u64) -> Result<(), Trouble> {
        let mut known = self.revision.clone();
        loop {
            let is_other = *known.borrow_and_update() != seen;
            if is_other && !matches!(interest, Interest::Order { .. }) {
                return Ok(());
            }
            let peek: Peek = self
                .ask(|answer| Job::Peek(interest.clone(), answer))
                .await?;
            if peek.is_news(interest, seen) {
                return Ok(());
            }
            let next_end = async {
                match peek.next_end_ms {
                    Some(ends) => self.clock.reach(ends).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                told = known.changed() => told.map_err(|_| self.gone())?,
                () = self.ear.heard() => {}
                () = next_end => {}
                () = tokio::time::sleep(POLL) => {}
            }
        }
    }

    async fn history(&self, group: &GroupName, limit: usize) -> Result<Vec<HistoryEntry>, Trouble> {
        self.ask(|answer| Job::History(group.clone(), limit, answer))
            .await
    }
}
