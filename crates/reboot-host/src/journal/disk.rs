//! Replaces a small file so that a power cut leaves the old one or the new one, never neither.

use crate::error::HostError;
use std::fs::{File, OpenOptions, rename};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Only the owner may read or write what is made here.
pub(super) const PRIVATE: u32 = 0o600;

/// Writes beside, syncs, renames over, syncs the directory: in this order, or the new name may
/// reach the disk before the content does.
pub(super) fn replace(directory: &Path, name: &str, text: &[u8]) -> Result<(), HostError> {
    let (path, beside) = (directory.join(name), directory.join(format!("{name}.new")));
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(PRIVATE)
        .open(&beside)
        .map_err(|error| HostError::write(&beside, "create", error))?;
    let written = file.write_all(text);
    written.map_err(|error| HostError::write(&beside, "write", error))?;
    let synced = file.sync_all();
    synced.map_err(|error| HostError::write(&beside, "sync", error))?;
    rename(&beside, &path).map_err(|error| HostError::write(&path, "replace", error))?;
    sync_directory(directory)
}

/// Makes the names in a directory durable.
pub(super) fn sync_directory(directory: &Path) -> Result<(), HostError> {
    let synced = File::open(directory).and_then(|directory| directory.sync_all());
    synced.map_err(|error| HostError::write(directory, "sync", error))
}
