//! The fleet's pause, and the line that it leaves in every group's history.

use crate::ask::usual_reading;
use crate::commit::{Batch, to_json};
use crate::look::View;
use crate::reading::Snapshot;
use crate::store::{EtcdStore, trouble};
use reboot_core::group::{HistoryEntry, Pause};
use reboot_core::write::{Trouble, Written};

/// How often a race with the groups' own commits is tried again before the line is given up.
const TRIES_MAX: usize = 8;

// === impl EtcdStore ===

impl EtcdStore {
    /// Pauses the fleet, or lets it go on. A pause counts for more than its line of history: it
    /// is set though groups change all the time, cannot be read, or are too large for a request.
    pub(crate) async fn pause_fleet(
        &self,
        pause: Option<&Pause>,
        note: &HistoryEntry,
    ) -> Result<Written, Trouble> {
        for _ in 0..TRIES_MAX {
            let reading = usual_reading(&self.keys, None);
            let snapshot = reading.read(&self.client).await.map_err(trouble)?;
            let mut batch = self.notes(&snapshot, note)?;
            self.put_pause(&mut batch, pause)?;
            match batch.commit(&self.client).await {
                Ok(true) => return Ok(Written::Done),
                Ok(false) => {}
                Err(_) => break, // what keeps the pause itself out is told below
            }
        }
        let mut batch = Batch::default();
        self.put_pause(&mut batch, pause)?;
        batch.commit(&self.client).await?;
        Ok(Written::Done)
    }

    fn put_pause(&self, batch: &mut Batch, pause: Option<&Pause>) -> Result<(), Trouble> {
        match pause {
            Some(pause) => batch.put(self.keys.pause(), to_json(pause)?, 0),
            None => batch.delete(self.keys.pause()),
        }
        Ok(())
    }

    /// The line for every group that can be read.
    fn notes(&self, snapshot: &Snapshot, note: &HistoryEntry) -> Result<Batch, Trouble> {
        let view = View {
            keys: &self.keys,
            snapshot,
        };
        let mut batch = Batch::default();
        let records = self.keys.all_records();
        let unchanged = records.iter().map(|range| snapshot.unchanged(range));
        batch.compares.extend(unchanged);
        for name in view.group_names() {
            if let Ok(Some(stored)) = view.record(&name) {
                batch.put_note(&view, &name, stored, note)?;
            }
        }
        Ok(batch)
    }
}
