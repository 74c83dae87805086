//! The runs: the corpus as it is, then edits of it, and what to do with a text that fails.

use crate::chance::Chance;
use crate::corpus::{self, Kept};
use crate::edit::edited;
use crate::limit::Limit;
use crate::shrink::shrunk;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, Once, PoisonError};
use std::time::{Duration, Instant};

/// The seed that every run covers.
const FIXED_SEED: u64 = 1;

/// Memory and time are the process's, so one check runs at a time.
static TURN: Mutex<()> = Mutex::new(());

/// Panics so far, in whichever thread: a worker that dies tells nobody else.
static PANICS: AtomicUsize = AtomicUsize::new(0);

/// While a text is shortened its panics are of no interest.
static IS_QUIET: AtomicBool = AtomicBool::new(false);

/// One thing that is read, and what must be true of every text it is given.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    /// Its name, which is also its directory of the corpus.
    pub name: &'static str,
    /// Words of its own that edits put in.
    pub words: &'a [&'a str],
    /// How many edited texts a seed gives in a short run.
    pub runs: usize,
    /// What reading one text may cost.
    pub limit: Limit,
    /// Reads a text; panics when something is wrong.
    pub check: &'a dyn Fn(&[u8]),
}

/// Gives an input its corpus, and edits of it.
///
/// `FUZZ_SEED=N` adds a seed's texts to a short run. `FUZZ_SECS=N` runs for so long instead, with
/// one fresh seed after the other.
///
/// # Panics
/// On the first text that fails, with the seed that made it, and where the shortened text is.
pub fn fuzz(input: &Input<'_>) {
    count_panics();
    let kept = corpus::load(input.name);
    for text in &kept {
        let told = format!("corpus/{}/{}", input.name, text.name);
        judge(input, &told, || text.text.clone());
    }
    let bases: Vec<&[u8]> = kept.iter().map(|kept: &Kept| &*kept.text).collect();
    let Some(secs) = setting("FUZZ_SECS") else {
        let fresh = setting("FUZZ_SEED").unwrap_or_else(Chance::fresh_seed);
        for seed in [FIXED_SEED, fresh] {
            from_seed(input, &bases, seed);
        }
        return;
    };
    let end = Instant::now() + Duration::from_secs(secs);
    let mut runs = 0;
    while Instant::now() < end {
        from_seed(input, &bases, Chance::fresh_seed());
        runs += input.runs;
    }
    println!("{}: {runs} texts in {secs} s, none failed", input.name);
}

/// Runs `check` on a text within a limit, as [`fuzz`] does, for a text that is too long to keep.
///
/// # Panics
/// When the check does, or the limit is exceeded.
pub fn held(limit: &Limit, make: impl FnOnce() -> Vec<u8>, check: impl FnOnce(&[u8])) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let text = make();
    if let ((), Some(exceeded)) = limit.hold(text.len(), || check(&text)) {
        let begin = String::from_utf8_lossy(&text[..text.len().min(100)]);
        panic!("{} bytes of text, {begin:?}…: {exceeded}", text.len());
    }
}

fn count_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let show = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICS.fetch_add(1, Ordering::Relaxed);
            if !IS_QUIET.load(Ordering::Relaxed) {
                show(panic);
            }
        }));
    });
}

#[allow(clippy::disallowed_methods)] // knobs of a test run, not of what is tested
fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    let number = text.parse();
    Some(number.unwrap_or_else(|error| panic!("{name}={text}: {error}: give a number")))
}

fn from_seed(input: &Input<'_>, bases: &[&[u8]], seed: u64) {
    let mut chance = Chance::of_seed(seed);
    for number in 0..input.runs {
        let told = format!("FUZZ_SEED={seed}, text {number} of it");
        judge(input, &told, || edited(&mut chance, bases, input.words));
    }
}

fn judge(input: &Input<'_>, told: &str, make: impl FnOnce() -> Vec<u8>) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let text = &*make();
    let Some(complaint) = complaint(input, text) else {
        return;
    };
    IS_QUIET.store(true, Ordering::Relaxed);
    let short = shrunk(text, |text| complaint_of_same_kind(input, text, &complaint));
    IS_QUIET.store(false, Ordering::Relaxed);
    let place = keep(input, &short);
    panic!(
        "{}: {told}: {complaint}\nshortened: {:?}\nit is in {}: mend the reader, then keep the \
         file as corpus/{}/WHAT-IT-SHOWED",
        input.name,
        String::from_utf8_lossy(&short[..short.len().min(500)]),
        place.display(),
        input.name
    );
}

/// What is wrong with how a text was read; `None` when nothing is.
fn complaint(input: &Input<'_>, text: &[u8]) -> Option<String> {
    let before = PANICS.load(Ordering::Relaxed);
    let check = || catch_unwind(AssertUnwindSafe(|| (input.check)(text)));
    let (checked, exceeded) = input.limit.hold(text.len(), check);
    match checked {
        Err(panic) => Some(message(panic)),
        Ok(()) if PANICS.load(Ordering::Relaxed) > before => {
            Some("another thread panicked".to_owned())
        }
        Ok(()) => exceeded.map(|exceeded| exceeded.to_string()),
    }
}

fn message(panic: Box<dyn Any + Send>) -> String {
    match panic.downcast::<String>() {
        Ok(message) => *message,
        Err(panic) => panic
            .downcast_ref::<&str>()
            .map_or("a panic".to_owned(), |message| (*message).to_owned()),
    }
}

/// Panics quote the text, so only how they begin tells one from another.
fn complaint_of_same_kind(input: &Input<'_>, text: &[u8], first: &str) -> bool {
    let kind = |complaint: &str| complaint.chars().take(12).collect::<String>();
    complaint(input, text).is_some_and(|other| kind(&other) == kind(first))
}

/// One text that an engine chose: it keeps the texts and the time itself.
///
/// # Panics
/// When the check does, or the limit is exceeded.
pub fn guided(input: &Input<'_>, text: &[u8]) {
    if let ((), Some(exceeded)) = input.limit.hold(text.len(), || (input.check)(text)) {
        panic!("{exceeded}");
    }
}

fn keep(input: &Input<'_>, text: &[u8]) -> PathBuf {
    let file = format!("clusterrebootd-fuzz-{}", input.name);
    let place = std::env::temp_dir().join(file);
    if let Err(error) = std::fs::write(&place, text) {
        println!("{}: {error}", place.display());
    }
    place
}
