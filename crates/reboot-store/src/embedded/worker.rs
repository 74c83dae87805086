//! The one thread that has the database: it commits all that waits in one transaction, with
//! one sync, and answers only then.

use super::change::{Change, Fault};
use super::clock::Clock;
use super::database::{Database, Tuning};
use super::doorbell::Doorbell;
use super::error::StoreError;
use super::look::{self, Peek};
use crate::Interest;
use reboot_core::fleet::Fleet;
use reboot_core::group::HistoryEntry;
use reboot_core::id::GroupName;
use reboot_core::write::{Trouble, Write, Written};
use rusqlite::{Connection, TransactionBehavior};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot, watch};

/// The most writes in one commit.
const BATCH_MAX: usize = 256;

/// Where an answer goes.
pub(super) type Answer<T> = oneshot::Sender<Result<T, Trouble>>;

/// What the thread is asked.
pub(super) enum Job {
    /// Commit a change.
    Write(Box<Write>, Answer<Written>),
    /// Show everything.
    Look(Answer<Fleet>),
    /// Show what a waiter needs.
    Peek(Interest, Answer<Peek>),
    /// Show a group's history.
    History(GroupName, usize, Answer<Vec<HistoryEntry>>),
    /// Fail as no code should.
    #[cfg(test)]
    Panic,
}

/// What the thread works with.
pub(super) struct Worker {
    /// The database's path.
    pub(super) path: PathBuf,
    /// How the database treats its disk.
    pub(super) tuning: Tuning,
    /// For how long a reboot counts, in milliseconds.
    pub(super) marks_ttl_ms: i64,
    /// The time.
    pub(super) clock: Arc<dyn Clock>,
    /// The open database; `None` after a failure, until the next job opens it again.
    pub(super) database: Option<Database>,
    /// The requests.
    pub(super) jobs: mpsc::Receiver<Job>,
    /// Tells those who wait in this process.
    pub(super) revision: watch::Sender<u64>,
    /// Tells other processes.
    pub(super) doorbell: Doorbell,
    /// Whether there is news that the other processes do not know of.
    pub(super) is_ring_due: bool,
}

/// Why a batch has no answers of its own: one for all.
enum Failure {
    /// Nothing was changed.
    Nothing(StoreError),
    /// It may be committed.
    Unknown(StoreError),
}

/// What a read cannot do without.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Need {
    /// The rows: on a full disk one can still look.
    Rows,
    /// The news of what has ended: who waits would else be woken for nothing, again and again.
    Sweep,
}

type Answers = Vec<Result<Written, Trouble>>;

// === impl Failure ===

impl Failure {
    fn trouble(&self) -> Trouble {
        match self {
            Self::Nothing(error) => error.trouble(),
            Self::Unknown(error) => Trouble::Unknown(format!(
                "{error}; whether the last change was committed is not known: look again"
            )),
        }
    }

    fn error(&self) -> &StoreError {
        match self {
            Self::Nothing(error) | Self::Unknown(error) => error,
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Nothing(error)
    }
}

// === impl Worker ===

impl Worker {
    /// Serves until nobody can ask any more.
    pub(super) fn run(mut self) {
        while let Some(first) = self.jobs.blocking_recv() {
            let mut writes = Vec::new();
            let mut reads = Vec::new();
            let mut next = Some(first);
            while let Some(job) = next {
                match job {
                    Job::Write(write, answer) => writes.push((*write, answer)),
                    read => reads.push(read),
                }
                let is_full = writes.len() + reads.len() >= BATCH_MAX;
                next = if is_full {
                    None
                } else {
                    self.jobs.try_recv().ok()
                };
            }
            self.serve_writes(writes);
            reads.into_iter().for_each(|job| self.serve_read(job));
            // After the answers: who asked has waited long enough.
            if std::mem::take(&mut self.is_ring_due) {
                self.doorbell.ring();
            }
        }
    }

    fn serve_writes(&mut self, batch: Vec<(Write, Answer<Written>)>) {
        if batch.is_empty() {
            return;
        }
        let (writes, answers): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
        let outcome = self.guarded(|worker| worker.commit(&writes));
        let results = outcome.unwrap_or_else(|failure| vec![Err(failure.trouble()); answers.len()]);
        for (answer, result) in answers.into_iter().zip(results) {
            // Nobody waits for it any more: the next try under the same id finds it done.
            let _ = answer.send(result);
        }
    }

    fn serve_read(&mut self, job: Job) {
        match job {
            Job::Look(answer) => self.answer(answer, Need::Rows, look::fleet),
            Job::Peek(interest, answer) => {
                let peek = |conn: &Connection, now| Ok(look::peek(conn, now, &interest)?);
                self.answer(answer, Need::Sweep, peek);
            }
            Job::History(group, limit, answer) => {
                let history = |conn: &Connection, _| look::history(conn, &group, limit);
                self.answer(answer, Need::Rows, history);
            }
            Job::Write(write, answer) => self.serve_writes(vec![(*write, answer)]),
            #[cfg(test)]
            Job::Panic => {
                let failed = self.guarded(|_| -> Result<(), Failure> { panic!("on demand") });
                assert!(failed.is_err());
            }
        }
    }

