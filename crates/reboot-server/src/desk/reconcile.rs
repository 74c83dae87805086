//! The configuration owns its groups: one that is made begins with its slots, and where a record
//! has others at a start or a reload, it is changed.

use super::{Desk, request};
use crate::news::News;
use crate::wire::{FirstSlots, Owner};
use reboot_core::group::{Action, Reply};
use reboot_core::id::GroupName;
use reboot_core::write::{Trouble, Write, Written};
use reboot_store::Store;
use std::sync::atomic::Ordering;

/// Who changes the slots, in the history.
const OWNER: &str = "server configuration";

// === impl Desk ===

impl Owner for Desk {
    fn first_slots(&self, group: &GroupName) -> FirstSlots {
        let settings = self.settings();
        let rules = settings.rules_of(group);
        rules.map_or(FirstSlots::Closed, |rules| FirstSlots::Owned(rules.max))
    }
}

impl Desk {
    /// Changes the slots of every group whose record says something else than the settings. A
    /// group without a record is made by its first admission. Tried again at the next look
    /// until it is done.
    pub(super) async fn reconcile(&self) {
        if !self.unreconciled.swap(false, Ordering::SeqCst) {
            return;
        }
        let Ok(sight) = self.view.fresh().await else {
            self.unreconciled.store(true, Ordering::SeqCst);
            return;
        };
        for (name, rules) in &self.settings().groups {
            let entry = sight.fleet.groups.get(name);
            if entry.is_some_and(|entry| entry.group.max != rules.max) {
                self.set_max(name, rules.max).await;
            }
        }
    }

    async fn set_max(&self, group: &GroupName, max: u32) {
        let by = OWNER.to_owned();
        let write = Write::Ask {
            group: group.clone(),
            create_with_max: None,
            request: request(Action::SetMax { max, by }),
        };
        match self.view.write(write).await {
            Ok(Written::Granted(Reply::MaxChanged { old, new })) => {
                self.tell(&News::MaxChanged { group, old, new });
            }
            Ok(_) => {}
            Err(trouble) => {
                let is_lasting = matches!(trouble, Trouble::Refused(_) | Trouble::Broken(_));
                self.unreconciled.fetch_or(!is_lasting, Ordering::SeqCst);
                let text = format!("group {group} keeps its slots for now: {trouble}");
                self.tell(&News::Warning { text: &text });
            }
        }
    }
}
