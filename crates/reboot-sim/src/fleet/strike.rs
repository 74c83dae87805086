//! How each fault strikes.

use super::fault::{Stage, Strike};
use super::play::{BIG_NODES, Chore, DAY_MS, MINUTE_MS, Play, SECOND_MS, is_of_command};
use crate::world::{Command, Cut, FENCE_TO_COMMAND_MS, Fault, Happening, Kit, Machine};
use reboot_core::agent::{self, Event, Notebook, ScriptPhase};
use reboot_core::group::{Action, Pause};
use reboot_core::id::{MachineId, NodeName};

// === impl Play ===

impl Play {
    /// Whether this can happen at all, as things are.
    pub(super) fn can_strike(&self, at: usize, stage: Stage, strike: Strike) -> bool {
        use Strike as S;
        let machine = &self.world.machines[at];
        let runs = machine.agent.is_some();
        match strike {
            S::AgentKilled | S::PausedPastLease | S::PausedForADay | S::Upgraded => runs,
            S::ReplyLost | S::RequestLate | S::WakeTwice => runs,
            S::WakeLost => runs && machine.waiter.is_some() && self.awaits(at, stage),
            S::PowerLost | S::ClockFast | S::ClockSlow | S::DiskFull => machine.is_up,
            S::SecondAgent | S::SecondAgentLockLost => runs && machine.is_up,
            S::SoftReboot => machine.is_up && machine.soft.is_some(),
            S::SentinelVanishes | S::SentinelReappears => {
                machine.is_up && (machine.kit.need.is_some() || stage != Stage::Queued)
            }
            S::Broken => self.world.hold_of(at).is_some(),
            S::StoreRestored => !self.backups.is_empty(),
            S::RolledBack => !machine.older_disks.is_empty(),
            S::GroupDeleted => !self.backups.is_empty(), // else nobody could bring it back
            _ if is_of_command(strike) => machine.is_up && stage != Stage::Back,
            _ => true,
        }
    }

    fn awaits(&self, at: usize, stage: Stage) -> bool {
        let agent = self.world.machines[at].agent.as_ref();
        let holds = agent.is_some_and(|it| matches!(it.stage, agent::Stage::Holding(_)));
        match stage {
            Stage::Queued => true,
            Stage::Back => holds,
            _ => false,
        }
    }

    pub(super) fn strike(&mut self, at: usize, strike: Strike) {
        use Strike as S;
        match strike {
            S::AgentKilled => self.world.inflict(at, Fault::Kill),
            S::PowerLost => self.world.inflict(at, Fault::PowerLoss),
            S::CutBothWays => self.cut(at, Cut::Both),
            S::RequestsCut => self.cut(at, Cut::Requests),
            S::RepliesCut => self.cut(at, Cut::Replies),
            S::ReplyLost => {
                self.world.machines[at].net.replies_lost = self.random.between(1, 3) as u32;
            }
            S::RequestLate => {
                let late_ms = self.random.between(1, 300 * SECOND_MS);
                self.world.machines[at].net.late_ms = Some(late_ms);
            }
            S::PausedPastLease => {
                let ttl_ms = self.world.machines[at].settings.lock_ttl_ms;
                let for_ms = ttl_ms + self.random.between(1, 300) * SECOND_MS;
                self.world.inflict(at, Fault::Pause(for_ms));
            }
            S::PausedForADay => self.world.inflict(at, Fault::Pause(DAY_MS)),
            S::WakeLost => self.world.machines[at].net.is_deaf = true,
            S::WakeTwice => {
                self.world.machines[at].net.echoes = true;
                self.world.plan(at, 1, Happening::Answer(Event::Woken));
            }
            S::SentinelVanishes => self.need(at, None),
            S::SentinelReappears => self.flicker(at),
            S::SoftReboot => self.world.soft_reboot(at),
            S::Upgraded => self.upgrade(at),
            S::LeaderChanged | S::StoreRestarted | S::StoreRestored | S::StoreClockJumps => {
                self.strike_store(strike);
            }
            S::NodeClockJumps | S::ClockFast | S::ClockSlow => self.strike_clock(at, strike),
            S::RolledBack | S::Cloned | S::Renamed | S::Reimaged => self.disguise(at, strike),
            S::SecondAgent => {
                let text = || "a second agent is kept out by the lock".to_owned();
                self.world.tell(Some(at), text);
            }
            S::SecondAgentLockLost => self.double(at),
            S::Broken | S::MaxChanged | S::GroupDeleted | S::Paused => self.meddle(at, strike),
            S::CommandFails
            | S::CommandDelayed
            | S::CommandInhibited
            | S::KillSwitch
            | S::Ill
            | S::HooksFail
            | S::HooksHang
            | S::DiskFull => self.spoil(at, strike),
        }
    }

