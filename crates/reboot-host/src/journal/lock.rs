//! One agent a node: a lock file, held as long as the agent lives and not a moment longer.

use super::disk::{PRIVATE, sync_directory};
use crate::error::HostError;
use reboot_core::boot::BootIdentity;
use reboot_core::id::Instance;
use serde::{Deserialize, Serialize};
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The lock's file name in the state directory.
const FILE_NAME: &str = "agent.lock";

/// More than the file ever has, in bytes.
const BYTES_MAX: u64 = 4096;

/// The proof that no other agent runs on this node, by flock(2): the kernel gives it up when the
/// process ends, however that happens. Programs that we start do not inherit it.
#[derive(Debug)]
pub struct NodeLock {
    file: File,
    path: PathBuf,
    previous: Option<Previous>,
}

/// The run of an agent that held the lock before: it is certainly over.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Previous {
    /// Which run.
    pub instance: Instance,
    /// In which boot.
    pub boot: BootIdentity,
}

/// What is written in the file.
#[derive(Serialize, Deserialize)]
struct Holder {
    instance: Instance,
    boot: BootIdentity,
    pid: u32,
}

// === impl NodeLock ===

impl NodeLock {
    /// Takes the lock in a state directory, which is made where it is missing, and writes this
    /// run into it. Does not wait.
    ///
    /// # Errors
    /// [`HostError::Locked`] when another agent has it; else what the file system refused.
    pub fn take(
        directory: &Path,
        instance: &Instance,
        boot: &BootIdentity,
    ) -> Result<Self, HostError> {
        make(directory)?;
        let path = directory.join(FILE_NAME);
        let write = |action| {
            let path = path.clone();
            move |error| HostError::write(&path, action, error)
        };
        let mut file = open(&path).map_err(write("open"))?;
        let locked = file.try_lock();
        // Who cannot be read is unknown, no more: their lease in the store ends by itself.
        let holder = read(&mut file).ok();
        match locked {
            Err(TryLockError::WouldBlock) => {
                let pid = holder.map(|holder| holder.pid);
                return Err(HostError::Locked { path, pid });
            }
            Err(TryLockError::Error(error)) => return Err(write("lock")(error)),
            Ok(()) => {}
        }
        let ours = Holder {
            instance: instance.clone(),
            boot: boot.clone(),
            pid: std::process::id(),
        };
        overwrite(&mut file, &ours).map_err(write("write"))?;
        sync_directory(directory)?;
        let previous = holder.map(|Holder { instance, boot, .. }| Previous { instance, boot });
        Ok(Self {
            file,
            path,
            previous,
        })
    }

    /// The run that held it before; `None` when there was none or it cannot be told.
    pub fn previous(&self) -> Option<&Previous> {
        self.previous.as_ref()
    }

    /// Whether the file is still in its place. When somebody has removed it, it keeps no second
    /// agent away any more.
    pub fn is_in_place(&self) -> bool {
        let identity = |metadata: io::Result<std::fs::Metadata>| {
            metadata.ok().map(|file| (file.dev(), file.ino()))
        };
        let ours = identity(self.file.metadata());
        ours.is_some() && ours == identity(self.path.metadata())
    }
}

impl Drop for NodeLock {
    /// Closing the file would leave the lock to a program of ours that is just being started and
    /// has not let go of its copy yet.
    fn drop(&mut self) {
        let _ = self.file.unlock();
    }
}

fn make(directory: &Path) -> Result<(), HostError> {
    if directory.is_dir() {
        return Ok(());
    }
    let made = DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory);
    made.map_err(|error| HostError::write(directory, "create", error))?;
    directory.parent().map_or(Ok(()), sync_directory)
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    options.mode(PRIVATE).open(path)
}

fn read(file: &mut File) -> io::Result<Holder> {
    let mut text = Vec::new();
    file.take(BYTES_MAX).read_to_end(&mut text)?;
    Ok(serde_json::from_slice(&text)?)
}

/// In place, as the lock is the file's and not the name's. A power cut may tear it: then the
/// previous run is unknown.
fn overwrite(file: &mut File, holder: &Holder) -> io::Result<()> {
    let text = serde_json::to_vec(holder)?;
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(&text)?;
    file.sync_all()
}
