//! An operator who changes the slots, pauses, and breaks holds now and then.

use crate::chance::Chance;
use crate::node::{Shared, outcome, pause};
use crate::{SLOTS, groups};
use reboot_core::fleet::Fleet;
use reboot_core::group::{Action, Pause};
use reboot_core::id::GroupName;
use reboot_core::write::Write;
use reboot_store::Store;
use reboot_store_etcd::EtcdStore;
use std::sync::Arc;
use std::time::Duration;

/// Somebody at a console.
pub(crate) struct Operator {
    pub(crate) store: EtcdStore,
    pub(crate) shared: Arc<Shared>,
    pub(crate) chance: Chance,
}

// === impl Operator ===

impl Operator {
    pub(crate) async fn run(mut self) {
        while !self.shared.is_over() {
            pause(Duration::from_millis(50 + self.chance.below(300))).await;
            if let Ok(fleet) = self.store.look().await {
                self.act(&fleet).await;
            }
        }
    }

    async fn act(&mut self, fleet: &Fleet) {
        let groups = groups();
        let Some(group) = self.chance.pick(&groups).cloned() else {
            return;
        };
        let Some(entry) = fleet.groups.get(&group) else {
            return;
        };
        let by = "operator".to_owned();
        let action = match self.chance.below(40) {
            _ if entry.group.pause.is_some() => Action::Resume { by },
            0 => Action::Pause(Pause {
                by,
                reason: "a look around".to_owned(),
                until: None,
                session: None,
            }),
            1..=5 => match self.chance.pick(&entry.group.holds) {
                Some(hold) => Action::Break {
                    number: hold.number,
                    by,
                    reason: "it takes too long".to_owned(),
                },
                None => return,
            },
            // Low at times, and mostly as the file has it.
            6..=9 => Action::SetMax {
                max: u32::try_from(self.chance.below(u64::from(SLOTS) + 1)).unwrap(),
                by,
            },
            10..=25 => Action::SetMax { max: SLOTS, by },
            _ => return,
        };
        self.ask(&group, action).await;
    }

    /// Asks once: an operator looks before trying again.
    async fn ask(&mut self, group: &GroupName, action: Action) {
        let request = self.shared.request(action);
        let asked = self.shared.journal.now();
        let write = Write::Ask {
            group: group.clone(),
            create_with_max: None,
            request: request.clone(),
        };
        let outcome = outcome(&self.store.write(write).await);
        self.shared.note_try(group, &request, asked, outcome);
    }
}
