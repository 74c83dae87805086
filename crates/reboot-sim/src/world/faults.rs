//! What strikes, and what operators do.

use super::{Happening, World};
use reboot_core::agent::Event;
use reboot_core::group::{Action, Pause, Request};
use reboot_core::id::{GroupName, RequestId};
use reboot_core::write::Write;

/// What strikes a machine after its agent has taken so many events.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// The process is killed, and started again.
    Kill,
    /// The power is lost, and comes back.
    PowerLoss,
    /// The process is told to stop, and started again later.
    Terminate,
    /// The process stands still for so long, in milliseconds.
    Pause(u64),
    /// An operator breaks whatever hold the node has.
    Break,
    /// From here on the replies to so many writes are lost; whether the writes are applied.
    LoseReplies(usize, bool),
    /// The store is out of reach for so long, in milliseconds.
    StoreDown(u64),
}

// === impl World ===

impl World {
    pub(super) fn strike(&mut self, at: usize) {
        let events = self.machines[at].events;
        let is_due = |it: &(usize, usize, Fault)| it.0 == at && it.1 == events;
        if let Some(index) = self.faults.iter().position(is_due) {
            let (_, _, fault) = self.faults.swap_remove(index);
            self.inflict(at, fault);
        }
    }

    /// Strikes a machine now.
    pub fn inflict(&mut self, at: usize, fault: Fault) {
        match fault {
            Fault::Kill => {
                self.end_process(at);
                self.plan(at, 2_000, Happening::Start);
            }
            Fault::PowerLoss => {
                let boot = self.machines[at].boot;
                self.plan(at, 0, Happening::Off(boot));
            }
            Fault::Terminate => {
                self.deliver(at, Event::Terminate);
                self.plan(at, 30_000, Happening::Start);
            }
            Fault::Pause(duration_ms) => {
                let until_ms = &mut self.machines[at].paused_until_ms;
                *until_ms = (*until_ms).max(self.now_ms + duration_ms);
            }
            Fault::Break => self.break_hold_of(at),
            Fault::LoseReplies(count, is_applied) => self.lost_replies = (count, is_applied),
            Fault::StoreDown(duration_ms) => {
                self.store_down_until_ms = self.now_ms + duration_ms;
            }
        }
    }

    /// An operator's request to the default group.
    pub fn operate(&mut self, action: Action) {
        self.operate_on(&GroupName::default(), action);
    }

    /// An operator's request to a group. A refusal changes nothing.
    pub fn operate_on(&mut self, group: &GroupName, action: Action) {
        let number = self.next_number();
        let Ok(id) = RequestId::new(format!("operator.{number}")) else {
            return;
        };
        let at = self.start + std::time::Duration::from_millis(self.now_ms);
        let request = Request {
            id,
            at: at.to_string(),
            action,
        };
        let write = Write::Ask {
            group: group.clone(),
            create_with_max: Some(1),
            request,
        };
        let _ = self.store.write(&write); // an operator reads the refusal, the world goes on
        self.note_stop(group);
    }

    /// An operator pauses the whole fleet, or lets it go on.
    pub fn pause_fleet(&mut self, pause: Option<Pause>) {
        let (is_stopped, now_ms) = (pause.is_some(), self.now_ms);
        let write = Write::pause_fleet(pause, "operator", "");
        let _ = self.store.write(&write); // nothing refuses it
        self.shared.note_stop(None, is_stopped, now_ms);
    }

    /// Breaks the hold of a node, when it has one.
    pub fn break_hold_of(&mut self, at: usize) {
        let Some(number) = self.hold_of(at).map(|hold| hold.number) else {
            return;
        };
        let group = self.machines[at].settings.group.clone();
        let body = self.body(at);
        self.machines[body].was_broken = true;
        let action = Action::Break {
            number,
            by: "operator".to_owned(),
            reason: "the test says so".to_owned(),
        };
        self.operate_on(&group, action);
    }
}
