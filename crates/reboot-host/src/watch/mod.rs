//! Tells at once when a file appears, goes or changes, wherever its directories come and go.
//!
//! Every directory on the way to a path is watched by inotify(7), so a missing, replaced,
//! renamed or linked one (`/var/run -> /run`) is noticed; what inotify misses (network mounts,
//! replaced mounts, spent limits) a slow poll sees. One descriptor, no thread of its own.

mod way;

use crate::look::{Seen, look};
use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent, WatchDescriptor};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

/// Watches paths; made to be asked again and again by [`FileWatch::changed`].
pub struct FileWatch {
    paths: Arc<[PathBuf]>,
    poll_interval: Duration,
    next_poll: Instant,
    inotify: Option<Arc<AsyncFd<Source>>>,
    limits: Option<String>,
    armed: Armed,
    last: Vec<Sight>,
    /// The round that is under way since something may have happened. It is kept when the
    /// question is given up: nothing is lost, and a mount that hangs holds one thread, not many.
    looking: Option<JoinHandle<Round>>,
}

/// What makes a directory's event.
const EVENTS: AddWatchFlags = AddWatchFlags::IN_CREATE
    .union(AddWatchFlags::IN_DELETE)
    .union(AddWatchFlags::IN_MOVE)
    .union(AddWatchFlags::IN_CLOSE_WRITE)
    .union(AddWatchFlags::IN_ATTRIB)
    .union(AddWatchFlags::IN_DELETE_SELF)
    .union(AddWatchFlags::IN_MOVE_SELF)
    .union(AddWatchFlags::IN_ONLYDIR);

/// The names that matter in each watched directory.
type Armed = BTreeMap<WatchDescriptor, BTreeSet<OsString>>;

/// What a path showed; errors are told apart by their kind.
type Sight = Result<Option<Seen>, io::ErrorKind>;

// === impl FileWatch ===

impl FileWatch {
    /// Watches these paths from now on, the state they are in is not reported. Relative paths
    /// start at the working directory. Never fails: without inotify it polls, see
    /// [`FileWatch::limits`].
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn new(paths: impl IntoIterator<Item = PathBuf>, poll_interval: Duration) -> Self {
        let absolute = |path: PathBuf| std::path::absolute(&path).unwrap_or(path);
        let paths: Arc<[PathBuf]> = paths.into_iter().map(absolute).collect();
        let (inotify, limits) = match open() {
            Ok(inotify) => (Some(Arc::new(inotify)), None),
            Err(error) => (None, Some(no_inotify(&error))),
        };
        let mut watch = Self {
            paths,
            poll_interval,
            next_poll: Instant::now() + poll_interval,
            inotify,
            limits,
            armed: Armed::new(),
            last: Vec::new(),
            looking: None,
        };
        let round = Round::make(watch.inotify.as_deref(), &watch.paths);
        watch.take(round);
        watch
    }

    /// Resolves when one of the paths has appeared, gone or changed since the last time, or
    /// since [`FileWatch::new`]. Dropping the future loses nothing.
    pub async fn changed(&mut self) {
        loop {
            if self.looking.is_none() {
                self.wait().await;
            }
            let (inotify, paths) = (&self.inotify, &self.paths);
            let looking = self
                .looking
                .get_or_insert_with(|| look_aside(inotify, paths));
            let round = looking.await;
            self.looking = None;
            if round.is_ok_and(|round| self.take(round)) {
                return;
            }
        }
    }

    /// Why it only polls, or only polls some paths, and what to do about it.
    pub fn limits(&self) -> Option<&str> {
        self.limits.as_deref()
    }

    /// Waits for an event that matters, or for the time to poll.
    async fn wait(&mut self) {
        let poll = sleep_until(self.next_poll);
        tokio::select! {
            () = event(self.inotify.as_deref(), &self.armed) => {}
            () = poll => self.next_poll = Instant::now() + self.poll_interval,
        }
    }

