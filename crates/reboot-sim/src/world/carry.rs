//! Effects are taken, and carried out after a while.

use super::agenda::Due;
use super::net::Passage;
use super::{Command, Happening, Issued, Shown, World};
use reboot_core::agent::{Effect, Event, Issue, Look, Notebook, ScriptPhase, Sight, Tag};
use reboot_core::fleet::Fleet;
use reboot_core::gates::ScriptVerdict;
use reboot_core::group::Refusal;
use reboot_core::mutation::Mutation;
use reboot_core::write::{Trouble, Write, Written};
use std::sync::Arc;

/// How long the shell waits for the store.
const STORE_TIMEOUT_MS: u64 = 10_000;

// === impl World: taking effects ===

impl World {
    pub(super) fn take(&mut self, at: usize, effect: Effect) {
        let delay_ms = 1 + self.drawn(at, 20);
        let machine = &mut self.machines[at];
        match effect {
            Effect::SetTimer(timer, boot_ms) => {
                let (at_ms, run) = (machine.clock.true_ms(boot_ms).max(self.now_ms), machine.run);
                machine.timers.insert(timer, at_ms);
                self.come(at, at_ms, Due::Timer(timer, run));
            }
            Effect::AwaitChange { seen } => {
                let audit_ms = self.now_ms + machine.settings.audit_interval_ms;
                machine.waiter = Some((seen, audit_ms));
                let run = machine.run;
                self.waiting.insert(at);
                self.has_waiters_new = true;
                self.come(at, audit_ms, Due::Audit(run));
            }
            Effect::AwaitOrder { known, .. } => self.await_order(at, known),
            Effect::Tell(news) => self.hear(at, news),
            Effect::Exit => self.end_process(at),
            Effect::MarkReturned { .. } | Effect::Wall { .. } => {}
            Effect::Write { tag, write } => self.queue_write(at, tag, write, delay_ms),
            other => {
                let takes_ms = machine.kit.duration_ms(&other);
                let delay_ms = takes_ms + self.drawn(at, takes_ms);
                self.plan(at, delay_ms, Happening::Carry(other));
            }
        }
    }

    /// What something takes longer than it must; nothing on a machine with a pace.
    pub(super) fn drawn(&mut self, at: usize, limit_ms: u64) -> u64 {
        match self.machines[self.body(at)].kit.pace {
            Some(_) => 0,
            None => self.random.below(limit_ms),
        }
    }

    /// Writes go through two queues, each in order, as in the shell.
    fn queue_write(&mut self, at: usize, tag: Tag, write: Box<Write>, delay_ms: u64) {
        let queue = usize::from(matches!(tag, Tag::Publish | Tag::KeepSession));
        let machine = &mut self.machines[at];
        let start_ms = machine.queues_ms[queue].max(self.now_ms) + delay_ms;
        machine.queues_ms[queue] = start_ms + 40; // no answer takes longer, unless it is lost
        let effect = Effect::Write { tag, write };
        self.plan(at, start_ms - self.now_ms, Happening::Carry(effect));
    }
}

// === impl World: carrying effects out ===

impl World {
    /// A request may be on its way while its sender dies.
    pub(super) fn carry_for_the_dead(&mut self, at: usize, effect: Effect) {
        if let Effect::Write { write, .. } = effect
            && self.random.chance(50)
        {
            let _ = self.store_write(at, &write); // nobody hears the answer
        }
    }

    /// What an agent had begun when it died, and what was done all the same.
    pub(super) fn leave_done(&mut self, at: usize, effect: Effect) {
        let body = self.body(at);
        match effect {
            Effect::Save { notebook, .. } => self.save(body, *notebook),
            Effect::RunHooks(names) => self.machines[body].changes.extend(names),
            Effect::IssueReboot => {
                self.issue(at);
            }
            _ => {}
        }
    }

    pub(super) fn carry(&mut self, at: usize, effect: Effect) {
        let body = self.body(at);
        let machine = &mut self.machines[body];
        let fails = |fails: bool| match fails {
            true => Err("it failed".to_owned()),
            false => Ok(()),
        };
        let event = match effect {
            Effect::Look { pass, look, .. } => return self.carry_look(at, pass, look),
            Effect::Write { tag, write } => return self.carry_write(at, tag, write),
            Effect::Save { id, notebook } => {
                let result = fails(machine.kit.disk_fails);
                if result.is_ok() {
                    self.save(body, *notebook);
                }
                Event::Saved { id, result }
            }
            Effect::PlanHooks => {
                let names = machine.kit.hooks.iter().map(|&name| name.to_owned());
                Event::Planned(Ok(names.collect()))
            }
            Effect::RunHooks(names) => {
                machine.changes.extend(names);
                Event::Hooked(fails(machine.kit.hooks_fail))
            }
            Effect::Undo(undo) => {
                if !machine.kit.undo_fails {
                    let is_undone = |name: &String| undo.newest_first().any(|it| it == name);
                    machine.changes.retain(|name| !is_undone(name));
                }
                Event::Undone(fails(machine.kit.undo_fails))
            }
            Effect::RunPostHooks => Event::PostHooked(fails(machine.kit.post_hooks_fail)),
            Effect::IssueReboot => match self.issue(at) {
                true => return,
                false => Event::Issued(Issue::NotStarted("no such file".to_owned())),
            },
            other => unreachable!("{other:?} is not carried out later"),
        };
        self.deliver(at, event);
    }

    fn save(&mut self, body: usize, notebook: Notebook) {
        let machine = &mut self.machines[body];
        if machine.keeps_older_disks && machine.disk != notebook {
            machine.older_disks.push(machine.disk.clone());
        }
        machine.disk = notebook;
    }

