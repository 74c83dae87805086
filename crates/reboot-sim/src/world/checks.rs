//! What must hold after everything that happens: nobody is down without a hold, nothing changed
//! is left behind by a release, and every agent waits for something that will come.

use super::{Happening, Issued, Machine, World};
use crate::violation::{Promise, Violation};
use reboot_core::agent::{Agent, Effect, Event, Purpose, Stage, Step, Tag, Timer};
use reboot_core::group::{Action, Hold, Phase, Way};
use reboot_core::write::Write;
use std::collections::BTreeSet;

/// At most so many commands a need and boot, the second only after the timeout.
const COMMANDS_MAX: usize = 2;
/// A command follows its fence so soon, unless it is the second try, in milliseconds.
pub(crate) const FENCE_TO_COMMAND_MS: u64 = 60_000;
const DAY_MS: u64 = 86_400_000;
/// More events than this in a minute of one agent's life are a loop.
const EVENTS_PER_MINUTE_MAX: usize = 600;

// === impl World: after everything that happens ===

impl World {
    /// After something happened to this machine.
    pub(super) fn check(&mut self, at: usize) {
        self.violations.append(&mut self.store.log.violations);
        let body = &self.machines[self.body(at)];
        if body.is_going_down() && !body.is_excused() && !self.holds_for_command(body) {
            let what = "goes down, or is down, because of us and holds nothing";
            let what = format!("{} {what}", body.name());
            self.accuse(Promise::I1, what);
            return;
        }
        let machine = &self.machines[at];
        let name = machine.name();
        if let Some(agent) = &machine.agent
            && machine.paused_until_ms <= self.now_ms
            && machine.asleep.is_none()
            && !is_awaited(machine, agent)
        {
            let what = format!(
                "{name} waits in {:?} for nothing that will come",
                agent.stage
            );
            self.accuse(Promise::L1, what);
        }
    }

    pub(super) fn count_event(&mut self, at: usize) {
        let minute = self.now_ms / 60_000;
        let machine = &mut self.machines[at];
        if machine.minute.0 != minute {
            machine.minute = (minute, 0);
        }
        machine.minute.1 += 1;
        if machine.minute.1 > EVENTS_PER_MINUTE_MAX {
            let stage = machine.agent.as_ref().map(|agent| &agent.stage);
            let what = format!("{} is in a busy loop, in {stage:?}", machine.name());
            self.accuse(Promise::L1, what);
        }
    }

    /// The hold of a machine's name in its group.
    pub fn hold_of(&self, at: usize) -> Option<&Hold> {
        let machine = &self.machines[at];
        let group = self.store.group(&machine.settings.group)?;
        group.hold_of(machine.name())
    }

    /// Whether the last command's node holds durably.
    pub(crate) fn holds_for_command(&self, machine: &Machine) -> bool {
        let holder = machine.commands.last().map(|command| &command.holder);
        let hold = holder.and_then(|(group, node)| self.store.group(group)?.hold_of(node));
        hold.is_some_and(|hold| hold.phase.is_durable())
    }
}

// === impl World: the command, and commits ===

impl World {
    /// At the very start of the command.
    pub(super) fn judge_command(&mut self, at: usize) {
        let found = self.judge_fence(at).or_else(|| self.judge_repetition(at));
        if let Some((promise, what)) = found {
            let name = self.machines[at].name();
            self.accuse(promise, format!("{name} issues the reboot command {what}"));
        }
    }

    /// I2: only right after this run's own fence, in the same boot, with a mark on disk.
    fn judge_fence(&self, at: usize) -> Option<(Promise, &'static str)> {
        let (machine, body) = (&self.machines[at], &self.machines[self.body(at)]);
        let identity = &machine.settings.identity;
        if !body.was_broken {
            let Some(hold) = self.hold_of(at) else {
                return Some((Promise::I2, "without a hold"));
            };
            if hold.phase != Phase::Rebooting || !hold.fenced {
                return Some((Promise::I2, "without the fence"));
            }
            if hold.instance != identity.instance {
                return Some((Promise::I2, "after another run's fence"));
            }
            if hold.boot != identity.boot {
                return Some((Promise::I2, "after a fence of another boot"));
            }
        }
        let mark = body.disk.command.as_ref();
        let is_marked = mark.is_some_and(|mark| mark.boot == identity.boot) || body.is_doubled();
        (!is_marked).then_some((Promise::I2, "without a mark on disk"))
    }

