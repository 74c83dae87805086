//! What must hold after everything that happens: nobody is down without a hold, nothing changed
//! is left behind by a release, and every agent waits for something that will come.

use super::machine::Machine;
use super::{Happening, World};
use reboot_core::agent::{Agent, Effect, Event, Purpose, Stage, Step, Tag, Timer};
use reboot_core::group::{Action, Hold, Phase};
use reboot_core::write::Write;

/// At most so many commands a need and boot, the second only after the timeout.
const COMMANDS_MAX: usize = 2;

/// After everything that happens.
pub fn check(world: &World) {
    let violation = world.store.log.violations.first();
    assert!(violation.is_none(), "{violation:?}");
    for (at, machine) in world.machines.iter().enumerate() {
        assert!(
            !is_going_down(machine) || machine.was_broken || is_durable(world, machine),
            "I1"
        );
        if let Some(agent) = &machine.agent
            && machine.paused_until_ms <= world.now_ms
        {
            let is_coming = is_awaited(world, at, agent);
            assert!(
                is_coming,
                "{} is stuck in {:?}",
                machine.name(),
                agent.stage
            );
        }
    }
}

/// Down, or irrevocably going down, because of us.
fn is_going_down(machine: &Machine) -> bool {
    let last = machine.commands.last();
    last.is_some_and(|command| command.boot == machine.boot)
}

fn hold_of<'a>(world: &'a World, machine: &Machine) -> Option<&'a Hold> {
    let group = world.store.group(&machine.settings.group)?;
    group.hold_of(machine.name())
}

fn is_durable(world: &World, machine: &Machine) -> bool {
    hold_of(world, machine).is_some_and(|hold| hold.phase.is_durable())
}

/// I2, I4: at the very start of the command.
pub fn may_issue(world: &World, at: usize) {
    let machine = &world.machines[at];
    let identity = &machine.settings.identity;
    if !machine.was_broken {
        let hold = hold_of(world, machine).expect("I2: a command without a hold");
        assert_eq!(hold.phase, Phase::Rebooting, "I2");
        assert_eq!(hold.instance, identity.instance, "I2");
        assert!(hold.fenced && hold.boot == identity.boot, "I2");
    }
    let mark = machine.disk.command.as_ref();
    assert!(
        mark.is_some_and(|mark| mark.boot == identity.boot),
        "unmarked"
    );
    let before: Vec<_> = machine
        .commands
        .iter()
        .filter(|command| command.boot == machine.boot)
        .collect();
    assert!(before.len() < COMMANDS_MAX, "I4");
    let timeout_ms = machine.settings.reboot_timeout_ms;
    let is_late = |at_ms: u64| world.now_ms - at_ms >= timeout_ms;
    assert!(
        before.iter().all(|command| is_late(command.at_ms)),
        "I4: too soon"
    );
}

/// I8: a release by its own node leaves nothing changed.
pub fn committed(machine: &Machine, write: &Write) {
    if let Write::Ask { request, .. } = write
        && let Action::Release { .. } = request.action
    {
        assert!(machine.changes.is_empty(), "I8: {:?}", machine.changes);
    }
}

/// Whether what the agent waits for is on the agenda or on a timer.
fn is_awaited(world: &World, at: usize, agent: &Agent) -> bool {
    let machine = &world.machines[at];
    let on_agenda = |is_it: &dyn Fn(&Happening) -> bool| {
        let mut entries = world.agenda.values();
        entries.any(|entry| entry.at == at && entry.run == machine.run && is_it(&entry.what))
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