    fn carry_look(&mut self, at: usize, pass: u64, look: Look) {
        let body = self.body(at);
        let sight = match look {
            Look::Fleet => match self.look_trouble(at) {
                Some(trouble) => {
                    let sight = Sight::Fleet(Err(trouble));
                    let event = Event::Saw { pass, look, sight };
                    return self.plan(at, STORE_TIMEOUT_MS, Happening::Answer(event));
                }
                None => Sight::Fleet(Ok(self.seen_by(at))),
            },
            _ => self.machines[body].kit.see(look),
        };
        let is_passed = sight == Sight::Health(ScriptVerdict::Pass);
        if look == Look::Health(ScriptPhase::PostReboot) && is_passed {
            let machine = &mut self.machines[body];
            machine.checked = Some(machine.boot_identity());
        }
        self.deliver(at, Event::Saw { pass, look, sight });
    }

    /// The fleet as a node sees it now.
    fn seen_by(&mut self, at: usize) -> Arc<Fleet> {
        let fleet = match Mutation::CountManyObjects.is_on() {
            true => {
                let name = self.machines[at].name().clone();
                Arc::new(self.store.look_by(&name))
            }
            false => self.fleet(),
        };
        let now_ms = self.now_ms;
        self.shared.note_look(now_ms, &fleet);
        fleet
    }

    /// The fleet as the store shows it; one look is shared until something changes.
    pub fn fleet(&mut self) -> Arc<Fleet> {
        let of = (
            self.store.revision,
            self.store.silent_changes(),
            self.store.pause.clone(),
        );
        match &self.shown {
            Some(shown) if shown.of == of || self.now_ms < self.opens_ms => {
                Arc::clone(&shown.fleet)
            }
            _ => {
                let fleet = Arc::new(self.store.look());
                self.shown = Some(Shown {
                    of,
                    fleet: Arc::clone(&fleet),
                });
                fleet
            }
        }
    }

    fn carry_write(&mut self, at: usize, tag: Tag, write: Box<Write>) {
        let passage = match self.loses(&write) {
            Some(is_applied) => Passage::Silent(is_applied),
            None => self.passage(at),
        };
        let unknown = Trouble::Unknown("no answer".to_owned());
        let (result, delay_ms) = match passage {
            Passage::Through => {
                let result = self.store_write(at, &write).map_err(Trouble::Refused);
                (result, 1 + self.drawn(at, 20))
            }
            Passage::Refused => {
                let trouble = Trouble::Unavailable("the store is down".to_owned());
                (Err(trouble), 1)
            }
            Passage::Silent(is_applied) => {
                if is_applied {
                    let _ = self.store_write(at, &write); // applied, and nobody hears of it
                }
                (Err(unknown), STORE_TIMEOUT_MS)
            }
            Passage::Late(late_ms) => {
                self.plan(at, STORE_TIMEOUT_MS + late_ms, Happening::Late(write));
                (Err(unknown), STORE_TIMEOUT_MS)
            }
        };
        let answer = Event::Wrote { tag, result };
        self.plan(at, delay_ms, Happening::Answer(answer));
    }

    /// Whether the reply is lost, and then whether the write is applied.
    fn loses(&mut self, write: &Write) -> Option<bool> {
        if let Some(index) = self.losing.iter().position(|(is_it, _)| is_it(write)) {
            return Some(self.losing.remove(index).1);
        }
        let (count, is_applied) = self.lost_replies;
        self.lost_replies.0 = count.saturating_sub(1);
        (count > 0).then_some(is_applied)
    }

    pub(super) fn store_write(&mut self, at: usize, write: &Write) -> Result<Written, Refusal> {
        let found = self.judge_write(at, write);
        let result = self.store.write(write)?;
        self.violations.extend(found);
        self.wrote(at, write);
        Ok(result)
    }

    /// Starts the command; whether it could be started.
    fn issue(&mut self, at: usize) -> bool {
        let body = self.body(at);
        let command = self.machines[body].kit.command;
        if command == Command::CannotStart {
            return false;
        }
        self.judge_command(at);
        self.judge_gates(at);
        self.tell(Some(at), || "the reboot command starts".to_owned());
        let need = self.hold_of(at).map(|hold| hold.need.clone());
        let settings = &self.machines[at].settings;
        let holder = (settings.group.clone(), settings.identity.node.clone());
        let machine = &mut self.machines[body];
        let boot = machine.boot;
        machine.commands.push(Issued {
            boot,
            need: machine.kit.need.filter(|it| need.as_deref() == Some(*it)),
            at_ms: self.now_ms,
            holder,
            need_changes: machine.need_changes,
            fenced_ms: machine.fence.1,
            is_forgiven: false,
        });
        self.plan(at, 3, Happening::Answer(Event::Issued(Issue::Started)));
        let is_success = !matches!(command, Command::Fails | Command::FailsAndReboots);
        let how = "it ended".to_owned();
        let ended = Event::Issued(Issue::Ended { is_success, how });
        self.plan(at, 200, Happening::Answer(ended));
        let late_ms = match command {
            Command::Reboots | Command::FailsAndReboots => 0,
            Command::Delayed(by_ms) => by_ms,
            Command::CannotStart | Command::DoesNothing | Command::Fails => return true,
        };
        if let Some(pace) = self.machines[body].kit.pace {
            self.plan(at, late_ms, Happening::ShutDown(boot));
            self.plan(body, late_ms + pace.going_down_ms, Happening::Off(boot));
            return true;
        }
        // A clean shutdown tells the agent to stop; a crash does not.
        let delay_ms = late_ms + 300 + self.random.below(20_000);
        if self.random.below(3) > 0 {
            self.plan(at, delay_ms, Happening::ShutDown(boot));
        }
        self.plan(body, delay_ms + 4_000, Happening::Off(boot));
        true
    }
}