    /// I4: once a boot, and a second time after the timeout; once a need; so often a day.
    fn judge_repetition(&self, at: usize) -> Option<(Promise, &'static str)> {
        let (settings, body) = (&self.machines[at].settings, &self.machines[self.body(at)]);
        if body.is_doubled() {
            return None;
        }
        let is_whole = |command: &&Issued| command.at_ms >= body.whole_since_ms;
        let known = Vec::from_iter(body.commands.iter().filter(is_whole));
        let now = known.iter().filter(|it| it.boot == body.boot);
        if now.clone().count() >= COMMANDS_MAX {
            return Some((Promise::I4, "a third time in one boot"));
        }
        let timeout_ms = settings.reboot_timeout_ms;
        let is_soon = |command: &&&Issued| {
            let is_early = self.now_ms - command.at_ms < timeout_ms;
            is_early && body.clock.is_true_since(command.at_ms)
        };
        if now.clone().any(|it| is_soon(&it)) {
            return Some((Promise::I4, "again before the timeout"));
        }
        let has_survived = |it: &&Issued| {
            it.need.is_some()
                && !it.is_forgiven
                && !body.kit.is_ordered
                && it.need == body.kit.need
                && it.need_changes == body.need_changes
        };
        let is_same = |it: &&&Issued| it.boot != body.boot && has_survived(it);
        if known.iter().any(|it| is_same(&it)) {
            return Some((Promise::I4, "again for a need that its reboot did not end"));
        }
        let fenced_ms = body.fence.1;
        let is_late = |it: &&&Issued| fenced_ms - it.fenced_ms.min(fenced_ms) < DAY_MS;
        let mut boots: BTreeSet<u32> = known.iter().filter(is_late).map(|it| it.boot).collect();
        boots.insert(body.boot);
        let cap = settings.max_reboots_per_day as usize;
        (boots.len() > cap).then_some((Promise::I4, "more often a day than it may"))
    }

    /// Judges what is about to be committed, if the rules grant it.
    pub(super) fn judge_write(&self, at: usize, write: &Write) -> Option<Violation> {
        let Write::Ask { group, request, .. } = write else {
            return None;
        };
        let Action::Release {
            owner, way, boot, ..
        } = &request.action
        else {
            return None;
        };
        let hold = self.store.group(group)?.hold_of(&owner.node)?;
        let body = &self.machines[self.body(at)];
        let name = body.name();
        if !body.changes.is_empty() && !body.was_broken {
            let changes = Vec::from_iter(body.changes.iter().map(String::as_str));
            let what = format!("{name} released before {} was undone", changes.join(", "));
            return Some(Violation::of(Promise::I8, what));
        }
        if *way != Way::Returned {
            return None;
        }
        if hold.boot == self.machines[at].settings.identity.boot {
            let what = format!("{name} released as returned, in the boot it should have ended");
            return Some(Violation::of(Promise::I3, what));
        }
        let is_checked = body.checked.as_ref() == Some(boot);
        let what = format!("{name} released as returned, and no check had passed");
        (!is_checked).then(|| Violation::of(Promise::I3, what))
    }

    /// After a commit.
    pub(super) fn wrote(&mut self, at: usize, write: &Write) {
        if let Write::Ask { group, request, .. } = write
            && let Action::Claim(claim) = &request.action
        {
            let node = claim.identity.node.clone();
            self.claims.push((group.clone(), node));
        }
        if let Write::Ask { request, .. } = write
            && let Action::Fence { owner, .. } = &request.action
        {
            let (body, now_ms) = (self.body(at), self.now_ms);
            let body = &mut self.machines[body];
            if body.fence.0 != owner.number {
                body.fence = (owner.number, now_ms);
            }
            if !body.is_going_down() {
                body.was_broken = false; // a hold of its own, from the claim on
            }
        }
    }
}

