//! A bench of machines on one store. It waits for facts by inotify, never by the clock
//! alone: whatever a daemon does leaves a trace in a file below the bench's directory.

use crate::machine::Machine;
use crate::place::Place;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use reboot_core::fleet::Fleet;
use reboot_core::group::{Action, Hold, Phase, Request};
use reboot_core::id::{GroupName, NodeName, RequestId};
use reboot_core::policy::Standing;
use reboot_core::write::{Write, Written};
use reboot_store::{Interest, Store};
use std::fs;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(40);

/// A directory with machines, the store they share, and the ledger of who is down.
pub(crate) struct Bench {
    root: TempDir,
    store_dir: PathBuf,
    place: Place,
    inotify: Inotify,
    runtime: tokio::runtime::Runtime,
}

// === impl Bench ===

impl Bench {
    pub(crate) fn new() -> Self {
        Self::at(Place::new)
    }

    /// A bench whose store is made for a directory, in which something must change with it.
    pub(crate) fn at(place: impl FnOnce(&Path) -> Place) -> Self {
        let root = tempfile::tempdir().unwrap();
        let store_dir = root.path().join("store");
        fs::create_dir(&store_dir).unwrap();
        fs::write(root.path().join("ledger"), "").unwrap();
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let place = place(&store_dir);
        let bench = Self {
            root,
            store_dir,
            place,
            inotify,
            runtime,
        };
        bench.watch(bench.root.path());
        bench.watch(&bench.store_dir);
        bench
    }

    pub(crate) fn path(&self) -> &Path {
        self.root.path()
    }

    pub(crate) fn store_path(&self) -> PathBuf {
        self.store_dir.join("fleet.db")
    }

    /// Wakes the waits of this bench whenever something changes in a directory.
    pub(crate) fn watch(&self, dir: &Path) {
        let flags = AddWatchFlags::IN_MODIFY
            | AddWatchFlags::IN_CREATE
            | AddWatchFlags::IN_DELETE
            | AddWatchFlags::IN_MOVED_TO;
        self.inotify.add_watch(dir, flags).unwrap();
    }

    /// A machine, switched off.
    pub(crate) fn machine(&self, name: &str) -> Machine {
        Machine::new(self, name)
    }

    /// Several machines, `n1` to `nN`.
    pub(crate) fn machines(&self, count: usize) -> Vec<Machine> {
        (1..=count)
            .map(|number| self.machine(&format!("n{number}")))
            .collect()
    }

    /// Blocks until the fact holds.
    pub(crate) fn wait(&self, what: &str, fact: impl FnMut() -> bool) {
        if !self.within(PATIENCE, fact) {
            panic!("{what}: not within {PATIENCE:?}\n{}", self.logs());
        }
    }

    /// Blocks for the whole time and fails as soon as the fact holds.
    pub(crate) fn never_within(&self, limit: Duration, what: &str, fact: impl FnMut() -> bool) {
        if self.within(limit, fact) {
            panic!("{what}, which must not happen\n{}", self.logs());
        }
    }

    /// Whether the fact holds at some moment before the limit; looks at every change.
    fn within(&self, limit: Duration, mut fact: impl FnMut() -> bool) -> bool {
        let end = Instant::now() + limit;
        loop {
            if fact() {
                return true;
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let millis = i32::try_from(left.as_millis() + 1).unwrap();
            let mut fds = [PollFd::new(self.inotify.as_fd(), PollFlags::POLLIN)];
            poll(&mut fds, PollTimeout::try_from(millis).unwrap()).unwrap();
            while self.inotify.read_events().is_ok_and(|it| !it.is_empty()) {}
        }
    }

    /// Every machine's log, for a failure's message.
    pub(crate) fn logs(&self) -> String {
        let mut text = self.lines("ledger").join("\n");
        for entry in fs::read_dir(self.path()).unwrap() {
            let log = entry.unwrap().path().join("log");
            if let Ok(lines) = fs::read_to_string(&log) {
                text += &format!("\n--- {}\n{lines}", log.display());
            }
        }
        text
    }

    pub(crate) fn lines(&self, name: &str) -> Vec<String> {
        read_lines(&self.path().join(name))
    }
}

// === impl Bench: the store ===

impl Bench {
    fn store(&self) -> Arc<dyn Store> {
        let _within = self.runtime.enter();
        self.place.open()
    }

