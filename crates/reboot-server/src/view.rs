//! The newest look at the fleet, kept in memory: refusals are answered from it, and whoever
//! waits is woken by it. Grants never are: each is a commit.

use crate::clock::Moment;
use crate::kind::{Kind, Refused};
use async_trait::async_trait;
use reboot_core::fleet::{Fleet, NodeRecord};
use reboot_core::group::HistoryEntry;
use reboot_core::id::GroupName;
use reboot_core::write::{Trouble, Write, Written};
use reboot_store::{Interest, Store};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};

/// A look older than this is renewed before anything is judged by it.
const AGE_MAX: Duration = Duration::from_secs(5);
/// For how long somebody waits for a look.
const LOOK_PATIENCE: Duration = Duration::from_secs(10);
/// How long a store in trouble is left alone.
const TROUBLE_PAUSE: Duration = Duration::from_secs(1);
/// For so long a write that failed counts when nobody has written since: a server that is given
/// nothing to write, as it is not ready, must not stay so for ever.
const FAILED_WRITE_AGE_MAX: Duration = Duration::from_secs(60);
/// Looking takes at most one part in this many of the time, unless somebody waits for it.
const LOOK_SHARE: u32 = 4;

/// One look.
#[derive(Clone, Debug)]
pub struct Sight {
    /// What it showed.
    pub fleet: Arc<Fleet>,
    /// Commits of this server that it surely shows.
    commits: u64,
    /// Wishes for a look that it answers.
    wishes: u64,
    /// How many looks showed that a node says something else than at the look before.
    words: u64,
    /// When it began.
    began: Moment,
}

/// The newest look, or why there is none.
pub type Seen = Result<Sight, Trouble>;

/// The newest look at a store, and the store itself: writes go through it, so that it knows when
/// its look is out of date.
pub struct View {
    store: Arc<dyn Store>,
    /// Commits of this server that a client may know of.
    commits: AtomicU64,
    /// Wishes for a look.
    wishes: AtomicU64,
    wished: Notify,
    committed: Notify,
    words: AtomicU64,
    /// The last write, if the store could not carry it out: when, and why.
    failed_write: Mutex<Option<(Moment, String)>>,
    seen: watch::Sender<Seen>,
}

// === impl View ===

impl View {
    /// A view of this store; [`View::follow`] keeps it new.
    ///
    /// # Errors
    /// None: a store that cannot be looked at is a view that says so.
    pub async fn open(store: Arc<dyn Store>) -> Self {
        let began = Moment::now();
        let first = store.look().await.map(|fleet| Sight {
            fleet: Arc::new(fleet),
            commits: 0,
            wishes: 0,
            words: 0,
            began,
        });
        Self {
            store,
            commits: AtomicU64::new(0),
            wishes: AtomicU64::new(0),
            wished: Notify::new(),
            committed: Notify::new(),
            words: AtomicU64::new(0),
            failed_write: Mutex::default(),
            seen: watch::Sender::new(first),
        }
    }

    /// The newest look, however old.
    pub fn newest(&self) -> Seen {
        self.seen.borrow().clone()
    }

    /// The newest look that can be had, however old: one that is young and shows everything this
    /// server has answered, if the store still shows it.
    pub async fn last_known(&self) -> Seen {
        let newest = self.newest()?;
        if !self.is_current(&newest) || newest.began.age() >= AGE_MAX {
            drop(self.fresh().await);
        }
        self.newest()
    }

    /// Why the last write failed, while none has been carried out since: a full disk can be read,
    /// and serves nobody.
    pub fn failed_write(&self) -> Option<String> {
        let failed = self.failed_write.lock();
        let failed = failed.unwrap_or_else(PoisonError::into_inner);
        let (at, why) = failed.as_ref()?;
        (at.age() < FAILED_WRITE_AGE_MAX).then(|| why.clone())
    }

    fn note_write(&self, result: &Result<Written, Trouble>) {
        let failed = match result {
            // A refusal is an answer, and a broken record is one group's affair.
            Ok(_) | Err(Trouble::Refused(_) | Trouble::Broken(_)) => None,
            Err(Trouble::Unavailable(why) | Trouble::Unknown(why)) => {
                Some((Moment::now(), why.clone()))
            }
        };
        let last = self.failed_write.lock();
        *last.unwrap_or_else(PoisonError::into_inner) = failed;
    }

    /// Every look from now on.
    pub fn looks(&self) -> watch::Receiver<Seen> {
        self.seen.subscribe()
    }