    fn answer<T>(
        &mut self,
        answer: Answer<T>,
        need: Need,
        read: impl FnOnce(&Connection, i64) -> Result<T, Fault>,
    ) {
        let result = self.guarded(|worker| worker.read(need, read));
        let _ = answer.send(result.map_err(|failure| failure.trouble()));
    }

    /// Runs a piece of work; after a failure, or a panic, the database is opened anew.
    fn guarded<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let result = catch_unwind(AssertUnwindSafe(|| work(self))).unwrap_or_else(|_| {
            let cause = "a bug of this program stopped it: please report what its log says";
            Err(Failure::Unknown(StoreError::Failed {
                path: self.path.clone(),
                cause: cause.to_owned(),
            }))
        });
        if let Err(failure) = &result
            && !matches!(failure.error(), StoreError::Record { .. })
        {
            self.database = None;
        }
        result
    }

    fn open(&mut self) -> Result<&mut Database, StoreError> {
        let database = match self.database.take() {
            Some(database) => database,
            None => Database::open(&self.path, self.tuning, self.clock.as_ref())?,
        };
        database.refuse_moved()?;
        Ok(self.database.insert(database))
    }

    /// Reads in one consistent look, after writing down which leases have ended by now.
    fn read<T>(
        &mut self,
        need: Need,
        read: impl FnOnce(&Connection, i64) -> Result<T, Fault>,
    ) -> Result<T, Failure> {
        let path = self.path.clone();
        let sql = |error| StoreError::sql(&path, &error);
        let now = self.clock.boot_millis();
        let database = self.open()?;
        if look::is_sweep_due(&database.conn, now).map_err(sql)? {
            let swept = self.commit(&[]);
            if need == Need::Sweep {
                swept?;
            }
        }
        let now = self.clock.boot_millis();
        let database = self.open()?;
        let transaction = database.conn.transaction().map_err(sql)?;
        let result = read(&transaction, now).map_err(|fault| error_of(&path, fault))?;
        let revision = look::revision(&transaction).map_err(sql)?;
        drop(transaction);
        database.refuse_moved()?;
        self.tell(revision);
        Ok(result)
    }

    /// Tells those who wait here; true when it is news to them.
    fn tell(&self, revision: u64) -> bool {
        self.revision.send_if_modified(|known| {
            let is_news = *known != revision;
            *known = revision;
            is_news
        })
    }

    /// Commits these writes, and which leases have ended by now, in one transaction.
    fn commit(&mut self, writes: &[Write]) -> Result<Answers, Failure> {
        let path = self.path.clone();
        let sql = |error| StoreError::sql(&path, &error);
        let (clock, marks_ttl_ms) = (self.clock.clone(), self.marks_ttl_ms);
        let database = self.open()?;
        let mut transaction = database
            .conn
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(sql)?;
        let now = clock.boot_millis();
        let (answers, is_news) =
            apply_all(&mut transaction, writes, now, marks_ttl_ms).map_err(sql)?;
        if is_news {
            let raise = "UPDATE meta SET revision = revision + 1";
            let raised = transaction
                .prepare_cached(raise)
                .and_then(|mut it| it.execute([]));
            raised.map_err(sql)?;
        }
        let revision = look::revision(&transaction).map_err(sql)?;
        transaction.commit().map_err(|error| match sql(error) {
            // The frame that makes it a commit is written last: it was not.
            full @ StoreError::DiskFull { .. } => Failure::Nothing(full),
            other => Failure::Unknown(other),
        })?;
        database.refuse_moved().map_err(Failure::Unknown)?;
        if is_news {
            self.tell(revision);
            self.is_ring_due = true;
        }
        Ok(answers)
    }
}

/// Names the store that a fault is of.
pub(super) fn error_of(path: &Path, fault: Fault) -> StoreError {
    match fault {
        Fault::Sql(error) => StoreError::sql(path, &error),
        Fault::Broken(cause) => StoreError::Record {
            path: path.to_owned(),
            cause,
        },
        Fault::Refused(refusal) => StoreError::Record {
            path: path.to_owned(),
            cause: refusal.to_string(),
        },
    }
}

/// Applies each write by itself: one that is refused leaves nothing behind.
fn apply_all(
    transaction: &mut rusqlite::Transaction<'_>,
    writes: &[Write],
    now: i64,
    marks_ttl_ms: i64,
) -> Result<(Answers, bool), rusqlite::Error> {
    let mut sweep = Change::new(transaction, now, marks_ttl_ms);
    sweep.sweep()?;
    let mut is_news = sweep.is_news;
    let mut answers = Vec::with_capacity(writes.len());
    for write in writes {
        let savepoint = transaction.savepoint()?;
        let mut one = Change::new(&savepoint, now, marks_ttl_ms);
        let result = one.apply(write);
        let is_one_news = one.is_news;
        answers.push(match result {
            Ok(written) => {
                savepoint.commit()?;
                is_news |= is_one_news;
                Ok(written)
            }
            Err(Fault::Refused(refusal)) => Err(Trouble::Refused(refusal)),
            Err(Fault::Broken(cause)) => Err(Trouble::Broken(cause)),
            Err(Fault::Sql(error)) => return Err(error),
        });
    }
    Ok((answers, is_news))
}