    /// The value of the key `store`.
    pub(crate) fn store_setting(&self) -> String {
        self.place.setting()
    }

    /// The fleet as the store shows it now.
    pub(crate) fn look(&self) -> Fleet {
        let store = self.store();
        self.runtime.block_on(store.look()).unwrap()
    }

    /// Writes to the store as another agent would.
    pub(crate) fn write(&self, write: Write) -> Written {
        let store = self.store();
        self.runtime.block_on(store.write(write)).unwrap()
    }

    /// Asks the default group as an operator would.
    pub(crate) fn ask(&self, id: &str, action: Action) -> Written {
        self.write(Write::Ask {
            group: GroupName::new("default").unwrap(),
            create_with_max: None,
            request: Request {
                id: RequestId::new(id).unwrap(),
                at: "2026-11-21T06:00:00Z".to_owned(),
                action,
            },
        })
    }

    /// Who holds a slot of the default group, in the order of the claims.
    pub(crate) fn holds(&self) -> Vec<Hold> {
        let fleet = self.look();
        let groups = fleet.groups.into_values();
        groups.flat_map(|entry| entry.group.holds).collect()
    }

    /// The phase of a machine's hold.
    pub(crate) fn phase(&self, node: &str) -> Option<Phase> {
        let holds = self.holds();
        let hold = holds.iter().find(|hold| hold.node.as_str() == node)?;
        Some(hold.phase)
    }

    /// Blocks until the store shows something. What ends by a lease touches no file, so the store
    /// itself is asked to wake us.
    pub(crate) fn wait_in_store(&self, what: &str, fact: impl Fn(&Fleet) -> bool) {
        let (store, end) = (self.store(), Instant::now() + PATIENCE);
        let interest = Interest::Slot {
            group: GroupName::new("default").unwrap(),
            node: NodeName::new("bench").unwrap(),
        };
        loop {
            let fleet = self.runtime.block_on(store.look()).unwrap();
            if fact(&fleet) {
                return;
            }
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{what}: not in time\n{}", self.logs());
            let change = store.changed(&interest, fleet.revision);
            // Looks again when the time is up, and then says what is wrong.
            let _ = self
                .runtime
                .block_on(async { tokio::time::timeout(left, change).await });
        }
    }

    pub(crate) fn wait_for_no_hold(&self) {
        let is_free = |fleet: &Fleet| {
            let mut groups = fleet.groups.values();
            groups.all(|entry| entry.group.holds.is_empty())
        };
        self.wait_in_store("every slot is free", is_free);
    }

    /// How a node counts for its peers.
    pub(crate) fn standing(fleet: &Fleet, node: &str) -> Standing {
        fleet.standing(&NodeName::new(node).unwrap())
    }
}

/// The whole lines of a file that may be written to just now.
pub(crate) fn read_lines(path: &Path) -> Vec<String> {
    let text = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().map(str::to_owned).collect()
}

/// The most machines that were down at once, as the ledger tells, and how often each went down.
pub(crate) fn read_ledger(lines: &[String]) -> (usize, Vec<(String, usize)>) {
    let (mut down, mut most) = (std::collections::BTreeSet::new(), 0);
    let mut counts = std::collections::BTreeMap::new();
    for line in lines {
        let (what, name) = line.split_once(' ').unwrap();
        match what {
            "down" => {
                *counts.entry(name.to_owned()).or_insert(0) += 1;
                down.insert(name.to_owned());
            }
            "up" => assert!(down.remove(name), "{name} was not down"),
            _ => panic!("{line}"),
        }
        most = most.max(down.len());
    }
    (most, counts.into_iter().collect())
}
