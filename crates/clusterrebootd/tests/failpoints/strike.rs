//! Strikes: a life is recorded, and then ended at each of its points.

use crate::lives::Life;
use crate::machine::Machine;
use crate::pair::Pair;
use crate::verdict;
use nix::sys::signal::Signal;
use reboot_core::group::Phase;
use reboot_host::journal;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

/// How many pairs are struck at a time in a life: they wait for leases nearly always. Two lives at
/// a time on two cores, and a user has 128 inotify instances, of which a pair takes up to seven.
const WORKERS: usize = 6;

/// After so many failures of a life the rest of it would only take time.
const FAILURES_MAX: usize = 6;

/// One strike.
#[derive(Clone, Debug)]
struct Strike {
    life: Life,
    point: String,
    is_new_boot: bool,
}

/// Records a life and strikes at every point of it, twice; returns the points.
pub(crate) fn strike_everywhere(life: Life) -> Vec<String> {
    let points = record(life);
    let both = |point: &String| {
        [false, true].map(|is_new_boot| Strike {
            life,
            point: point.clone(),
            is_new_boot,
        })
    };
    let strikes: Vec<Strike> = points.iter().flat_map(both).collect();
    let failed = carry_out(&strikes);
    let count = strikes.len();
    println!("{life:?}: {} points, {count} strikes", points.len());
    assert!(
        failed.is_empty(),
        "{} of {count} failed:\n{}",
        failed.len(),
        failed.join("\n")
    );
    points
}

/// The points of a whole life that nothing disturbs.
fn record(life: Life) -> Vec<String> {
    let mut pair = Pair::new();
    life.prepare(&mut pair);
    pair.start_listing(None);
    life.go_on(&mut pair);
    life.wait_for_end(&pair);
    life.own_points(pair.points())
}

/// Carries out all strikes, several at a time; returns what went wrong, each with its name.
fn carry_out(strikes: &[Strike]) -> Vec<String> {
    let (next, failed) = (Mutex::new(strikes.iter()), Mutex::new(Vec::new()));
    let work = || {
        loop {
            let Some(strike) = next.lock().unwrap().next() else {
                return;
            };
            if failed.lock().unwrap().len() >= FAILURES_MAX {
                return;
            }
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| strike.carry_out())) {
                let why = format!("--- {strike:?}\n{}", message_of(&*panic));
                failed.lock().unwrap().push(why);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(work);
        }
    });
    failed.into_inner().unwrap()
}

fn message_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref().copied())
        .unwrap_or("it panicked")
}

// === impl Strike ===

impl Strike {
    fn carry_out(&self) {
        let mut pair = Pair::new();
        self.life.prepare(&mut pair);
        pair.start_listing(Some(&self.point));
        self.life.go_on(&mut pair);
        pair.wait_for_death();
        assert_eq!(pair.points().last(), Some(&self.point));
        let was_issued = pair.has_passed("issue-reboot:after#1");
        if was_issued {
            pair.bench
                .wait("the command, which outlives it", || pair.struck.has("down"));
        }
        pair.forget();
        if !pair.other.is_alive() {
            pair.other.start();
        }
        match self.is_new_boot {
            true => pair.struck.power_cycle(&pair.bench, Signal::SIGKILL),
            false => start_again(&mut pair, was_issued),
        }
        let calls = self.life.calls(self.is_new_boot, was_issued);
        pair.roll_on(calls);
        verdict::judge(&mut pair, calls);
    }
}

/// The daemon starts again in the boot in which it died.
fn start_again(pair: &mut Pair, was_issued: bool) {
    let notebook = journal::load(&pair.struck.file("state")).unwrap();
    let is_marked = notebook.is_some_and(|it| it.command.is_some());
    if is_marked && !was_issued {
        // As far as anybody can know the command runs: only its timeout allows another.
        pair.struck.set("reboot_timeout_sec", 1);
    }
    pair.struck.start();
    if was_issued {
        waits_for_its_command(pair);
    }
}

/// As if the command took its time: nothing is undone or given back, however long that is.
fn waits_for_its_command(pair: &Pair) {
    let Pair { struck, bench, .. } = pair;
    let took_over = || struck.says("took over the hold");
    bench.wait("it takes its hold over", took_over);
    let beats = |machine: &Machine| machine.lines("phases").len();
    let before = beats(struck);
    bench.wait("its heart beats on", || beats(struck) > before);
    assert_eq!(bench.phase("struck"), Some(Phase::Rebooting));
    assert!(struck.has("changed.10-drain") && struck.has("changed.20-mute"));
}
