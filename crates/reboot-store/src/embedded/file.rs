//! The files of a store: where they may lie, who may read them, and whether they are still the
//! ones that were opened.

use super::error::StoreError;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::statfs::{FsType, statfs};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Only the owner: the store can stop a fleet.
const PRIVATE: u32 = 0o600;
/// In the lock file once the database has been made: a missing database is then a loss.
const MADE: &[u8] = b"the store beside this file has been made\n";

/// File systems of which several machines see the same file, statfs(2).
const NETWORK: [(i64, &str); 11] = [
    (0x6969, "NFS"),
    (0x517b, "SMB"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB2"),
    (0x6573_5546, "FUSE"),
    (0x00c3_6400, "Ceph"),
    (0x0102_1997, "9p"),
    (0x5346_414f, "AFS"),
    (0x0bd0_0bd0, "Lustre"),
    (0x0116_1970, "GFS2"),
    (0x7461_636f, "OCFS2"),
];

/// A path beside the database: `fleet.db` and `.lock` make `fleet.db.lock`.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// The directory of a file.
pub(super) fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Refuses file systems on which locks and shared memory do not hold between processes.
pub(super) fn refuse_network(path: &Path) -> Result<(), StoreError> {
    let found = statfs(directory(path))
        .map_err(io::Error::from)
        .map_err(StoreError::file("look at the directory of", path))?;
    match network_kind(found.filesystem_type()) {
        Some(kind) => Err(StoreError::NetworkFileSystem {
            path: path.to_owned(),
            kind,
        }),
        None => Ok(()),
    }
}

fn network_kind(found: FsType) -> Option<&'static str> {
    // The type, and whether it is signed, differs between platforms.
    #[allow(clippy::useless_conversion)]
    let found = i64::try_from(found.0).ok()? & 0xffff_ffff;
    let is_it = |(magic, _): &&(i64, &str)| *magic == found;
    NETWORK.iter().find(is_it).map(|(_, kind)| *kind)
}

/// Makes entries of a directory survive a power loss.
pub(super) fn sync_directory(path: &Path) -> Result<(), StoreError> {
    let directory = directory(path);
    File::open(directory)
        .and_then(|file| file.sync_all())
        .map_err(StoreError::file("sync", directory))
}

/// Makes an empty private file; one that exists is left as it is.
pub(super) fn make_private(path: &Path) -> Result<(), StoreError> {
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(PRIVATE)
        .open(path);
    match made {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(StoreError::file("make", path)(error)),
    }
}

/// Waits for the turn to make the database: two that make one at once get in each other's way.
/// The turn ends with the value.
pub(super) fn turn_to_make(database: &Path) -> Result<Flock<File>, StoreError> {
    let path = beside(database, ".doorbell");
    make_private(&path)?;
    let file = File::open(&path).map_err(StoreError::file("open", &path))?;
    Flock::lock(file, FlockArg::LockExclusive)
        .map_err(|(_, errno)| StoreError::file("lock", &path)(errno.into()))
}

/// Makes a file's content survive a power loss.
pub(super) fn sync_file(path: &Path) -> Result<(), StoreError> {
    File::open(path)
        .and_then(|file| file.sync_all())
        .map_err(StoreError::file("sync", path))
}

/// Gives a file another name.
pub(super) fn rename(from: &Path, to: &Path) -> Result<(), StoreError> {
    std::fs::rename(from, to).map_err(StoreError::file("rename", from))
}

/// Removes a file; one that is not there is fine.
pub(super) fn remove(path: &Path) -> Result<(), StoreError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(StoreError::file("remove", path)(error))
        }
        _ => Ok(()),
    }
}

/// Which file a path means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct FileIdentity {
    device: u64,
    inode: u64,
}

/// Held by every open store (shared) and by a restore (alone).
#[derive(Debug)]
pub(super) struct Lock {
    file: Flock<File>,
    path: PathBuf,
}

// === impl FileIdentity ===

impl FileIdentity {
    /// Looks a path up; `None` when nothing is there.
    pub(super) fn of(path: &Path) -> Result<Option<Self>, StoreError> {
        match std::fs::metadata(path) {
            Ok(found) => Ok(Some(Self {
                device: found.dev(),
                inode: found.ino(),
            })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::file("look at", path)(error)),
        }
    }
}

// === impl Lock ===

impl Lock {
    /// Locks out a restore, for as long as the value lives.
    pub(super) fn shared(database: &Path) -> Result<Self, StoreError> {
        let advice = "it is being restored: try again when that is done";
        Self::take(database, FlockArg::LockSharedNonblock, advice)
    }

    /// Locks out everybody.
    pub(super) fn alone(database: &Path) -> Result<Self, StoreError> {
        let advice = "stop every daemon and command that has it open, then try again";
        Self::take(database, FlockArg::LockExclusiveNonblock, advice)
    }

    fn take(database: &Path, how: FlockArg, advice: &'static str) -> Result<Self, StoreError> {
        let path = beside(database, ".lock");
        make_private(&path)?;
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .open(&path)
            .map_err(StoreError::file("open", &path))?;
        match Flock::lock(file, how) {
            Ok(file) => Ok(Self { file, path }),
            Err((_, Errno::EWOULDBLOCK)) => Err(StoreError::InUse {
                path: database.to_owned(),
                advice,
            }),
            Err((_, errno)) => Err(StoreError::file("lock", &path)(errno.into())),
        }
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the database has been made before.
    pub(super) fn is_marked(&self) -> Result<bool, StoreError> {
        let found = self.file.metadata();
        let found = found.map_err(StoreError::file("look at", &self.path))?;
        Ok(found.len() > 0)
    }

    /// Remembers for good that the database has been made.
    pub(super) fn mark(&self) -> Result<(), StoreError> {
        if self.is_marked()? {
            return Ok(());
        }
        let mut file: &File = &self.file;
        file.write_all(MADE)
            .and_then(|()| file.sync_all())
            .map_err(StoreError::file("write", &self.path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_are_known_by_their_numbers() {
        assert_eq!(network_kind(FsType(0x6969)), Some("NFS"));
        assert_eq!(network_kind(FsType(0xff53_4d42)), Some("CIFS"));
        assert_eq!(network_kind(FsType(0xef53)), None, "ext4 is local");
    }

    #[test]
    fn a_shared_lock_keeps_a_restore_out_and_the_other_way_round() {
        let directory = tempfile::tempdir().unwrap();
        let database = directory.path().join("fleet.db");
        let one = Lock::shared(&database).unwrap();
        let two = Lock::shared(&database).unwrap();
        assert_eq!(Lock::alone(&database).unwrap_err().kind(), "store_in_use");
        drop((one, two));
        let alone = Lock::alone(&database).unwrap();
        assert_eq!(Lock::shared(&database).unwrap_err().kind(), "store_in_use");
        drop(alone);
        assert!(!Lock::shared(&database).unwrap().is_marked().unwrap());
    }
}