    fn cut(&mut self, at: usize, cut: Cut) {
        let for_ms = self.random.between(5, 900) * SECOND_MS;
        self.world.machines[at].net.cut = Some((cut, self.world.now_ms + for_ms));
    }

    fn flicker(&mut self, at: usize) {
        let need = self.world.machines[at].kit.need.unwrap_or("kernel-6.4");
        self.need(at, None);
        let delay_ms = self.random.between(1, 600) * SECOND_MS;
        self.plan_in(delay_ms, Chore::Reappear(at, need));
    }

    /// The next version writes a field into the notebook that this one does not know.
    fn upgrade(&mut self, at: usize) {
        let extra = &mut self.world.machines[at].disk.extra;
        extra.insert("later".to_owned(), Default::default());
        match self.world.machines[at].paused_until_ms > self.world.now_ms {
            true => self.world.end_process(at), // who does not stop in time is killed
            false => self.world.deliver(at, Event::Terminate),
        }
        self.world.plan(at, 3_000, Happening::Start);
    }

    fn strike_store(&mut self, strike: Strike) {
        self.world.awaken_all();
        match strike {
            Strike::StoreRestored => return self.restore_any(),
            Strike::StoreClockJumps => return self.world.store.set_clock_forward(DAY_MS),
            _ => {}
        }
        // Shorter than any lease in fleets where nobody could wait for all to settle anew.
        let longest = if self.nodes > BIG_NODES { 8 } else { 60 };
        let for_ms = self.random.between(1, longest) * SECOND_MS;
        self.world.store_down_until_ms = self.world.now_ms + for_ms;
        if strike == Strike::StoreRestarted {
            self.plan_in(for_ms, Chore::ReturnStore);
        }
    }

    fn strike_clock(&mut self, at: usize, strike: Strike) {
        let rate = match strike {
            Strike::ClockFast => (10, 1),
            Strike::ClockSlow => (1, 10),
            _ => {
                let day_ms = DAY_MS.cast_signed();
                let by_ms = *self.random.pick(&[day_ms, -day_ms]);
                let now_ms = self.world.now_ms;
                return self.world.machines[at].clock.jump(now_ms, by_ms);
            }
        };
        self.world.set_clock_rate(at, rate);
        let for_ms = self.random.between(5, 120) * MINUTE_MS;
        self.plan_in(for_ms, Chore::KeepTime(at));
    }

    /// Something on the machine is wrong for a while.
    fn spoil(&mut self, at: usize, strike: Strike) {
        let choice = self.random.below(3);
        let delay_ms = self.random.between(1, 25) * MINUTE_MS;
        let timeout_ms = self.world.machines[at].settings.hook_timeout_ms;
        self.world.alter(at, |kit: &mut Kit| match strike {
            Strike::CommandFails => {
                let ways = [
                    Command::Fails,
                    Command::DoesNothing,
                    Command::FailsAndReboots,
                ];
                kit.command = ways[choice as usize];
            }
            Strike::CommandDelayed => kit.command = Command::Delayed(delay_ms),
            Strike::CommandInhibited if choice == 0 => kit.is_inhibited = true,
            Strike::CommandInhibited => kit.command = Command::CannotStart,
            Strike::KillSwitch => kit.kill_switch = true,
            Strike::Ill => kit.blocked_phases.extend(ScriptPhase::ALL),
            Strike::DiskFull => kit.disk_fails = true,
            _ => {
                kit.hooks_fail = choice != 1;
                kit.undo_fails = choice != 2;
                kit.post_hooks_fail = choice == 0;
                if strike == Strike::HooksHang {
                    kit.hook_ms = timeout_ms;
                }
            }
        });
        let for_ms = self.random.between(1, 90) * MINUTE_MS;
        self.plan_in(for_ms, Chore::Mend(at));
    }
}

