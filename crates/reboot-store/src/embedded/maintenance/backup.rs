//! A backup: one file, consistent, taken beside a running daemon.

use super::check::check;
use crate::embedded::database::open_to_read;
use crate::embedded::error::StoreError;
use crate::embedded::file::{self, FileIdentity, Lock, beside};
use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};
use std::path::Path;

/// Copies the store at `path` into a new file `to`, checks the copy and syncs it to the disk.
///
/// # Errors
/// When `to` exists already, the store cannot be read, or the copy is not sound.
pub fn backup(path: &Path, to: &Path) -> Result<(), StoreError> {
    if FileIdentity::of(to)?.is_some() {
        let path = to.to_owned();
        return Err(StoreError::Exists { path });
    }
    // Only a store that is there is locked: no lock file is left beside a mistyped path.
    open_to_read(path)?;
    let _lock = Lock::shared(path)?;
    let partial = beside(to, ".partial");
    copy(path, &partial)?;
    refuse_unsound(&partial)?;
    file::rename(&partial, to)?;
    file::sync_directory(to)
}

/// Refuses a store with anything wrong in it.
pub(super) fn refuse_unsound(path: &Path) -> Result<(), StoreError> {
    let report = check(path)?;
    if report.is_sound() {
        return Ok(());
    }
    Err(StoreError::Damaged {
        path: path.to_owned(),
        cause: report.problems.join("; "),
    })
}

/// Copies a store into a single file, over what an interrupted try may have left there.
pub(super) fn copy(from: &Path, to: &Path) -> Result<(), StoreError> {
    for suffix in ["", "-wal", "-shm", "-journal"] {
        file::remove(&beside(to, suffix))?;
    }
    file::make_private(to)?;
    let source = open_to_read(from)?;
    copy_pages(&source, from, to)?;
    file::sync_file(to)
}

fn copy_pages(source: &Connection, from: &Path, to: &Path) -> Result<(), StoreError> {
    let mut target = Connection::open(to).map_err(|error| StoreError::sql(to, &error))?;
    let sql = |error| StoreError::sql(from, &error);
    let step = {
        let backup = Backup::new(source, &mut target).map_err(sql)?;
        backup.step(-1).map_err(sql)?
    };
    if step != StepResult::Done {
        let path = from.to_owned();
        return Err(StoreError::Busy { path });
    }
    target
        .pragma_update_and_check(None, "journal_mode", "delete", |_| Ok(()))
        .map_err(|error| StoreError::sql(to, &error))
}
