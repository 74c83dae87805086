//! The database itself: opened with care, and checked to be still the one that was opened.

use super::clock::Clock;
use super::error::StoreError;
use super::file::{self, FileIdentity, Lock};
use rusqlite::{Connection, OpenFlags, TransactionBehavior, params};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// "rbst": tells our databases from others', see file(1).
pub(super) const APPLICATION_ID: i64 = 0x7262_7374;
/// The format that this code writes.
pub(super) const FORMAT: i64 = 1;

const SCHEMA: &str = include_str!("schema.sql");
/// A table that stores did not have from the beginning; earlier versions leave it alone.
pub(super) const ORDERS: &str = "CREATE TABLE IF NOT EXISTS orders(
    node TEXT PRIMARY KEY,
    ordered TEXT NOT NULL
) STRICT, WITHOUT ROWID;";
/// How long another process may hold the write lock.
const PATIENCE: Duration = Duration::from_secs(5);
/// Small: an idle daemon keeps it all in memory.
const PAGE_CACHE_KIB: i64 = 256;

/// How the database treats its disk. Only tests choose another way.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Tuning {
    /// Whether a commit is synced to the disk before it answers.
    pub(super) is_synced: bool,
    /// Pages in the log before it is moved into the database.
    pub(super) checkpoint_pages: i64,
    /// How long another process may hold the write lock.
    pub(super) patience: Duration,
}

/// An open database.
pub(super) struct Database {
    /// The one connection.
    pub(super) conn: Connection,
    path: PathBuf,
    identity: FileIdentity,
    log: Option<FileIdentity>,
}

/// Opens for reading only, also beside a running daemon.
pub(super) fn open_to_read(path: &Path) -> Result<Connection, StoreError> {
    if FileIdentity::of(path)?.is_none() {
        let cause = std::io::ErrorKind::NotFound.into();
        return Err(StoreError::file("open", path)(cause));
    }
    let sql = |error| StoreError::sql(path, &error);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags).map_err(sql)?;
    conn.busy_timeout(PATIENCE).map_err(sql)?;
    refuse_foreign(&conn, path)?;
    Ok(conn)
}

/// Refuses what another program, or a newer one of ours, has written.
pub(super) fn refuse_foreign(conn: &Connection, path: &Path) -> Result<(), StoreError> {
    let pragma = |name: &str| -> Result<i64, StoreError> {
        conn.pragma_query_value(None, name, |row| row.get(0))
            .map_err(|error| StoreError::sql(path, &error))
    };
    if pragma("application_id")? != APPLICATION_ID {
        return Err(StoreError::Foreign {
            path: path.to_owned(),
        });
    }
    match pragma("user_version")? {
        FORMAT => Ok(()),
        found if found > FORMAT => Err(StoreError::Newer {
            path: path.to_owned(),
            found,
            known: FORMAT,
        }),
        found => Err(StoreError::Damaged {
            path: path.to_owned(),
            cause: format!("its format is {found}, which never was"),
        }),
    }
}

// === impl Tuning ===

impl Default for Tuning {
    fn default() -> Self {
        Self {
            is_synced: true,
            checkpoint_pages: 500,
            patience: PATIENCE,
        }
    }
}

// === impl Database ===

impl Database {
    /// Opens the store, or makes it where there never was one.
    pub(super) fn open_or_make(
        path: &Path,
        lock: &Lock,
        tuning: Tuning,
        clock: &dyn Clock,
    ) -> Result<Self, StoreError> {
        let _turn = match lock.is_marked()? {
            true => None,
            false => Some(file::turn_to_make(path)?),
        };
        if FileIdentity::of(path)?.is_none() {
            if lock.is_marked()? {
                return Err(StoreError::Missing {
                    path: path.to_owned(),
                    lock: lock.path().to_owned(),
                });
            }
            file::make_private(path)?;
        }
        let database = Self::open(path, tuning, clock)?;
        file::sync_directory(path)?;
        lock.mark()?;
        Ok(database)
    }

