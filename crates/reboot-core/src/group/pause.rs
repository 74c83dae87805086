//! An operator's stop.

use crate::boot::BootIdentity;
use crate::group::{Facts, Group, HistoryEntry, Identity, Refusal};
use crate::id::{BadName, Instance, MachineId, NodeName, SessionId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// An operator's stop for a group or the fleet.
#[derive(Clone, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
pub struct Pause {
    /// Who paused.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Until when, as the operator gave it (RFC 3339); `None` is until resumed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// The lease it ends with, whatever the clocks say; nobody renews it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
}

// === impl Pause ===

impl Pause {
    /// The name under which the leases of pauses are opened, instead of a node's.
    pub fn keeper() -> NodeName {
        match NodeName::new("(pause)") {
            Ok(name) => name,
            Err(_) => unreachable!("it is a name"),
        }
    }

    /// Who opens those leases: no machine, and none that could be taken for one.
    pub(crate) fn keeper_identity() -> Identity {
        let identity = || {
            Ok::<_, BadName>(Identity {
                node: Self::keeper(),
                machine_id: MachineId::new("operator")?,
                boot: BootIdentity::of_boot("operator"),
                instance: Instance::new("operator")?,
            })
        };
        match identity() {
            Ok(identity) => identity,
            Err(_) => unreachable!("they are names"),
        }
    }

    /// Whether it is over: the lease it stands on has ended.
    pub fn is_over(&self, alive: &BTreeSet<SessionId>) -> bool {
        let session = self.session.as_ref();
        session.is_some_and(|session| !alive.contains(session))
    }

    /// It has no end any more, where it stood on a lease: a new epoch ends every lease, and
    /// nobody knows how much of its time was left.
    pub fn outlast_its_lease(&mut self) {
        if self.session.take().is_none() {
            return;
        }
        let until = self.until.take().unwrap_or_default();
        self.reason += &format!(" (its end {until} was lost in a restore: end it by hand)");
    }

    /// Who paused `what`, until when, and why.
    pub fn words(&self, what: &str) -> String {
        let until = self.until.as_ref();
        let until = until.map_or(String::new(), |until| format!(" until {until}"));
        format!("{} paused {what}{until}: {}", self.by, self.reason)
    }

    /// The same of one node that is held back.
    pub fn words_of_node(&self, node: &NodeName) -> String {
        let until = self.until.as_ref();
        let until = until.map_or(String::new(), |until| format!(" until {until}"));
        format!("{} holds {node} back{until}: {}", self.by, self.reason)
    }
}

/// Refused while an operator holds the node back.
pub(super) fn refuse_held_back(group: &Group, node: &NodeName) -> Result<(), Refusal> {
    match group.held_back.get(node) {
        Some(stop) => Err(Refusal::HeldBack {
            node: node.clone(),
            reason: stop.words_of_node(node),
        }),
        None => Ok(()),
    }
}

/// The line that each group's history gets when the whole fleet is paused or goes on.
pub fn fleet_note(pause: Option<&Pause>, by: &str, at: &str) -> HistoryEntry {
    let (event, detail) = match pause {
        Some(pause) => ("pause-fleet", format!("{by}: {}", pause.reason)),
        None => ("resume-fleet", by.to_owned()),
    };
    HistoryEntry {
        at: at.to_owned(),
        event: event.to_owned(),
        node: None,
        number: None,
        detail,
    }
}

/// Refused while an operator stopped the group or the fleet.
pub(super) fn refuse_pause(group: &Group, facts: &Facts) -> Result<(), Refusal> {
    let pause = |text: String| Err(Refusal::Paused { reason: text });
    for (what, stop) in [("the fleet", &facts.pause), ("the group", &group.pause)] {
        if let Some(stop) = stop {
            return pause(stop.words(what));
        }
    }
    if group.max == 0 {
        return pause("the group has no slots (max is 0)".to_owned());
    }
    Ok(())
}