    /// A look young enough to judge by. It may be out of date by what was committed since.
    ///
    /// # Errors
    /// `store_unavailable` when the store does not answer.
    pub async fn recent(&self) -> Result<Sight, Refused> {
        match self.newest() {
            Ok(sight) if sight.began.age() < AGE_MAX => Ok(sight),
            Ok(_) => self.fresh().await,
            Err(trouble) => Err(lost(trouble)),
        }
    }

    /// A look young enough to judge by that shows everything this server has answered.
    ///
    /// # Errors
    /// `store_unavailable` when the store does not answer.
    pub async fn current(&self) -> Result<Sight, Refused> {
        match self.recent().await? {
            sight if self.is_current(&sight) => Ok(sight),
            _ => self.fresh().await,
        }
    }

    /// A look that begins from now on; those who want one at the same time share it.
    ///
    /// # Errors
    /// `store_unavailable` when the store does not answer.
    pub async fn fresh(&self) -> Result<Sight, Refused> {
        let mine = self.wishes.fetch_add(1, Ordering::SeqCst) + 1;
        let mut seen = self.seen.subscribe();
        self.wished.notify_one();
        let is_mine = |seen: &Seen| match seen {
            Ok(sight) => sight.wishes >= mine,
            Err(_) => true,
        };
        let found = timeout(LOOK_PATIENCE, seen.wait_for(is_mine)).await;
        match found {
            Ok(Ok(sight)) => sight.clone().map_err(lost),
            Ok(Err(_)) | Err(_) => {
                let what = self.store.describe();
                let secs = LOOK_PATIENCE.as_secs();
                let text = format!("{what} did not answer within {secs} s: ask again later");
                Err(Kind::StoreUnavailable.because(text))
            }
        }
    }

    /// Whether a look shows everything that this server has answered.
    pub fn is_current(&self, sight: &Sight) -> bool {
        sight.commits == self.commits.load(Ordering::SeqCst)
    }

    /// Keeps the view new, for ever.
    pub async fn follow(&self) {
        loop {
            let revision = self.newest().map(|sight| sight.fleet.revision);
            let Ok(revision) = revision else {
                sleep(TROUBLE_PAUSE).await;
                self.look().await;
                continue;
            };
            let idle = Instant::now();
            tokio::select! {
                changed = self.store.changed(&Interest::Everything, revision) => {
                    // A look tells what the matter is, but not again and again.
                    if changed.is_err() {
                        self.pause(TROUBLE_PAUSE).await;
                    }
                }
                () = self.wished.notified() => {}
                // A commit that changed nothing raises no revision: without this the view would
                // count as out of date for ever.
                () = self.committed.notified() => {}
            }
            let waited = idle.elapsed();
            let took = self.look().await;
            let rest = (took * (LOOK_SHARE - 1)).saturating_sub(waited);
            self.pause(rest).await;
        }
    }

    /// Waits, but not while somebody waits for a look.
    async fn pause(&self, rest: Duration) {
        tokio::select! {
            () = sleep(rest) => {}
            () = self.wished.notified() => self.wished.notify_one(),
        }
    }

    /// Looks; answers how long it took.
    async fn look(&self) -> Duration {
        let commits = self.commits.load(Ordering::SeqCst);
        let wishes = self.wishes.load(Ordering::SeqCst);
        let (began, start) = (Moment::now(), Instant::now());
        let fleet = self.store.look().await;
        let words = self.words_shown_by(fleet.as_ref().ok());
        let seen = fleet.map(|fleet| Sight {
            fleet: Arc::new(fleet),
            commits,
            wishes,
            words,
            began,
        });
        self.seen.send_modify(|newest| *newest = seen);
        start.elapsed()
    }
}

impl View {
    /// Counts a look whose nodes say something else than at the one before.
    fn words_shown_by(&self, fleet: Option<&Fleet>) -> u64 {
        let is_other = match (self.newest(), fleet) {
            (Ok(before), Some(fleet)) => fleet.nodes.iter().any(|(name, entry)| {
                let before = before.fleet.nodes.get(name);
                before.is_some_and(|before| says_else(&before.record, &entry.record))
            }),
            _ => false,
        };
        let words = &self.words;
        words.fetch_add(u64::from(is_other), Ordering::SeqCst) + u64::from(is_other)
    }