    /// Opens a store that is there: one that vanished is never made anew in passing.
    pub(super) fn open(path: &Path, tuning: Tuning, clock: &dyn Clock) -> Result<Self, StoreError> {
        let moved = || StoreError::Moved {
            path: path.to_owned(),
        };
        let identity = FileIdentity::of(path)?.ok_or_else(moved)?;
        let sql = |error| StoreError::sql(path, &error);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut conn = Connection::open_with_flags(path, flags).map_err(sql)?;
        configure(&conn, tuning).map_err(sql)?;
        make_tables(&mut conn, path)?;
        refuse_foreign(&conn, path)?;
        conn.execute_batch(ORDERS).map_err(sql)?;
        checkpoint(&conn).map_err(sql)?;
        rearm(&mut conn, clock).map_err(sql)?;
        let log = FileIdentity::of(&file::beside(path, "-wal"))?;
        let path = path.to_owned();
        let database = Self {
            conn,
            path,
            identity,
            log,
        };
        database.refuse_moved()?;
        Ok(database)
    }

    /// Refuses to go on when the path means another file by now: what is written to a deleted
    /// file is lost.
    pub(super) fn refuse_moved(&self) -> Result<(), StoreError> {
        let log = file::beside(&self.path, "-wal");
        if FileIdentity::of(&self.path)? == Some(self.identity)
            && FileIdentity::of(&log)? == self.log
        {
            return Ok(());
        }
        Err(StoreError::Moved {
            path: self.path.clone(),
        })
    }
}

fn configure(conn: &Connection, tuning: Tuning) -> rusqlite::Result<()> {
    conn.busy_timeout(tuning.patience)?;
    conn.set_prepared_statement_cache_capacity(64);
    conn.pragma_update(None, "cache_size", -PAGE_CACHE_KIB)?;
    conn.pragma_update(None, "mmap_size", 0)?;
    conn.pragma_update(None, "temp_store", "memory")?;
    conn.pragma_update(None, "trusted_schema", false)?;
    conn.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    conn.pragma_update(None, "wal_autocheckpoint", tuning.checkpoint_pages)?;
    let level = if tuning.is_synced { "full" } else { "off" };
    conn.pragma_update(None, "synchronous", level)
}

/// Moves what an interrupted process left in the log into the database, synced: a commit that
/// was written but not synced must not be seen before it is durable. Only the first to open
/// finds such a one, so others that are busy are no reason to fail.
fn checkpoint(conn: &Connection) -> rusqlite::Result<()> {
    conn.query_row("PRAGMA wal_checkpoint(FULL)", [], |_| Ok(()))
}

/// Makes the tables of an empty database, in one transaction.
fn make_tables(conn: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let sql = |error| StoreError::sql(path, &error);
    let begun = conn.transaction_with_behavior(TransactionBehavior::Immediate);
    let transaction = begun.map_err(sql)?;
    let tables: i64 = transaction
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(sql)?;
    if tables > 0 {
        return Ok(());
    }
    let marks =
        format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {FORMAT};");
    let first = "INSERT INTO meta VALUES(1, 1, 1, '', 0, NULL);";
    transaction
        .execute_batch(&format!("{SCHEMA}{ORDERS}{marks}{first}"))
        .and_then(|()| transaction.commit())
        .map_err(sql)
}

/// After a reboot of the machine its clock starts anew: every lease and timer runs in full
/// again. Within one boot they go on, but none has more left than its full duration.
fn rearm(conn: &mut Connection, clock: &dyn Clock) -> rusqlite::Result<()> {
    let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let now = clock.boot_millis();
    let boot: String = transaction.query_row("SELECT boot_id FROM meta", [], |row| row.get(0))?;
    let is_new_boot = boot != clock.boot_id();
    for table in ["sessions", "timers", "nodes"] {
        let text = format!(
            "UPDATE {table} SET expires_ms = ?1 + duration_ms
             WHERE ?2 OR expires_ms > ?1 + duration_ms"
        );
        transaction.execute(&text, params![now, is_new_boot])?;
    }
    if is_new_boot {
        transaction.execute(
            "UPDATE meta SET boot_id = ?1, revision = revision + 1",
            [clock.boot_id()],
        )?;
    }
    transaction.commit()
}
