//! What can go wrong with the embedded store, and what an operator does about it.

use reboot_core::write::Trouble;
use rusqlite::ErrorCode;
use std::io;
use std::path::{Path, PathBuf};

/// Why the embedded store cannot be opened, used or maintained.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database is gone though its lock file says that there was one.
    #[error(
        "the store {} is missing though it was in use before: put it back, or restore a backup; \
         to start anew with a fleet in which nobody is down, delete {} first",
        path.display(), lock.display()
    )]
    Missing {
        /// The database.
        path: PathBuf,
        /// The lock file beside it.
        lock: PathBuf,
    },
    /// Another file, or none, stands where the opened database stood.
    #[error(
        "the store {} was moved, deleted or replaced while in use: put it back, or restore a \
         backup; nothing is written meanwhile",
        path.display()
    )]
    Moved {
        /// The database.
        path: PathBuf,
    },
    /// The file system cannot keep the locks and the shared memory that the store stands on.
    #[error(
        "the store {} would lie on {kind}, where its locks do not hold: choose a path on a local \
         disk, or a store made for the network",
        path.display()
    )]
    NetworkFileSystem {
        /// The database.
        path: PathBuf,
        /// The kind of file system.
        kind: &'static str,
    },
    /// A restore wants the store for itself and others use it, or the other way round.
    #[error("the store {} is in use: {advice}", path.display())]
    InUse {
        /// The database.
        path: PathBuf,
        /// What to do.
        advice: &'static str,
    },
    /// A database of some other program.
    #[error(
        "{} is a database of another program: choose another path for the store",
        path.display()
    )]
    Foreign {
        /// The database.
        path: PathBuf,
    },
    /// Written by a newer version.
    #[error(
        "the store {} has format {found}, this program knows up to {known}: update it",
        path.display()
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The newest format known here.
        known: i64,
    },
    /// No space is left.
    #[error(
        "the disk under the store {} is full: free some space; nothing was changed, and the \
         next try goes on from here",
        path.display()
    )]
    DiskFull {
        /// The database.
        path: PathBuf,
    },
    /// Read-only file system, or lost permissions.
    #[error(
        "the store {} cannot be written ({cause}): see that its file system is mounted for \
         writing and that this user owns the file and its directory",
        path.display()
    )]
    NotWritable {
        /// The database.
        path: PathBuf,
        /// What the system said.
        cause: String,
    },
    /// Another process did not let go of the database.
    #[error(
        "the store {} is locked by another process: see who has it open with fuser(1)",
        path.display()
    )]
    Busy {
        /// The database.
        path: PathBuf,
    },
    /// No database, or a torn one.
    #[error(
        "the store {} is damaged ({cause}): stop the daemon, keep the file, and restore a backup",
        path.display()
    )]
    Damaged {
        /// The database.
        path: PathBuf,
        /// What is wrong.
        cause: String,
    },
    /// A record that cannot be used.
    #[error("in the store {}: {cause}", path.display())]
    Record {
        /// The database.
        path: PathBuf,
        /// Which record, and what is wrong.
        cause: String,
    },
    /// A backup must not replace anything.
    #[error("{} exists already: give the backup a new name", path.display())]
    Exists {
        /// The target.
        path: PathBuf,
    },
    /// A file beside the database, or the database itself.
    #[error("cannot {what} {}: {cause}", path.display())]
    File {
        /// What was tried.
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// Any other failure of the database.
    #[error(
        "the store {} failed ({cause}): see the kernel's log for errors of the disk; it is tried \
         again",
        path.display()
    )]
    Failed {
        /// The database.
        path: PathBuf,
        /// What it said.
        cause: String,
    },
}

// === impl StoreError ===

impl StoreError {
    /// The name in logs and metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "store_missing",
            Self::Moved { .. } => "store_moved",
            Self::NetworkFileSystem { .. } => "network_file_system",
            Self::InUse { .. } => "store_in_use",
            Self::Foreign { .. } => "foreign_database",
            Self::Newer { .. } => "newer_format",
            Self::DiskFull { .. } => "disk_full",
            Self::NotWritable { .. } => "not_writable",
            Self::Busy { .. } => "store_busy",
            Self::Damaged { .. } => "store_damaged",
            Self::Record { .. } => "broken_record",
            Self::Exists { .. } => "exists",
            Self::File { .. } => "file",
            Self::Failed { .. } => "store_failed",
        }
    }

    /// What an agent is told.
    pub(super) fn trouble(&self) -> Trouble {
        match self {
            Self::Foreign { .. }
            | Self::Newer { .. }
            | Self::Damaged { .. }
            | Self::Record { .. } => Trouble::Broken(self.to_string()),
            _ => Trouble::Unavailable(self.to_string()),
        }
    }

    /// Sorts what the database said.
    pub(super) fn sql(path: &Path, error: &rusqlite::Error) -> Self {
        let (path, cause) = (path.to_owned(), error.to_string());
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::DiskFull { path },
            Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
                Self::NotWritable { path, cause }
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy { path },
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Damaged { path, cause }
            }
            _ => Self::Failed { path, cause },
        }
    }

    /// Names a file and what was tried with it.
    pub(super) fn file(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |cause| {
            let path = path.to_owned();
            match cause.kind() {
                io::ErrorKind::StorageFull => Self::DiskFull { path },
                io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
                    let cause = format!("cannot {what}: {cause}");
                    Self::NotWritable { path, cause }
                }
                _ => Self::File { what, path, cause },
            }
        }
    }
}