    /// Whether a write tells something of a node that the newest look does not show. That is no
    /// news to other nodes, so the store wakes nobody for it.
    fn is_word(&self, write: &Write) -> bool {
        let (Write::Publish { record, .. }, Ok(newest)) = (write, self.newest()) else {
            return false;
        };
        let shown = newest.fleet.nodes.get(&record.node);
        shown.is_some_and(|shown| says_else(&shown.record, record))
    }
}

// === impl Sight ===

impl Sight {
    /// Raised by every look at which a node says something else.
    pub(crate) fn words(&self) -> u64 {
        self.words
    }
}

/// Whether a node says something else for people to read. Numbers do not count: times that run
/// down are in what it waits for, and every heartbeat would be news.
fn says_else(before: &NodeRecord, after: &NodeRecord) -> bool {
    let is_same = |before: &str, after: &str| without_digits(before).eq(without_digits(after));
    let are_same = |before: &[String], after: &[String]| {
        let pairs = before.iter().zip(after);
        before.len() == after.len() && pairs.into_iter().all(|(one, two)| is_same(one, two))
    };
    let need = |record: &NodeRecord| record.need.clone().unwrap_or_default();
    !(is_same(&before.activity, &after.activity)
        && is_same(&need(before), &need(after))
        && is_same(&before.health.stage, &after.health.stage)
        && is_same(&before.health.reason, &after.health.reason)
        && are_same(&before.waiting_for, &after.waiting_for))
}

fn without_digits(text: &str) -> impl Iterator<Item = char> {
    text.chars().filter(|c| !c.is_ascii_digit())
}

fn lost(trouble: Trouble) -> Refused {
    match trouble {
        Trouble::Broken(_) => Refused::from(trouble),
        other => Kind::StoreUnavailable.because(other.to_string()),
    }
}

/// Whether a write may change what a client is answered; renewals and reports are none.
fn is_commit(write: &Write) -> bool {
    match write {
        Write::KeepSession { .. } | Write::OpenSession { .. } | Write::Publish { .. } => false,
        Write::EndSession { .. }
        | Write::EndInstance { .. }
        | Write::Forget { .. }
        | Write::Undone { .. }
        | Write::Order { .. }
        | Write::EndOrder { .. }
        | Write::Join { .. }
        | Write::Leave { .. }
        | Write::Ask { .. }
        | Write::PauseFleet { .. } => true,
    }
}

fn may_have_changed(result: &Result<Written, Trouble>) -> bool {
    match result {
        Ok(_) | Err(Trouble::Unknown(_)) => true,
        Err(Trouble::Refused(_) | Trouble::Unavailable(_) | Trouble::Broken(_)) => false,
    }
}

#[async_trait]
impl Store for View {
    fn describe(&self) -> String {
        self.store.describe()
    }

    async fn write(&self, write: Write) -> Result<Written, Trouble> {
        let (is_commit, is_word) = (is_commit(&write), self.is_word(&write));
        let result = self.store.write(write).await;
        self.note_write(&result);
        if is_commit && may_have_changed(&result) {
            self.commits.fetch_add(1, Ordering::SeqCst);
            self.committed.notify_one();
        } else if is_word && result.is_ok() {
            self.committed.notify_one();
        }
        result
    }

    async fn look(&self) -> Result<Fleet, Trouble> {
        self.store.look().await
    }

    async fn changed(&self, interest: &Interest, seen: u64) -> Result<(), Trouble> {
        self.store.changed(interest, seen).await
    }

    async fn history(&self, group: &GroupName, limit: usize) -> Result<Vec<HistoryEntry>, Trouble> {
        self.store.history(group, limit).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(waiting_for: &str) -> NodeRecord {
        serde_json::from_value(serde_json::json!({
            "node": "a", "machineID": "m", "boot": {"boot_id": "b"}, "instance": "i",
            "group": "default",
            "healthy": true, "stage": "monitor", "reason": "",
            "reported_at": "2026-03-07T10:00:00Z", "activity": "waiting", "need": "kernel",
            "waiting_for": [waiting_for],
        }))
        .unwrap()
    }

    #[test]
    fn a_time_that_runs_down_is_no_word() {
        let before = record("cooldown started by b runs, 105 s are left");
        let mut after = record("cooldown started by b runs, 90 s are left");
        after.reported_at = "2026-03-07T10:00:15Z".to_owned();
        assert!(!says_else(&before, &after));
        assert!(says_else(
            &before,
            &record("outside the maintenance windows")
        ));
        after.need = None;
        assert!(says_else(&before, &after));
    }
}