// === impl Play: who is who ===

impl Play {
    /// The machine comes back as somebody else, or somebody else as this machine.
    fn disguise(&mut self, at: usize, strike: Strike) {
        let number = self.world.machines.len() + self.faces.len();
        match strike {
            Strike::Cloned => return self.copy(at, number),
            Strike::Renamed => {
                self.world.end_process(at);
                let machine = &mut self.world.machines[at];
                if let Ok(name) = NodeName::new(format!("node-{at}-as-{number}")) {
                    machine.settings.identity.node = name;
                }
                self.world.plan(at, 2_000, Happening::Start);
            }
            _ => {
                let boot = self.world.machines[at].boot;
                self.world.plan(at, 0, Happening::Off(boot));
                let machine = &mut self.world.machines[at];
                machine.older_disks.truncate(8);
                let older = self.random.below(machine.older_disks.len() as u64) as usize;
                match strike {
                    Strike::RolledBack => {
                        machine.disk_at_boot = machine.older_disks.get(older).cloned()
                    }
                    _ => {
                        machine.becomes_new = Some(number);
                        if let Ok(id) = MachineId::new(format!("machine-new-{number}")) {
                            let face = (machine.name().clone(), id);
                            self.faces.insert(face, at);
                        }
                    }
                }
            }
        }
        self.note_face(at);
        self.world.machines[at].whole_since_ms = self.world.now_ms + FENCE_TO_COMMAND_MS;
    }

    fn copy(&mut self, at: usize, number: usize) {
        let original = &self.world.machines[at];
        let mut clone = Machine::new(original.settings.clone());
        if let Ok(id) = MachineId::new(format!("clone-{number}")) {
            clone.settings.identity.machine_id = id;
        }
        clone.disk = original.disk.clone();
        clone.kit = Kit {
            need: original.kit.need.filter(|_| self.random.chance(50)),
            ..self.usual[at].clone()
        };
        clone.soft = original.soft;
        clone.is_clone = true;
        let clone = self.world.add(clone);
        self.note_face(clone);
        let for_ms = self.random.between(2, 240) * MINUTE_MS;
        self.plan_in(for_ms, Chore::Retire(clone));
    }

    /// A second agent where the state directory is lost, and the lock and the notebook with it.
    fn double(&mut self, at: usize) {
        let machine = &mut self.world.machines[at];
        machine.disk = Notebook::default();
        machine.whole_since_ms = self.world.now_ms;
        machine.doubled_in = Some(machine.boot);
        let mut second = Machine::new(machine.settings.clone());
        second.run = 1_000 + self.world.machines.len() as u32;
        second.lodges_with = Some(at);
        let second = self.world.add(second);
        let for_ms = self.random.between(2, 120) * MINUTE_MS;
        self.plan_in(for_ms, Chore::Retire(second));
    }

    /// A clone or a second agent goes for good.
    pub(super) fn retire(&mut self, at: usize) {
        self.world.machines[at].kit.off_ms = None;
        match self.world.machines[at].lodges_with {
            Some(_) => self.world.end_process(at),
            None => self.world.end_boot(at),
        }
    }
}

// === impl Play: operators' own faults ===

impl Play {
    fn meddle(&mut self, at: usize, strike: Strike) {
        let group = self.world.machines[at].settings.group.clone();
        let for_ms = self.random.between(2, 120) * MINUTE_MS;
        match strike {
            Strike::Broken => self.world.break_hold_of(at),
            Strike::MaxChanged => {
                let max = self.random.below(4) as u32;
                self.set_max(&group, max);
                let usual = self.maxes.get(&group).copied().unwrap_or(1);
                self.plan_in(for_ms, Chore::SetMax(group, usual));
            }
            Strike::GroupDeleted => self.lose_group(&group),
            _ => {
                let pause = Pause {
                    by: "operator".to_owned(),
                    reason: "a release".to_owned(),
                    until: None,
                    session: None,
                };
                let what = self.random.chance(50).then_some(group);
                match &what {
                    Some(group) => self.world.operate_on(group, Action::Pause(pause)),
                    None => self.world.pause_fleet(Some(pause)),
                }
                self.plan_in(for_ms, Chore::Resume(what));
            }
        }
    }
}