// === impl Machine ===

impl Machine {
    /// Down, or irrevocably going down, because of us.
    pub fn is_going_down(&self) -> bool {
        let last = self.commands.last();
        last.is_some_and(|command| command.boot == self.boot)
    }

    /// Whether two agents ran in this boot with the lock lost.
    pub fn is_doubled(&self) -> bool {
        self.doubled_in == Some(self.boot)
    }

    /// Whether nobody promises that it holds while it goes down.
    pub fn is_excused(&self) -> bool {
        self.was_broken || self.is_doubled()
    }
}

/// Whether what the agent waits for is on the agenda or on a timer.
fn is_awaited(machine: &Machine, agent: &Agent) -> bool {
    let on_agenda = |is_it: &dyn Fn(&Happening) -> bool| {
        let mut pending = machine.pending.iter();
        pending.any(|it| it.run == machine.run && is_it(&it.what))
    };
    // An answer on its way is looked at when it has come.
    if on_agenda(&|what| matches!(what, Happening::Answer(event) if *event != Event::Woken)) {
        return true;
    }
    let effect = |is_it: &dyn Fn(&Effect) -> bool| {
        on_agenda(&|what| matches!(what, Happening::Carry(effect) if is_it(effect)))
    };
    let write = |is_it: &dyn Fn(&Tag) -> bool| {
        effect(&|effect| matches!(effect, Effect::Write { tag, .. } if is_it(tag)))
    };
    let timer = |timer: Timer| machine.timers.contains_key(&timer);
    let pass = |purpose: Purpose| {
        let is_it = agent
            .pass()
            .as_ref()
            .is_some_and(|pass| pass.purpose == purpose);
        let id = agent.pass().map(|pass| pass.id);
        is_it && effect(&|it| matches!(it, Effect::Look { pass, .. } if Some(*pass) == id))
    };
    let asks = || write(&|tag| matches!(tag, Tag::Ask(_))) || timer(Timer::Retry);
    let opens = || write(&|tag| *tag == Tag::OpenSession);
    match &agent.stage {
        Stage::New | Stage::Gone => true,
        Stage::Opening => opens() || timer(Timer::Retry) || timer(Timer::Session),
        Stage::Settling => pass(Purpose::Peek) || timer(Timer::Retry),
        Stage::PayingDebts => {
            effect(&|it| matches!(it, Effect::Undo(_)))
                || write(&|tag| *tag == Tag::Undone)
                || timer(Timer::Retry)
        }
        Stage::Resting => timer(Timer::Pass),
        Stage::Passing => pass(Purpose::Find),
        Stage::Claiming => asks() || opens() || timer(Timer::Session),
        Stage::Leaving => write(&|tag| *tag == Tag::EndSession),
        Stage::Holding(step) => match step {
            Step::Adopting
            | Step::Draining(_)
            | Step::Fencing { .. }
            | Step::Returning
            | Step::Releasing(_) => asks(),
            Step::Confirming => pass(Purpose::Confirm),
            Step::LastLook => pass(Purpose::Fence),
            Step::PostScript => pass(Purpose::AfterReboot),
            Step::Planning => effect(&|it| *it == Effect::PlanHooks),
            Step::Noting(_) | Step::Marking { .. } => {
                effect(&|it| matches!(it, Effect::Save { .. }))
            }
            Step::Hooking => effect(&|it| matches!(it, Effect::RunHooks(_))),
            Step::Waiting | Step::Issued | Step::Soaking => timer(Timer::Patience),
            Step::Issuing => effect(&|it| *it == Effect::IssueReboot),
            Step::Overdue => timer(Timer::Heartbeat),
            Step::PostHooks => effect(&|it| *it == Effect::RunPostHooks),
            Step::PostFailed | Step::UndoFailed(_) => timer(Timer::Retry),
            Step::Undoing(_) => effect(&|it| matches!(it, Effect::Undo(_))),
        },
    }
}