    /// Takes a round's result over; `true` when it saw something new.
    fn take(&mut self, round: Round) -> bool {
        if let Some(inotify) = &self.inotify {
            let left = self.armed.keys().filter(|id| !round.armed.contains_key(id));
            // An error means that the directory is gone and its watch with it.
            left.for_each(|id| {
                let _ = inotify.get_ref().0.rm_watch(*id);
            });
            self.limits = round.limits;
        }
        let has_news = self.last != round.sights;
        self.armed = round.armed;
        self.last = round.sights;
        has_news
    }
}

/// What tokio needs to wait for it.
struct Source(Inotify);

// === impl Source ===

impl AsRawFd for Source {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

/// One round over all paths: watch every way, then look.
#[derive(Default)]
struct Round {
    armed: Armed,
    sights: Vec<Sight>,
    limits: Option<String>,
}

// === impl Round ===

impl Round {
    /// Arms before it looks, so that whatever happens after the look raises an event.
    fn make(inotify: Option<&AsyncFd<Source>>, paths: &[PathBuf]) -> Self {
        let mut round = Self::default();
        if let Some(inotify) = inotify {
            let inotify = &inotify.get_ref().0;
            for path in paths {
                way::follow(path, |directory, name| round.arm(inotify, directory, name));
            }
        }
        let sights = paths.iter().map(|path| look(path).map_err(|e| e.kind()));
        round.sights = sights.collect();
        round
    }

    fn arm(&mut self, inotify: &Inotify, directory: &Path, name: &OsStr) {
        match inotify.add_watch(directory, EVENTS) {
            Ok(id) => drop(self.armed.entry(id).or_default().insert(name.to_owned())),
            // It has just gone: its parent, armed before it, tells when it is back.
            Err(Errno::ENOENT | Errno::ENOTDIR) => {}
            Err(error) => self.limits = Some(not_watched(directory, error)),
        }
    }
}

/// A round on a thread of its own, so that a mount that hangs does not stop the runtime.
fn look_aside(inotify: &Option<Arc<AsyncFd<Source>>>, paths: &Arc<[PathBuf]>) -> JoinHandle<Round> {
    let (inotify, paths) = (inotify.clone(), Arc::clone(paths));
    tokio::task::spawn_blocking(move || Round::make(inotify.as_deref(), &paths))
}

fn open() -> io::Result<AsyncFd<Source>> {
    let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
    // The newer name is an unsafe function: it asks us to promise that the descriptor is ours and
    // stays the same, which `Source` sees to.
    #[allow(deprecated)]
    AsyncFd::with_interest(Source(inotify), Interest::READABLE)
}

/// Waits for an event that matters. Without inotify, or once it fails, that is for ever.
async fn event(inotify: Option<&AsyncFd<Source>>, armed: &Armed) {
    let Some(inotify) = inotify else {
        return std::future::pending().await;
    };
    loop {
        let read = |source: &Source| Ok(source.0.read_events()?);
        match inotify.async_io(Interest::READABLE, read).await {
            Ok(events) if events.iter().any(|event| matters(event, armed)) => return,
            Ok(_) => {}
            Err(_) => return std::future::pending().await,
        }
    }
}

/// An overflow matters, and so does what happens to a watched directory itself or to a name on
/// the way in it.
fn matters(event: &InotifyEvent, armed: &Armed) -> bool {
    if event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
        return true;
    }
    let names = armed.get(&event.wd);
    names.is_some_and(|names| event.name.as_ref().is_none_or(|name| names.contains(name)))
}

fn no_inotify(error: &io::Error) -> String {
    format!(
        "files are only polled, inotify cannot be used: {error}: raise \
         fs.inotify.max_user_instances"
    )
}

fn not_watched(directory: &Path, error: Errno) -> String {
    let advice = match error {
        Errno::ENOSPC => "raise fs.inotify.max_user_watches",
        _ => "let the daemon read that directory",
    };
    let directory = directory.display();
    format!("{directory}: cannot watch, only polled: {error}: {advice}")
}
