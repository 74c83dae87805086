//! What careful operators do: they look now and then, break what nobody holds, restore what was
//! deleted, and resume when nobody is down unknown to the store.

use super::play::{HOUR_MS, Play};
use crate::store::Store;
use crate::world::{FENCE_TO_COMMAND_MS, Fault, Happening, Kit, Machine};
use reboot_core::agent::{Stage, Step};
use reboot_core::group::{Action, Hold, Pause};
use reboot_core::id::GroupName;
use reboot_core::outcome::Outcome;
use reboot_core::write::Write;

/// A command that has come to nothing for so long will, in milliseconds.
const STRANDED_MS: u64 = HOUR_MS;
/// Why a restored store is paused.
const RESTORED: &str = "restored: say who is down";

// === impl Play: restore, delete ===

impl Play {
    pub(super) fn restore_any(&mut self) {
        let place = self.random.below(self.backups.len() as u64) as usize;
        if let Some(backup) = self.backups.get(place).cloned() {
            self.restore(&backup);
        }
    }

    fn restore(&mut self, backup: &Store) {
        self.world
            .tell(None, || "the store is put back from a backup".to_owned());
        self.world.awaken_all();
        let held = Vec::from_iter(self.holders());
        let pause = Pause {
            by: "restore".to_owned(),
            reason: RESTORED.to_owned(),
            until: None,
            session: None,
        };
        self.world.store.restore(backup, pause);
        self.world.store.pause = None;
        self.world.note_stops();
        self.excuse(held);
    }

    /// The machines whose nodes hold durably.
    fn holders(&self) -> impl Iterator<Item = usize> + use<'_> {
        let is_durable = |at: &usize| {
            let hold = self.world.hold_of(*at);
            hold.is_some_and(|hold| hold.phase.is_durable())
        };
        (0..self.world.machines.len()).filter(is_durable)
    }

    /// What the store forgot was not the nodes' doing.
    fn excuse(&mut self, held: Vec<usize>) {
        let whole_ms = self.world.now_ms + FENCE_TO_COMMAND_MS;
        for machine in &mut self.world.machines {
            machine.whole_since_ms = whole_ms; // a command may follow a fence that is forgotten
            machine.was_broken |= machine.is_going_down();
        }
        for at in held {
            let body = self.world.body(at);
            self.world.machines[body].was_broken = true;
        }
    }

    pub(super) fn lose_group(&mut self, group: &GroupName) {
        self.world
            .tell(None, || format!("the record of group {group} is deleted"));
        if self.backups.is_empty() {
            self.back_up();
        }
        let held = Vec::from_iter(self.holders());
        self.world.store.lose_group(group);
        self.world.note_stop(group);
        self.excuse(held);
    }

    pub(super) fn set_max(&mut self, group: &GroupName, max: u32) {
        let by = "operator".to_owned();
        self.world.operate_on(group, Action::SetMax { max, by });
    }

    pub(super) fn resume(&mut self, what: Option<GroupName>) {
        match what {
            Some(group) => {
                let by = "operator".to_owned();
                self.world.operate_on(&group, Action::Resume { by });
            }
            None => self.world.pause_fleet(None),
        }
    }
}

// === impl Play: looking after the fleet ===

impl Play {
    /// One look at everything.
    pub(super) fn look_after(&mut self) {
        let machines = Vec::from_iter(0..self.world.machines.len());
        let lives = machines
            .into_iter()
            .filter(|at| self.world.body(*at) == *at);
        Vec::from_iter(lives)
            .into_iter()
            .for_each(|at| self.note_face(at));
        self.undo_by_hand();
        self.bring_groups_back();
        self.end_ghosts();
        self.reboot_by_hand();
        self.resume_restored();
        self.forget_the_gone();
    }

    /// A group whose record is gone while its nodes remember it: from a backup.
    fn bring_groups_back(&mut self) {
        let groups = Vec::from_iter(self.maxes.keys().cloned());
        let is_gone = |group: &GroupName| {
            let mark = self.world.store.group(group).map(|it| it.mark());
            mark.unwrap_or_default() < self.newest_seen(group)
        };
        if !groups.iter().any(is_gone) {
            return;
        }
        if let Some(backup) = self.backups.first().cloned() {
            self.restore(&backup);
        }
    }

    /// The newest epoch and generation of a group that an agent has seen.
    fn newest_seen(&self, group: &GroupName) -> (u64, u64) {
        let machines = self.world.machines.iter();
        let of_group = machines.filter(|machine| machine.settings.group == *group);
        let agents = of_group.filter_map(|machine| machine.agent.as_ref());
        let newest = agents.filter_map(|agent| agent.notebook.newest.as_ref());
        let marks = newest.map(|newest| (newest.epoch, newest.generation));
        marks.max().unwrap_or_default()
    }

    /// Breaks holds that nobody has, once they were seen twice.
    fn end_ghosts(&mut self) {
        let fleet = self.world.fleet();
        let mut ghosts = Vec::new();
        for (group, entry) in &fleet.groups {
            let unclaimed = entry.group.holds.iter().filter(|hold| self.is_ghost(hold));
            ghosts.extend(unclaimed.map(|hold| (group.clone(), hold.number)));
        }
        let before = std::mem::replace(&mut self.ghosts, ghosts.clone());
        for (group, number) in ghosts.into_iter().filter(|ghost| before.contains(ghost)) {
            let action = Action::Break {
                number,
                by: "operator".to_owned(),
                reason: "nobody has it".to_owned(),
            };
            self.excuse_holder(&group, number);
            self.world.operate_on(&group, action);
        }
    }

