//! Where nobody strikes, machines that wait sleep, too: in line until their turn has come, outside
//! their window until it opens. Their periodic looks would find what they found before.

use super::agenda::Due;
use super::sleep::FAR_MS;
use super::{Machine, World};
use jiff::Timestamp;
use reboot_core::agent::{Stage, Timer};
use reboot_core::id::NodeName;
use reboot_core::outcome::Outcome;
use std::collections::BTreeSet;

/// What ends a sleep.
enum End {
    /// A change in the store, once its turn has come.
    Turn,
    /// A moment, when there is one.
    Moment(Option<u64>),
}

// === impl World ===

impl World {
    /// Puts a machine to sleep that waits for something which will wake it.
    pub(super) fn doze(&mut self, at: usize) {
        let Some(timers) = self.machines[at].waiting_timers() else {
            return;
        };
        let Some(end) = self.end_of_wait(at) else {
            return;
        };
        if !self.fall_asleep(at, timers) {
            return;
        }
        let machine = &mut self.machines[at];
        match end {
            End::Turn => machine.waiter = machine.waiter.map(|(seen, _)| (seen, FAR_MS)),
            End::Moment(None) => {}
            End::Moment(Some(at_ms)) => {
                let run = machine.run;
                self.come(at, at_ms, Due::Dawn(run));
            }
        }
    }

    fn end_of_wait(&self, at: usize) -> Option<End> {
        let machine = &self.machines[at];
        let report = machine.agent.as_ref()?.report.as_ref()?;
        if report.blockers.is_empty() {
            return None;
        }
        if report.blockers.iter().all(|blocker| blocker.is_shared) {
            // Who backs off is not in line, and is woken by its own timer.
            let is_in_line = self
                .store
                .is_in_line(machine.name(), &machine.settings.group);
            return machine.waiter.filter(|_| is_in_line).map(|_| End::Turn);
        }
        let is_local = |outcome: Outcome| {
            let mut local = report.blockers.iter().filter(|it| !it.is_shared);
            local.any(|it| it.outcome == outcome)
        };
        let is_shut = is_local(Outcome::WindowDenied) || is_local(Outcome::WindowOutsideAllow);
        let end_ms = match (is_shut, is_local(Outcome::RebootLimit)) {
            (true, _) => self.opens_ms(machine),
            (false, true) => Some(self.store.mark_ends_ms(machine.name())?),
            (false, false) => return None,
        };
        let is_over = end_ms.is_some_and(|it| it <= self.now_ms); // its next look will find it so
        (!is_over).then_some(End::Moment(end_ms))
    }

    /// When this machine's windows allow a reboot next.
    fn opens_ms(&self, machine: &Machine) -> Option<u64> {
        let settings = &machine.settings;
        let wall = machine.clock.wall(self.start, self.now_ms);
        let opens: Timestamp = settings.windows.next_open(wall, &settings.zone.rules)?;
        let wait_ms = opens.duration_since(wall).as_millis();
        Some(self.now_ms + u64::try_from(wait_ms).ok()?)
    }

    /// Those whose turn it is: so many of each line as slots are free.
    pub(super) fn heads(&self) -> BTreeSet<&NodeName> {
        match self.is_patient {
            true => self.store.heads().collect(),
            false => BTreeSet::new(),
        }
    }
}

// === impl Machine ===

impl Machine {
    /// The timers of an agent between passes that has nothing under way.
    fn waiting_timers(&self) -> Option<[(Timer, u64); 3]> {
        let agent = self.agent.as_ref()?;
        let is_waiting = agent.stage == Stage::Resting
            && agent.pass().is_none()
            && agent.hold.is_none()
            && self.pending.is_empty();
        let due = |timer: Timer| Some((timer, *self.timers.get(&timer)?));
        let timers = [
            due(Timer::Session)?,
            due(Timer::Heartbeat)?,
            due(Timer::Pass)?,
        ];
        (is_waiting && self.timers.len() == timers.len()).then_some(timers)
    }
}
