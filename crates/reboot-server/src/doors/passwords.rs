//! Names and passwords. Each is checked slowly, one after the other, and not again as long as it
//! is remembered as right.

use super::list::List;
use super::role::{KnownBy, Who};
use super::secret::{random, token_hash};
use super::wrong;
use crate::kind::{Kind, Refused};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use reboot_store::files::FromFiles;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use tokio::sync::{OnceCell, Semaphore};
use tokio::task::spawn_blocking;

/// Passwords that wait to be checked; more are turned away.
const CHECKS_MAX: usize = 16;

/// A name and password under a hash that only this process can make.
type Key = [u8; 32];

/// Who comes in by a name and a password.
pub(super) struct Passwords {
    pub(super) list: Arc<FromFiles<List>>,
    known: Arc<Mutex<Known>>,
    /// Those under way: whoever shows the same waits for the same.
    checks: Mutex<HashMap<Key, Weak<Check>>>,
    places: Semaphore,
    /// One check at a time: whoever guesses may not take the whole processor.
    turn: Arc<Semaphore>,
    #[cfg(test)]
    pub(super) work: Arc<tests::Work>,
}

/// Passwords that were right lately: of each entry of the list the last one, so that there is
/// room for all of them and for no more.
#[derive(Default)]
struct Known {
    /// The list they were right by.
    list: Option<Arc<List>>,
    right: HashMap<Key, Who>,
    /// What each entry is remembered by.
    keys: HashMap<usize, Key>,
}

/// One check, for all who show the same.
struct Check {
    list: Arc<List>,
    who: OnceCell<Option<Who>>,
}

// === impl Passwords ===

impl Passwords {
    pub(super) fn new(list: Arc<FromFiles<List>>) -> Self {
        Self {
            list,
            known: Arc::default(),
            checks: Mutex::default(),
            places: Semaphore::new(CHECKS_MAX),
            turn: Arc::new(Semaphore::new(1)),
            #[cfg(test)]
            work: Arc::default(),
        }
    }

    /// Who this pair is, as HTTP Basic encodes it.
    pub(super) async fn who(&self, encoded: &str) -> Result<Who, Refused> {
        let list = self.list.current();
        let list = list.map_err(|error| Kind::InternalError.because(error))?;
        let pair = BASE64.decode(encoded).map_err(|_| wrong())?;
        let pair = String::from_utf8(pair).map_err(|_| wrong())?;
        let key = token_hash(&format!("{}\n{pair}", salt()));
        if let Some(who) = self.known().who(&list, &key) {
            return Ok(who);
        }
        let check = self.check_of(key, list);
        let checked = check
            .who
            .get_or_try_init(|| self.check(&check.list, key, pair));
        checked.await?.clone().ok_or_else(wrong)
    }

    /// The check of this under way, or a new one.
    fn check_of(&self, key: Key, list: Arc<List>) -> Arc<Check> {
        let mut checks = locked(&self.checks);
        let same = checks.get(&key).and_then(Weak::upgrade);
        if let Some(check) = same.filter(|it| Arc::ptr_eq(&it.list, &list)) {
            return check;
        }
        checks.retain(|_, check| check.strong_count() > 0);
        let who = OnceCell::new();
        let check = Arc::new(Check { list, who });
        checks.insert(key, Arc::downgrade(&check));
        check
    }

    /// Checks a password, off the threads that serve. The turn is the check's own, not that of
    /// who asked for it: a client that hangs up makes no room for another one beside it.
    async fn check(
        &self,
        list: &Arc<List>,
        key: Key,
        pair: String,
    ) -> Result<Option<Who>, Refused> {
        let Ok(_place) = self.places.try_acquire() else {
            let text = "too many passwords wait to be checked: ask again in a moment";
            return Err(Kind::TooManyRequests.because(text));
        };
        let turn = self.turn.clone().acquire_owned();
        let turn = turn.await.map_err(|_| wrong())?;
        // Somebody who showed the same may have hung up when it was nearly done.
        if let Some(who) = self.known().who(list, &key) {
            return Ok(Some(who));
        }
        let (list, known) = (list.clone(), self.known.clone());
        #[cfg(test)]
        let work = self.work.clone();
        let checked = spawn_blocking(move || {
            let _turn = turn; // until this is over
            #[cfg(test)]
            let _busy = work.begin();
            let (at, entry) = list.of_password(&pair)?;
            let who = entry.who(KnownBy::Password);
            locked(&known).remember(&list, at, key, who.clone());
            Some(who)
        });
        Ok(checked.await.ok().flatten())
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        locked(&self.known)
    }
}

fn locked<T>(place: &Mutex<T>) -> MutexGuard<'_, T> {
    place.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes the hashes of remembered passwords of no use to another process.
fn salt() -> String {
    static SALT: OnceLock<[u8; 32]> = OnceLock::new();
    let salt = SALT.get_or_init(|| random().unwrap_or_default());
    BASE64.encode(salt)
}

// === impl Known ===

impl Known {
    /// Whose password this is, by this list; what was right by another is forgotten.
    fn who(&mut self, list: &Arc<List>, key: &Key) -> Option<Who> {
        if !self.is_of(list) {
            *self = Self {
                list: Some(list.clone()),
                ..Self::default()
            };
        }
        self.right.get(key).cloned()
    }

    /// Remembers the password of the list's entry at this place, instead of what it was known by.
    fn remember(&mut self, list: &Arc<List>, at: usize, key: Key, who: Who) {
        if !self.is_of(list) {
            return;
        }
        if let Some(former) = self.keys.insert(at, key) {
            self.right.remove(&former);
        }
        self.right.insert(key, who);
    }

