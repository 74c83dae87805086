//! Since when the store cannot be used, and why: for logs, metrics, the service manager, and
//! `status`, which is another process and reads it from a file.

use jiff::Timestamp;
use reboot_agent::Errand;
use reboot_core::write::Trouble;
use reboot_host::journal;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The file in `run_dir` that stands there while the daemon cannot use its store.
const FILE: &str = "store-trouble.json";

/// A store that cannot be used.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct StoreTrouble {
    /// Since when: the first failure that no success has followed.
    pub(crate) since: Timestamp,
    /// The latest cause, with what to check.
    pub(crate) cause: String,
    /// `unavailable`, `unknown` or `broken`.
    pub(crate) kind: String,
    /// Whose word it is.
    pid: u32,
}

/// What changed.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Change {
    /// It cannot be used, or for a reason of another kind than before.
    Lost(StoreTrouble),
    /// As before, in other words.
    Still(StoreTrouble),
    /// It can be used again; so it was before.
    Back(StoreTrouble),
}

/// Keeps book of every errand.
#[derive(Debug, Default)]
pub(crate) struct Reach {
    troubles: BTreeMap<Errand, StoreTrouble>,
    told: Option<StoreTrouble>,
}

/// The word for `status`. It is only for people: should it fail, logs and metrics have it too.
#[derive(Debug)]
pub(crate) struct Notice {
    run_dir: PathBuf,
}

// === impl Reach ===

impl Reach {
    /// An errand was done, or failed.
    pub(crate) fn answered(
        &mut self,
        errand: Errand,
        answer: Result<(), &Trouble>,
        now: Timestamp,
    ) -> Option<Change> {
        match answer {
            Ok(()) => {
                self.troubles.remove(&errand);
            }
            Err(trouble) => {
                let since = self.troubles.get(&errand).map_or(now, |it| it.since);
                let trouble = StoreTrouble::new(since, trouble);
                self.troubles.insert(errand, trouble);
            }
        }
        self.change()
    }

    /// A pass went through: what failed before is not asked for any more.
    pub(crate) fn passed(&mut self) -> Option<Change> {
        self.troubles.remove(&Errand::Ask);
        self.change()
    }

    /// The trouble there is, if any.
    pub(crate) fn trouble(&self) -> Option<&StoreTrouble> {
        self.told.as_ref()
    }

    /// The oldest trouble counts; what is told is told once.
    fn change(&mut self) -> Option<Change> {
        let now = self.troubles.values().min_by_key(|it| it.since).cloned();
        if now == self.told {
            return None;
        }
        let before = std::mem::replace(&mut self.told, now.clone());
        match (before, now) {
            (Some(before), None) => Some(Change::Back(before)),
            (Some(before), Some(now)) if before.is_like(&now) => Some(Change::Still(now)),
            (_, now) => now.map(Change::Lost),
        }
    }
}

// === impl StoreTrouble ===

impl StoreTrouble {
    fn new(since: Timestamp, trouble: &Trouble) -> Self {
        Self {
            since,
            cause: trouble.to_string(),
            kind: trouble.kind().to_owned(),
            pid: std::process::id(),
        }
    }

    fn is_like(&self, other: &Self) -> bool {
        (self.since, &self.kind) == (other.since, &other.kind)
    }

    /// One line for people.
    pub(crate) fn line(&self) -> String {
        format!(
            "cannot use the store since {:.0}: {}",
            self.since, self.cause
        )
    }
}

// === impl Notice ===

impl Notice {
    /// In this directory.
    pub(crate) fn new(run_dir: &Path) -> Self {
        let notice = Self {
            run_dir: run_dir.to_owned(),
        };
        notice.leave(None); // a former run may have been killed
        notice
    }

    /// Leaves the word, or takes it away.
    pub(crate) fn leave(&self, trouble: Option<&StoreTrouble>) {
        let _ = match trouble {
            Some(trouble) => journal::mark(&self.run_dir, FILE, trouble).is_ok(),
            None => fs::remove_file(self.run_dir.join(FILE)).is_ok(),
        };
    }

    /// What the daemon last said, if it still runs.
    pub(crate) fn read(run_dir: &Path) -> Option<StoreTrouble> {
        let text = fs::read_to_string(run_dir.join(FILE)).ok()?;
        let trouble: StoreTrouble = serde_json::from_str(&text).ok()?;
        let is_alive = Path::new("/proc").join(trouble.pid.to_string()).exists();
        is_alive.then_some(trouble)
    }
}

impl Drop for Notice {
    fn drop(&mut self) {
        self.leave(None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + secs).unwrap()
    }

    fn away(cause: &str) -> Trouble {
        Trouble::Unavailable(cause.to_owned())
    }

    fn since(change: &Option<Change>) -> Option<(&str, i64)> {
        let (name, trouble) = match change.as_ref()? {
            Change::Lost(trouble) => ("lost", trouble),
            Change::Still(trouble) => ("still", trouble),
            Change::Back(trouble) => ("back", trouble),
        };
        Some((name, trouble.since.as_second() - 1_800_000_000))
    }

    #[test]
    fn the_first_failure_counts_and_is_told_once() {
        let mut reach = Reach::default();
        let lost = reach.answered(Errand::Word, Err(&away("refused")), at(1));
        assert_eq!(since(&lost), Some(("lost", 1)));
        assert_eq!(
            reach.answered(Errand::Word, Err(&away("refused")), at(2)),
            None
        );
        let other = reach.answered(Errand::Word, Err(&away("no route")), at(3));
        assert_eq!(since(&other), Some(("still", 1)));
        assert_eq!(reach.trouble().unwrap().cause, "no route");
        let back = reach.answered(Errand::Word, Ok(()), at(4));
        assert_eq!(since(&back), Some(("back", 1)));
        assert_eq!(reach.answered(Errand::Look, Ok(()), at(5)), None);
        assert_eq!(reach.trouble(), None);
    }

    #[test]
    fn what_goes_well_beside_it_does_not_hide_a_trouble() {
        let mut reach = Reach::default();
        let broken = Trouble::Broken("the key is unreadable".to_owned());
        reach.answered(Errand::Look, Err(&broken), at(1));
        assert_eq!(reach.answered(Errand::Word, Ok(()), at(2)), None);
        reach.answered(Errand::Ask, Err(&away("denied")), at(3));
        assert_eq!(reach.trouble().unwrap().kind, "broken");
        let other = reach.answered(Errand::Look, Ok(()), at(4));
        assert_eq!(since(&other), Some(("lost", 3)));
        assert_eq!(since(&reach.passed()), Some(("back", 3)));
    }

    #[test]
    fn another_process_reads_the_word_while_the_daemon_lives() {
        let dir = tempfile::tempdir().unwrap();
        let run_dir = dir.path().join("run");
        let mut trouble = StoreTrouble::new(at(1), &away("refused"));
        let notice = Notice::new(&run_dir);
        notice.leave(Some(&trouble));
        assert_eq!(Notice::read(&run_dir), Some(trouble.clone()));
        trouble.pid = u32::MAX;
        notice.leave(Some(&trouble));
        assert_eq!(Notice::read(&run_dir), None, "its daemon is gone");
        drop(notice);
        assert!(!run_dir.join(FILE).exists());
    }
}
