//! Clients without an agent of ours: FleetLock, the lock API. They tell no boot identity. They
//! reboot right after the answer, so their claim is fenced in the same commit; and they say by
//! themselves that they are back, which nobody can check.

use super::applied::{Applied, Reply, Side};
use super::apply::{refuse_elsewhere, refuse_full, refuse_unfenced};
use super::owner::refuse_too_soon;
use super::pause::{refuse_held_back, refuse_pause};
use crate::boot::BootIdentity;
use crate::group::{Facts, Group, Hold, Phase, Refusal, Request};
use crate::id::{BadName, Instance, MachineId, NodeName, SessionId};
use crate::undo::Undo;
use serde::{Deserialize, Serialize};
use serde_json::Map;

/// So many of a node's marks stay where no cap asks for more.
const MARKS_KEPT_MIN: u32 = 20;

/// A client's wish for a slot.
#[derive(Clone, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
pub struct Guest {
    /// The node it is.
    pub node: NodeName,
    /// How it calls itself, where that is something else: its hold ends on this name's word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<MachineId>,
    /// What it speaks, for people: `fleetlock`, `lock-api`.
    pub protocol: String,
    /// The cooldown its group asks for, in seconds; 0 is none.
    pub interval_secs: u64,
    /// The group's daily cap for a node.
    pub max_reboots_per_day: u32,
    /// After how many seconds the hold counts as overdue.
    pub deadline_secs: u64,
}

// === impl Guest ===

impl Guest {
    /// What a guest's hold goes by: how it calls itself, or else its node's name.
    pub fn machine(node: &NodeName, id: Option<&MachineId>) -> MachineId {
        match (id, MachineId::new(node.as_str())) {
            (Some(id), _) => id.clone(),
            (None, Ok(id)) => id,
            (None, Err(_)) => unreachable!("what names a node names a machine"),
        }
    }
}

// === impl Hold ===

impl Hold {
    /// Whether it is the hold of the guest that calls itself so, whatever node it is said to be.
    pub fn is_of_guest(&self, node: &NodeName, id: Option<&MachineId>) -> bool {
        self.guest.is_some() && self.machine_id == Guest::machine(node, id)
    }

    fn of_guest(number: u64, guest: &Guest, request: &Request) -> Result<Self, BadName> {
        Ok(Self {
            number,
            node: guest.node.clone(),
            machine_id: Guest::machine(&guest.node, guest.id.as_ref()),
            instance: Instance::new("guest")?,
            session: SessionId::new("guest")?,
            phase: Phase::Rebooting,
            boot: BootIdentity::of_boot("unknown"),
            fenced: true,
            need: String::new(),
            pid: 0,
            acquired_at: request.at.clone(),
            interval_secs: guest.interval_secs,
            undo: Undo::default(),
            last_request: request.id.clone(),
            guest: Some(guest.protocol.clone()),
            extra: Map::new(),
        })
    }
}

// === impl Applied ===

impl Applied {
    /// Grants a slot and fences it; asking again is no more than an answer.
    pub(super) fn admit(
        &mut self,
        request: &Request,
        guest: &Guest,
        facts: &Facts,
    ) -> Result<(), Refusal> {
        let node = &guest.node;
        let is_own = |hold: &&Hold| hold.is_of_guest(node, guest.id.as_ref());
        if let Some(hold) = self.group.holds.iter().find(is_own) {
            let (number, phase) = (hold.number, hold.phase);
            self.reply = Reply::Held { number, phase };
            return Ok(());
        }
        if let Some(hold) = self.group.hold_of(node) {
            return Err(hold.already_holds());
        }
        refuse_guest(&self.group, guest, facts)?;
        let number = self.group.generation + 1;
        let Ok(hold) = Hold::of_guest(number, guest, request) else {
            unreachable!("what names a node names a machine");
        };
        self.group.generation = number;
        self.reply = Reply::Held {
            number,
            phase: hold.phase,
        };
        self.note(&request.at, "admit", Some(&hold), &guest.protocol);
        self.group.holds.push(hold);
        let cap = guest.max_reboots_per_day;
        self.fenced(node, number, guest.interval_secs, guest.deadline_secs, cap);
        Ok(())
    }

    /// The client says that it is back and steady. Whoever holds nothing may say so too.
    pub(super) fn steady(&mut self, request: &Request, node: &NodeName, id: Option<&MachineId>) {
        let is_it = |hold: &Hold| hold.is_of_guest(node, id);
        let Some(at) = self.group.holds.iter().position(is_it) else {
            return;
        };
        let hold = self.group.holds.remove(at);
        let number = hold.number;
        self.sides.push(Side::EndDeadline { number });
        self.note(&request.at, "release", Some(&hold), "says it is steady");
        self.reply = Reply::Released;
    }

    /// What starts with a first fence.
    pub(super) fn fenced(
        &mut self,
        node: &NodeName,
        number: u64,
        interval: u64,
        deadline: u64,
        cap: u32,
    ) {
        let secs = deadline;
        self.sides.push(Side::StartDeadline { number, secs });
        let (node, keep) = (node.clone(), marks_kept(cap));
        self.sides.push(Side::MarkReboot {
            node: node.clone(),
            keep,
        });
        if interval > 0 {
            let secs = interval;
            self.sides.push(Side::StartCooldown { node, secs });
        }
    }
}

/// How many marks a cap can ask for; without one, enough for people to see.
fn marks_kept(cap: u32) -> u32 {
    match cap {
        u32::MAX => MARKS_KEPT_MIN,
        cap => cap.max(MARKS_KEPT_MIN),
    }
}

fn refuse_guest(group: &Group, guest: &Guest, facts: &Facts) -> Result<(), Refusal> {
    refuse_elsewhere(&guest.node, facts)?;
    refuse_pause(group, facts)?;
    refuse_held_back(group, &guest.node)?;
    // Whoever held it back may have known it by what it calls itself.
    let own_name = guest.id.as_ref().map(|id| NodeName::new(id.as_str()));
    if let Some(Ok(own_name)) = own_name {
        refuse_held_back(group, &own_name)?;
    }
    refuse_full(group, facts)?;
    refuse_unfenced(group, guest.interval_secs)?;
    refuse_too_soon(&guest.node, facts, guest.max_reboots_per_day)
}