    fn is_of(&self, list: &Arc<List>) -> bool {
        self.list.as_ref().is_some_and(|it| Arc::ptr_eq(it, list))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::secret::Secret;
    use super::*;
    use std::num::NonZeroU32;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;
    use tempfile::TempDir;
    use tokio::task::JoinSet;
    use tokio::time::timeout;

    /// What the checks came to.
    #[derive(Debug, Default)]
    pub(in super::super) struct Work {
        begun: AtomicUsize,
        busy: AtomicUsize,
        most: AtomicUsize,
    }

    /// For as long as a check takes.
    pub(super) struct Busy(Arc<Work>);

    // === impl Work ===

    impl Work {
        pub(super) fn begin(self: &Arc<Self>) -> Busy {
            self.begun.fetch_add(1, Ordering::SeqCst);
            let busy = self.busy.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(busy, Ordering::SeqCst);
            Busy(self.clone())
        }

        /// How many were begun.
        fn begun(&self) -> usize {
            self.begun.load(Ordering::SeqCst)
        }

        /// How many there were at once, at most.
        fn most(&self) -> usize {
            self.most.load(Ordering::SeqCst)
        }
    }

    impl Drop for Busy {
        fn drop(&mut self) {
            self.0.busy.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// Passwords of so many, each its name backwards; hashed in so many rounds.
    fn passwords(names: &[String], rounds: u32) -> (Arc<Passwords>, TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let rounds = NonZeroU32::new(rounds).unwrap();
        let line = |name: &String| {
            let password: String = name.chars().rev().collect();
            let hash = Secret::of_password_in(rounds, &password).unwrap();
            format!("{name} node:* {hash}\n")
        };
        let file = dir.path().join("basic");
        std::fs::write(&file, names.iter().map(line).collect::<String>()).unwrap();
        let list = FromFiles::new(vec![file.clone()], move || List::read(&file));
        (Arc::new(Passwords::new(Arc::new(list))), dir)
    }

    fn shown(name: &str) -> String {
        let password: String = name.chars().rev().collect();
        BASE64.encode(format!("{name}:{password}"))
    }

    fn named(count: usize) -> Vec<String> {
        (0..count).map(|number| format!("node-{number}")).collect()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn many_who_show_one_password_have_it_checked_once() {
        let (passwords, _dir) = passwords(&named(1), 50_000);
        for (pair, is_right) in [(shown("node-0"), true), (BASE64.encode("node-0:x"), false)] {
            let before = passwords.work.begun();
            let mut all = JoinSet::new();
            let gate = Arc::new(tokio::sync::Barrier::new(100));
            for _ in 0..100 {
                let (passwords, pair, gate) = (passwords.clone(), pair.clone(), gate.clone());
                all.spawn(async move {
                    gate.wait().await;
                    passwords.who(&pair).await
                });
            }
            for who in all.join_all().await {
                match who {
                    Ok(_) => assert!(is_right),
                    Err(refused) => {
                        assert!(!is_right, "{refused}");
                        assert_eq!(refused.kind, Kind::Unauthorized);
                    }
                }
            }
            let begun = passwords.work.begun() - before;
            // A wrong one is checked again for who comes when the first check is over.
            assert!(begun == 1 || !is_right && begun < 100, "{begun}");
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn clients_that_hang_up_start_no_second_check_beside_the_first() {
        let (passwords, _dir) = passwords(&named(1), 200_000);
        for number in 0..20 {
            let pair = BASE64.encode(format!("node-0:{number}"));
            let begun = passwords.work.begun();
            let who = passwords.who(&pair);
            let hung_up = timeout(Duration::from_millis(5), who).await;
            assert!(hung_up.is_err() || passwords.work.begun() > begun);
        }
        passwords.who(&shown("node-0")).await.unwrap();
        assert_eq!(passwords.work.most(), 1);
    }

    #[tokio::test]
    async fn a_check_that_nobody_waited_for_is_remembered() {
        let (passwords, _dir) = passwords(&named(1), 200_000);
        let pair = shown("node-0");
        while passwords.work.begun() == 0 {
            let _ = timeout(Duration::from_millis(5), passwords.who(&pair)).await;
        }
        passwords.who(&pair).await.unwrap();
        assert_eq!(passwords.work.begun(), 1);
    }

    #[tokio::test]
    async fn there_is_room_for_everybody_of_the_list() {
        let names = named(1_200);
        let (passwords, _dir) = passwords(&names, 1);
        for round in 1..=3 {
            for name in &names {
                let who = passwords.who(&shown(name)).await.unwrap();
                assert_eq!(&who.name, name);
            }
            assert_eq!(passwords.work.begun(), names.len(), "round {round}");
        }
        let known = passwords.known();
        assert_eq!((known.right.len(), known.keys.len()), (1_200, 1_200));
    }

    #[tokio::test]
    async fn one_entry_is_remembered_by_one_password() {
        let (passwords, _dir) = passwords(&named(2), 1);
        passwords.who(&shown("node-1")).await.unwrap();
        // The hash takes zeros behind a password for nothing.
        for zeros in 0..100 {
            let pair = format!("node-0:0-edon{}", "\0".repeat(zeros % 20));
            passwords.who(&BASE64.encode(pair)).await.unwrap();
        }
        let begun = passwords.work.begun();
        passwords.who(&shown("node-1")).await.unwrap();
        assert_eq!(passwords.work.begun(), begun, "the other is not forgotten");
        assert_eq!(passwords.known().right.len(), 2);
    }
}
