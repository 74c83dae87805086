//! A machine with nothing to do sleeps: renewals and looks that would change nothing are not
//! played. Whatever touches it wakes it, and its timers, its lease and its record then stand as
//! if they had been.

use super::agenda::Due;
use super::{Machine, Net, World};
use reboot_core::agent::{Stage, Timer};
use reboot_core::outcome::Outcome;

/// Later than anything that is played, in milliseconds.
pub(super) const FAR_MS: u64 = u64::MAX / 4;

/// A sleep: what was due when it began.
#[derive(Clone, Debug)]
pub(super) struct Sleep {
    timers: [(Timer, u64); 3],
    /// When the session and the health record would have ended, left alone.
    ends_ms: (u64, u64),
}

// === impl World ===

impl World {
    /// Puts a machine to sleep, if nothing is to be done there.
    pub(super) fn lull(&mut self, at: usize) {
        let Some(timers) = self.machines[at].idle_timers(self.now_ms) else {
            if self.is_patient {
                self.doze(at);
            }
            return;
        };
        let name = self.machines[at].name();
        if self.store.hold_of(name).is_none() && !self.store.owes_or_waits(name) {
            self.fall_asleep(at, timers);
        }
    }

    /// Its timers stop, and its lease and its record last; whether it sleeps.
    pub(super) fn fall_asleep(&mut self, at: usize, timers: [(Timer, u64); 3]) -> bool {
        let is_store_up = self.store_down_until_ms <= self.now_ms;
        let machine = &self.machines[at];
        let name = machine.name();
        let session = machine.agent.as_ref().and_then(|agent| agent.session());
        let Some((session, true)) = session.filter(|_| is_store_up) else {
            return false;
        };
        let Some(ends_ms) = self.store.ends_ms(session, name) else {
            return false;
        };
        if ends_ms.0.min(ends_ms.1) <= self.now_ms || ends_ms.0.max(ends_ms.1) >= FAR_MS {
            return false; // another of this name keeps them
        }
        let (session, name) = (session.clone(), name.clone());
        self.store.put_off(&session, &name, (FAR_MS, FAR_MS));
        let machine = &mut self.machines[at];
        machine.timers.clear();
        machine.asleep = Some(Sleep { timers, ends_ms });
        true
    }

    /// Wakes a machine, if it sleeps.
    pub fn awaken(&mut self, at: usize) {
        let now_ms = self.now_ms;
        let machine = &mut self.machines[at];
        let Some(sleep) = machine.asleep.take() else {
            return;
        };
        let run = machine.run;
        let settings = machine.settings.clone();
        let mut ends_ms = sleep.ends_ms;
        for (timer, first_ms) in sleep.timers {
            let (period_ms, lasts_ms) = match timer {
                Timer::Session => (settings.lock_ttl_ms / 3, settings.lock_ttl_ms),
                Timer::Heartbeat => (settings.publish_interval_ms, settings.stale_after_ms),
                Timer::Pass | Timer::Retry | Timer::Patience => (settings.check_interval_ms, 0),
            };
            let missed = match now_ms.checked_sub(first_ms) {
                Some(late_ms) => late_ms / period_ms + 1,
                None => 0,
            };
            let next_ms = first_ms + missed * period_ms;
            let renewed_ms = (missed > 0).then(|| next_ms - period_ms + lasts_ms);
            match timer {
                Timer::Session => ends_ms.0 = renewed_ms.unwrap_or(ends_ms.0),
                Timer::Heartbeat => ends_ms.1 = renewed_ms.unwrap_or(ends_ms.1),
                Timer::Pass | Timer::Retry | Timer::Patience => {}
            }
            self.machines[at].timers.insert(timer, next_ms);
            self.come(at, next_ms, Due::Timer(timer, run));
        }
        let machine = &self.machines[at];
        if let Some((session, _)) = machine.agent.as_ref().and_then(|agent| agent.session()) {
            self.store.put_off(session, machine.name(), ends_ms);
        }
    }

    /// Wakes every machine: something strikes them all.
    pub fn awaken_all(&mut self) {
        (0..self.machines.len()).for_each(|at| self.awaken(at));
    }
}

/// Whether a node without a need says this: at the next window it says something else, and does
/// nothing either.
fn is_calm(outcome: Outcome) -> bool {
    matches!(
        outcome,
        Outcome::NoAction | Outcome::WindowDenied | Outcome::WindowOutsideAllow
    )
}

// === impl Machine ===

impl Machine {
    /// The timers of an agent that has nothing to do, waits for nothing and is well.
    fn idle_timers(&self, now_ms: u64) -> Option<[(Timer, u64); 3]> {
        let agent = self.agent.as_ref()?;
        let health = agent.health.as_ref()?;
        let is_idle = agent.stage == Stage::Resting
            && agent.pass().is_none()
            && agent.activity() == "idle"
            && self.outcome().is_some_and(is_calm)
            && health.healthy
            && agent.notebook.changes.is_empty();
        let is_quiet = self.pending.is_empty()
            && self.waiter.is_none()
            && !matches!(self.awaits_order, Some(Some(_)))
            && self.paused_until_ms <= now_ms
            && self.clock.is_true()
            && self.net == Net::default();
        let is_well = self.kit.need.is_none()
            && !self.kit.kill_switch
            && !self.kit.disk_fails
            && self.kit.blocked_phases.is_empty();
        let is_alone = self.lodges_with.is_none() && !self.is_clone && !self.is_doubled();
        let due = |timer: Timer| Some((timer, *self.timers.get(&timer)?));
        let timers = [
            due(Timer::Session)?,
            due(Timer::Heartbeat)?,
            due(Timer::Pass)?,
        ];
        (is_idle && is_quiet && is_well && is_alone && self.timers.len() == 3).then_some(timers)
    }
}
