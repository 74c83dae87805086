//! The doorbell: a file beside the database that a process touches after news, so that the
//! others look. It carries no news itself, and one missed is made up for by a slow poll.

use super::error::StoreError;
use super::file::{beside, make_private};
use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use std::fs::{File, OpenOptions};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::Mutex;

fn path_of(database: &Path) -> PathBuf {
    beside(database, ".doorbell")
}

/// Rings. One for each process.
pub(super) struct Doorbell {
    path: PathBuf,
    file: Option<File>,
}

/// Listens. Of all that wait in a process one has the ear, whichever it is.
pub(super) struct Ear(Mutex<Inotify>);

// === impl Doorbell ===

impl Doorbell {
    /// Makes the file unless it is there.
    pub(super) fn new(database: &Path) -> Result<Self, StoreError> {
        let path = path_of(database);
        make_private(&path)?;
        Ok(Self { path, file: None })
    }

    /// Wakes the other processes. A failure only makes them late: they poll.
    pub(super) fn ring(&mut self) {
        if self.file.is_none() {
            self.file = OpenOptions::new().write(true).open(&self.path).ok();
        }
        if let Some(file) = &self.file
            && file.write_all_at(b"!", 0).is_err()
        {
            self.file = None;
        }
    }
}

// === impl Ear ===

impl Ear {
    /// Listens to the doorbell of a database.
    pub(super) fn new(database: &Path) -> Result<Self, StoreError> {
        let path = path_of(database);
        let listen = || {
            let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
            inotify.add_watch(&path, AddWatchFlags::IN_MODIFY)?;
            Ok(inotify)
        };
        let inotify = listen().map_err(|errno: Errno| errno.into());
        Ok(Self(Mutex::new(
            inotify.map_err(StoreError::file("listen to", &path))?,
        )))
    }

    /// Answers after a ring, which may be an old one. Never answers when listening fails.
    pub(super) async fn heard(&self) {
        let inotify = self.0.lock().await;
        if wait(&inotify).await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}

async fn wait(inotify: &Inotify) -> Option<()> {
    // Registered anew each time, with the runtime that is running now. Deprecated because a type
    // might change its descriptor in use; a borrowed descriptor cannot, and the way around it is
    // unsafe code.
    #[allow(deprecated)]
    let ready = AsyncFd::with_interest(inotify.as_fd(), Interest::READABLE).ok()?;
    let mut guard = ready.readable().await.ok()?;
    while inotify.read_events().is_ok_and(|events| !events.is_empty()) {}
    guard.clear_ready();
    Some(())
}
