//! An operator's stop.

use crate::group::{Facts, Group, Refusal};
use serde::{Deserialize, Serialize};

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
}

// === impl Pause ===

impl Pause {
    /// Who paused `what`, until when, and why.
    pub fn words(&self, what: &str) -> String {
        let until = self.until.as_ref();
        let until = until.map_or(String::new(), |until| format!(" until {until}"));
        format!("{} paused {what}{until}: {}", self.by, self.reason)
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