    fn excuse_holder(&mut self, group: &GroupName, number: u64) {
        let record = self.world.store.group(group);
        let hold = record.and_then(|it| it.holds.iter().find(|hold| hold.number == number));
        let face = hold.map(|hold| (hold.node.clone(), hold.machine_id.clone()));
        if let Some(at) = face.and_then(|face| self.faces.get(&face)) {
            self.world.machines[*at].was_broken = true;
        }
    }

    /// Whether a durable hold's node bears another name by now, is gone for good, or goes about
    /// its day without it; and is not going down.
    fn is_ghost(&self, hold: &Hold) -> bool {
        let face = (hold.node.clone(), hold.machine_id.clone());
        let Some(at) = self.faces.get(&face) else {
            return true;
        };
        let machine = &self.world.machines[*at];
        if !hold.phase.is_durable() {
            return false;
        }
        let identity = &machine.settings.identity;
        let is_other = identity.node != face.0 || identity.machine_id != face.1;
        let is_gone = !machine.is_up && machine.kit.off_ms.is_none();
        let rests = machine.agent.as_ref().is_some_and(|agent| {
            agent.hold.is_none() && matches!(agent.stage, Stage::Resting | Stage::Passing)
        });
        is_gone || (machine.is_up && !machine.is_going_down() && (is_other || rests))
    }

    /// A machine whose command came to nothing is rebooted by hand.
    fn reboot_by_hand(&mut self) {
        for at in 0..self.nodes {
            let machine = &self.world.machines[at];
            let agent = machine.agent.as_ref();
            let stage = agent.map(|agent| &agent.stage);
            let is_overdue = stage == Some(&Stage::Holding(Step::Overdue))
                || machine.outcome() == Some(Outcome::RebootOverdue);
            let is_stranded = agent.is_some_and(|agent| agent.hold.is_none())
                && machine.commands.last().is_some_and(|command| {
                    command.boot == machine.boot && self.world.now_ms - command.at_ms > STRANDED_MS
                });
            if (is_overdue || is_stranded) && machine.is_up && self.random.chance(50) {
                let boot = machine.boot;
                self.world
                    .tell(Some(at), || "is rebooted by hand".to_owned());
                self.world.plan(at, 0, Happening::Off(boot));
            }
        }
    }

    /// What was changed where disk or store were put back: an agent that still knows of it undoes
    /// it when it is started anew, what nobody knows of is undone by hand.
    fn undo_by_hand(&mut self) {
        for at in 0..self.nodes {
            let machine = &self.world.machines[at];
            let Some(agent) = machine.agent.as_ref().filter(|_| machine.is_resting()) else {
                continue;
            };
            if machine.changes.is_empty() || machine.whole_since_ms == 0 {
                continue;
            }
            let is_owed = !self.world.store.owed(machine.name()).is_empty();
            match agent.notebook.changes.is_empty() && !is_owed {
                true => self.world.machines[at].changes.clear(),
                false => self.world.inflict(at, Fault::Kill),
            }
            self.world
                .tell(Some(at), || "is put right by hand".to_owned());
        }
    }

    /// After a restore: as soon as nobody goes down whom the store does not know.
    fn resume_restored(&mut self) {
        let is_unknown = |it: &Machine| it.is_going_down() && !self.world.holds_for_command(it);
        if self.world.machines.iter().any(is_unknown) || !self.ghosts.is_empty() {
            return;
        }
        for group in Vec::from_iter(self.maxes.keys().cloned()) {
            let pause = self
                .world
                .store
                .group(&group)
                .and_then(|it| it.pause.as_ref());
            if pause.is_some_and(|pause| pause.reason == RESTORED) {
                self.resume(Some(group));
            }
        }
    }

    /// Records of names that no machine bears any more.
    fn forget_the_gone(&mut self) {
        let fleet = self.world.fleet();
        let is_borne = |name: &reboot_core::id::NodeName| {
            let is_there = |it: &Machine| match it.lodges_with {
                Some(_) => it.agent.is_some(),
                None => it.is_up || it.kit.off_ms.is_some(),
            };
            let bears = |it: &Machine| it.name() == name && is_there(it);
            self.world.machines.iter().any(bears)
        };
        if self.faces.len() == self.nodes {
            return;
        }
        for (node, entry) in &fleet.nodes {
            if !entry.is_fresh && !is_borne(node) {
                let write = Write::Forget { node: node.clone() };
                let _ = self.world.store.write(&write); // nothing refuses it
            }
        }
    }

    /// All that was wrong is mended.
    pub(super) fn put_right(&mut self) {
        for at in 0..self.world.machines.len() {
            self.world.awaken(at);
            let machine = &mut self.world.machines[at];
            machine.net = crate::world::Net::default();
            let is_fleet = at < self.nodes;
            if is_fleet {
                self.world.set_clock_rate(at, (1, 1));
                self.mend(at);
                self.world
                    .alter(at, |kit: &mut Kit| kit.need_survives = false);
            } else {
                self.retire(at);
            }
        }
        self.world.store_down_until_ms = 0;
        self.resume(None);
        for (group, max) in self.maxes.clone() {
            self.set_max(&group, max);
            let pause = self
                .world
                .store
                .group(&group)
                .and_then(|it| it.pause.clone());
            if pause.is_some_and(|pause| pause.reason != RESTORED) {
                self.resume(Some(group));
            }
        }
    }
}
